#!/usr/bin/env python3
"""bench/side_by_side.py and engine_bench.py: what they read from engines, what they compute, and whole comparisons with
made-up peers. Figures that are expected were worked out by hand."""
import json
import os
import stat
import statistics
import subprocess
import sys
import unittest

from harness import BOX, FAKE_ENGINE, PROGRAM, SOURCE, ScratchCase

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(SOURCE, "bench"))
import bench_plan
import engine_run
import engine_turns
import run_statistics
import turns_report

PREFILL, DECODE, DEEP = (bench_plan.parse_cell(text) for text in ("prefill:512", "decode:128", "decode:128@4096"))
LOAD = bench_plan.parse_cell("load:16")


def row(prompt, generate, speed, **more):
    return {"n_prompt": prompt, "n_gen": generate, "avg_ts": speed, "stddev_ts": 0.5, **more}


class Cells(unittest.TestCase):
    def test_text_and_back(self):
        for text in ("prefill:512", "decode:128", "decode:128@4096", "load:16", "load:16:cold"):
            self.assertEqual(str(bench_plan.parse_cell(text)), text)
        self.assertEqual(DEEP.words, "decode 128 at depth 4096")

    def test_options_of_llama_bench(self):
        self.assertEqual(PREFILL.placeholders["tests"], "-p 512 -n 0")
        self.assertEqual(DECODE.placeholders["tests_gp"], "-p 0 -n 128")
        self.assertEqual(DEEP.placeholders["tests"], "-p 0 -n 128 -d 4096")
        self.assertEqual(DEEP.placeholders["tests_gp"], "-p 0 -n 0 -gp 4096,128")
        self.assertEqual((LOAD.placeholders["warm_up"], DEEP.placeholders["warm_up"]), (0, 1))

    def test_what_is_no_cell(self):
        for text in ("prefill", "prefill:0", "decode:8@", "load", "load:8:warm", "decode:99999999", "prefill:8@9", ""):
            with self.assertRaises(bench_plan.PlanError, msg=text):
                bench_plan.parse_cell(text)

    def test_a_command_with_blanks_in_the_model(self):
        engine = engine_run.Engine("p", "b -m {model} -t {threads} {tests} '{prompt}+{generate}@{depth}'")
        self.assertEqual(engine.argv("a b.gguf", DEEP, 2),
                         ["b", "-m", "a b.gguf", "-t", "2", "-p", "0", "-n", "128", "-d", "4096", "0+128@4096"])
        with self.assertRaisesRegex(engine_run.RunError, "modell.*may name model"):
            engine_run.Engine("p", "b {modell}").argv("m", DEEP, 2)

    def test_a_trial_decodes_at_its_depth(self):
        """4095 positions and a prompt of 1 make 4096; the first of 129 tokens comes from that prompt."""
        spec = engine_run.trial_spec("m", DEEP, 2, 1)
        self.assertEqual((spec["depth"], spec["prompt_tokens"], spec["generate_tokens"], spec["context"]),
                         (4095, 1, 129, 4225))
        self.assertEqual(engine_run.trial_spec("m", LOAD, 2, 1)["warmup_limit_ms"], 0)


