#!/usr/bin/env python3
"""What a study varies and watches beside threads: cores, page cache, heat, budgets, lost meters; studies that ship."""
import fcntl
import glob
import json
import os
import shutil
import subprocess
import sys
import time
import unittest

from harness import BOX, FAKE_ENGINE, PROGRAM, SOURCE, ScratchCase, run

STUDY = """study: knobs
models: [{file: m.gguf}]
sweep: {threads: 1, SWEEP}
measure: {prompt_tokens: 4, generate_tokens: 3, repeats: REPEATS, warmup: 0, timeout: 60 s, energy: ENERGY, MEASURE}
"""


def study_text(sweep="", measure="", energy="none", repeats=1):
    text = STUDY.replace("SWEEP", sweep).replace("ENERGY", energy).replace("REPEATS", str(repeats))
    return text.replace("MEASURE", measure)


class KnobCase(ScratchCase):
    def knobs(self, *options, more="", engine="good", before="", status=0, **study):
        """A study of a pretended engine, which is started by a script that first does `before`."""
        shutil.copy(BOX, self.path("m.gguf"))
        self.write("s.yaml", study_text(**study) + more)
        script = self.write("engine.sh", f"{before}\nexec python3 '{FAKE_ENGINE}' {engine}\n")
        result = self.study("s.yaml", "--engine-command", f"sh {script}", *options)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        self.check_store()
        return result

    def board(self, millidegrees=45000):
        """A small tree that stands in for /proc and /sys."""
        for name, text in {
                "sys/devices/system/cpu/online": "0", "sys/devices/system/cpu/cpu0/topology/core_id": "0",
                "sys/devices/system/cpu/cpu0/topology/physical_package_id": "0",
                "sys/devices/system/cpu/cpu0/topology/thread_siblings_list": "0",
                "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "7",
                "sys/class/thermal/thermal_zone0/type": "cpu-thermal",
                "sys/class/thermal/thermal_zone0/temp": str(millidegrees),
                "proc/vmstat": "pgpgin 5\npswpin 10\npswpout 20", "proc/cpuinfo": "processor : 0",
                "proc/meminfo": "MemTotal: 4000000 kB\nMemAvailable: 3000000 kB"}.items():
            os.makedirs(os.path.dirname(self.path("root/" + name)), exist_ok=True)
            self.write("root/" + name, text + "\n")
        return self.path("root")


