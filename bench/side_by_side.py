#!/usr/bin/env python3
"""Run Edgewise and other engines in turns on one model and compare them.

    bench/side_by_side.py MODEL [-t 2] [-p 512] [-n 128] [--rounds 5] --peer NAME='COMMAND' [--peer …]

Speed drifts on shared machines, so engines take turns: one round is one run of each, in an order shuffled by a seed, and
every ratio is taken within a round. COMMAND may name {model}, {threads}, {prompt} and {generate}; it prints one JSON
object with prefill and decode speed (prefill_tokens_per_s or pp_tps; decode_tokens_per_s or tg_tps, optionally load_s
and peak_rss_MiB), or the JSON list that `llama-bench -o json` prints. Peers are built elsewhere; this only runs them.
"""
import argparse
import json
import pathlib
import random
import shlex
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FIGURES = {
    'prefill': ('prefill_tokens_per_s', 'pp_tps'),
    'decode': ('decode_tokens_per_s', 'tg_tps'),
    'load_s': ('load_s',),
    'peak_mib': ('peak_rss_MiB',),
}


def parse_list(rows):
    """llama-bench -o json: one row per test."""
    out = {}
    for row in rows:
        if row.get('n_prompt') and not row.get('n_gen'):
            out['prefill'] = row['avg_ts']
        elif row.get('n_gen') and not row.get('n_prompt'):
            out['decode'] = row['avg_ts']
    return out


def parse_output(text):
    text = text.strip()
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        value = json.loads(text.splitlines()[-1])
    if isinstance(value, list):
        return parse_list(value)
    if 'figures' in value:
        value = {key: figure['median'] for key, figure in value['figures'].items() if figure['median'] is not None}
        if 'peak_memory_bytes' in value:
            value['peak_rss_MiB'] = value['peak_memory_bytes'] / 2**20
    return {figure: value[key] for figure, keys in FIGURES.items() for key in keys if key in value}


def run_peer(template, args):
    command = template.format(model=args.model, threads=args.threads, prompt=args.prompt, generate=args.generate)
    done = subprocess.run(shlex.split(command), capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f'side_by_side: {command}: exit status {done.returncode}: {done.stderr.strip()[-400:]}')
    return parse_output(done.stdout)


def show(values):
    return f'{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})'


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('model')
    parser.add_argument('-t', '--threads', type=int, default=2)
    parser.add_argument('-p', '--prompt', type=int, default=512)
    parser.add_argument('-n', '--generate', type=int, default=128)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--peer', action='append', default=[], metavar="NAME='COMMAND'")
    parser.add_argument('--edgewise', default=f'{ROOT}/build/edgewise bench {{model}} -t {{threads}} -p {{prompt}} -n {{generate}} -r 1 --json',
                        help='command that measures Edgewise')
    parser.add_argument('--json', action='store_true', help='print all raw values as JSON')
    args = parser.parse_args()
    engines = {'edgewise': args.edgewise}
    for peer in args.peer:
        name, separator, command = peer.partition('=')
        if not separator:
            parser.error(f"--peer: `{peer}` is not NAME='COMMAND'")
        engines[name] = command

    order = random.Random(args.seed)
    rounds = []
    for index in range(args.rounds):
        names = list(engines)
        order.shuffle(names)
        rounds.append({name: run_peer(engines[name], args) for name in names})
        print(f'round {index + 1} of {args.rounds}', file=sys.stderr)
    if args.json:
        print(json.dumps({'model': args.model, 'threads': args.threads, 'rounds': rounds}))
        return
    print(f'{args.model}: {args.threads} threads, {args.prompt} prompt and {args.generate} generated tokens, '
          f'{args.rounds} rounds; median (lowest–highest)')
    for figure in FIGURES:
        for name in engines:
            values = [r[name][figure] for r in rounds if figure in r[name]]
            if not values:
                continue
            line = f'  {figure:9} {name:14} {show(values):28}'
            if name != 'edgewise' and figure in rounds[0]['edgewise']:
                ratios = [r['edgewise'][figure] / r[name][figure] for r in rounds if r[name].get(figure)]
                if ratios:
                    line += f' edgewise / {name} = {statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})'
            print(line)


if __name__ == '__main__':
    main()
