#!/usr/bin/env python3
"""edgewise bench: its table, its JSON, and what it refuses."""
import json
import os
import re
import sqlite3
import sys
import unittest

from harness import BOX, FAKE_ENGINE, ScratchCase, run

QUICK = ("-p", "16", "-n", "6", "--energy", "none")


class Bench(ScratchCase):
    def bench(self, *args):
        return run("bench", *args, cwd=self.folder)

    def test_json_holds_raw_values(self):
        result = self.bench(BOX, *QUICK, "-r", "3", "-t", "1", "--depth", "0,8", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        configs = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual([c["depth"] for c in sorted(configs, key=lambda c: c["depth"])], [0, 8])
        for c in configs:
            self.assertEqual((c["decode_threads"], c["prompt_tokens"], c["generate_tokens"]), (1, 16, 6))
            self.assertEqual(len(c["runs"]), 3)
            speeds = []
            for r in c["runs"]:
                self.assertEqual(r["status"], "ok")
                stamps = r["token_stamps_ns"]
                self.assertEqual(len(stamps), 6)
                speeds.append(5e9 / (stamps[-1] - stamps[0]))
                self.assertAlmostEqual(r["figures"]["decode_tokens_per_s"], speeds[-1], delta=1e-6 * speeds[-1])
            # The median of three is the middle one.
            self.assertAlmostEqual(c["figures"]["decode_tokens_per_s"]["median"], sorted(speeds)[1],
                                   delta=1e-6 * speeds[0])
            self.assertGreater(c["ledger"]["total_bytes"], c["ledger"]["kv_cache_bytes"])
            self.assertIn("not asked for", c["energy_none"])
            self.check_shares(c)
        self.assertEqual(os.listdir(self.folder), [])  # nothing is left behind

    def check_shares(self, c):
        """All weights of the box are floats of 2 bytes; its 6 layers keep 2 x 2 heads of 64 per position in 2 bytes."""
        work, limits = c["work"], c["limits"]
        self.assertEqual(work["token"]["int8_ops"], 0)
        self.assertAlmostEqual(work["token"]["float_ops"], c["weights_bytes"], delta=0.2 * c["weights_bytes"])
        deeper = c["depth"] + 16 + 3
        self.assertAlmostEqual(work["token"]["bytes"], c["weights_bytes"] + (deeper + 2) * 6 * 4 * 64 * 2,
                               delta=0.2 * c["weights_bytes"])
        for figure in limits.values():
            self.assertGreater(figure, 1e6)
        prefill_s = work["prompt"]["float_ops"] / limits["f32_ops_per_s"]
        share = c["of_limit"]["prefill"]
        self.assertGreater(share, 0)
        if len({run["status"] for run in c["runs"]}) == 1:  # the same from medians, which drift apart a little
            self.assertAlmostEqual(share, prefill_s * c["figures"]["prefill_tokens_per_s"]["median"] / 16,
                                   delta=0.5 * share)

    def test_limits_can_be_left_out(self):
        result = self.bench(BOX, *QUICK, "-r", "1", "-t", "1", "--no-limits", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertNotIn("of_limit", json.loads(result.stdout))
        table = self.bench(BOX, *QUICK, "-r", "1", "-t", "1", "--no-limits").stdout
        self.assertNotIn("limit", table)

    def test_table(self):
        result = self.bench(*QUICK, "-r", "2", "-t", "1")
        self.assertEqual(result.returncode, 0, result.stderr)
        for word in ("machine  ", "energy   none — not asked for", "prefill 16", "decode 6", "tok/s", "peak memory", "(said ", "of limit", "limit    beside the runs: reading ",
                     "2 runs each", "kernels  F16: "):
            self.assertIn(word, result.stdout)
        self.assertEqual(result.stderr, "")

    def test_a_spread_has_one_sign(self):
        """It once read 508 ± ± 54."""
        result = self.bench(*QUICK, "-r", "2", "-t", "1")
        self.assertEqual(result.returncode, 0, result.stderr)
        row = next(line for line in result.stdout.splitlines() if " F16 " in line)
        self.assertEqual(len(re.findall(r"\d (?:± <?[\d.,]+|\+[\d.,]+ -[\d.,]+)(?= |$)", row)), 2, row)
        self.assertNotRegex(row, r"± *[±+]")

    def test_store_is_kept_on_request(self):
        for _ in range(2):
            self.assertEqual(self.bench(BOX, *QUICK, "-r", "1", "-t", "1", "--store", "b.db").returncode, 0)
        with sqlite3.connect(self.path("b.db")) as db:
            self.assertEqual(db.execute("SELECT count(*) FROM trial WHERE status = 'ok'").fetchone(), (2,))

    def test_a_failing_engine_is_named(self):
        result = self.bench(BOX, *QUICK, "-r", "1", "-t", "1", "--engine-command", f"python3 '{FAKE_ENGINE}' crash")
        self.assertEqual(result.returncode, 1)
        self.assertIn("crashed: Segmentation fault (signal 11), in phase prefill", result.stdout)

    def test_profile_adds_up(self):
        result = self.bench(BOX, "-p", "16", "-n", "6", "-t", "2", "--profile", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        prefill, decode = (json.loads(line) for line in result.stdout.splitlines())
        self.assertEqual([(p["phase"], p["tokens_per_call"], p["calls"], p["threads"]) for p in (prefill, decode)],
                         [("prefill", 16, 1, 2), ("decode", 1, 5, 2)])
        for phase in (prefill, decode):
            steps = {s["step"]: s for s in phase["steps"]}
            self.assertEqual(steps["attn_q + attn_k + attn_v"]["ops"], 6)  # layers, as models/README.md has them
            self.assertEqual(steps["head"]["ops"], 1)
            spent = sum(s["work_s"] + s["waiting_s"] for s in phase["steps"])
            self.assertTrue(0.5 * phase["call_s"] < spent < 1.001 * phase["call_s"], (spent, phase["call_s"]))
        # 6 layers: gate and up of 768 x 256 halves each
        self.assertEqual(steps["ffn_gate + ffn_up"]["bytes"], 6 * 2 * 768 * 256 * 2)
        self.assertEqual(os.listdir(self.folder), [])

    def test_profile_for_people(self):
        result = self.bench(BOX, "-p", "16", "-n", "6", "-t", "1", "--profile")
        self.assertEqual(result.returncode, 0, result.stderr)
        for word in ("prefill of 16 tokens after 0 · 1 thread", "decode of 5 tokens after 17 · 1 thread", "waiting", "of reading",
                     "ffn_down", "between calls", "over the whole token"):
            self.assertIn(word, result.stdout)

    def test_cores_and_spinning(self):
        core = min(os.sched_getaffinity(0))
        result = self.bench(BOX, *QUICK, "-r", "1", "-t", "1", "--cores", str(core), "--spin", "0,50", "--store", "c.db")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(f"cores    {core}\n", result.stdout)
        with sqlite3.connect(self.path("c.db")) as db:
            self.assertEqual(sorted(db.execute("SELECT cores, spin_us FROM config")), [(str(core), -1), (str(core), 50)])

    def test_what_is_refused(self):
        self.assert_refused(self.bench("--cores", "3-1"), "--cores: `3-1` is not a set of cores", status=(2,))
        self.assert_refused(self.bench("--spin", "-1"), "--spin: `-1` is not a value it takes", status=(2,))
        self.assert_refused(self.bench("--profile", "--store", "x.db"), "--profile runs in this process", status=(2,))
        self.assert_refused(self.bench("no.gguf"), "no.gguf: cannot open: No such file", status=(1,))
        self.assert_refused(self.bench("lama:q4_0"), "`lama` is not a known shape", status=(2,))
        self.assert_refused(self.bench("llama-3.2-1b:q1"), "`q1` cannot be written", status=(2,))
        self.assert_refused(self.bench(BOX, "-t", "4000"), "threads: 4000 is more than this machine's", status=(2,))
        self.assert_refused(self.bench(BOX, "-t", "1,,2"), "is no list", status=(2,))
        self.assert_refused(self.bench(BOX, "-t", "many"), "`many`", status=(2,))
        self.assert_refused(self.bench(BOX, "-r", "0"), "--runs", status=(2,))
        self.assert_refused(self.bench(BOX, "--weights", "lost"), "`lost`", status=(2,))


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
