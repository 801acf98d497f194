#!/usr/bin/env python3
"""What an importance matrix is worth: quantizes a model to some types with and without one, and holds both against the
model itself on a text that the matrix does not know. Prints the table of docs/quantize.md.

    bench/imatrix_gain.py MODEL CALIBRATION TEXT --program build/edgewise [--types q2_k,iq4_xs] [--windows N]

CALIBRATION and TEXT may be compressed (.xz). Differences of KL are of the same rows, but their errors are those of each
figure; a difference within them proves nothing."""
import argparse
import json
import lzma
import pathlib
import subprocess
import sys
import tempfile

TYPES = "q2_k,q3_k_s,q3_k_m,iq4_xs,iq4_nl,q4_0,q4_1,q4_k_s,q4_k_m,q5_0,q5_1,q5_k_m,q6_k"


def text_of(path, folder, n_bytes):
    """The first n_bytes of a text, cut at a line, as a file."""
    opener = lzma.open if path.endswith(".xz") else open
    with opener(path, "rb") as f:
        data = f.read(n_bytes)
    out = folder / (pathlib.Path(path).name.removesuffix(".xz"))
    out.write_bytes(data[:data.rfind(b"\n") + 1])
    return str(out)


class Edgewise:
    def __init__(self, program):
        self.program = program

    def __call__(self, *args):
        result = subprocess.run([self.program, *args, "--json"], capture_output=True, text=True, check=False)
        if result.returncode != 0:
            sys.exit(f"{' '.join(args)}: {result.stderr}")
        return json.loads(result.stdout)


def measure(edgewise, options, text, reference, kind, path, *more):
    written = edgewise("quantize", options.model, str(path), kind, "--force", *more)
    said = edgewise("eval", str(path), "-f", text, "--reference", reference, *options.eval)
    path.unlink()
    kl, top = said["reference"]["kl"], said["reference"]["same_top"]
    return {"bits": written["bits_per_weight"], "kl": kl["value"], "error": kl["error"], "top": 100 * top["value"],
            "perplexity": said["perplexity"]}


def row_of(kind, a, b):
    return (f"| {kind.upper()} | {a['bits']:.2f} | {a['kl']:.5f} ± {a['error']:.5f} | {b['kl']:.5f} ± {b['error']:.5f} | "
            f"{100 * (b['kl'] / a['kl'] - 1):+.0f} % | {a['perplexity']:.3f} | {b['perplexity']:.3f} | {a['top']:.1f} | "
            f"{b['top']:.1f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("calibration")
    parser.add_argument("text")
    parser.add_argument("--program", default="build/edgewise")
    parser.add_argument("--types", default=TYPES)
    parser.add_argument("--calibration-bytes", type=int, default=1_000_000)
    parser.add_argument("--text-bytes", type=int, default=400_000)
    parser.add_argument("--windows", help="of the text; all by default")
    options = parser.parse_args()
    options.eval = ["--windows", options.windows] if options.windows else []
    edgewise = Edgewise(options.program)
    with tempfile.TemporaryDirectory(prefix="imatrix-gain-") as name:
        folder = pathlib.Path(name)
        matrix, reference, out = str(folder / "m.gguf"), str(folder / "reference"), folder / "out.gguf"
        made = edgewise("imatrix", options.model, "-f", text_of(options.calibration, folder, options.calibration_bytes),
                        "-o", matrix)
        text = text_of(options.text, folder, options.text_bytes)
        full = edgewise("eval", options.model, "-f", text, "--save-reference", reference, *options.eval)
        print(f"calibration: {made['chunk_count']} windows of {made['chunk_size']} tokens; text: {full['tokens']} scored "
              f"tokens, perplexity of the source {full['perplexity']:.3f} ± {full['error']:.3f}\n")
        print("| type | bits | KL without | KL with | change | perplexity without | with | same top, % | with |\n"
              "|---|--:|--:|--:|--:|--:|--:|--:|--:|")
        for kind in options.types.split(","):
            a = measure(edgewise, options, text, reference, kind, out)
            b = measure(edgewise, options, text, reference, kind, out, "--imatrix", matrix)
            print(row_of(kind, a, b), flush=True)


if __name__ == "__main__":
    main()
