"""One run of one engine on one cell: starts it, measures its memory and processor time from outside, reads its figures.

Edgewise and engines that speak docs/trial-protocol.md get a spec and answer with events. Any other command prints the
rows of `llama-bench -o json` or `-o jsonl`, or ends with one JSON object: prefill_tokens_per_s (or pp_tps),
decode_tokens_per_s (or tg_tps), load_s, ttft_s (from the prompt to the first token). What an engine says of its own
memory is not read. An engine that fails is a result with an `error`, never the end of a comparison."""
import contextlib
import ctypes
import dataclasses
import json
import mmap
import os
import shlex
import signal
import statistics
import subprocess
import tempfile
import threading
import time

WARM_UP_MS = 500
ERROR_BYTES = 400
OBJECT_KEYS = {
    "prefill": ("prefill_tokens_per_s", "pp_tps"),
    "decode": ("decode_tokens_per_s", "tg_tps"),
    "load_s": ("load_s",),
    "ttft_s": ("ttft_s",),
}


class RunError(Exception):
    """Why a run gave no figures."""


@dataclasses.dataclass(frozen=True)
class Engine:
    name: str  # "llama.cpp", or with a configuration "llama.cpp/fa"
    command: str
    speaks_trial: bool = False

    def argv(self, model, cell, threads):
        values = {"model": model, "threads": threads, **cell.placeholders}
        words = []
        try:
            for word in shlex.split(self.command):  # {tests} stands for several words, a path with blanks for one
                word = word.format(**values)
                words += word.split() if word in (values["tests"], values["tests_gp"]) else [word]
        except (KeyError, IndexError, ValueError) as error:
            raise RunError(f"command of {self.name}: {error}; it may name {', '.join(values)}") from error
        return words


# ---- what an engine says ----


def trial_spec(model, cell, threads, seed):
    """A cell as docs/trial-protocol.md has it. A decode begins behind a prompt of at least one token there, and its
    first token comes from that prompt."""
    decodes = cell.kind == "decode"
    prompt = 1 if decodes else cell.prompt
    depth = max(cell.depth - prompt, 0) if decodes else 0
    generate = cell.generate + 1
    return {"protocol": 1, "model": model, "context": depth + prompt + generate, "depth": depth, "prompt_tokens": prompt,
            "generate_tokens": generate, "threads_prefill": threads, "threads_decode": threads, "layout": "auto",
            "cpu_mask": 0, "seed": seed, "warmup_limit_ms": WARM_UP_MS if cell.is_warmed_up else 0, "idle_gap_ms": 0,
            "sample_prompt": None, "sample_tokens": 0}


def read_trial(events):
    phases, begun, out = {}, {}, {}
    for event in events:
        kind = event.get("event")
        if kind == "phase" and event["edge"] == "begin":
            begun[event["name"]] = event["t"]
        elif kind == "phase":
            begin = event.get("begin", begun.get(event["name"]))
            phases[event["name"]] = ((event["t"] - begin) * 1e-9, event.get("tokens", 0))
        elif kind == "ttft":
            out["ttft_s"] = event["ns"] * 1e-9
        elif kind == "token_stamps" and len(event["ns"]) > 1:
            stamps = event["ns"]
            out["decode"] = (len(stamps) - 1) / ((stamps[-1] - stamps[0]) * 1e-9)
        elif kind == "ledger":
            out["ledger_mib"] = event["total"] / 2**20
        elif kind == "kernels":
            out["kernels"] = event["names"]
    if not events or events[-1].get("event") != "done":
        raise RunError("ended before `done`")
    out["load_s"] = phases["load"][0]
    seconds, tokens = phases["prefill"]
    out["prefill"] = tokens / seconds
    return out


def is_row_of(row, cell):
    """Whether a row of llama-bench is this cell. Builds without -d name depth in `test`, as "tg128@pp4096"."""
    prompt, generate, depth = (int(row.get(key) or 0) for key in ("n_prompt", "n_gen", "n_depth"))
    if row.get("test") == f"tg{generate}@pp{prompt}" and prompt > 0:
        prompt, depth = 0, prompt
    return (prompt, generate, depth) == (cell.prompt, cell.generate, cell.depth)


def read_rows(rows, cell):
    for row in rows:
        if is_row_of(row, cell):
            speeds = row.get("samples_ts") or [row["avg_ts"]]
            return {cell.kind: statistics.median(speeds)}
    raise RunError(f"none of its {len(rows)} rows is {cell}")


def read_object(value):
    return {figure: value[key] for figure, keys in OBJECT_KEYS.items() for key in keys
            if isinstance(value.get(key), (int, float)) and value[key] > 0}


def lines_of_json(text):
    for line in text.splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            value = json.loads(line)
            if isinstance(value, dict):
                yield value