class Outputs(unittest.TestCase):
    def test_rows_of_llama_bench(self):
        rows = [row(512, 0, 100.0, n_depth=0), row(0, 128, 20.0, n_depth=0),
                row(0, 128, 15.0, n_depth=4096, samples_ts=[14.0, 15.0, 19.0])]
        text = json.dumps(rows)
        self.assertEqual(engine_run.read_output(text, PREFILL), {"prefill": 100.0})
        self.assertEqual(engine_run.read_output(text, DECODE), {"decode": 20.0})
        self.assertEqual(engine_run.read_output(text, DEEP), {"decode": 15.0})

    def test_rows_line_by_line_after_other_lines(self):
        text = "loading {…}\n" + "\n".join(json.dumps(r) for r in (row(0, 128, 20.0), row(512, 0, 90.0)))
        self.assertEqual(engine_run.read_output(text, PREFILL), {"prefill": 90.0})

    def test_depth_of_a_build_without_d(self):
        text = json.dumps([row(4096, 128, 12.0, test="tg128@pp4096"), row(512, 128, 50.0, test="pp512+tg128")])
        self.assertEqual(engine_run.read_output(text, DEEP), {"decode": 12.0})

    def test_a_row_of_another_depth_does_not_count(self):
        """A peer that ignores the depth would be compared with ours at 4096."""
        with self.assertRaisesRegex(engine_run.RunError, "none of its 1 rows is decode:128@4096"):
            engine_run.read_output(json.dumps([row(0, 128, 20.0, n_depth=0)]), DEEP)

    def test_an_object(self):
        text = 'hello\n{"load_s": 0.5, "pp_tps": 99.5, "tg_tps": 0, "ttft_s": 0.25, "peak_rss_MiB": 1}\n'
        self.assertEqual(engine_run.read_output(text, LOAD), {"load_s": 0.5, "prefill": 99.5, "ttft_s": 0.25})

    def test_a_trial(self):
        events = [
            {"event": "phase", "t": 1_000_000_000, "name": "load", "edge": "begin"},
            {"event": "ledger", "t": 1, "total": 3 << 20},
            {"event": "phase", "t": 1_500_000_000, "name": "load", "edge": "end"},
            {"event": "phase", "t": 2_000_000_000, "name": "prefill", "edge": "begin"},
            {"event": "phase", "t": 4_500_000_000, "name": "prefill", "edge": "end", "begin": 2_500_000_000, "tokens": 512},
            {"event": "ttft", "t": 1, "ns": 2_010_000_000},
            {"event": "token_stamps", "t": 1, "ns": [5_000_000_000, 5_100_000_000, 5_400_000_000]},
            {"event": "done", "t": 9},
        ]
        text = "\n".join(map(json.dumps, events))
        said = engine_run.read_output(text, PREFILL)
        self.assertAlmostEqual(said["prefill"], 256)  # 512 in 2 s
        self.assertAlmostEqual(said["decode"], 5)  # 2 in 0.4 s
        self.assertAlmostEqual(said["ledger_mib"], 3)
        figures = engine_run.cell_figures(said, LOAD, 7 << 20)
        self.assertAlmostEqual(figures["first_token_s"], 0.5 + 2.01)
        self.assertEqual(figures["peak_mib"], 7)
        self.assertNotIn("prefill", engine_run.cell_figures(said, DECODE, 0))
        with self.assertRaisesRegex(engine_run.RunError, "ended before `done`"):
            engine_run.read_output("\n".join(map(json.dumps, events[:-1])), PREFILL)

    def test_what_says_nothing(self):
        for text, words in (("", "nothing at all"), ("usage: bench", "usage: bench"), ("[]", "none of its 0 rows")):
            with self.assertRaisesRegex(engine_run.RunError, words):
                engine_run.read_output(text, PREFILL)
        with self.assertRaisesRegex(engine_run.RunError, "lacks or has wrong 'avg_ts'"):
            engine_run.read_output('{"n_prompt": 512, "n_gen": 0}\n', PREFILL)
        with self.assertRaisesRegex(engine_run.RunError, "said nothing of decode:128"):
            engine_run.cell_figures({"prefill": 3.0}, DECODE, 1)


class Statistics(unittest.TestCase):
    def test_few_values_give_their_range(self):
        spread = run_statistics.spread_of([3.0, 1.0, 2.0])
        self.assertEqual((spread.value, spread.low, spread.high, spread.is_range), (2.0, 1.0, 3.0, True))

    def test_many_values_give_an_interval(self):
        """Of 25 values, the median of a resample lies beyond the 6th or 20th in less than 1 % (binomial)."""
        spread = run_statistics.spread_of([float(i) for i in range(1, 26)])
        self.assertEqual(spread.value, 13.0)
        self.assertFalse(spread.is_range)
        self.assertTrue(6 < spread.low < 13 < spread.high < 20, spread)

    def test_rounds_stay_together(self):
        """Whatever drifts from round to round, twice as fast in each of them is twice as fast."""
        theirs = [10.0, 31.0, 4.0, 77.0, 20.0, 15.0, 3.0]
        ours = [2 * x for x in theirs]
        for ratio in (run_statistics.ratio_of_medians(ours, theirs), run_statistics.ratio_by_round(ours, theirs)):
            self.assertEqual((ratio.value, ratio.low, ratio.high, ratio.n), (2.0, 2.0, 2.0, 7))

    def test_both_ratios(self):
        ours, theirs = [10.0, 20.0, 60.0], [10.0, 5.0, 20.0]
        self.assertEqual(run_statistics.ratio_of_medians(ours, theirs).value, 2.0)  # 20 ÷ 10
        self.assertEqual(run_statistics.ratio_by_round(ours, theirs).value, 3.0)  # of 1, 4 and 3

    def test_digits(self):
        for value, shown in ((1234.5, "1234"), (56.78, "56.8"), (1.2345, "1.23"), (0.1234, "0.12")):
            self.assertEqual(run_statistics.show(run_statistics.Spread(value, value, value, 1)), shown)


