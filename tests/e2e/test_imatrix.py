"""edgewise imatrix from outside: the file's form, its sums against arithmetic on the model's own weights, experts and
fused matrices, combining, the older form; and edgewise quantize --imatrix: the weighted error, what it refuses."""
import json
import os
import signal
import struct
import subprocess
import unittest

from gguf_reader import Gguf
from harness import BOX, PROGRAM, ScratchCase, run

SHARED = os.path.join(os.environ.get("EW_SHARED_DIR", ""), "conformance")
needs_conformance = unittest.skipUnless(os.path.isdir(SHARED), "skipped: no conformance files")
F16, F32 = 1, 0
TEXT = ("The mill stood where the river bends. A girl came every evening with a basket of bread for the miller, and he "
        "told her of the years when the wheel never stopped. One night the wind took the roof, and in the morning all "
        "the neighbours came with ladders and rope. The wheel turned again before the snow fell.\n") * 6


def floats_of(gguf, name):
    """Rows of an F16 or F32 tensor."""
    dims, kind, data = gguf.tensors[name]
    flat = struct.unpack("<%d%s" % (len(data) // (2 if kind == F16 else 4), "e" if kind == F16 else "f"), data)
    return [flat[i:i + dims[0]] for i in range(0, len(flat), dims[0])]


class ImatrixCase(ScratchCase):
    def setUp(self):
        super().setUp()
        self.text = self.write("text.txt", TEXT)

    def imatrix(self, model=BOX, *args, output="m.gguf"):
        result = run("imatrix", model, "-f", self.text, "-o", self.path(output), "--json", *args, cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def sums(self, name, output="m.gguf"):
        """Rows of sums and the counts of a tensor's entry."""
        gguf = Gguf(self.path(output))
        return gguf.floats(name + ".in_sum2"), [row[0] for row in gguf.floats(name + ".counts")]

    def assert_close(self, got, expected, delta=1e-3):
        self.assertEqual(len(got), len(expected))
        for a, b in zip(got, expected):
            self.assertAlmostEqual(a, b, delta=delta * max(abs(b), 1e-9))

    def tokens(self, model, n_ctx):
        """Ids of all windows, each with the begin-of-text token in front."""
        ids = json.loads(run("tokenize", model, "--json", "--file", self.text).stdout)["ids"]
        windows = [[ids[0]] + ids[at + 1:at + n_ctx] for at in range(0, len(ids) - n_ctx + 1, n_ctx)]
        return [i for window in windows for i in window], len(windows)


class Imatrix(ImatrixCase):
    def test_sums_are_those_of_the_first_layers_input(self):
        """What the first layer's queries meet is the norm of the embeddings: arithmetic on two tensors of the file."""
        said = self.imatrix(BOX, "-c", "64")
        ids, n_windows = self.tokens(BOX, 64)
        model = Gguf(BOX)
        embedding, norm = floats_of(model, "token_embd.weight"), floats_of(model, "blk.0.attn_norm.weight")[0]
        eps = model.keys["llama.attention.layer_norm_rms_epsilon"]
        expected = [0.0] * len(norm)
        for token in ids:
            x = embedding[token]
            scale = (sum(v * v for v in x) / len(x) + eps) ** -0.5
            for i, v in enumerate(x):
                expected[i] += (v * scale * norm[i]) ** 2
        for matrix in ("attn_q", "attn_k", "attn_v"):
            rows, counts = self.sums(f"blk.0.{matrix}.weight")
            self.assertEqual(counts, [len(ids)])
            self.assert_close(rows[0], expected)
        self.assertEqual(said["chunk_count"], n_windows)
        self.assertEqual(said["run"]["windows"], n_windows)

    def test_every_matrix_has_an_entry_and_the_file_its_form(self):
        said = self.imatrix(BOX, "-c", "64")
        gguf, model = Gguf(self.path("m.gguf")), Gguf(BOX)
        self.assertEqual(gguf.keys, {"general.type": "imatrix", "imatrix.datasets": [self.text],
                                     "imatrix.chunk_count": said["chunk_count"], "imatrix.chunk_size": 64})
        matrices = {n for n, t in model.tensors.items() if len(t[0]) == 2}
        if "output.weight" in matrices:
            matrices.remove("token_embd.weight")
        self.assertEqual({n[:-len(".in_sum2")] for n in gguf.tensors if n.endswith(".in_sum2")}, matrices)
        self.assertEqual(said["entries"], len(matrices))
        for name in matrices:
            self.assertEqual(gguf.tensors[name + ".in_sum2"][:2], ([model.tensors[name][0][0], 1], F32))
            self.assertEqual(gguf.tensors[name + ".counts"][:2], ([1, 1], F32))

    def test_perplexity_is_that_of_eval(self):
        evaluated = json.loads(run("eval", BOX, "-f", self.text, "-c", "64", "--json").stdout)
        said = self.imatrix(BOX, "-c", "64")
        self.assertAlmostEqual(said["run"]["perplexity"], evaluated["perplexity"], places=5)

    def test_threads_do_not_matter(self):
        self.imatrix(BOX, "-c", "64", "-t", "1", output="one.gguf")
        self.imatrix(BOX, "-c", "64", "-t", "3", output="three.gguf")
        for name in ("blk.0.attn_q.weight", "blk.3.ffn_down.weight", "blk.5.attn_output.weight"):
            one, three = self.sums(name, "one.gguf"), self.sums(name, "three.gguf")
            self.assertEqual(one[1], three[1])
            self.assert_close(one[0][0], three[0][0], delta=1e-4)

    def test_runs_add_up(self):
        whole = self.imatrix(BOX, "-c", "64", "--windows", "4", output="whole.gguf")
        self.imatrix(BOX, "-c", "64", "--windows", "1", output="a.gguf")
        self.imatrix(BOX, "-c", "64", "--windows", "3", "--in", self.path("a.gguf"), output="b.gguf")
        result = run("imatrix", "--in", self.path("a.gguf"), "--in", self.path("a.gguf"), "-o", self.path("c.gguf"))
        self.assertEqual(result.returncode, 0, result.stderr)
        a, b, c, w = (self.sums("blk.0.ffn_down.weight", f) for f in ("a.gguf", "b.gguf", "c.gguf", "whole.gguf"))
        self.assertEqual((a[1], b[1], c[1], w[1]), ([64], [256], [128], [256]))
        self.assert_close(c[0][0], [2 * v for v in a[0][0]], delta=1e-6)
        self.assertEqual(Gguf(self.path("b.gguf")).keys["imatrix.datasets"], [self.text] * 2)
        self.assertEqual(whole["chunk_count"], Gguf(self.path("b.gguf")).keys["imatrix.chunk_count"])

    def test_wrong_use(self):
        self.assert_refused(run("imatrix", BOX, "-f", self.text), "--output", status=(2,))
        self.assert_refused(run("imatrix", BOX, "-o", self.path("o")), "--file", status=(2,))
        self.assert_refused(run("imatrix", "-o", self.path("o")), "MODEL", status=(2,))
        self.assert_refused(run("imatrix", BOX, "-f", self.text, "-o", self.text), "--force", status=(2,))
        self.assert_refused(run("imatrix", BOX, "-f", self.text, "-o", "/nonexistent/o"), "/nonexistent/o")
        self.assert_refused(run("imatrix", BOX, "-f", self.text, "-o", self.path("o"), "--in", BOX), "general.type")
        self.assert_refused(run("imatrix", BOX, "-f", self.text, "-o", self.path("o"), "--in", self.text), "text.txt")
        short = self.write("short.txt", "Too little.")
        self.assert_refused(run("imatrix", BOX, "-f", short, "-o", self.path("o")), "less than a window", status=(2,))
        self.assertFalse(os.path.exists(self.path("o")))

    def test_a_signal_leaves_nothing(self):
        self.text = self.write("text.txt", TEXT * 400)
        child = subprocess.Popen([PROGRAM, "imatrix", BOX, "-f", self.text, "-o", self.path("o")],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        with self.assertRaises(subprocess.TimeoutExpired):
            child.wait(timeout=1)
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=60)
        self.assertEqual(child.returncode, 1, errors)
        self.assertIn("stopped after", errors)
        self.assertEqual(os.listdir(self.folder), ["text.txt"])


@needs_conformance
class OtherArchitectures(ImatrixCase):
    def test_experts_share_out_what_the_router_meets(self):
        """Each token goes to two experts, which meet what the router met."""
        model = os.path.join(SHARED, "mixtral-64-f32.gguf")
        self.imatrix(model, "-c", "32")
        router, n = self.sums("blk.1.ffn_gate_inp.weight")
        for name in ("ffn_gate_exps", "ffn_up_exps"):
            rows, counts = self.sums(f"blk.1.{name}.weight")
            self.assertEqual(len(rows), 4)
            self.assertEqual(sum(counts), 2 * n[0])
            self.assert_close([sum(column) for column in zip(*rows)], [2 * v for v in router[0]])
        self.assertEqual(self.sums("blk.1.ffn_down_exps.weight")[1], counts)

    def test_a_fused_matrix_is_counted_once(self):
        model = os.path.join(SHARED, "gptneox-64-f32.gguf")
        said = self.imatrix(model, "-c", "32")
        for name in ("attn_qkv", "attn_output", "ffn_up", "ffn_down"):
            self.assertEqual(self.sums(f"blk.1.{name}.weight")[1], [32 * said["chunk_count"]], name)

    def test_experts_of_the_older_form(self):
        """It has one list of values for all experts; the bytes that come of it are the same."""
        model = os.path.join(SHARED, "mixtral-64-f32.gguf")
        self.imatrix(model, "-c", "32")
        write_old(self.path("m.gguf"), self.path("m.dat"))
        for name in ("m.gguf", "m.dat"):
            out = self.path(name + ".q4_0")
            result = run("quantize", model, out, "q4_0", "--imatrix", self.path(name))
            self.assertEqual(result.returncode, 0, result.stderr)
        a, b = Gguf(self.path("m.gguf.q4_0")), Gguf(self.path("m.dat.q4_0"))
        self.assertEqual(a.tensors, b.tensors)


def write_old(source, path):
    """An importance file in the older form: means of squares, of one call."""
    gguf = Gguf(source)
    names = [n[:-len(".in_sum2")] for n in gguf.tensors if n.endswith(".in_sum2")]
    data = struct.pack("<i", len(names))
    for name in names:
        rows, counts = gguf.floats(name + ".in_sum2"), gguf.floats(name + ".counts")
        values = [v / max(count[0], 1) for row, count in zip(rows, counts) for v in row]
        data += struct.pack("<i", len(name)) + name.encode() + struct.pack("<ii", 1, len(values))
        data += struct.pack("<%df" % len(values), *values)
    with open(path, "wb") as f:
        f.write(data + struct.pack("<ii", 3, 8) + b"text.txt")


def decode_q4_0(data):
    """From the specification: d * (nibble - 8), low nibbles first."""
    out = []
    for at in range(0, len(data), 18):
        d = struct.unpack_from("<e", data, at)[0]
        nibbles = data[at + 2:at + 18]
        out += [d * ((b & 15) - 8) for b in nibbles] + [d * ((b >> 4) - 8) for b in nibbles]
    return out


class QuantizeWithImatrix(ImatrixCase):
    def quantize(self, kind, *args, output="q.gguf", source=BOX):
        result = run("quantize", source, self.path(output), kind, "--json", "--force", *args, cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def weighted_error(self, name, output):
        model, weights = Gguf(BOX), self.sums(name)[0][0]
        rows = floats_of(model, name)
        back = decode_q4_0(Gguf(self.path(output)).tensors[name][2])
        n = len(weights)
        return sum(weights[i] * (back[r * n + i] - row[i]) ** 2 for r, row in enumerate(rows) for i in range(n))

    def test_the_weighted_error_falls(self):
        self.imatrix(BOX, "-c", "64")
        self.quantize("q4_0", output="without.gguf")
        said = self.quantize("q4_0", "--imatrix", self.path("m.gguf"), output="with.gguf")
        self.assertEqual(said["imatrix"]["n_weighted"], said["n_encoded"] - said["imatrix"]["n_unmatched"])
        for name in ("blk.0.attn_k.weight", "blk.2.attn_output.weight", "blk.4.ffn_down.weight"):
            self.assertLess(self.weighted_error(name, "with.gguf"), self.weighted_error(name, "without.gguf"), name)

    def test_both_forms_give_the_same_bytes(self):
        self.imatrix(BOX, "-c", "64")
        write_old(self.path("m.gguf"), self.path("m.dat"))
        self.quantize("q3_k_m", "--imatrix", self.path("m.gguf"), output="a.gguf")
        self.quantize("q3_k_m", "--imatrix", self.path("m.dat"), output="b.gguf")
        a, b = Gguf(self.path("a.gguf")), Gguf(self.path("b.gguf"))
        self.assertEqual(a.tensors, b.tensors)
        self.assertEqual(b.keys["quantize.imatrix.chunks_count"], 3)

    def test_the_file_says_what_it_was_made_with(self):
        said = self.imatrix(BOX, "-c", "64")
        self.quantize("iq4_xs", "--imatrix", self.path("m.gguf"))
        keys = {k: v for k, v in Gguf(self.path("q.gguf")).keys.items() if k.startswith("quantize.")}
        self.assertEqual(keys, {"quantize.imatrix.file": self.path("m.gguf"), "quantize.imatrix.dataset": self.text,
                                "quantize.imatrix.entries_count": said["entries"],
                                "quantize.imatrix.chunks_count": said["chunk_count"]})
        self.quantize("q8_0", "--again", "--imatrix", self.path("m.gguf"), source=self.path("q.gguf"), output="r.gguf")
        self.assertEqual(Gguf(self.path("r.gguf")).keys["quantize.imatrix.entries_count"], said["entries"])

    def test_threads_do_not_matter(self):
        self.imatrix(BOX, "-c", "64")
        for n in ("1", "3"):
            self.quantize("q2_k", "-t", n, "--imatrix", self.path("m.gguf"), output=n)
        with open(self.path("1"), "rb") as a, open(self.path("3"), "rb") as b:
            self.assertEqual(a.read(), b.read())

    def write_entries(self, *entries):
        with open(self.path("odd.dat"), "wb") as f:
            f.write(struct.pack("<i", len(entries)))
            for name, n in entries:
                f.write(struct.pack("<i", len(name)) + name.encode() + struct.pack("<ii", 1, n))
                f.write(struct.pack("<%df" % n, *[1.0 + i % 7 for i in range(n)]))
        return self.path("odd.dat")

    def test_what_has_no_entry_is_counted(self):
        only = self.write_entries(("blk.0.attn_q.weight", 256))
        said = self.quantize("q4_0", "--imatrix", only)
        self.assertEqual(said["imatrix"]["n_weighted"], 1)
        self.assertEqual(said["imatrix"]["n_unmatched"], said["n_encoded"] - 1)
        people = run("quantize", BOX, self.path("p"), "q4_0", "--imatrix", only, "-n")
        self.assertIn("1 of them weighted by", people.stdout)
        self.assertIn("without", people.stdout)

    def test_what_does_not_fit_is_refused(self):
        wrong = self.write_entries(("blk.0.attn_q.weight", 128))
        self.assert_refused(run("quantize", BOX, self.path("o"), "q4_0", "--imatrix", wrong), "blk.0.attn_q.weight",
                            "128", "256")
        other = self.write_entries(("blk.99.attn_q.weight", 256))
        self.assert_refused(run("quantize", BOX, self.path("o"), "q4_0", "--imatrix", other), "blk.99.attn_q.weight",
                            "256", "not in")
        self.assert_refused(run("quantize", BOX, self.path("o"), "q4_0", "--imatrix", BOX), "general.type")
        self.assert_refused(run("quantize", BOX, self.path("o"), "q4_0", "--imatrix", "none.dat"), "none.dat")
        self.assertFalse(os.path.exists(self.path("o")))


if __name__ == "__main__":
    unittest.main()