class Knobs(KnobCase):
    def test_runs_stay_on_their_cores(self):
        core = min(os.sched_getaffinity(0))
        self.knobs(sweep=f"cores: [{core}]",
                   before=f"python3 -c 'import os; print(sorted(os.sched_getaffinity(0)))' > {self.path('cores')}")
        with open(self.path("cores"), encoding="utf-8") as f:
            self.assertEqual(json.load(f), [core])
        self.assertEqual(self.query("SELECT cores FROM config"), [(str(core),)])

    def test_type_of_the_cache_from_file_to_store(self):
        self.write("s.yaml", "study: s\nmodels: [{box: true, sample_text: false}]\n"
                             "sweep: {kv: [f16, q8_0, q8_0/f16]}\n"
                             "measure: {prompt_tokens: 40, generate_tokens: 24, repeats: 1, warmup: 0, energy: none}\n")
        result = self.study("s.yaml")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        rows = dict(self.query("SELECT c.kv_type, t.ledger_kv_cache_bytes FROM trial t"
                               " JOIN config c ON c.id = t.config_id"))
        per_position = 6 * 2 * 64  # layers, heads, positions: 40 + 24 tokens; rows of 64 values
        self.assertEqual(rows, {None: per_position * 256, "q8_0": per_position * 136, "q8_0/f16": per_position * 196})

    def test_speculation_from_file_to_store(self):
        self.write("s.yaml", "study: s\nmodels: [{box: true, sample_text: false}]\nsweep: {speculate: [off, auto, 4]}\n"
                             "measure: {prompt_tokens: 40, generate_tokens: 24, repeats: 1, warmup: 0, energy: none}\n")
        result = self.study("s.yaml", "--cpu-mask", "none")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        rows = {how: (drafted, accepted, passes, n, status) for how, drafted, accepted, passes, n, status in self.query(
            "SELECT c.speculate, t.drafted, t.accepted, t.draft_passes, x.n, t.status FROM trial t"
            " JOIN config c ON c.id = t.config_id JOIN stamps x ON x.trial_id = t.id")}
        self.assertEqual(set(rows), {None, "auto", "4"})
        self.assertEqual(rows[None][:3], (None, None, None))
        self.assertTrue(all(row[3:] == (24, "ok") for row in rows.values()), rows)
        for how in ("auto", "4"):
            drafted, accepted, passes = rows[how][:3]
            self.assertTrue(0 <= accepted <= drafted and passes <= drafted, rows)
            self.assertLessEqual(accepted, 23)

    def test_cores_that_are_not_there(self):
        shutil.copy(BOX, self.path("m.gguf"))
        self.write("s.yaml", study_text("cores: 1000"))
        self.assert_refused(self.study("s.yaml"), "s.yaml:3: cores: 1000: core 1000 is not a core of this machine")

    def test_cold_and_warm(self):
        self.knobs(sweep="load: [cold, warm]")
        rows = dict((load, (share, notes)) for load, share, notes in self.query(
            "SELECT c.load, t.cached_share, t.notes FROM trial t JOIN config c ON c.id = t.config_id"))
        self.assertEqual(set(rows), {"cold", "warm"})
        self.assertGreater(rows["warm"][0], 0.5)
        share, notes = rows["cold"]
        # A file system that lives in memory keeps its pages; then it is said.
        self.assertTrue(share <= 0.01 or "could not be dropped" in notes, rows)

    def test_sustained_phase_with_its_windows(self):
        self.write("s.yaml", "study: s\nmodels: [{box: true, sample_text: false}]\nsweep: {sustained: [none, 1500 ms]}\n"
                             "measure: {prompt_tokens: 8, generate_tokens: 8, repeats: 1, warmup: 0, energy: none}\n")
        result = self.study("s.yaml")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(sorted(self.query("SELECT sustained_ms FROM config")), [(0,), (1500,)])
        phases = self.query("SELECT p.trial_id, p.begin_ns, p.end_ns, p.n_tokens FROM phase p WHERE name = 'sustained'")
        self.assertEqual(len(phases), 1)
        trial, begin, end, tokens = phases[0]
        self.assertGreaterEqual(end - begin, 1.5e9)
        windows = self.query(f"SELECT end_ns, n_tokens, decode_ns FROM sustained_window WHERE trial_id = {trial}"
                             " ORDER BY seq")
        self.assertGreaterEqual(len(windows), 1)
        self.assertTrue(all(begin < w[0] <= end and w[1] > 0 and 0 < w[2] <= end - begin for w in windows))
        self.assertTrue(0 < sum(w[1] for w in windows) < tokens)  # prompts are read in between
        self.assertEqual(self.query("SELECT count(DISTINCT trial_id) FROM sustained_window"), [(1,)])

    def test_settings_that_cannot_be_made_are_left_out_and_said(self):
        result = self.knobs(sweep="governor: [as_is, no-such-governor]")
        self.assertIn("left out", result.stdout)
        self.assertIn("governor no-such-governor", result.stdout)
        self.assertEqual(self.query("SELECT governor FROM config"), [(None,)])
        left_out = json.loads(self.query("SELECT left_out_json FROM invocation")[0][0])
        self.assertEqual([(l["what"], l["n"]) for l in left_out], [("governor no-such-governor", 1)])
        self.write("t.yaml", study_text("governor: no-such-governor"))
        self.assert_refused(self.study("t.yaml"), "t.yaml: every configuration is left out: governor no-such-governor")

    def test_quiet(self):
        result = self.knobs("--quiet")
        self.assertEqual(result.stderr, "")
        self.assertEqual(len(result.stdout.splitlines()), 1, result.stdout)
        self.assertIn("1 runs done", result.stdout)

    def test_the_runner_counts_itself(self):
        self.knobs()
        own, begin, end = self.query("SELECT own_cpu_ns, begin_ns, end_ns FROM trial")[0]
        self.assertTrue(0 <= own)
        cpu, rss, stopped = self.query("SELECT own_cpu_ns, own_max_rss_bytes, stopped FROM invocation")[0]
        self.assertTrue(own <= cpu and rss > 1 << 20 and stopped is None)