class Order(unittest.TestCase):
    def test_everybody_is_first_once(self):
        orders = [tuple(engine_turns.order_of(["b", "a", "c"], 1, "m", PREFILL, i)) for i in range(30)]
        self.assertEqual({order[0] for order in orders}, {"a", "b", "c"})
        self.assertEqual(orders, [tuple(engine_turns.order_of(["c", "b", "a"], 1, "m", PREFILL, i)) for i in range(30)])
        self.assertNotEqual(orders, [tuple(engine_turns.order_of(["a", "b", "c"], 2, "m", PREFILL, i)) for i in range(30)])


class Report(unittest.TestCase):
    LIMITS = {"read_bytes_per_s": 10e9, "int8_ops_per_s": 500e9, "f32_ops_per_s": 100e9, "int8_with": "i", "f32_with": "f"}

    def lines(self):
        yield {"kind": "head", "seed": 1, "threads": 2, "file_mib": {"m": 100.0}}
        work = {"prefill:512": {"bytes": 1, "int8_ops": 512e9, "float_ops": 9}, "decode:128": {"bytes": 1e9, "int8_ops": 1}}
        speeds = {("edgewise", "prefill:512"): (300, 330, 270), ("slow", "prefill:512"): (100, 110, 90),
                  ("p/a", "prefill:512"): (200, 220, 180), ("edgewise", "decode:128"): (8, 9, 10), ("p/a", "decode:128"): (4, 4, 4),
                  ("slow", "decode:128"): (5, 5, 5)}
        for cell in work:
            for index in range(3):
                yield {"kind": "turn", "model": "m", "cell": cell, "round": index, "limits": self.LIMITS, "work": work[cell],
                       "load_1min": 1.5 + index}
        for (engine, cell), values in speeds.items():
            for index, value in enumerate(values):
                key = {"model": "m", "cell": cell, "round": index}
                figures = {cell.split(":")[0]: value, "peak_mib": 110.0, "ledger_mib": 100.0}
                yield {"kind": "run", **key, "engine": engine, "figures": figures, "cached_share": 1.0}
        yield {"kind": "run", "model": "m", "cell": "decode:128", "round": 0, "engine": "bad", "error": "it broke"}

    def test_tables(self):
        gathered = turns_report.Gathered(list(self.lines()))
        self.assertEqual(gathered.best_peer("m", PREFILL, "prefill"), "p/a")
        self.assertEqual(gathered.best_peer("m", DECODE, "decode"), "slow")
        summary = turns_report.summary_table(gathered).splitlines()
        self.assertIn("| prefill 512 | prefill | 1.50 (1.50–1.50) p/a |", summary)
        self.assertIn("| decode 128 | decode | 1.80 (1.60–2.00) slow |", summary)
        # 300 tokens/s of 1 Gop each, of 500; 9 tokens/s of 1 GB each, of 10.
        self.assertAlmostEqual(statistics.median(gathered.shares("m", PREFILL, "edgewise").values()), 0.6)
        self.assertAlmostEqual(statistics.median(gathered.shares("m", DECODE, "edgewise").values()), 0.9)
        self.assertIn("2 threads, seed 1,", turns_report.notes(gathered))
        self.assertIn("load average 1.5–3.5; limits beside the turns, median (lowest–highest): reading 10 (10–10) GB/s",
                      turns_report.notes(gathered))
        speed = turns_report.engine_speed_table(gathered)
        self.assertIn("| m | prefill 512 | 300 (270–330) | 300 of 500 Gop/s | 60 % |", speed)
        self.assertIn("9.00 (8.00–10.00) | 9 of 10 GB/s | 90 % |", speed)
        self.assertIn("| 110 | 100 | 1.10 | 100 | 1.100 |", turns_report.engine_memory_table(gathered))
        self.assertEqual(list(turns_report.error_lines(gathered)),
                         ["m, decode 128, bad: 1 of its runs failed: it broke"])

    def test_float_weights_are_held_against_the_float_peak(self):
        line = {"limits": self.LIMITS, "work": {"bytes": 1, "int8_ops": 0, "float_ops": 512e9}}
        self.assertEqual(turns_report.bound_of(line, PREFILL), turns_report.Bound(1e9, 100e9, "Gflop/s"))


