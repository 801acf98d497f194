#!/usr/bin/env python3
"""Estimate the cycles of the ARM kernels without an ARM processor.

    bench/arm_cycles.py [--variant neon|dotprod|i8mm] [--model CPU] [--markdown]

bench/trace_kernels is built for 64-bit ARM with the release's flags and runs each kernel once under qemu, which logs every
instruction; llvm-mca plays them through its model of a processor. What comes out is an ESTIMATE: data is always in the
first-level cache, branches are always foreseen, and the model is a list of latencies and units that somebody wrote down.
It tells which of two loops is shorter and what bounds a loop; it does not replace a board.

LLVM has no model of the Cortex-A76. It has one of the Neoverse N1, the same core for servers, from version 16 on: older
versions take the Cortex-A57 for both, so this script refuses them. The Cortex-A710's is the Neoverse N2's.

Needs: qemu-user, a cross compiler (tools/install-deps.sh build arm) and llvm-mca 16 or later (tools/install-deps.sh bench).
"""
import argparse
import json
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / 'build-arm64-release'
PREFILL_TOKENS = 512


class Core(NamedTuple):
    name: str
    model: str
    units: str  # how LLVM's names of its units begin
    macs_per_cycle: int  # 8-bit multiply-adds of a matrix product, at most
    ghz: float  # 0: no board in mind
    bus: float  # GB/s, theoretical


# Clocks and memory: the boards' data sheets (Raspberry Pi 4: LPDDR4-3200, 5: LPDDR4X-4267, both 32 bits wide).
CORES = {
    'neon': Core('Cortex-A72, Raspberry Pi 4', 'cortex-a72', 'A57', 8, 1.8, 12.8),
    'dotprod': Core('Cortex-A76, Raspberry Pi 5', 'neoverse-n1', 'N1', 32, 2.4, 17.07),
    'i8mm': Core('Cortex-A710', 'neoverse-n2', 'N2', 64, 0, 0),
}
# Weights that Llama-3.2-1B multiplies for a token: its layers, and its head, which a Q4_0 file has in Q6_K.
LAYERS = 16 * (2 * 2048 * 2048 + 2 * 2048 * 512 + 3 * 2048 * 8192)
HEAD = 128256 * 2048
# What the units of LLVM's models do, by the end of their names.
UNITS = {'V': 'vector', 'V0': 'vector', 'V1': 'vector', 'W': 'vector', 'X': 'vector', 'L': 'load', 'L01': 'load',
         'FPALU': 'vector', 'FPMAC': 'vector', 'Ld': 'load'}


class Part(NamedTuple):
    kernel: str
    type: str
    part: str
    macs: int
    size_bytes: int
    code: list


class Estimate(NamedTuple):
    cycles: int
    bound: str


def stop(why):
    sys.exit(f'arm_cycles: {why}')


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        stop(f'{" ".join(map(str, command))}: {done.stderr.strip()[-600:] or done.stdout.strip()[-600:]}')
    return done.stdout


def need(*names):
    for name in names:
        if shutil.which(name):
            return name
    stop(f'{names[0]} is missing; tools/install-deps.sh build arm bench')


def find_analyser():
    names = [f'llvm-mca-{version}' for version in range(30, 15, -1)]
    return need(*names, 'llvm-mca')


def build():
    cross = [] if platform.machine() == 'aarch64' else ['--cross-file', ROOT / 'tools/cross-aarch64.txt']
    if not (FOLDER / 'build.ninja').exists():
        run('meson', 'setup', FOLDER, ROOT, '-Dprogram=false', '-Dtests=false', '--buildtype=release', *cross)
    run('ninja', '-C', FOLDER, 'bench/trace_kernels')
    return FOLDER / 'bench/trace_kernels'


# ---- the instructions that a kernel executes ----

