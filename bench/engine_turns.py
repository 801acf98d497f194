"""Lets engines take turns. A turn is one cell of one model: the machine's limits, then every engine once, in an order
shuffled by the seed. Rounds come outermost, so that one that is stopped has all cells a little less often.

Everything is written to a file of JSON lines as it happens; a later start with the same file goes on. A turn that was
cut off, or lacks an engine that is wanted now, is taken again as a whole, and then the newer lines count: what is compared
was measured together. `head` lines say how it was started; a `turn` line, with the limits, begins
a turn, and `run` lines follow it."""
import collections
import datetime
import json
import os
import random
import subprocess
import sys
import time

import bench_plan
import engine_run

FORMAT = "edgewise-turns-1"
LIMITS_SECONDS = 0.6
GIVES_UP_AFTER = 2  # failures of one engine in one cell
WARM_UP_CELL = bench_plan.Cell("load", 16)


class TurnsError(Exception):
    """Names the file, the value and the rule."""


def order_of(names, seed, model, cell, index):
    """The same wherever a comparison is taken up again. Names, not hashes: those differ from start to start."""
    names = sorted(names)
    random.Random(f"{seed} {model} {cell} {index}").shuffle(names)
    return names


# ---- the file of raw lines ----


class RawFile:
    """Appends lines; path None keeps them in memory only."""

    def __init__(self, path, head):
        self.path = path
        self.lines = []
        if path and os.path.exists(path) and os.path.getsize(path) > 0:
            self.lines = read_lines(path)
            cut_partial_line(path)
        for key in ("seed", "threads"):
            if self.lines and self.lines[0][key] != head[key]:
                raise TurnsError(f"{path}: has {key} {self.lines[0][key]}, this comparison {head[key]}; name another file")
        self.add("head", **head)

    def add(self, kind, **members):
        line = {"kind": kind, "time": datetime.datetime.now().astimezone().isoformat(timespec="seconds"), **members}
        self.lines.append(line)
        if not self.path:
            return
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())


def read_lines(path):
    """A last line that a kill has cut off is left out."""
    with open(path, encoding="utf-8") as file:
        texts = file.read().split("\n")
    lines = []
    for number, text in enumerate(texts, 1):
        try:
            lines += [json.loads(text)] if text else []
        except json.JSONDecodeError as error:
            if number < len(texts):
                raise TurnsError(f"{path}:{number}: {error}") from error
    if not lines or lines[0].get("format") != FORMAT:
        raise TurnsError(f"{path}: does not begin with a head of {FORMAT}")
    return lines


def cut_partial_line(path):
    with open(path, "rb+") as file:
        file.truncate(file.read().rfind(b"\n") + 1)


# ---- the machine's limits ----


def start_on(threads, argv):
    """Runs argv on so many of the CPUs that this process may use."""
    mine = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, set(sorted(mine)[:threads]))
        return subprocess.run(argv, capture_output=True, text=True, check=False)
    finally:
        os.sched_setaffinity(0, mine)


def ask_limits(tool, threads, *args):
    try:
        done = start_on(threads, [tool, *args])
    except OSError as error:
        raise TurnsError(f"{tool}: {error.strerror}; `ninja -C build bench/bench_limits` builds it") from error
    if done.returncode != 0:
        raise TurnsError(done.stderr.strip())
    return json.loads(done.stdout)


def work_of(tool, model, cell):
    """Bytes and operations of one cell: a prompt at once, or one token in the middle of decoding; None if unknown."""
    asked = f"1@{cell.depth + cell.tokens // 2}" if cell.kind == "decode" else f"{cell.tokens}@0"
    try:
        return ask_limits(tool, len(os.sched_getaffinity(0)), "--seconds", "0", model, asked)["work"][0]
    except TurnsError as error:
        print(f"{model}: no shares of limits: {error}", file=sys.stderr)
        return None


# ---- turns ----


class Turns:
    def __init__(self, engines, raw, options):
        """options: threads, seed, timeout_s, limits_tool (None: no limits), warm_up, retry, longest_s."""
        self.engines = {engine.name: engine for engine in engines}
        self.raw, self.options = raw, options
        self.failures = collections.Counter()
        self.warm = set()
        self.begin_s = time.monotonic()

    def run(self, models, cells, rounds):
        """models: (name, path) each."""
        for index in range(rounds):
            for name, path in models:
                for cell in cells:
                    self.turn(name, path, cell, index)

    def turn(self, name, path, cell, index):
        key = {"model": name, "cell": str(cell), "round": index}
        if self.is_done(key) or time.monotonic() - self.begin_s > self.options.longest_s:
            return
        work = self.work(name, path, cell)
        if not cell.cold:
            engine_run.read_into_cache(path)
        tool = self.options.limits_tool
        limits = ask_limits(tool, self.options.threads, "--seconds", str(LIMITS_SECONDS)) if tool else None
        self.raw.add("turn", **key, limits=limits, work=work, load_1min=os.getloadavg()[0])
        for place, engine in enumerate(order_of(self.engines, self.options.seed, name, cell, index)):
            result = self.run_one(self.engines[engine], name, path, cell, index)
            self.raw.add("run", **key, engine=engine, command=self.engines[engine].command, place=place, **result)
            say(name, cell, index, engine, result)

    def run_one(self, engine, name, path, cell, index):
        failures = (engine, name, cell)
        if self.failures[failures] >= GIVES_UP_AFTER:
            return {"error": f"left out after {GIVES_UP_AFTER} failures"}
        self.warm_up(engine, name, path)
        if cell.cold:
            engine_run.drop_from_cache(path)
        share = engine_run.cached_share(path)
        options = self.options
        result = engine_run.run_engine(engine, path, cell, options.threads, options.seed + index, options.timeout_s)
        self.failures[failures] += "error" in result
        return {"cached_share": share, **result}

    def is_done(self, key):
        """Whether all engines that are wanted took this turn, in the last of its beginnings."""
        taken = {}
        for line in self.raw.lines:
            if line["kind"] == "head" or any(line[k] != v for k, v in key.items()):
                continue
            if line["kind"] == "turn":
                taken = {}
            else:
                taken[line["engine"]] = line
        if self.options.retry and any("error" in line for line in taken.values()):
            return False
        return all(name in taken and taken[name]["command"] == engine.command for name, engine in self.engines.items())

    def work(self, name, path, cell):
        for line in self.raw.lines:
            if line["kind"] == "turn" and line["work"] and line["model"] == name and line["cell"] == str(cell):
                return line["work"]
        return work_of(self.options.limits_tool, path, cell) if self.options.limits_tool else None

    def warm_up(self, engine, name, path):
        """The first run of an engine on a model reads its program and libraries from the disk."""
        if not self.options.warm_up or (engine, name) in self.warm:
            return
        self.warm.add((engine, name))
        engine_run.run_engine(engine, path, WARM_UP_CELL, self.options.threads, 1, self.options.timeout_s)


def say(name, cell, index, engine, result):
    if "error" in result:
        what = f"error: {result['error']}"
    else:
        what = "  ".join(f"{key} {value:.4g}" for key, value in result["figures"].items() if isinstance(value, float))
    print(f"round {index + 1}  {name}  {cell.words}  {engine}: {what}", file=sys.stderr, flush=True)
