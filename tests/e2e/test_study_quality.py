#!/usr/bin/env python3
"""What models know, beside what they cost: eval --store, eval --prompts, and the section `quality` of a study, whose
figures must be those of `edgewise eval --json` by hand; killed, stopped, resumed, and with files that are not there."""
import json
import math
import os
import signal
import subprocess
import sys
import time
import unittest

from harness import BOX, PROGRAM, SOURCE, ScratchCase, run

TEXT = "".join(f"On the {day} morning the boat went down the river, past the mill and the {n} tall trees, and the old "
               f"bridge said: the wind is too strong to go to the sea today, wait for the {n} bell.\n"
               for day in ("first", "second", "third", "fourth") for n in ("two", "three", "seven", "nine"))
PROMPTS = ["Once upon a time there was", "The king said to the miller:", "It was a cold night, and"]
STUDY = """study: quality
models: [{box: true, types: [f16, q8_0, q4_0], sample_text: false}]
sweep: {threads: 1}
measure: {prompt_tokens: 2, generate_tokens: 2, repeats: 1, warmup: 0, energy: none}
"""
QUALITY = """quality:
  texts: [{text: text.txt, context: 32}]
  divergence: true
  prompts: prompts.jsonl
  tokens: 12
"""


class Quality(ScratchCase):
    def setUp(self):
        super().setUp()
        self.text = self.write("text.txt", TEXT)
        self.prompts = self.write("prompts.jsonl", "".join(json.dumps({"prompt": p}) + "\n" for p in PROMPTS))

    def eval_json(self, model, *args):
        result = run("eval", model, "--json", *args, cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def write_study(self, quality=QUALITY, head=STUDY):
        self.write("s.yaml", head + quality)

    def start(self):
        env = dict(os.environ, EDGEWISE_MODEL=BOX, XDG_CACHE_HOME=self.path("cache"), EDGEWISE_KERNELS="features")
        return subprocess.Popen([PROGRAM, "study", "s.yaml", "--yes"], cwd=self.folder, env=env,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def type_file(self, name):
        return BOX if name == "F16" else self.path(f"cache/edgewise/edgewise-tales-6m-{name.lower()}.gguf")

    # ---- by hand ----

    def test_eval_keeps_its_figures(self):
        said = json.loads(self.eval_json(BOX, "--file", self.text, "--context", "32", "--store", self.path("s.db")))
        self.check_store()
        (row,) = self.query("SELECT q.measure, q.data, q.settings, q.n, q.value, q.low, q.high, q.kv_type, q.study_id,"
                            " q.figures_json, q.joules, q.seconds_ns, m.path, m.in_the_box FROM quality q"
                            " JOIN model m ON m.id = q.model_id")
        self.assertEqual(row[:4], ("perplexity", "text", "context 32, stride 0", said["tokens"]))
        self.assertAlmostEqual(row[4], said["perplexity"], places=6)
        by = said["error_windows"] if said["windows"] >= 20 else said["error"]
        self.assertGreaterEqual(said["windows"], 20)
        half = 1.959964 * by / said["perplexity"]
        self.assertAlmostEqual(row[5], math.exp(said["mean_nll"] - half), places=3)
        self.assertAlmostEqual(row[6], math.exp(said["mean_nll"] + half), places=3)
        self.assertEqual(row[7:9], ("f16", None))
        self.assertEqual(json.loads(row[9]), said)
        self.assertIsNone(row[10])
        self.assertGreater(row[11], 0)
        self.assertEqual(row[12:], (os.path.realpath(BOX), 1))
        # Other settings are another figure; the same ones replace it.
        for _ in range(2):
            self.eval_json(BOX, "--file", self.text, "--context", "32", "--windows", "3", "--store", self.path("s.db"))
        self.assertEqual(self.query("SELECT settings FROM quality ORDER BY id"),
                         [("context 32, stride 0",), ("context 32, stride 0, 3 windows",)])
        self.assertEqual(self.query("SELECT count(*) FROM model"), [(1,)])

    def test_answers_by_hand(self):
        lines = self.eval_json(BOX, "--prompts", self.prompts, "--tokens", "8", "--store", self.path("s.db"))
        answers = [json.loads(line) for line in lines.splitlines()]
        self.assertEqual([a["prompt"] for a in answers], PROMPTS)
        self.assertEqual([a["position"] for a in answers], [0, 1, 2])
        self.assertEqual({a["tokens"] for a in answers}, {8})
        self.assertEqual(self.query("SELECT prompt_set, position, prompt, text, n_tokens, n_most FROM answer"
                                    " ORDER BY position"),
                         [("prompts", a["position"], a["prompt"], a["text"], a["tokens"], 8) for a in answers])
        text = run("eval", BOX, "--prompts", self.prompts, "--tokens", "8", cwd=self.folder).stdout
        self.assertIn(PROMPTS[1], text)
        self.assertIn(answers[1]["text"], text)

    def test_answers_are_those_of_another_engine(self):
        """Greedy texts of llama.cpp, models/expected.json."""
        with open(os.path.join(SOURCE, "models", "expected.json"), encoding="utf-8") as f:
            cases = json.load(f)["cases"]
        prompts = self.write("p.jsonl", "".join(json.dumps({"prompt": case["prompt"]}) + "\n" for case in cases))
        lines = self.eval_json(BOX, "--prompts", prompts, "--tokens", str(len(cases[0]["greedy_tokens"]))).splitlines()
        self.assertEqual(len(lines), len(cases))
        for case, line in zip(cases, lines):
            answer = json.loads(line)
            self.assertGreater(answer["tokens"], 0)
            self.assertTrue(case["text"].startswith(answer["text"].lstrip()), answer)
            if answer["tokens"] == len(case["greedy_tokens"]):
                self.assertEqual(answer["text"].lstrip(), case["text"])

    def test_what_is_refused(self):
        self.write("no.db", "this is no store")
        self.assert_refused(run("eval", BOX, "--file", self.text, "--store", self.path("no.db")), "no.db",
                            "is not a store of edgewise")
        self.assert_refused(run("eval", BOX, "--prompts", self.text), "text.txt:1: is no JSON object")
        self.write("long.jsonl", json.dumps({"prompt": "sea " * 400}) + "\n")
        self.assert_refused(run("eval", BOX, "--prompts", self.path("long.jsonl")), "prompt 0 has", "must be 1 to 255")
        self.assert_refused(run("eval", BOX, "--prompts", self.prompts, "--file", self.text), "choose one", status=(2,))

    # ---- in a study ----

    def expect_all(self):
        """Every figure and answer of STUDY + QUALITY is there, and is what eval says by hand."""
        self.check_store()
        rows = self.query("SELECT m.file_type, q.measure, q.value, q.reference, q.n, q.study_id FROM quality q"
                          " JOIN model m ON m.id = q.model_id")
        figures = {(kind, measure): (value, reference, n) for kind, measure, value, reference, n, _ in rows}
        self.assertEqual({study for *_, study in rows}, {1})
        self.assertEqual(set(figures), {("F16", "perplexity"), ("Q8_0", "perplexity"), ("Q4_0", "perplexity"),
                                        ("Q8_0", "kl_divergence"), ("Q4_0", "kl_divergence")})
        reference = self.path("by-hand.ref")
        for kind in ("F16", "Q8_0", "Q4_0"):
            which = ("--save-reference" if kind == "F16" else "--reference", reference)
            said = json.loads(self.eval_json(self.type_file(kind), "--file", self.text, "--context", "32", *which))
            self.assertAlmostEqual(figures[kind, "perplexity"][0], said["perplexity"], places=6)
            self.assertEqual(figures[kind, "perplexity"][2], said["tokens"])
            if kind != "F16":
                kl = figures[kind, "kl_divergence"]
                self.assertAlmostEqual(kl[0], said["reference"]["kl"]["value"], places=8)
                self.assertEqual(kl[1], said["reference"]["model"])
            lines = self.eval_json(self.type_file(kind), "--prompts", self.prompts, "--tokens", "12").splitlines()
            answers = self.query("SELECT position, prompt, text FROM answer a JOIN model m ON m.id = a.model_id"
                                 f" WHERE m.file_type = '{kind}' ORDER BY position")
            by_hand = [(a["position"], a["prompt"], a["text"]) for a in map(json.loads, lines)]
            self.assertEqual(answers, by_hand)
        self.assertLess(figures["Q8_0", "kl_divergence"][0], figures["Q4_0", "kl_divergence"][0])
        self.assertEqual(os.path.exists(self.path("cache/edgewise/references")), False)

    def test_a_study_with_quality(self):
        self.write_study()
        result = self.study("s.yaml")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("quality  perplexity and divergence on 1 text,  answers to prompts.jsonl", result.stdout)
        self.assertIn("and 6 of 6 evaluations", result.stdout)
        self.expect_all()
        made = self.query("SELECT max(made_unix_ns) FROM quality")
        again = self.study("s.yaml", "--json")
        self.assertEqual(json.loads(again.stdout)["quality"], {"jobs": 6, "done": 6, "left_out": 0})
        self.assertEqual(self.query("SELECT max(made_unix_ns) FROM quality"), made)
        self.assertEqual(self.query("SELECT count(*) FROM invocation"), [(1,)])  # there was nothing to begin
        # The view puts it beside speed and memory.
        (row,) = self.query("SELECT decode_tokens_per_s > 0, peak_gb > 0, file_gb > 0 FROM model_quality"
                            " WHERE measure = 'perplexity' AND file_type = 'Q4_0'")
        self.assertEqual(row, (1, 1, 1))
        # One more question: only that is asked.
        self.write("more.txt", TEXT[:1500])
        self.write_study(QUALITY.replace("context: 32}]", "context: 32}, {text: more.txt, context: 16, windows: 4}]"))
        again = self.study("s.yaml", "--json")
        self.assertEqual(json.loads(again.stdout)["quality"], {"jobs": 9, "done": 9, "left_out": 0})
        self.assertEqual(self.query("SELECT max(made_unix_ns) FROM quality WHERE data = 'text'"), made)
        self.assertEqual(self.query("SELECT count(*), count(DISTINCT settings) FROM quality WHERE data = 'more'"),
                         [(5, 1)])

    def test_killed_and_resumed(self):
        self.write_study()
        kills = 0
        for wait in (0, 1, 3, 4):
            process = self.start()
            while process.poll() is None:  # until so many figures are there
                if os.path.exists(self.path("s.db")):
                    try:
                        if self.query("SELECT count(*) FROM quality")[0][0] >= wait:
                            break
                    except Exception:  # the store is being made
                        pass
                time.sleep(0.005)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                kills += 1
            process.communicate()
            self.check_store()
        self.assertGreater(kills, 0)
        result = self.study("s.yaml")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.expect_all()
        self.assertEqual(self.query("SELECT count(*) FROM answer"), [(9,)])

    def test_stopped_after_the_current_one(self):
        self.write_study()
        process = self.start()
        while process.poll() is None:
            if os.path.exists(self.path("cache/edgewise/references")):
                process.send_signal(signal.SIGINT)
                break
            time.sleep(0.002)
        out, errors = process.communicate(timeout=120)
        self.check_store()
        if process.returncode == 1:
            self.assertIn("evaluations and 3 of 3 runs done", out, errors)
        self.assertEqual(self.study("s.yaml").returncode, 0)
        self.expect_all()

    def left_out(self):
        (text,) = self.query("SELECT left_out_json FROM invocation ORDER BY id DESC LIMIT 1")[0]
        return {entry["what"]: entry["why"] for entry in json.loads(text)}

    def test_what_cannot_be_asked_is_left_out(self):
        self.write("bad.jsonl", "nonsense\n")
        head = STUDY.replace("types: [f16, q8_0, q4_0]", "types: [q8_0]")
        self.write_study("quality:\n  texts: [gone.txt, {text: text.txt, context: 4096}, {text: text.txt, context: 32}]\n"
                         "  divergence: true\n  prompts: bad.jsonl\n", head)
        result = self.study("s.yaml")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.check_store()
        left = self.left_out()
        self.assertIn("no such file", left["quality on gone.txt"].lower())
        self.assertIn("bad.jsonl:1: is no JSON object", left["quality on bad.jsonl"])
        (divergence,) = [why for what, why in left.items() if what.startswith("divergence of")]
        self.assertIn("no file of type f16 of this model is in the study", divergence)
        (text,) = [why for what, why in left.items() if what.startswith("perplexity of")]
        self.assertIn("tokens are less than a window of 4096", text)
        self.assertIn("quality on gone.txt", result.stdout)
        self.assertEqual(self.query("SELECT measure, settings FROM quality"), [("perplexity", "context 32, stride 0")])

    def test_a_time_limit_of_its_own(self):
        self.write("text.txt", TEXT * 40)
        head = STUDY.replace("types: [f16, q8_0, q4_0]", "types: [q8_0]")
        self.write_study("quality: {texts: [{text: text.txt, context: 256}], timeout: 100 ms}\n", head)
        result = self.study("s.yaml")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.query("SELECT count(*) FROM quality"), [(0,)])
        (why,) = self.left_out().values()
        self.assertIn("not done after 0.1 s", why)
        # It is asked again when the command is.
        self.write_study("quality: {texts: [{text: text.txt, context: 256, windows: 2}], timeout: 60 s}\n", head)
        self.assertEqual(self.study("s.yaml").returncode, 0)
        self.assertEqual(self.query("SELECT count(*) FROM quality"), [(1,)])

    def test_energy_and_time_of_an_evaluation(self):
        """Five watts, or a tenth more, for as long as it takes."""
        rows = "".join(f"{i / 20},{5 + i % 2 / 10}\n" for i in range(20 * 120))
        trace = self.write("power.csv", "# boundary: board\ntime_s,power_w\n" + rows)
        self.write("text.txt", TEXT * 8)
        head = STUDY.replace("types: [f16, q8_0, q4_0]", "types: [q8_0]").replace("none", "replay, idle: 0, gap: 0")
        self.write_study("quality: {texts: [{text: text.txt, context: 128}]}\n", head)
        result = self.study("s.yaml", "--power-trace", trace)
        self.assertEqual(result.returncode, 0, result.stderr)
        ((joules, seconds),) = self.query("SELECT joules, seconds_ns / 1e9 FROM quality")
        self.assertGreater(seconds, 0.2)
        self.assertLessEqual(joules, 5.1 * seconds)  # from the first to the last reading within it
        self.assertGreater(joules, max(0, 5 * (seconds - 1)))

    def test_a_reference_beside_the_study(self):
        head = STUDY.replace("types: [f16, q8_0, q4_0]", "types: [q4_0]")
        self.write_study(QUALITY.replace("divergence: true", f"divergence: true\n  reference: {BOX}"), head)
        result = self.study("s.yaml")
        self.assertEqual(result.returncode, 0, result.stderr)
        rows = self.query("SELECT measure, reference, m.file_type FROM quality q JOIN model m ON m.id = q.model_id"
                          " ORDER BY measure")
        self.assertEqual([(r[0], r[2]) for r in rows], [("kl_divergence", "Q4_0"), ("perplexity", "Q4_0")])
        self.assertTrue(rows[0][1].endswith(" F16"))

    def test_random_weights_are_not_asked(self):
        self.write_study("quality: {prompts: prompts.jsonl}\n",
                         STUDY.replace("{box: true, types: [f16, q8_0, q4_0], sample_text: false}",
                                       "{synth: smollm2-135m, types: [q4_0]}"))
        result = self.study("s.yaml")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("1 model file with random weights knows nothing and is not asked", result.stdout)
        self.assertEqual(self.query("SELECT count(*) FROM answer"), [(0,)])
        ((random,),) = self.query("SELECT path FROM model")
        self.assert_refused(run("eval", random, "--file", self.text, "--store", self.path("new.db")), "--store",
                            "random weights")
        self.assertFalse(os.path.exists(self.path("new.db")))


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
