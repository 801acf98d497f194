#!/usr/bin/env python3
"""Runs Edgewise and other engines in turns on the same models and compares them.

    bench/side_by_side.py MODEL… --peer NAME='COMMAND' [--peer NAME/CONFIGURATION='COMMAND' …]
    bench/side_by_side.py --plan bench/whole_table.toml --peer … --out turns.jsonl

Speed drifts on shared machines: engines take turns in an order shuffled by the seed, the machine's limits are measured
beside each turn, and what is compared is of the same rounds. Peers are built elsewhere; this only runs them.

COMMAND may name {model}, {threads}, {prompt}, {generate}, {depth}, {warm_up} (0 where the first token after loading is what
is measured), {tests} (-p N -n N and, at depth, -d N, as llama-bench has them) and {tests_gp} (-gp DEPTH,N instead of -d).
It prints what `llama-bench -o json` prints, or ends with one JSON object: prefill_tokens_per_s (pp_tps),
decode_tokens_per_s (tg_tps), load_s, ttft_s. --trial: engines that speak docs/trial-protocol.md. Peak memory is measured
from outside. A peer that fails is shown, and the rest goes on. With --out, a second start goes on where the first ended.
"""
import argparse
import os
import pathlib
import platform
import shlex
import signal
import sys

sys.dont_write_bytecode = True
import bench_plan
import engine_run
import engine_turns
import turns_report

ROOT = pathlib.Path(__file__).resolve().parent.parent
CELLS = ["prefill:512", "decode:128", "load:16"]


def machine_words():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return f"{line.partition(':')[2].strip()}, {len(os.sched_getaffinity(0))} CPUs"
    except OSError:
        pass
    return f"{platform.machine()}, {len(os.sched_getaffinity(0))} CPUs"


def named(option, text):
    name, separator, command = text.partition("=")
    if not separator or not name or not command.strip():
        raise bench_plan.PlanError(f"{option}: `{text}` is not NAME='COMMAND'")
    return name, command


def add_options(parser):
    """Those that every runner of turns has."""
    parser.add_argument("--edgewise", default=str(ROOT / "build" / "edgewise"), metavar="PROGRAM", help="ours (%(default)s)")
    parser.add_argument("--limits", default=str(ROOT / "build" / "bench" / "bench_limits"), metavar="PROGRAM",
                        help="measures the machine beside each turn; `none`: no shares (%(default)s)")
    parser.add_argument("-t", "--threads", type=int, help="threads of every engine (all usable CPUs)")
    parser.add_argument("--rounds", type=int, help="turns of every cell (5)")
    parser.add_argument("--seed", type=int, default=1, help="of the order (%(default)s)")
    parser.add_argument("--timeout", type=float, default=600, metavar="S", help="longest run of an engine (%(default)s)")
    parser.add_argument("--no-warm-up", action="store_true", help="leave out the short run of each engine before its first")
    parser.add_argument("--cache", default=bench_plan.default_cache(), metavar="DIR", help="of synthetic models (%(default)s)")
    parser.add_argument("--longest", type=float, default=float("inf"), metavar="S",
                        help="begin no turn later than that after the start; with --out, the rest comes next time")
    parser.add_argument("--retry", action="store_true", help="take turns again in which some engine failed")
    parser.add_argument("--out", metavar="FILE", help="keep every raw run as JSON lines; go on where the file ends")


def options_parser():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="file, or SHAPE:TYPE for random weights")
    parser.add_argument("--plan", metavar="FILE", help="models, cells and peers from a TOML file")
    parser.add_argument("--cells", metavar="LIST", help="prefill:N, decode:N, decode:N@DEPTH, load:N, load:N:cold "
                                                        f"({','.join(CELLS)})")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME='COMMAND'")
    parser.add_argument("--trial", action="append", default=[], metavar="NAME='COMMAND'",
                        help="an engine that speaks docs/trial-protocol.md")
    add_options(parser)
    parser.add_argument("--report", action="store_true", help="only print the tables of --out")
    return parser


def engines_of(args, plan):
    """Ours first; what the command line names replaces what the plan names."""
    program = args.edgewise if os.path.sep not in args.edgewise else os.path.abspath(args.edgewise)
    commands = {turns_report.OURS: (f"{shlex.quote(program)} trial", True)}
    commands |= {name: (command, False) for name, command in plan.get("peers", {}).items()}
    commands |= {name: (command, True) for name, command in plan.get("trials", {}).items()}
    commands |= {name: (command, False) for name, command in (named("--peer", text) for text in args.peer)}
    commands |= {name: (command, True) for name, command in (named("--trial", text) for text in args.trial)}
    return [engine_run.Engine(name, command, speaks) for name, (command, speaks) in commands.items()]


class Options:
    """What engine_turns.Turns wants, from arguments and a plan."""

    def __init__(self, args, plan):
        self.threads = args.threads or plan.get("threads") or len(os.sched_getaffinity(0))
        self.rounds = args.rounds or plan.get("rounds") or 5
        self.seed, self.timeout_s = args.seed, args.timeout
        self.limits_tool = None if args.limits == "none" else args.limits
        self.warm_up, self.retry, self.longest_s = not args.no_warm_up, args.retry, args.longest


def take_turns(args, plan, models, cells, engines):
    """Runs what is missing and returns everything that is known."""
    options = Options(args, plan)
    paths = [(text, bench_plan.find_model(text, args.edgewise, args.cache)) for text in models]
    names = [(text if not os.path.exists(text) else pathlib.Path(text).stem, path) for text, path in paths]
    head = {"format": engine_turns.FORMAT, "seed": options.seed, "threads": options.threads, "machine": machine_words(),
            "models": dict(names), "file_mib": {name: os.path.getsize(path) / 2**20 for name, path in names},
            "engines": {engine.name: engine.command for engine in engines}}
    raw = engine_turns.RawFile(args.out, head)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # an engine that runs is ended, and what is known is shown
    try:
        engine_turns.Turns(engines, raw, options).run(names, cells, options.rounds)
    except KeyboardInterrupt:
        print("stopped; what was measured so far:", file=sys.stderr)
    return turns_report.Gathered(raw.lines)


def print_report(gathered):
    print(f"{turns_report.notes(gathered)}\n\n{turns_report.summary_table(gathered)}")
    for model in gathered.models:
        print(f"\n{model}\n\n{turns_report.model_table(gathered, model)}")
    for line in turns_report.error_lines(gathered):
        print(f"\n{line}")


def compare(args):
    if args.report:
        if not args.out:
            raise bench_plan.PlanError("--report: of which file? Name it with --out")
        return turns_report.Gathered(engine_turns.read_lines(args.out))
    plan = bench_plan.read_plan(args.plan) if args.plan else {}
    models = args.models or plan.get("models", [])
    if not models:
        raise bench_plan.PlanError("which models? Name some, or a --plan")
    texts = args.cells.split(",") if args.cells else plan.get("cells", CELLS)
    return take_turns(args, plan, models, [bench_plan.parse_cell(text) for text in texts], engines_of(args, plan))


def main():
    args = options_parser().parse_args()
    try:
        gathered = compare(args)
    except (bench_plan.PlanError, engine_turns.TurnsError, OSError) as error:
        sys.exit(f"side_by_side: {error}")
    print_report(gathered)


if __name__ == "__main__":
    main()