class Heat(KnobCase):
    def test_a_throttled_run_is_marked_and_kept(self):
        root = self.board()
        count = f"{root}/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count"
        result = self.knobs("--root", root,
                            before=f"echo 10 > {count}; printf 'pswpin 14\\npswpout 20\\n' > {root}/proc/vmstat")
        self.assertIn("throttled", result.stdout)
        self.assertEqual(self.query("SELECT status, throttled, throttle_core_events, swap_in_pages, swap_out_pages, start_c,"
                                    " notes FROM trial"), [("ok", 1, 3, 4, 0, 45.0, "cores slowed by heat 3 times")])

    def test_alarms_and_cooling_devices_count_as_throttled(self):
        """A Jetson has no count of throttling, but one of alarms, and cooling devices; both end with the run."""
        root = self.board()
        brake, alarm = "sys/class/thermal/cooling_device0", "sys/class/hwmon/hwmon5/oc1_event_cnt"
        for name, text in {f"{brake}/type": "cpufreq-cpu0", f"{brake}/cur_state": "0", f"{brake}/max_state": "20",
                           alarm: "4"}.items():
            os.makedirs(os.path.dirname(f"{root}/{name}"), exist_ok=True)
            self.write(f"root/{name}", text + "\n")
        result = self.knobs("--root", root, before=f"echo 6 > {root}/{alarm}; echo 5 > {root}/{brake}/cur_state; sleep 0.8; "
                            f"echo 0 > {root}/{brake}/cur_state")
        self.assertIn("throttled", result.stdout)
        throttled, core, notes = self.query("SELECT throttled, throttle_core_events, notes FROM trial")[0]
        self.assertEqual((throttled, core), (1, 0))
        self.assertRegex(notes, r"^2 alarms of over-current or under-voltage; while it ran: cpufreq-cpu0 in [0-9]+ of [0-9]+ "
                                r"readings, at 25 % of its most$")

    def test_a_cool_machine_passes_the_gate(self):
        self.knobs("--root", self.board(35000), measure="cool_to: 40 °C")
        self.assertEqual(self.query("SELECT gate, start_c, throttled FROM trial"), [("passed", 35.0, 0)])

    def test_a_warm_machine_waits_and_then_runs_all_the_same(self):
        result = self.knobs("--root", self.board(), measure="cool_to: {at: 40 °C, timeout: 1 s}")
        self.assertIn("thermal gate: timed_out", result.stdout)
        gate, waited, status = self.query("SELECT gate, gate_waited_s, status FROM trial")[0]
        self.assertEqual((gate, status), ("timed_out", "ok"))
        self.assertGreaterEqual(waited, 1)

    def test_without_a_temperature_nobody_waits(self):
        root = self.board()
        shutil.rmtree(root + "/sys/class/thermal")
        self.knobs("--root", root, measure="cool_to: 40 °C")
        self.assertEqual(self.query("SELECT gate, start_c FROM trial"), [("blind", None)])