def read_code(program):
    """Assembly by address. Branches lose their targets, which llvm-mca does not follow; calls and returns, which it
    takes for 100 cycles, disappear, as their callees' instructions stand in the trace themselves."""
    code, marks = {}, {}
    symbol = re.compile(r'^([0-9a-f]+) <(trace_begin|trace_end)>:$')
    line_of_code = re.compile(r'^\s+([0-9a-f]+):\s+(.*)$')
    for line in run(need('aarch64-linux-gnu-objdump', 'objdump'), '-d', '--no-show-raw-insn', program).splitlines():
        if match := symbol.match(line):
            marks[int(match[1], 16)] = match[2]
        elif match := line_of_code.match(line):
            text = re.sub(r'\s*//.*', '', match[2])
            text = re.sub(r'[0-9a-f]+ <[^>]*>', '.', text)
            code[int(match[1], 16)] = '' if re.match(r'(bl|blr|br|ret|b)\s|ret$', text) else text
    return code, marks


def trace(program, variant):
    code, marks = read_code(program)
    emulator = need('qemu-aarch64')
    one_by_one = '-one-insn-per-tb' if '-one-insn-per-tb' in run(emulator, '-h') else '-singlestep'
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder) / 'log'
        sysroot = [] if platform.machine() == 'aarch64' else ['-L', '/usr/aarch64-linux-gnu']
        words = run(emulator, *sysroot, '-cpu', 'max', one_by_one, '-d', 'exec,nochain', '-dfilter',
                    f'{min(code):#x}..{max(code):#x}', '-D', log, program, variant)
        runs, current = [], None
        address = re.compile(r'^Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]+)/')
        with open(log, encoding='utf-8', errors='replace') as lines:
            for line in lines:
                if not (match := address.match(line)):
                    continue
                at = int(match[1], 16)
                if marks.get(at) == 'trace_begin':
                    current = []
                elif marks.get(at) == 'trace_end' and current is not None:
                    runs.append(current)
                    current = None
                elif current is not None and code.get(at):
                    current.append(code[at])
    names = [line.split() for line in words.splitlines()]
    if len(names) != len(runs) or not all(runs):
        stop(f'{len(names)} runs of kernels, {len(runs)} traces: the emulator\'s log is not understood')
    return [Part(kernel, kind, part, int(macs), int(size), body)
            for (kernel, kind, part, macs, size), body in zip(names, runs)]


# ---- the model ----

def analyse(parts, core):
    text = ''.join(f'# LLVM-MCA-BEGIN r{i}\n' + '\n'.join(part.code) + f'\n# LLVM-MCA-END r{i}\n'
                   for i, part in enumerate(parts))
    out = run(find_analyser(), '-mtriple=aarch64', f'-mcpu={core.model}', '-mattr=+dotprod,+i8mm,+fullfp16',
              '-iterations=1', '-instruction-info=0', '-json', input=text)
    report = json.loads(out)
    units = report['TargetInfo']['Resources']
    if not any(unit.startswith(core.units) for unit in units):
        stop(f'this llvm-mca takes {core.model} for another processor (its units are {units[0]} and so on): '
             f'16 or later knows it; tools/install-deps.sh bench')
    return [estimate(region, units) for region in report['CodeRegions']]


def estimate(region, units):
    """The kind of unit that is busiest, where it is busy for most of the time; else the chains of operations."""
    cycles, last = region['SummaryView']['TotalCycles'], len(region['Instructions'])
    busy = {}
    for entry in region['ResourcePressureView']['ResourcePressureInfo']:
        if entry['InstructionIndex'] == last:
            unit = re.sub(r'^(\w+?)Unit', '', units[entry['ResourceIndex']]).split('.')[0]
            busy.setdefault(UNITS.get(unit, 'integer'), []).append(entry['ResourceUsage'] / cycles)
    kind, share = max(((kind, max(shares)) for kind, shares in busy.items()), key=lambda item: item[1])
    return Estimate(cycles, f'{kind} {100 * share:.0f} %' if share >= 0.8 else f'latency ({kind} {100 * share:.0f} %)')


# ---- the table ----

class Kernel(NamedTuple):
    cycles_per_mac: float
    bytes_per_cycle: float  # of weights
    bound: str


