"""External meters: a log that grows while the program runs, and one that is attached to a run that is over. The imitated
meters have clocks of their own and show the processor time of the program, so the joules are known."""
import json
import os
import re
import sys
import unittest

from growing_logs import Meter, Writer, run_beside
from harness import PROGRAM, ScratchCase, run

JOB = """
import os, time
phases = int(os.environ["EDGEWISE_PHASE_FD"])
os.write(phases, b"begin work\\n")
end = time.monotonic() + 3
while time.monotonic() < end: pass
os.write(phases, b"end work\\n")
time.sleep(1.5)
"""
KEYS = "boundary=board&averaging=0.05&error=1%"


os.environ["TZ"] = "UTC"  # stamps without a zone are local time


class MeterLogs(ScratchCase):
    def watched(self, meters, *args):
        """The program beside a writer of these meters; stops when the program has ended, a second later."""
        writer = Writer(meters)
        writer.start()
        self.addCleanup(writer.stop)
        writer.ends.wait(0.5)
        result = run_beside(writer, [PROGRAM, "meter", *args], cwd=self.folder)
        writer.ends.wait(1)
        writer.stop()
        return writer, result

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as f:
            return json.load(f)

    def assert_true_energy(self, writer, meter, window):
        figure, truth = window["energy"], writer.energy_j(meter, window["begin_ns"], window["end_ns"])
        self.assertIn(figure["grade"], ("B", "C"), figure["grade_reason"])
        self.assertLess(abs(figure["energy_j"] - truth), 2 * figure["error_j"])
        self.assertLess(figure["error_j"], 0.15 * truth)

    def attach(self, *args):
        return run("meter", "attach", *args, cwd=self.folder)

    # ---- while it grows ----

    def test_a_growing_log_measures_a_run(self):
        meter = Meter(self.path("usb.csv"), 2.0, 5.0, 98765.4, late_lines=7)
        writer, result = self.watched([meter], "run", "-m", "log:usb", "-o", "out.json", "--meter-source",
                                      f"log:{meter.path}?name=usb&{KEYS}", "--", sys.executable, "-c", JOB)
        self.assertEqual(result.returncode, 0, result.stderr)
        value = self.read("out.json")
        self.assertEqual((value["meter"]["name"], value["meter"]["boundary"]), ("log:usb", "board"))
        self.assertTrue(0 < value["meter"]["stamp_error_s"] < 0.5 and value["meter"]["clock_drift"] > 0)
        once = value["runs"][0]
        self.assert_true_energy(writer, meter, once)
        self.assert_true_energy(writer, meter, once["phases"][0])

    def test_refused_logs_say_why_and_what_to_do(self):
        self.write("colours.csv", "time_s,colour\n1,2\n2,3\n")
        for source, words in ((self.path("not-yet.csv"), ("✗ log", "No such file", "start the meter's logger first")),
                              (self.path("colours.csv"), ("✗ log", "colour", "power=COLUMN"))):
            result = run("meter", "list", "--meter-source", "log:" + source, cwd=self.folder)
            self.assertEqual(result.returncode, 0, result.stderr)
            for word in words:
                self.assertIn(word, " ".join(result.stdout.split()))
        self.assert_refused(run("meter", "run", "-m", "log", "--meter-source", "log:not-yet.csv", "--", "true",
                                cwd=self.folder), "No such file", status=(125,))
        self.assert_refused(run("meter", "list", "--meter-source", "log:x.csv?colour=red", cwd=self.folder),
                            "`colour", status=(2,))

    # ---- afterwards ----

    def test_attach_by_signatures(self):
        meter = Meter(self.path("usb.csv"), 2.0, 5.0, -321.5)
        writer, result = self.watched([meter], "run", "-m", "none", "--signature", "--idle", "1s", "-o", "out.json", "--",
                                      sys.executable, "-c", JOB)
        self.assertEqual(result.returncode, 0, result.stderr)
        run_file = self.read("out.json")
        self.assertEqual(len(run_file["signatures"]), 2)
        self.assertIsNone(run_file["meter"])
        for signature in run_file["signatures"]:
            edges = signature["edges"]
            self.assertEqual([e["on"] for e in edges], [i % 2 == 0 for i in range(len(edges))])
            times = [e["time_ns"] for e in edges]
            self.assertEqual(times, sorted(times))
        result = self.attach("out.json", f"{meter.path}?{KEYS}", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        value = json.loads(result.stdout)
        clock, once = value["clock"], value["runs"][0]
        self.assertEqual(clock["by"], "signatures")
        self.assertAlmostEqual(clock["offset_s"], 321.5, delta=0.05 + 2 * clock["error_s"])
        self.assert_true_energy(writer, meter, once)
        self.assertEqual(once["phases"][0]["name"], "work")
        self.assert_true_energy(writer, meter, once["phases"][0])
        self.assertGreater(once["energy"]["net_j"], 0)
        text = self.attach("out.json", f"log:{meter.path}?{KEYS}").stdout
        for word in ("run 1", "work", "found by the signatures", "grade"):
            self.assertIn(word, text)
        # The same log with the load of somebody else's run.
        for signature in run_file["signatures"]:
            last = signature["end_ns"]
            signature["edges"] = [{"time_ns": signature["begin_ns"] + (last - signature["begin_ns"]) * (i + 1) // 66,
                                   "on": i % 2 == 0} for i in range(64)]
        self.write("other.json", json.dumps(run_file))
        self.assert_refused(self.attach("other.json", f"{meter.path}?{KEYS}"), "usb.csv")

    def run_between_rests(self, power):
        """A run of 40 s with rests of 10 s, and the log of a meter whose clock is 77.25 s behind; 0 = begin of the run."""
        lines = [f"{i / 10 - 77.25:.3f},{power(i / 10)}" for i in range(-300, 800)]
        self.write("usb.csv", "time_s,power_w\n" + "\n".join(lines) + "\n")
        begin = 1000 * 10**9
        self.minimal_run(1772366400, 40, begin_ns=begin - 10 * 10**9,
                         rests=[{"begin_ns": begin - 10 * 10**9, "end_ns": begin},
                                {"begin_ns": begin + 40 * 10**9, "end_ns": begin + 50 * 10**9}])

    def test_attach_by_the_run_itself(self):
        """An even load between rests needs no signature. It once was never found: evidence 5.5 of 6."""
        self.run_between_rests(lambda t: (5 if 0 <= t < 40 else 2) + 0.05 * ((t * 70) % 3 - 1))
        result = self.attach("run.json", "usb.csv?boundary=board&error=1%", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        value = json.loads(result.stdout)
        clock, figure = value["clock"], value["runs"][0]["energy"]
        self.assertEqual(clock["by"], "runs")
        self.assertAlmostEqual(clock["offset_s"], 1000 + 77.25, delta=clock["error_s"])
        self.assertLess(clock["error_s"], 1)
        self.assertAlmostEqual(figure["energy_j"], 200, delta=figure["error_j"])  # 40 s of 5 W
        self.assertAlmostEqual(figure["net_j"], 120, delta=figure["net_error_j"])
        self.assertIn("found by the runs", self.attach("run.json", "usb.csv").stdout)

    def test_an_uneven_run_says_what_to_do(self):
        self.run_between_rests(lambda t: 6 if 13 <= t < 27 else 2)
        self.assert_refused(self.attach("run.json", "usb.csv"), "not distinct", "even, between long rests", "--signature",
                            "clock=here")

    def minimal_run(self, begin_unix_s, seconds, **more):
        """What attach needs of a run; its own clock began a thousand seconds before."""
        begin = 1000 * 10**9
        value = {"format": "edgewise-meter-run-1", "begin_ns": begin, "begin_unix_ns": int(begin_unix_s * 1e9),
                 "runs": [{"begin_ns": begin, "end_ns": begin + int(seconds * 1e9), "warm_up": False, "phases": []}]}
        value.update(more)
        return self.write("run.json", json.dumps(value))

    def test_attach_by_the_time_of_day(self):
        lines = [f"2026-03-01T12:00:{i // 10:02d}.{i % 10}00Z,{4000 + 100 * (i % 2)}" for i in range(600)]
        self.write("usb.csv", "time,power_mw\n" + "\n".join(lines) + "\n")
        self.minimal_run(1772366400 + 10, 20)  # 12:00:10 UTC
        value = json.loads(self.attach("run.json", "usb.csv?clock=here&boundary=wall", "--json").stdout)
        figure = value["runs"][0]["energy"]
        self.assertAlmostEqual(figure["energy_j"], 20 * 4.05, delta=0.02)
        self.assertEqual((value["clock"]["by"], value["meter"]["boundary"]), ("here", "wall"))
        self.assert_refused(self.attach("run.json", "usb.csv"), "--signature", "clock=here")

    def test_attach_reads_tegrastats(self):
        path = os.path.join(os.environ.get("EW_SHARED_DIR", ""), "data", "devices", "jetson",
                            "tegrastats_orin_nano_20260419.raw")
        if not os.path.exists(path):
            self.skipTest("no recorded devices")
        watts = {}
        with open(path, encoding="utf-8") as f:
            for line in f:
                found = re.match(r"04-19-2026 01:(\d\d):(\d\d) .*VDD_IN (\d+)mW", line)
                if found:
                    second = int(found[1]) * 60 + int(found[2])
                    watts.setdefault(second, []).append(int(found[3]) * 1e-3)
        seconds = sorted(watts)[5:45]
        truth = sum(sum(watts[s]) / len(watts[s]) for s in seconds)
        self.assertEqual(seconds, list(range(seconds[0], seconds[0] + 40)))
        begin = 1776560400 + seconds[0] + 3600  # 2026-04-19 01:00 UTC
        self.minimal_run(begin - 3600, 40)
        result = run("meter", "attach", "run.json", path + "?clock=here", "--json", cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        value = json.loads(result.stdout)
        self.assertEqual(value["meter"]["boundary"], "module")
        self.assertAlmostEqual(value["runs"][0]["energy"]["energy_j"] / truth, 1, delta=0.01)

    def test_attach_refuses_what_is_no_run(self):
        self.write("usb.csv", "time_s,power_w\n0,1\n1,2\n2,1\n")
        self.assert_refused(self.attach("none.json", "usb.csv"), "none.json")
        for text, word in (("{", "no.json:1"), ("{}", "format"), ('{"format": "edgewise-meter-run-1"}', "begin_ns"),
                           ('{"format": "edgewise-meter-run-1", "begin_ns": 1, "begin_unix_ns": 2, "runs": []}', "runs")):
            self.write("no.json", text)
            self.assert_refused(self.attach("no.json", "usb.csv"), word)
        self.minimal_run(1772366400, 20, signatures=[{"begin_ns": 5, "end_ns": 9, "switch_ns": 0, "edges": [
            {"time_ns": 7, "on": True}, {"time_ns": 6, "on": False}]}])
        self.assert_refused(self.attach("run.json", "usb.csv"), "edges must rise")
        self.assert_refused(self.attach("run.json"), "which run and which log", status=(2,))

    def test_signature_alone(self):
        result = run("meter", "signature", "--json", cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        value = json.loads(result.stdout)
        times = [e["time_ns"] for e in value["edges"]]
        self.assertEqual(times, sorted(times))
        self.assertTrue(value["begin_ns"] < times[0] and times[-1] < value["end_ns"])
        self.assertGreater(value["end_ns"] - value["begin_ns"], 33 * 200 * 10**6)


if __name__ == "__main__":
    unittest.main()