class Settings(KnobCase):
    """Governor and clock limit, set on a stand-in machine for the runs that ask for them, and put back afterwards."""

    policy = "sys/devices/system/cpu/cpufreq/policy0/"
    found = {"scaling_governor": "ondemand", "scaling_available_governors": "ondemand performance",
             "scaling_min_freq": "600000", "scaling_max_freq": "1500000", "cpuinfo_min_freq": "600000",
             "cpuinfo_max_freq": "1500000", "scaling_available_frequencies": "600000 1000000 1500000"}

    def board(self, millidegrees=45000):
        root = super().board(millidegrees)
        os.makedirs(os.path.join(root, self.policy), exist_ok=True)
        for name, value in self.found.items():
            self.write(f"root/{self.policy}{name}", value + "\n")
        return root

    def now(self):
        values = {}
        for name in self.found:
            with open(self.path(f"root/{self.policy}{name}"), encoding="utf-8") as f:
                values[name] = f.read().strip()
        return values

    def seen(self):
        """What the engines saw, a line each."""
        with open(self.path("seen"), encoding="utf-8") as f:
            return f.read().split("\n")[:-1]

    def look(self, root):
        return f'echo $(cat "{root}/{self.policy}scaling_governor" "{root}/{self.policy}scaling_max_freq") >> seen'

    def test_each_run_has_its_own_and_the_machine_is_left_as_found(self):
        root = self.board()
        self.knobs("--root", root, before=self.look(root), repeats=2,
                   sweep="governor: [as_is, performance], frequency_cap: [as_is, 1 GHz]")
        self.assertEqual(sorted(self.seen()), sorted(2 * ["ondemand 1500000", "ondemand 1000000", "performance 1500000",
                                                          "performance 1000000"]))
        self.assertEqual(self.now(), self.found)
        rows = self.query("SELECT c.governor, c.frequency_cap_hz, count(*) FROM trial t JOIN config c ON"
                          " c.id = t.config_id WHERE t.status = 'ok' GROUP BY 1, 2")
        self.assertEqual(set(rows), {(g, f, 2) for g in (None, "performance") for f in (0, 1000000000)})

    def test_put_back_after_kill_9_and_the_study_goes_on(self):
        root = self.board()
        before = self.look(root) + "; test -e go || sleep 600"
        shutil.copy(BOX, self.path("m.gguf"))
        self.write("s.yaml", study_text("governor: performance"))
        script = self.write("engine.sh", f"{before}\nexec python3 '{FAKE_ENGINE}' good\n")
        command = [PROGRAM, "study", "s.yaml", "--yes", "--root", root, "--engine-command", f"sh {script}"]
        process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   start_new_session=True)
        while not os.path.exists(self.path("seen")):
            self.assertIsNone(process.poll())
            time.sleep(0.02)
        self.assertEqual(self.now()["scaling_governor"], "performance")
        process.kill()
        process.wait()
        folder = os.open(os.path.join(root, "sys"), os.O_RDONLY)
        fcntl.flock(folder, fcntl.LOCK_EX)  # held until everything is put back
        os.close(folder)
        self.assertEqual(self.now(), self.found)
        self.write("go", "")
        result = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=300)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.query("SELECT status, attempts FROM trial"), [("ok", 2)])
        self.assertEqual(set(self.seen()), {"performance 1500000"})
        self.assertEqual(self.now(), self.found)


class Budgets(KnobCase):
    def test_time(self):
        result = self.knobs("--json", more="budget: {time: 5 s}\n", status=1, repeats=10,
                            sweep="depth: [%s]" % ", ".join(map(str, range(60))))
        outcome = json.loads(result.stdout)
        self.assertTrue(outcome["stopped"])
        self.assertIn("budget: time: ", outcome["stopped_why"])
        planned = self.query("SELECT count(*) FROM trial WHERE status = 'planned'")[0][0]
        self.assertEqual(planned, outcome["trials"] - outcome["done"])
        self.assertIn("budget: time", self.query("SELECT stopped FROM invocation")[0][0])

    def test_energy_and_going_on(self):
        rows = "".join(f"{i / 50},{5 + i % 2}\n" for i in range(50))
        trace = self.write("power.csv", "# boundary: board\n# loop: yes\ntime_s,power_w\n" + rows)

        def go(budget, engine, status=0):  # slow: two seconds of 5.5 W each, or more
            return self.knobs("--power-trace", trace, energy="replay", engine=engine, status=status, repeats=10,
                              measure="idle: 0, gap: 0", more=f"budget: {{energy: {budget}}}\n")

        result = go("30 J", "slow", status=1)
        self.assertIn("stopped by the budget: energy: ", result.stdout)
        done = self.query("SELECT count(*), sum(spent_j) FROM trial WHERE status = 'ok'")[0]
        self.assertTrue(1 <= done[0] < 10 and done[1] > 10, done)
        go("30 J", "slow", status=1)  # nothing is begun, what is there stays
        self.assertEqual(self.query("SELECT count(*), sum(spent_j) FROM trial WHERE status = 'ok'")[0], done)
        go("5 Wh", "good")
        self.assertEqual(self.query("SELECT count(*) FROM trial WHERE status = 'ok'"), [(10,)])

    def test_disk(self):
        self.write("s.yaml", "study: d\nmodels: [{synth: llama-3.2-1b, types: [q4_0]}]\nbudget: {disk: 100 MB}\n")
        result = self.study("s.yaml")
        self.assert_refused(result, "budget: disk: model files of", "the budget is 100 MB", status=(1,))
        self.assertEqual(os.listdir(self.folder), ["s.yaml"])


