#!/usr/bin/env python3
"""Holds Edgewise against the machine: prefill, decode at depth, load and memory, each beside the limit of its minute.

    bench/engine_bench.py            # one small shape: minutes
    bench/engine_bench.py --full     # two shapes of 1.1 to 1.2 billion parameters in four types: hours on a small machine

Every figure is of a process of its own, through the same protocol as studies (docs/trial-protocol.md). Prints tables to
paste; --out keeps every raw run as JSON lines, and a second start with the same file goes on.
"""
import argparse
import sys

sys.dont_write_bytecode = True
import bench_plan
import engine_turns
import side_by_side
import turns_report

QUICK = {
    "models": ["smollm2-360m:q4_0"],
    "cells": ["prefill:128", "prefill:512", "decode:128", "decode:64@2048", "load:16", "load:16:cold"],
    "rounds": 3,
}
FULL = {
    "models": [f"{shape}:{file_type}" for shape in ("llama-3.2-1b", "tinyllama-1.1b")
               for file_type in ("q4_0", "q4_k_m", "q8_0", "f16")],
    "cells": ["prefill:128", "prefill:512", "prefill:2048", "decode:128", "decode:128@2048", "decode:128@8192", "load:16",
              "load:16:cold"],
    "rounds": 5,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="file, or SHAPE:TYPE, instead of the usual ones")
    parser.add_argument("--full", action="store_true", help="everything")
    parser.add_argument("--cells", metavar="LIST", help="instead of the usual ones: prefill:512,decode:64@2048,load:16:cold")
    side_by_side.add_options(parser)
    args = parser.parse_args()
    args.peer = args.trial = []
    plan = FULL if args.full else QUICK
    try:
        cells = [bench_plan.parse_cell(text) for text in (args.cells.split(",") if args.cells else plan["cells"])]
        gathered = side_by_side.take_turns(args, plan, args.models or plan["models"], cells,
                                           side_by_side.engines_of(args, {}))
    except (bench_plan.PlanError, engine_turns.TurnsError, OSError) as error:
        sys.exit(f"engine_bench: {error}")
    print(turns_report.notes(gathered))
    for part in (turns_report.engine_speed_table, turns_report.engine_load_table, turns_report.engine_memory_table):
        print(f"\n{part(gathered)}")
    for line in turns_report.error_lines(gathered):
        print(f"\n{line}")


if __name__ == "__main__":
    main()