def read_output(text, cell):
    """Figures of a cell, by the form that the output has."""
    with contextlib.suppress(json.JSONDecodeError):
        value = json.loads(text)
        if isinstance(value, list):
            return read_rows(value, cell)
    values = list(lines_of_json(text))
    if not values:
        raise RunError("printed no JSON: " + (text.strip()[-ERROR_BYTES:] or "nothing at all"))
    try:
        if any("event" in value for value in values):
            return read_trial([value for value in values if "event" in value])
        if any("n_prompt" in value for value in values):
            return read_rows([value for value in values if "n_prompt" in value], cell)
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise RunError(f"its output lacks or has wrong {error}") from error
    return read_object(values[-1])


def cell_figures(said, cell, peak_bytes):
    """What of it belongs to this cell: a decode's one-token prompt says nothing of prefill."""
    figures = {**said, "peak_mib": peak_bytes / 2**20}
    if cell.kind == "load" and "load_s" in said and "ttft_s" in said:
        figures["first_token_s"] = said["load_s"] + said["ttft_s"]
    kept = {key: figures[key] for key in (*cell.figures, "load_s", "ledger_mib", "kernels") if key in figures}
    if not any(key in kept for key in cell.figures if key != "peak_mib"):
        raise RunError(f"said nothing of {cell}")
    return kept


# ---- a process ----


@dataclasses.dataclass
class Ended:
    exit_status: int  # negative: a signal
    timed_out: bool
    peak_bytes: int  # largest resident set of it, or of one process that it waited for
    cpu_s: float
    wall_s: float
    out: str
    err: str


def kill_group(pid, flag):
    flag.set()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def run_process(argv, stdin_text="", timeout_s=600):
    """Output goes to files, not pipes, so that nobody waits for a reader. Largest resident set: wait4(2)."""
    late = threading.Event()
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin_text.encode())
        given.seek(0)
        begin = time.monotonic()
        try:
            process = subprocess.Popen(argv, stdin=given, stdout=out, stderr=err, start_new_session=True)
        except OSError as error:
            raise RunError(f"{argv[0]}: {error.strerror}") from error
        timer = threading.Timer(timeout_s, kill_group, (process.pid, late))
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            kill_group(process.pid, late)
            process.wait()
            raise
        finally:
            timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        wall_s = time.monotonic() - begin
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    return Ended(process.returncode, late.is_set(), usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime, wall_s,
                 *texts)


def why_failed(ended, timeout_s):
    if ended.timed_out:
        return f"not done after {timeout_s:g} s"
    for event in lines_of_json(ended.out):
        if event.get("event") == "error":
            return event.get("message", "an error without a message")
    how = f"exit status {ended.exit_status}"
    if ended.exit_status < 0:
        how = f"signal {-ended.exit_status} ({signal.strsignal(-ended.exit_status)})"
    return f"{how}: {ended.err.strip()[-ERROR_BYTES:]}".removesuffix(": ")


def run_engine(engine, model, cell, threads, seed, timeout_s):
    """A dictionary of plain values: figures or error, and what was measured from outside."""
    result = {}
    try:
        argv = engine.argv(model, cell, threads)
        result["argv"] = argv
        spec = json.dumps(trial_spec(model, cell, threads, seed)) if engine.speaks_trial else ""
        ended = run_process(argv, spec, timeout_s)
        result |= {"exit_status": ended.exit_status, "peak_rss_bytes": ended.peak_bytes,
                   "cpu_s": round(ended.cpu_s, 4), "wall_s": round(ended.wall_s, 4)}
        if ended.timed_out or ended.exit_status != 0:
            raise RunError(why_failed(ended, timeout_s))
        result["figures"] = cell_figures(read_output(ended.out, cell), cell, ended.peak_bytes)
    except RunError as error:
        result["error"] = str(error)
    return result


# ---- the page cache ----


def drop_from_cache(path):
    """That file's pages only, and written back before: dirty ones stay."""
    with open(path, "rb") as file:
        with contextlib.suppress(OSError):
            os.fdatasync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_into_cache(path):
    with open(path, "rb", buffering=0) as file:
        piece = bytearray(1 << 20)
        while file.readinto(piece):
            pass


def cached_share(path):
    """The share of a file that is in the page cache (mincore(2)); None where it cannot be known."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            with mmap.mmap(file.fileno(), size, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE) as pages:
                flags = (ctypes.c_ubyte * -(-size // mmap.PAGESIZE))()
                start = ctypes.c_char.from_buffer(pages)
                wrong = libc.mincore(ctypes.byref(start), ctypes.c_size_t(size), flags)
                del start
        except (AttributeError, OSError, ValueError):
            return None
    return None if wrong else sum(flag & 1 for flag in flags) / len(flags)