class LostMeters(KnobCase):
    def test_a_meter_that_ends_midway(self):
        rows = "".join(f"{i / 50},{5 + i % 2}\n" for i in range(75))  # a second and a half
        trace = self.write("power.csv", "# boundary: board\ntime_s,power_w\n" + rows)
        result = self.knobs("--power-trace", trace, energy="replay", repeats=2, measure="idle: 0, gap: 0",
                            engine="slow")
        rows = self.query("SELECT status, meter_lost, spent_j FROM trial")
        self.assertEqual(len(rows), 2)
        for status, lost, spent in rows:  # slow takes a second for each of two phases
            self.assertEqual(status, "ok")
            self.assertIn("replay gave nothing in the last", lost)
            self.assertIsNone(spent)
        self.assertIn("meter lost", result.stdout)
        self.assertGreater(self.query("SELECT min(n) FROM sample_series WHERE unit = 'W'")[0][0], 0)


class Shipped(ScratchCase):
    def test_every_study_makes_a_plan(self):
        files = sorted(glob.glob(os.path.join(SOURCE, "studies", "*.yaml")))
        names = {os.path.basename(f)[:-5] for f in files}
        self.assertTrue({"demo", "paper", "threads", "quant", "context", "sustained", "power-modes"} <= names, names)
        plans = {}
        for file in files:
            result = run("study", file, "--dry-run", "--json", cwd=self.folder)
            self.assertEqual(result.returncode, 0, result.stderr)
            plans[os.path.basename(file)[:-5]] = json.loads(result.stdout)
        paper = plans["paper"]["configurations"]
        self.assertEqual(len({c["model"] for c in paper}), 22)  # eleven models, two types
        self.assertEqual({c["type"] for c in paper}, {"q4_0", "q4_k_m"})
        self.assertEqual({c["sustained_s"] for c in plans["sustained"]["configurations"]}, {600})
        self.assertEqual(len({c["depth"] for c in plans["context"]["configurations"]}), 5)
        self.assertEqual(len(plans["quant"]["configurations"]), 4 + 8)  # a large shape, and the model in the box
        self.assertEqual(os.listdir(self.folder), [])

    def test_files_go_before_their_stand_ins(self):
        shutil.copy(BOX, self.path("tales-Q4_0.gguf"))
        self.write("s.yaml", 'study: e\nmodels: [{file: "tales-{type}.gguf", else_synth: smollm2-135m,'
                             " types: [q4_0, q8_0]}]\n")
        result = run("study", "s.yaml", "--dry-run", "--json", cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        configs = json.loads(result.stdout)["configurations"]
        self.assertEqual(sorted((c["type"], c["stands_in"]) for c in configs), [("q4_0", False), ("q8_0", True)])
        text = run("study", "s.yaml", "--dry-run", cwd=self.folder).stdout
        self.assertIn("tales-{type}.gguf is not here: random weights of the shape smollm2-135m, q8_0", text)


class Stores(KnobCase):
    def test_merge_check_upgrade(self):
        self.knobs()
        result = run("merge", "all.db", "s.db", "s.db", cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout, "s.db: 1 new runs\ns.db: 0 new runs, 1 there already\n")
        self.check_store("all.db")
        result = run("store", "check", "all.db", cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("all.db: whole. Schema version 5, 1 study, 1 of 1 runs done", result.stdout)
        self.assertIn("the newest", run("store", "upgrade", "all.db", cwd=self.folder).stdout)
        self.assertEqual(run("report", "all.db", cwd=self.folder).returncode, 0)
        with open(self.path("all.db"), "r+b") as f:
            f.seek(8192)
            f.write(b"\xff" * 4096)
        self.assert_refused(run("store", "check", "all.db", cwd=self.folder), "all.db")
        self.assert_refused(run("merge", "b.db", "none.db", cwd=self.folder), "none.db: no such store", status=(1,))
        self.assertFalse(os.path.exists(self.path("b.db")))
        self.assert_refused(run("store", "mend", "s.db", cwd=self.folder), "`mend` is not check or upgrade", status=(2,))


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