def kernels_of(core, parts):
    """By type: one token; many tokens, who share the unpacking."""
    results = {(part.type, part.part): (part, result) for part, result in zip(parts, analyse(parts, core))}
    for kind in dict.fromkeys(part.type for part in parts):
        (gemv, one), (tile, many), (panel, unpack) = (results[kind, part] for part in ('gemv', 'tile', 'unpack'))
        times = PREFILL_TOKENS * panel.macs / tile.macs
        yield kind, (Kernel(one.cycles / gemv.macs, gemv.size_bytes / one.cycles, one.bound),
                     Kernel((many.cycles * times + unpack.cycles) / (tile.macs * times), 0, many.bound))


def rows_of(core, kernels):
    for kind, (one, many) in kernels.items():
        speed = one.bytes_per_cycle * core.ghz
        yield [kind, '1 token', f'{1000 * one.cycles_per_mac:.0f}', f'{one.bytes_per_cycle:.1f} B', one.bound,
               f'{speed:.1f} GB/s' if speed else '–', f'{core.bus / speed:.1f} cores' if speed else '–']
        rate = 1 / many.cycles_per_mac
        yield [kind, f'{PREFILL_TOKENS} tokens', f'{1000 * many.cycles_per_mac:.0f}',
               f'{rate:.1f} MAC ({100 * rate / core.macs_per_cycle:.0f} %)', many.bound,
               f'{2 * rate * core.ghz:.0f} Gop/s' if core.ghz else '–', '–']


def model_bounds(core, kernels):
    """Tokens per second of Llama-3.2-1B in Q4_0: what four cores can compute, and what memory can deliver."""
    (layers, prefill), (head, _) = kernels['Q4_0'], kernels['Q6_K']
    hz = core.ghz * 1e9
    decode = hz / (LAYERS * layers.cycles_per_mac + HEAD * head.cycles_per_mac)
    size = (LAYERS * layers.cycles_per_mac * layers.bytes_per_cycle + HEAD * head.cycles_per_mac * head.bytes_per_cycle)
    return (f'Llama-3.2-1B, Q4_0: decode <= {decode:.1f} tok/s per core by arithmetic, <= {core.bus * 1e9 / size:.1f} by '
            f'{core.bus} GB/s; prefill <= {4 * hz / LAYERS / prefill.cycles_per_mac:.0f} tok/s on four cores, attention '
            'not counted')


HEADINGS = ['type', 'product', 'cycles per 1000', 'per cycle', 'bound by', 'per core', 'memory binds from']


def show(rows, markdown):
    if markdown:
        print('| ' + ' | '.join(HEADINGS) + ' |\n|' + '---|' * len(HEADINGS))
        for row in rows:
            print('| ' + ' | '.join(row) + ' |')
        return
    widths = [max(len(row[i]) for row in [HEADINGS, *rows]) for i in range(len(HEADINGS))]
    for row in [HEADINGS, *rows]:
        print('  '.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def main():
    parser = argparse.ArgumentParser(description='Estimates the cycles of the ARM kernels with llvm-mca.')
    parser.add_argument('--variant', choices=CORES, help='only this one')
    parser.add_argument('--model', help="LLVM's name of another processor, e.g. cortex-a55; no board is assumed then")
    parser.add_argument('--markdown', action='store_true')
    args = parser.parse_args()
    program = build()
    print(f'ESTIMATES by llvm-mca {run(find_analyser(), "--version").split("version ")[1].split()[0]}: no cache misses, no '
          'mispredicted branches, no board')
    for variant, core in CORES.items():
        if args.variant in (None, variant):
            if args.model:
                core = Core(args.model, args.model, '', core.macs_per_cycle, 0, 0)
            print(f'\n{variant} on {core.name} (model {core.model})')
            kernels = dict(kernels_of(core, trace(program, variant)))
            show(list(rows_of(core, kernels)), args.markdown)
            if core.ghz:
                print(model_bounds(core, kernels))


if __name__ == '__main__':
    main()
