"""edgewise meter run: what it passes through, what it measures, what it refuses."""
import json
import os
import signal
import subprocess
import sys
import time
import unittest

from harness import PROGRAM, ScratchCase, run
from meter_traces import WATTS, counter, steady
from recorded_tree import put, unpack

ALLOCATE_IN_GRANDCHILD = """
import os, sys, time
MIB = int(sys.argv[1])
if os.fork() == 0:
    if os.fork() == 0:
        held = bytearray(MIB << 20)
        for i in range(0, len(held), 4096): held[i] = 1
        time.sleep(1.5)
        os._exit(0)
    os.wait()
    os._exit(0)
os.wait()
"""


class MeterRun(ScratchCase):
    def meter_run(self, *args, **more):
        return run("meter", "run", *args, cwd=self.folder, **more)

    def json_of(self, *args, status=0, **more):
        result = self.meter_run("-o", "out.json", *args, **more)
        self.assertEqual(result.returncode, status, result.stderr)
        with open(self.path("out.json"), encoding="utf-8") as f:
            return json.load(f)

    def start(self, *args, **more):
        process = subprocess.Popen([PROGRAM, "meter", "run", *args], cwd=self.folder, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def assert_energy(self, figure, watts=WATTS):
        """The analytic answer lies inside the stated interval, and the interval is no excuse."""
        truth = watts * figure["duration_s"]
        self.assertLessEqual(abs(figure["energy_j"] - truth), figure["error_j"])
        self.assertLess(figure["error_j"], 0.1 * truth)
        self.assertAlmostEqual(figure["energy_j"] / truth, 1, delta=0.005)

    # ---- what passes through ----

    def test_streams_and_status_are_the_commands(self):
        result = self.meter_run("--", "sh", "-c", "cat; echo noise >&2; exit 37", stdin="in and out\n")
        self.assertEqual(result.returncode, 37)
        self.assertEqual(result.stdout, "in and out\n")
        self.assertTrue(result.stderr.startswith("noise\n"), result.stderr)
        self.assertIn("exit status 37", result.stderr)

    def test_options_end_with_the_command(self):
        result = self.meter_run("--quiet", "echo", "--json", "-o", "--idle")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "--json -o --idle\n", ""))

    def test_death_by_signal(self):
        for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM):
            result = self.meter_run("--", "sh", "-c", f"kill -{int(number)} $$")
            self.assertEqual(result.returncode, 128 + number)
            self.assertIn(f"killed by signal {int(number)}", result.stderr)
        value = self.json_of("--", "sh", "-c", "kill -9 $$", status=137)
        self.assertEqual((value["exit_status"], value["runs"][0]["signal"], value["runs"][0]["exit_status"]), (137, 9, None))

    def test_not_found_and_not_started(self):
        result = self.meter_run("--", "no-such-command-here")
        self.assert_refused(result, "no-such-command-here: command not found", status=(127,))
        self.write("data", "nothing to run")
        self.assert_refused(self.meter_run("--", "./data"), "./data: cannot be started: Permission denied", status=(126,))
        self.assert_refused(self.meter_run("--", "./nowhere"), "./nowhere: cannot be started: No such file", status=(127,))

    def test_signals_reach_the_command_and_the_summary_is_printed(self):
        for number, word in ((signal.SIGINT, "Interrupt"), (signal.SIGTERM, "Terminated")):
            process = self.start("--", sys.executable, "-c", "import signal, time, sys\n"
                                 f"signal.signal({int(number)}, lambda *a: sys.exit(9))\nprint('up', flush=True)\n"
                                 "time.sleep(20)")
            self.assertEqual(process.stdout.readline(), "up\n")
            process.send_signal(number)
            self.assertEqual(process.wait(20), 9)
            said = process.stderr.read()
            self.assertIn("exit status 9", said)
            self.assertIn("stopped by " + word, said)

    def test_no_further_repeats_after_an_interrupt(self):
        process = self.start("--repeat", "50", "--warm-up", "0", "-o", "out.json", "--", "sh", "-c",
                             "echo up; exec sleep 20")
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(20), 130)
        with open(self.path("out.json"), encoding="utf-8") as f:
            value = json.load(f)
        self.assertEqual((len(value["runs"]), value["interrupted"]), (1, 2))

    def test_interrupt_before_the_command(self):
        process = self.start("--idle", "20s", "--", "echo", "never")
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(20), 130)
        self.assertEqual(process.stdout.read(), "")
        self.assertIn("stopped before the command began", process.stderr.read())

    def test_a_killed_command_leaves_no_zombie_and_background_processes_live_on(self):
        value = self.json_of("--", "sh", "-c", "sleep 30 >/dev/null 2>&1 & echo $! > pid; exit 0")
        self.assertLess(value["runs"][0]["wall_s"], 20)
        self.assertEqual(value["runs"][0]["left_running"], 1)
        with open(self.path("pid"), encoding="utf-8") as f:
            os.kill(int(f.read()), signal.SIGTERM)  # still there

    # ---- energy ----

    def test_energy_of_a_power_trace(self):
        value = self.json_of("--power-trace", steady(self), "--", "sleep", "0.8")
        figure = value["runs"][0]["energy"]
        self.assertGreaterEqual(figure["duration_s"], 0.8)
        self.assert_energy(figure)
        self.assertEqual(figure["grade"], "C")
        self.assertAlmostEqual(figure["average_w"], WATTS, delta=0.02)
        self.assertAlmostEqual(figure["peak_w"], WATTS + 0.05, delta=1e-6)
        self.assertIsNone(figure["net_j"])
        self.assertEqual(value["meter"]["name"], "replay")

    def test_energy_of_a_counter(self):
        value = self.json_of("--power-trace", counter(self), "--", "sleep", "0.8")
        self.assert_energy(value["runs"][0]["energy"])

    def test_net_of_idle(self):
        value = self.json_of("--power-trace", steady(self), "--idle", "0.5s", "--", "sleep", "0.5")
        figure, idle = value["runs"][0]["energy"], value["idle"]
        self.assertAlmostEqual(idle["power_w"], WATTS, delta=0.02)
        for place in ("before", "after"):
            self.assertGreaterEqual(idle[place]["duration_s"], 0.5)
            self.assert_energy(idle[place])
        self.assertLessEqual(abs(figure["net_j"]), figure["net_error_j"])  # the trace is at rest all the time

    def test_no_energy_meter_says_why_and_measures_the_rest(self):
        value = self.json_of("--meter", "none", "--", "true")
        self.assertIsNone(value["meter"])
        self.assertIn("not asked for", value["energy_none"])
        self.assertEqual(value["runs"][0]["energy"]["grade"], "none")
        self.assertIsNone(value["runs"][0]["energy"]["energy_j"])
        os.mkdir(self.path("empty"))
        result = self.meter_run("--root", self.path("empty"), "--", "true")
        self.assertEqual(result.returncode, 0)
        self.assertIn("none: no RAPL", result.stderr)

    def test_a_short_run_has_no_figure_but_a_reason(self):
        value = self.json_of("--power-trace", steady(self), "--", "sleep", "0.05")
        figure = value["runs"][0]["energy"]
        self.assertEqual((figure["grade"], figure["energy_j"]), ("none", None))
        self.assertIn("below sensor resolution", figure["grade_reason"])

    def test_trace_file_plays_again(self):
        self.json_of("--power-trace", steady(self), "--trace", "out.csv", "--", "sleep", "0.5")
        value = self.json_of("--power-trace", "out.csv", "--", "sleep", "0.3")
        self.assert_energy(value["runs"][0]["energy"])

    # ---- time and memory ----

    def test_wall_and_processor_time(self):
        value = self.json_of("--", sys.executable, "-c",
                             "import time\nend = time.process_time() + 0.4\nwhile time.process_time() < end: pass\n"
                             "time.sleep(0.3)")["runs"][0]
        self.assertGreaterEqual(value["wall_s"], 0.7)
        self.assertGreaterEqual(value["user_s"] + value["system_s"], 0.4)
        self.assertLess(value["user_s"] + value["system_s"], value["wall_s"])
        self.assertGreater(value["minor_faults"], 100)

    def test_memory_of_a_grandchild(self):
        mib = 50
        script = self.write("grandchild.py", ALLOCATE_IN_GRANDCHILD)
        with_it = self.json_of("--", sys.executable, script, str(mib))["runs"][0]
        without = self.json_of("--", sys.executable, script, "0")["runs"][0]
        self.assertEqual(with_it["most_processes"], 3)
        for key in ("peak_rss_bytes", "peak_pss_bytes", "largest_process_bytes"):
            grown = (with_it[key] - without[key]) / 2**20
            self.assertGreater(grown, mib - 4, key)
            self.assertLess(grown, mib + 12, key)
        self.assertGreater(with_it["minor_faults"], mib * 256)

    # ---- throttling, below --root ----

    X86 = "/sys/devices/system/cpu/cpu0/thermal_throttle/"
    PI = "/sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled"
    ALARM, FAN, BRAKE = ("/sys/class/hwmon/hwmon5/oc1_event_cnt", "/sys/class/thermal/cooling_device0/",
                         "/sys/class/thermal/cooling_device1/")

    def throttled(self, tree, script, files=(), **more):
        """A run on a recorded machine, which the command changes meanwhile ($R): the text and the run's JSON."""
        root = self.path(f"root-{len(os.listdir(self.folder))}")
        unpack(tree, root)
        for name, text in dict(files).items():
            put(root, name, text + "\n")
        result = self.meter_run("-m", "none", "-o", "out.json", "--root", root, "--", "sh", "-c", f"R='{root}'; {script}",
                                **more)
        self.assertEqual(result.returncode, 0, result.stderr)
        with open(self.path("out.json"), encoding="utf-8") as f:
            return result.stderr, json.load(f)["runs"][0]

    def assert_said(self, said, once, words, events):
        self.assertEqual((once["throttled"], once["throttle_text"], once["throttle_events"]), (words != "", words, events))
        self.assertIn("throttled " + (words or "no"), " ".join(said.split()))

    def test_a_run_that_heat_or_its_power_limit_slowed(self):
        files = {self.X86 + "package_power_limit_count": "5"}
        self.assert_said(*self.throttled("intel-laptop", "true", files), "", 0)
        said, once = self.throttled("intel-laptop", f"echo 9 > $R{self.X86}core_throttle_count; "
                                    f"echo 6 > $R{self.X86}package_power_limit_count", files)
        self.assert_said(said, once, "cores slowed by heat 2 times; package held at its power limit 1 time", 3)

    def test_flags_of_a_raspberry_pi(self):
        said, once = self.throttled("pi5", "true")  # throttled since boot is old news
        self.assert_said(said, once, "", None)
        self.assertIn("no (earlier: under-voltage since boot, throttled since boot)", " ".join(said.split()))
        self.assertRegex(said, r"fans +pwmfan fan1 2874 → 2874 rpm")
        self.assertEqual(once["fan_rpm"]["pwmfan fan1"]["max"], 2874)
        self.assert_said(*self.throttled("pi5", f"echo d0000 > $R{self.PI}"), "soft temperature limit in between", None)
        said, once = self.throttled("pi5", f"echo 50004 > $R{self.PI}; sleep 0.8; echo 50000 > $R{self.PI}; sleep 0.1")
        self.assertRegex(once["throttle_text"], r"^while it ran: throttled in [1-9] of [1-9] readings$")  # in no count
        self.assertIs(once["throttled"], True)

    def test_alarms_fan_and_cooling_of_a_jetson(self):
        files = {self.ALARM: "4", self.FAN + "type": "pwm-fan", self.FAN + "cur_state": "1", self.FAN + "max_state": "4",
                 self.BRAKE + "type": "cpufreq-cpu0", self.BRAKE + "cur_state": "0", self.BRAKE + "max_state": "20"}
        said, once = self.throttled("orin-nano", "true", files)
        self.assert_said(said, once, "", 0)
        self.assertIn("the kernel held no clocks down", said)
        said, once = self.throttled("orin-nano", f"echo 6 > $R{self.ALARM}; echo 3 > $R{self.FAN}cur_state; "
                                    f"echo 5 > $R{self.BRAKE}cur_state; sleep 0.8", files)
        self.assertTrue(once["throttle_text"].startswith(
            "2 alarms of over-current or under-voltage; the kernel held the clocks down at the end (cpufreq-cpu0 at 5 of "
            "20); while it ran: cpufreq-cpu0 in "), once["throttle_text"])
        self.assertEqual((once["fan_drive"]["pwm-fan"]["last"], once["cooling"]["cpufreq-cpu0"]["last"]), (0.75, 0.25))
        self.assertIn("→ 75 %", said)
        self.assertIn("cpufreq-cpu0 ", said)

    def test_where_nothing_counts_throttling_nothing_is_claimed(self):
        said, once = self.throttled("nothing", "true")
        self.assertEqual((once["throttled"], once["throttle_text"], once["throttle_events"]), (None, None, None))
        self.assertEqual((once["fan_rpm"], once["cooling"]), ({}, {}))
        self.assertIn("not known: nothing counts it here", said)
        self.assertNotRegex(said, r"(?m)^(fans|cooling) ")

    def test_repeats_say_in_how_many_it_was_throttled(self):
        root = self.path("root")
        unpack("intel-laptop", root)
        count = f"{root}{self.X86}core_throttle_count"
        result = self.meter_run("-m", "none", "--repeat", "3", "--root", root, "--", "sh", "-c",
                                f"echo x >> seen; test $(wc -l < seen) -lt 4 || echo 8 > '{count}'")
        self.assertIn("in 1 of 4 runs; in the first of them: cores slowed by heat 1 time", " ".join(result.stderr.split()))

    # ---- phases ----

    def test_phases_on_the_pipe(self):
        value = self.json_of("--power-trace", steady(self), "--", "sh", "-c",
                             'echo "begin all" >&$EDGEWISE_PHASE_FD; echo begin load >&$EDGEWISE_PHASE_FD; sleep 0.4; '
                             'echo end load >&$EDGEWISE_PHASE_FD; sleep 0.3; echo begin café >&$EDGEWISE_PHASE_FD; '
                             'sleep 0.3; echo end café >&$EDGEWISE_PHASE_FD; echo "end all" >&$EDGEWISE_PHASE_FD; sleep 0.2')
        phases = value["runs"][0]["phases"]
        self.assertEqual([p["name"] for p in phases], ["all", "load", "café"])
        for phase, least in zip(phases, (1.0, 0.4, 0.3)):
            self.assertGreater(phase["wall_s"], least - 0.15)  # begin is stamped when its line has been read
            self.assertLess(phase["wall_s"], least + 3)
            self.assert_energy(phase["energy"])
        self.assertEqual(value["runs"][0]["broken_phase_lines"], 0)
        self.assertGreaterEqual(phases[1]["begin_ns"], phases[0]["begin_ns"])
        self.assertLessEqual(phases[2]["end_ns"], phases[0]["end_ns"])

    def test_parts_by_signal(self):
        result = self.meter_run("--power-trace", steady(self), "-o", "out.json", "--", "sh", "-c",
                                "sleep 0.4; kill -USR1 $EDGEWISE_METER_PID; sleep 0.6")
        self.assertEqual(result.returncode, 0)
        with open(self.path("out.json"), encoding="utf-8") as f:
            value = json.load(f)["runs"][0]
        first, second = value["phases"]
        self.assertEqual((first["name"], second["name"]), ("part 1", "part 2"))
        self.assertEqual((first["begin_ns"], first["end_ns"]), (value["begin_ns"], second["begin_ns"]))
        self.assertEqual(second["end_ns"], value["end_ns"])
        self.assertGreater(first["wall_s"], 0.4 - 0.15)
        joules = first["energy"]["energy_j"] + second["energy"]["energy_j"]
        self.assertAlmostEqual(joules, value["energy"]["energy_j"], delta=1e-6)
        self.assertIn("part 2", result.stderr)

    def test_nonsense_on_the_pipe_is_counted_and_shown_harmlessly(self):
        script = ("import os\nfd = int(os.environ['EDGEWISE_PHASE_FD'])\n"
                  r"os.write(fd, b'end never-begun\nbegin \x1b[31mred\nbegin \xff\xfe\n\n' + b'begin ' + b'x' * 5000 + b'\n')"
                  "\nos.write(fd, b'begin ok\\nend ok\\nbegin unfinished line')")
        result = self.meter_run("-o", "out.json", "--", sys.executable, "-c", script)
        self.assertEqual(result.returncode, 0)
        with open(self.path("out.json"), encoding="utf-8") as f:
            once = json.load(f)["runs"][0]
        self.assertEqual([p["name"] for p in once["phases"]], ["ok"])
        self.assertEqual(once["broken_phase_lines"], 5)
        self.assertIn("5 lines on $EDGEWISE_PHASE_FD were not understood, the first: end never-begun", result.stderr)
        self.assertNotIn("\x1b", result.stderr)

    # ---- repeats ----

    def test_repeats(self):
        self.write("in.txt", "same input\n")
        with open(self.path("in.txt"), encoding="utf-8") as f:
            result = subprocess.run([PROGRAM, "meter", "run", "--repeat", "3", "--power-trace", steady(self), "-o",
                                     "out.json", "--", "sh", "-c", "cat; sleep 0.3"], cwd=self.folder, stdin=f,
                                    capture_output=True, text=True, timeout=60)
        self.assertEqual(result.stdout, "same input\n" * 4)  # the warm-up reads it too
        with open(self.path("out.json"), encoding="utf-8") as f:
            value = json.load(f)
        self.assertEqual([r["warm_up"] for r in value["runs"]], [True, False, False, False])
        times = sorted(r["wall_s"] for r in value["runs"][1:])
        summary = value["summary"]["wall_s"]
        self.assertEqual((summary["n"], summary["is_range"]), (3, True))
        self.assertAlmostEqual(summary["median"], times[1], delta=1e-6)
        self.assertAlmostEqual(summary["low"], times[0], delta=1e-6)
        self.assertAlmostEqual(value["summary"]["average_w"]["median"], WATTS, delta=0.02)
        self.assertIn("median of 3", result.stderr)

    def test_a_failing_run_ends_the_repeats(self):
        result = self.meter_run("--repeat", "5", "--warm-up", "0", "-o", "out.json", "--", "sh", "-c",
                                "echo x >> count; test $(wc -l < count) -lt 3")
        self.assertEqual(result.returncode, 1)
        with open(self.path("out.json"), encoding="utf-8") as f:
            value = json.load(f)
        self.assertEqual(len(value["runs"]), 3)
        self.assertEqual(value["summary"]["wall_s"]["n"], 2)  # the failed one is no figure

    # ---- wrong use ----

    def test_wrong_use(self):
        self.assert_refused(self.meter_run(), "which command?", status=(2,))
        self.assert_refused(self.meter_run("--repeat", "0", "true"), "--repeat", "`0`", "from 1 to 10000", status=(2,))
        self.assert_refused(self.meter_run("--idle", "soon", "true"), "--idle", "`soon`", "time", status=(2,))
        self.assert_refused(self.meter_run("--frobnicate", "true"), "--frobnicate", status=(2,))
        self.assert_refused(self.meter_run("--meter", "nonesuch", "true"), "nonesuch", status=(125,))
        result = self.meter_run("-o", "no/such/folder/x.json", "--", "true")
        self.assertEqual(result.returncode, 125)
        self.assertIn("no/such/folder/x.json: cannot be written", result.stderr)

    def test_help(self):
        result = self.meter_run("--help")
        self.assertEqual(result.returncode, 0)
        self.assertIn("edgewise meter run --idle 10s", result.stdout)


if __name__ == "__main__":
    unittest.main()
