"""edgewise eval from outside: perplexity and divergence against arithmetic on the logits that edgewise logits writes,
reference runs, wrong input."""
import array
import json
import math
import os
import signal
import subprocess
import unittest

from harness import BOX, PROGRAM, ScratchCase, run

TEXT = ("Once upon a time there was a small boat that wanted to see the sea. Every morning it asked the old bridge, "
        "and every morning the old bridge said: not today, the wind is too strong. But one day the wind slept.\n\n"
        "The boat went down the river, past the mill and the three tall trees, and at noon it came to the sea. "
        "It was larger than anything the boat had ever seen. I will go home and tell the bridge, said the boat.\n")


class Eval(ScratchCase):
    def setUp(self):
        super().setUp()
        self.text = self.write("text.txt", TEXT)

    def eval(self, *args, model=BOX):
        result = run("eval", model, "-f", self.text, "--json", *args, cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def ids(self):
        return json.loads(run("tokenize", BOX, "--json", "--file", self.text).stdout)["ids"]

    def log_probabilities(self, ids, *args):
        """Rows of the natural logarithms of the vocabulary's probabilities after each token."""
        result = run("logits", BOX, "--tokens", ",".join(map(str, ids)), "-o", self.path("logits"), *args)
        self.assertEqual(result.returncode, 0, result.stderr)
        with open(self.path("logits"), "rb") as f:
            values = array.array("f", f.read())
        width = len(values) // len(ids)
        rows = [values[i * width:(i + 1) * width] for i in range(len(ids))]
        peaks = [max(row) for row in rows]
        sums = [peak + math.log(sum(math.exp(x - peak) for x in row)) for row, peak in zip(rows, peaks)]
        return [[x - total for x in row] for row, total in zip(rows, sums)]

    def windows(self, n_ctx):
        """Side by side, as llama.cpp cuts them: each begins with the begin-of-text token."""
        ids = self.ids()
        return [[ids[0]] + ids[at + 1:at + n_ctx] for at in range(0, len(ids) - n_ctx + 1, n_ctx)]

    def test_perplexity_is_that_of_the_logits(self):
        nll = []
        for window in self.windows(32):
            rows = self.log_probabilities(window)
            nll += [-rows[i][window[i + 1]] for i in range(16, 31)]
        result = self.eval("--context", "32")
        self.assertEqual(result["tokens"], len(nll))
        self.assertEqual(result["windows"], len(nll) // 15)
        mean = sum(nll) / len(nll)
        self.assertAlmostEqual(result["mean_nll"], mean, delta=2e-3)  # a batch rounds activations as it likes
        self.assertAlmostEqual(result["perplexity"], math.exp(result["mean_nll"]), places=6)
        variance = sum(x * x for x in nll) / len(nll) - mean * mean
        error = math.exp(mean) * math.sqrt(variance / (len(nll) - 1))
        self.assertAlmostEqual(result["error"] / error, 1, delta=0.01)
        self.assertLess(result["perplexity"], 60)  # a model of stories on a story

    def test_a_stride_scores_every_token(self):
        ids = self.ids()
        n = len(ids) // 8 * 8
        result = self.eval("--context", "16", "--stride", "8")
        self.assertEqual(result["tokens"], n - 1)
        self.assertEqual(result["windows"], n // 8 - 1)
        piece = run("tokenize", BOX, "--decode", ",".join(map(str, ids[1:n])), "--json").stdout
        # A first piece brings the space that SentencePiece puts before a text.
        self.assertIn(result["bytes"] - len(json.loads(piece)["text"].encode()), (0, 1))

    def test_a_model_against_itself_and_in_8_bits(self):
        run_file = self.path("run.ref")
        saved = self.eval("--context", "32", "--save-reference", run_file)
        self.assertEqual(saved["saved"], run_file)
        itself = self.eval("--context", "32", "--reference", run_file)["reference"]
        self.assertLess(itself["kl_max"], 1e-6)
        self.assertEqual(itself["same_top"]["value"], 1)
        self.assertAlmostEqual(itself["perplexity"], saved["perplexity"], places=3)
        kv = self.eval("--context", "32", "--reference", run_file, "--kv", "q8_0")["reference"]
        kl, same = [], []
        for window in self.windows(32):
            pairs = zip(self.log_probabilities(window), self.log_probabilities(window, "--kv", "q8_0"))
            for p, q in list(pairs)[16:31]:
                kl.append(sum(math.exp(a) * (a - b) for a, b in zip(p, q)))
                same.append(p.index(max(p)) == q.index(max(q)))
        self.assertGreater(kv["kl"]["value"], 0)
        self.assertAlmostEqual(kv["kl"]["value"] / (sum(kl) / len(kl)), 1, delta=0.25)
        self.assertAlmostEqual(kv["same_top"]["value"], sum(same) / len(same), delta=0.05)

    def test_text_for_people(self):
        result = run("eval", BOX, "-f", self.text, "-c", "32", cwd=self.folder)
        self.assertRegex(result.stdout, r"perplexity [\d.]+ ± [\d.]+ \(by windows ± [\d.]+\)")
        self.assertIn("windows of 32 side by side, second halves", result.stdout)
        self.assertEqual(result.stderr, "")

    def test_wrong_use(self):
        self.assert_refused(run("eval", BOX, cwd=self.folder), "which text", status=(2,))
        self.assert_refused(run("eval", BOX, "-f", "nothing.txt", cwd=self.folder), "nothing.txt")
        self.assert_refused(run("eval", BOX, "-f", self.text, cwd=self.folder), "less than a window of 256")
        self.assert_refused(run("eval", BOX, "-f", self.text, "-c", "32", "--stride", "32"), "--stride: 32", "32 tokens")
        self.assert_refused(run("eval", BOX, "-f", self.text, "-c", "3"), "--context", status=(2,))
        self.assert_refused(run("eval", BOX, "-f", self.text, "-c", "32", "--reference", self.text), "not a reference run")
        self.assert_refused(run("eval", BOX, "-f", self.write("empty", ""), "-c", "32"), "1 tokens")
        run_file = self.path("run.ref")
        self.eval("--context", "32", "--save-reference", run_file)
        self.assert_refused(run("eval", BOX, "-f", self.text, "-c", "16", "--reference", run_file), "windows of 32")
        other = self.write("other.txt", TEXT.replace("boat", "goat"))
        self.assert_refused(run("eval", BOX, "-f", other, "-c", "32", "--reference", run_file), "run.ref")
        self.assert_refused(run("eval", BOX, "-f", self.text, "-c", "32", "--save-reference", "/nonexistent/r"),
                            "/nonexistent/r")

    def test_a_full_disk_leaves_no_run(self):
        script = f"ulimit -f 8; exec '{PROGRAM}' eval '{BOX}' -f '{self.text}' -c 32 --save-reference '{self.path('r')}'"
        result = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
        self.assert_refused(result, self.path("r"))
        self.assertEqual(os.listdir(self.folder), ["text.txt"])

    def test_ctrl_c_leaves_no_run(self):
        long = self.write("long.txt", TEXT * 300)
        process = subprocess.Popen([PROGRAM, "eval", BOX, "-f", long, "--save-reference", self.path("r")],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertIn("stopped after", self.signal_while_writing(process, signal.SIGINT))
        self.assertEqual(sorted(os.listdir(self.folder)), ["long.txt", "text.txt"])


if __name__ == "__main__":
    unittest.main()
