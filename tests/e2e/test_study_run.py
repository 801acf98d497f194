#!/usr/bin/env python3
"""Studies with the real engine on the model in the box: what is stored, going on, stopping, what it prints."""
import json
import os
import signal
import subprocess
import sys
import time
import unittest

from harness import BOX, PROGRAM, ScratchCase, is_instrumented, run

TINY = """study: tiny
models:
  - {box: true}
sweep:
  threads: [1, all]
measure: {prompt_tokens: 16, generate_tokens: 6, repeats: 2, warmup: 50 ms, sample_tokens: 6, energy: none}
"""


class StudyRun(ScratchCase):
    def test_everything_is_stored(self):
        self.write("s.yaml", TINY)
        result = self.study("s.yaml")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("runs done, kept in s.db", result.stdout)
        self.check_store()
        n_configs = self.query("SELECT count(*) FROM config")[0][0]
        self.assertEqual(n_configs, 1 if os.cpu_count() == 1 else 2)
        trials = self.query("SELECT status, attempts, exit_code, kernels, ttft_ns, ledger_total_bytes, peak_rss_bytes,"
                            " begin_ns, end_ns FROM trial")
        self.assertEqual(len(trials), 2 * n_configs)
        for status, attempts, code, kernels, ttft, ledger, peak, begin, end in trials:
            self.assertEqual((status, attempts, code), ("ok", 1, 0))
            self.assertTrue(kernels)
            self.assertTrue(0 < ttft < end - begin)
            self.assertTrue(ledger > os.path.getsize(BOX) // 2 and peak > os.path.getsize(BOX) // 2)
        for trial, name, begin, end, tokens in self.query("SELECT trial_id, name, begin_ns, end_ns, n_tokens FROM phase"):
            self.assertLess(begin, end)
            if name == "prefill":
                self.assertEqual(tokens, 16)
        names = {n for (n,) in self.query("SELECT name FROM phase")}
        self.assertTrue({"load", "warmup", "prefill", "decode", "sample"} <= names)
        # 6 tokens have 6 stamps, inside the decode phase.
        for n, first, last, begin, end in self.query(
                "SELECT s.n, s.first_ns, s.last_ns, p.begin_ns, p.end_ns FROM stamps s"
                " JOIN phase p ON p.trial_id = s.trial_id AND p.name = 'decode'"):
            self.assertEqual(n, 6)
            self.assertTrue(begin <= first < last <= end)
        self.assertGreater(self.query("SELECT count(*) FROM sample_series WHERE channel = 'rss' AND n > 0")[0][0], 0)
        # Sample text once per configuration, in words.
        texts = [t for (t,) in self.query("SELECT sample_text FROM trial WHERE sample_text IS NOT NULL")]
        self.assertEqual(len(texts), n_configs)
        self.assertEqual(len(set(texts)), 1)
        self.assertRegex(texts[0], r"[a-z]{2,}")
        invocation = self.query("SELECT energy_none, boot_id, version, state_json, ended_unix_ns FROM invocation")
        self.assertEqual(len(invocation), 1)
        self.assertIn("not asked for", invocation[0][0])
        json.loads(invocation[0][3])
        self.assertIsNotNone(invocation[0][4])
        facts = json.loads(self.query("SELECT facts_json FROM machine")[0][0])
        self.assertGreaterEqual(facts["threads"], 1)

    def test_a_finished_study_has_nothing_to_do(self):
        self.write("s.yaml", TINY)
        self.assertEqual(self.study("s.yaml").returncode, 0)
        before = self.query("SELECT key, begin_ns FROM trial ORDER BY key")
        result = self.study("s.yaml")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.query("SELECT key, begin_ns FROM trial ORDER BY key"), before)
        self.assertEqual(self.query("SELECT count(*) FROM invocation"), [(1,)])
        # A wider sweep adds; what is there stays.
        self.write("s.yaml", TINY.replace("prompt_tokens: 16", "prompt_tokens: [16, 24]"))
        result = self.study("s.yaml", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(json.loads(result.stdout)["ok"], 2 * len(before))
        after = dict(self.query("SELECT key, begin_ns FROM trial"))
        self.assertEqual({k: after[k] for k, _ in before}, dict(before))

    def test_prediction_meets_measurement(self):
        if is_instrumented():
            self.skipTest("sanitizers take memory of their own")
        self.write("s.yaml", TINY)
        self.assertEqual(self.study("s.yaml").returncode, 0)
        for predicted, measured in self.query("SELECT ledger_total_bytes, peak_rss_bytes FROM trial"):
            self.assertLessEqual(abs(predicted - measured), 0.02 * measured + (8 << 20), f"{predicted} {measured}")

    def test_dry_run_writes_nothing(self):
        self.write("s.yaml", "study: d\nmodels: [{synth: llama-3.2-1b, types: [q4_0, q8_0]}]\nmeasure: {repeats: 4}\n")
        result = run("study", "s.yaml", "--dry-run", "--json", cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        plan = json.loads(result.stdout)
        self.assertEqual(plan["trials"], 8)
        self.assertEqual(len(plan["configurations"]), 2)
        self.assertTrue(1.9e9 < plan["write_bytes"] < 2.2e9, plan["write_bytes"])
        self.assertEqual(os.listdir(self.folder), ["s.yaml"])
        text = run("study", "s.yaml", "--dry-run", cwd=self.folder).stdout
        self.assertIn("GB of model files go to", text)

    def test_first_interrupt_finishes_the_run_second_stops(self):
        slow = TINY.replace("repeats: 2", "repeats: 200")
        self.write("s.yaml", slow)
        for presses in (1, 2):
            process = subprocess.Popen([PROGRAM, "study", "s.yaml", "--yes"], cwd=self.folder, text=True,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for line in process.stdout:  # until a trial of this start has ended
                if ": prefill" in line:
                    break
            for _ in range(presses):
                process.send_signal(signal.SIGINT)
                time.sleep(0.02)
            out, err = process.communicate(timeout=120)
            self.assertEqual(process.returncode, 1, err)
            self.assertIn("Go on with:  edgewise study s.yaml", out)
            self.check_store()
            states = dict(self.query("SELECT status, count(*) FROM trial GROUP BY status"))
            self.assertNotIn("running", states)
            self.assertTrue(states["ok"] >= 1 and states["planned"] > 0, states)

    def test_two_studies_in_one_store_at_once(self):
        self.write("s.yaml", TINY.replace("repeats: 2", "repeats: 200"))
        first = subprocess.Popen([PROGRAM, "study", "s.yaml", "--yes"], cwd=self.folder, text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for line in first.stdout:
            if ": prefill" in line:
                break
        self.assert_refused(self.study("s.yaml"), "another study is writing to it")
        first.terminate()
        first.communicate(timeout=60)
        self.check_store()
        self.assertEqual(self.query("SELECT count(*) FROM trial WHERE status = 'running'"), [(0,)])

    def test_a_power_trace_as_energy_meter(self):
        rows = "".join(f"{i / 50},{5 + i % 2}\n" for i in range(50))
        self.write("power.csv", "# boundary: board\n# loop: yes\ntime_s,power_w\n" + rows)
        self.write("s.yaml", TINY.replace("energy: none", "energy: replay, idle: 200 ms, gap: 20 ms"))
        result = self.study("s.yaml", "--power-trace", "power.csv")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.query("SELECT place FROM baseline ORDER BY id"), [("before",), ("after",)])
        meters = self.query("SELECT name, boundary, describe_json FROM meter WHERE quantity = 'energy' AND used = 1")
        self.assertEqual(len(meters), 1)
        self.assertEqual(json.loads(meters[0][2])["unit"], "W")
        self.assertGreater(self.query("SELECT min(n) FROM sample_series WHERE unit = 'W'")[0][0], 0)
        self.assertEqual(self.query("SELECT count(DISTINCT trial_id) FROM sample_series WHERE unit = 'W'"),
                         self.query("SELECT count(*) FROM trial"))


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