class Whole(ScratchCase):
    """The real program on the model in the box, beside made-up peers."""

    def program(self, name, text):
        path = self.write(name, f"#!{sys.executable}\n{text}")
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
        return path

    def run_script(self, script, *args):
        return subprocess.run([sys.executable, os.path.join(SOURCE, "bench", script), *args, "--edgewise", PROGRAM,
                               "--cache", self.folder], cwd=self.folder, capture_output=True, text=True, timeout=300, check=False)

    def limits(self):
        """Round figures instead of this machine's, and what work was asked for."""
        return self.program("limits", f"""
import json, os, sys
out = {{"read_bytes_per_s": 1e12, "int8_ops_per_s": 1e12, "f32_ops_per_s": 1e12, "int8_with": "i", "f32_with": "f"}}
if len(sys.argv) > 3: out = {{"work": [{{"bytes": 1e6, "int8_ops": 0, "float_ops": 1e6, "asked": sys.argv[4]}}]}}
print(json.dumps(out))
""")

    def lines(self, name="t.jsonl"):
        with open(self.path(name), encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def test_a_comparison_and_going_on(self):
        peer = self.program("peer", """
import json, sys
prompt, generate, depth = map(int, sys.argv[1:4])
block = bytearray(96 << 20)  # what its largest resident set must show
print(json.dumps([{"n_prompt": prompt, "n_gen": generate, "n_depth": depth, "avg_ts": 2.0}]))
""")
        args = (BOX, "--cells", "prefill:32,decode:4@8", "--limits", self.limits(), "-t", "1", "--out", "t.jsonl",
                "--peer", f"rows={peer} {{prompt}} {{generate}} {{depth}}", "--trial", f"fake={sys.executable} {FAKE_ENGINE}",
                "--peer", f"broken={sys.executable} -c 'import sys; sys.exit(\"no such model\")'")
        first = self.run_script("side_by_side.py", *args, "--rounds", "1")
        self.assertEqual(first.returncode, 0, first.stderr)
        runs = [line for line in self.lines() if line["kind"] == "run"]
        self.assertEqual(sorted((r["engine"], r["cell"]) for r in runs),
                         sorted((e, c) for e in ("broken", "edgewise", "fake", "rows") for c in ("decode:4@8", "prefill:32")))
        by_name = {(r["engine"], r["cell"]): r for r in runs}
        self.assertEqual(by_name["rows", "prefill:32"]["figures"]["prefill"], 2.0)
        self.assertGreater(by_name["rows", "prefill:32"]["peak_rss_bytes"], 96 << 20)
        self.assertIn("exit status 1: no such model", by_name["broken", "prefill:32"]["error"])
        self.assertGreater(by_name["edgewise", "decode:4@8"]["figures"]["decode"], 0)
        self.assertGreater(by_name["fake", "prefill:32"]["figures"]["prefill"], 0)
        self.assertIn("broken: 1 of its runs failed", first.stdout)
        self.assertIn("edgewise ÷ best peer", first.stdout)

        second = self.run_script("side_by_side.py", *args, "--rounds", "2")
        self.assertEqual(second.returncode, 0, second.stderr)
        again = [line for line in self.lines() if line["kind"] == "run"]
        self.assertEqual(again[:len(runs)], runs)
        new = sorted((r["engine"], r["cell"], r["round"]) for r in again[len(runs):])
        self.assertEqual(new, sorted((engine, cell, 1) for engine, cell in by_name))
        none = self.run_script("side_by_side.py", *args, "--rounds", "3", "--longest", "0")
        self.assertEqual(none.stdout, second.stdout)
        report = self.run_script("side_by_side.py", "--report", "--out", "t.jsonl")
        self.assertEqual(report.stdout, second.stdout)
        other = self.run_script("side_by_side.py", *args, "--rounds", "2", "--seed", "7")
        self.assertIn("has seed 1, this comparison 7", other.stderr)

    def test_what_is_compared_was_measured_together(self):
        """A peer that comes later takes its turns together with everybody; a turn that was cut off is taken again."""
        peer = self.program("peer", 'print(\'{"pp_tps": 2}\')\n')
        args = (BOX, "--cells", "prefill:8", "--limits", self.limits(), "-t", "1", "--rounds", "1", "--out", "t.jsonl")
        self.assertIn("edgewise", self.run_script("side_by_side.py", *args).stdout)
        self.run_script("side_by_side.py", *args, "--peer", f"late={peer}")
        kinds = [(line["kind"], line.get("engine")) for line in self.lines() if line["kind"] != "head"]
        self.assertEqual(kinds[:3], [("turn", None), ("run", "edgewise"), ("turn", None)])
        self.assertEqual(sorted(kinds[3:]), [("run", "edgewise"), ("run", "late")])
        with open(self.path("t.jsonl"), encoding="utf-8") as file:
            text = file.read()
        self.write("t.jsonl", text[:-9])  # as a kill leaves it
        cut_off = self.run_script("side_by_side.py", *args, "--peer", f"late={peer}")
        self.assertEqual(cut_off.returncode, 0, cut_off.stderr)
        self.assertEqual(sum(line["kind"] == "run" for line in self.lines()), 1 + 1 + 2)
        self.assertEqual(cut_off.stdout.count("| 1 |"), 4)  # two figures of two engines, one round of each

    def test_a_peer_that_fails_twice_is_left_out(self):
        done = self.run_script("side_by_side.py", BOX, "--cells", "decode:2", "--limits", "none", "-t", "1", "--rounds", "3",
                               "--out", "t.jsonl", "--peer", "no=false")
        self.assertIn("no: 3 of its runs failed: exit status 1\n", done.stdout)
        errors = [line["error"] for line in self.lines() if line.get("engine") == "no"]
        self.assertEqual(errors, ["exit status 1", "exit status 1", "left out after 2 failures"])

    def test_limits_are_measured_beside_each_turn(self):
        done = self.run_script("engine_bench.py", BOX, "--cells", "decode:4,load:16:cold", "--limits", self.limits(), "-t", "1",
                               "--rounds", "2", "--out", "t.jsonl")
        self.assertEqual(done.returncode, 0, done.stderr)
        limits = [line for line in self.lines() if line["kind"] == "turn"]
        self.assertEqual([(line["cell"], line["round"]) for line in limits],
                         [("decode:4", 0), ("load:16:cold", 0), ("decode:4", 1), ("load:16:cold", 1)])
        self.assertEqual(limits[0]["work"]["asked"], "1@2")
        for words in ("of 1e+03 GB/s", "| cold load, prompt 16 |", "said before, MiB"):
            self.assertIn(words, done.stdout)

    def test_a_plan(self):
        plan = self.write("p.toml", f'models = ["{BOX}"]\ncells = ["decode:4"]\nrounds = 1\nthreads = 1\n[peers]\nnone = "false"\n')
        done = self.run_script("side_by_side.py", "--plan", plan, "--limits", "none")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("none: 1 of its runs failed: exit status 1", done.stdout)
        self.assertIn("limits were not measured", done.stdout)

    def test_what_is_refused(self):
        wrong = self.write("w.toml", "modells = []\n")
        for args, words in (((), "which models"), (("nowhere:q4_0x",), "nowhere"), ((BOX, "--cells", "decode"), "cell `decode`"),
                            ((BOX, "--peer", "x"), "not NAME='COMMAND'"), (("--plan", wrong), "`modells` is none of"),
                            (("--report", "--out", wrong), "w.toml:1: "), ((BOX, "--out", wrong), "w.toml:1: "),
                            ((BOX, "--limits", "/nonexistent/limits"), "bench_limits` builds it")):
            done = self.run_script("side_by_side.py", *args, "--rounds", "1")
            self.assertEqual(done.returncode, 1, args)
            self.assertIn(words, done.stderr)
            self.assertNotIn("Traceback", done.stderr)

    def test_a_hanging_peer_is_ended(self):
        done = self.run_script("side_by_side.py", BOX, "--cells", "decode:4", "--limits", "none", "--rounds", "1", "-t", "1",
                               "--no-warm-up", "--timeout", "20", "--peer", "hangs=sleep 100", "--trial",
                               f"dies={sys.executable} {FAKE_ENGINE} crash")
        self.assertIn("hangs: 1 of its runs failed: not done after 20 s", done.stdout)
        self.assertIn("dies: 1 of its runs failed: signal 11", done.stdout)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
