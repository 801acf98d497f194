"""edgewise meter calibrate: two imitated meters of known gain and offset against each other, what is kept, and that a
calibration is used when somebody asks and never otherwise."""
import json
import os
import pty
import re
import signal
import subprocess
import time
import unittest

from growing_logs import Meter, Writer, run_beside
from harness import PROGRAM, ScratchCase
from meter_traces import WATTS, counter, steady

GAIN, OFFSET_W = 1.5, 3.0


class MeterCalibrate(ScratchCase):
    def setUp(self):
        super().setUp()
        self.env = dict(os.environ, XDG_STATE_HOME=self.path("state"))
        self.env.pop("EDGEWISE_CALIBRATION", None)
        self.folder_of_calibrations = os.path.join(self.path("state"), "edgewise", "calibrations")

    def meter(self, *args, **more):
        return self.program("meter", *args, **more)

    def program(self, *args, **more):
        return subprocess.run([PROGRAM, *args], cwd=self.folder, env=dict(self.env, **more), text=True,
                              capture_output=True, timeout=280)

    def kept(self):
        folder = self.folder_of_calibrations
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []

    def writer(self, *meters):
        writer = Writer(list(meters))
        writer.start()
        self.addCleanup(writer.stop)
        writer.ends.wait(0.5)
        return writer

    def test_gain_and_offset_are_found_and_kept(self):
        usb = Meter(self.path("usb.csv"), 2.0, 5.0, 1234.5)
        wall = Meter(self.path("wall.csv"), GAIN * 2.0 + OFFSET_W, GAIN * 5.0, -77.25, late_lines=9)
        writer = self.writer(usb, wall)
        result = run_beside(writer, [
            PROGRAM, "meter", "calibrate", "--target", "log:usb", "--reference", "log:wall", "--steps", "6",
            "--step-time", "3s", "--json", "--meter-source", f"log:{usb.path}?name=usb&boundary=board",
            "--meter-source", f"log:{wall.path}?name=wall&boundary=wall&error=1%"], cwd=self.folder, env=self.env)
        self.assertEqual(result.returncode, 0, result.stderr)
        value = json.loads(result.stdout)
        self.assertAlmostEqual(value["gain"], GAIN, delta=0.02)
        self.assertAlmostEqual(value["offset_w"], OFFSET_W, delta=0.15)
        self.assertEqual([s["level"] for s in value["steps"]], [0, 0.5, 1, 0.75, 0.25, 0])
        self.assertEqual((value["target"], value["reference"], value["reference_boundary"]),
                         ("log:usb", "log:wall", "wall"))
        self.assertLess(abs(time.time() - value["taken_at_s"]), 300)
        self.assertGreaterEqual(value["error_relative"], 0.01)  # never better than its reference
        self.assertEqual(self.kept(), [os.path.basename(value["file"])])
        listed = json.loads(self.meter("calibrations", "--json").stdout)
        self.assertEqual([(c["target"], c["this_board"]) for c in listed], [("log:usb", True)])
        self.assertIn("log:wall", self.meter("calibrations").stdout)

    # ---- use ----

    def keep(self, target, name="one.json", **more):
        """A calibration written by hand, in the folder of those that are kept."""
        listed = json.loads(self.meter("list", "--json", "--power-trace", steady(self)).stdout)
        self.assertTrue(listed)
        board = self.board()
        value = {"format": "edgewise-calibration-1", "target": target, "reference": "plug", "reference_boundary": "wall",
                 "reference_covers": "a plug", "reference_grade": "B", "board": board, "taken_at_s": 1764028800,
                 "reference_error_relative": 0.01, "gain": 1.2, "gain_error": 0.01, "offset_w": 0.75,
                 "offset_error_w": 0.01, "lag_s": 0, "lag_error_s": None, "rms_w": 0.01, "largest_w": 0.02,
                 "r_squared": 0.999, "low_w": 1, "high_w": 9, "error_relative": 0.02, "steps": []}
        value.update(more)
        os.makedirs(self.folder_of_calibrations, exist_ok=True)
        path = os.path.join(self.folder_of_calibrations, name)
        with open(path, "w", encoding="utf-8") as f:
            json.dump(value, f)
        return path

    def board(self):
        """As this machine is called in calibrations: a first one tells that its board is another."""
        os.makedirs(self.folder_of_calibrations, exist_ok=True)
        said = self.meter("list", "--calibration", "auto", "--power-trace", steady(self))
        self.assertEqual(said.returncode, 1)
        found = re.search(r"of this board is kept \((.*\([0-9a-f]{16}\))\)", said.stderr)
        self.assertTrue(found, said.stderr)
        return found[1]

    def energy(self, *args, **more):
        result = self.meter("run", "-o", "out.json", *args, "--", "sleep", "0.8", **more)
        self.assertEqual(result.returncode, 0, result.stderr)
        with open(self.path("out.json"), encoding="utf-8") as f:
            value = json.load(f)
        return value["meter"], value["runs"][0]["energy"]

    def test_used_only_when_asked(self):
        path = self.keep("replay")
        corrected = 1.2 * WATTS + 0.75
        for args, more, watts in ((("--power-trace", steady(self)), {}, WATTS),
                                  (("--power-trace", steady(self), "--calibration", "none"),
                                   {"EDGEWISE_CALIBRATION": "auto"}, WATTS),
                                  (("--power-trace", steady(self), "--calibration", "auto"), {}, corrected),
                                  (("--power-trace", counter(self), "--calibration", path), {}, corrected),
                                  (("--power-trace", steady(self)), {"EDGEWISE_CALIBRATION": path}, corrected)):
            info, figure = self.energy(*args, **more)
            self.assertAlmostEqual(figure["average_w"] / watts, 1, delta=0.01, msg=str(args))
            is_corrected = watts != WATTS
            self.assertEqual("calibrated by plug on 2025-11-25" in info["covers"], is_corrected)
            self.assertEqual(info["boundary"] == "wall", is_corrected)
            self.assertEqual("calibration" in [c["name"] for c in info["channels"]], is_corrected)
        told = " ".join(self.meter("list", "--power-trace", steady(self)).stdout.split())
        self.assertIn("a calibration of 2025-11-25 00:00 UTC against plug is kept: --calibration auto", told)
        told = " ".join(self.meter("list", "--power-trace", steady(self), "--calibration", "auto").stdout.split())
        self.assertNotIn("is kept", told)
        for args, severities in (((), ["note"]), (("--calibration", "auto"), [])):
            doctor = self.program("doctor", "--quick", "--json", "--power-trace", steady(self), *args)
            value = json.loads(doctor.stdout)
            found = [f for f in value["findings"] if f["id"] == "energy.calibration"]
            self.assertEqual([f["severity"] for f in found], severities)
            for finding in found:
                self.assertIn("replay: a calibration of 2025-11-25 00:00 UTC against plug is kept", finding["found"])
                self.assertIn("--calibration auto", finding["remedy"])
            kept = [m["calibration_kept"] for m in value["meters"] if m["name"] == "replay"]
            self.assertEqual([k is not None for k in kept], [bool(severities)])

    def test_of_another_board(self):
        path = self.keep("replay", board="some other board")
        result = self.meter("list", "--calibration", "auto", "--power-trace", steady(self))
        self.assert_refused(result, "--calibration auto", "no calibration of a usable meter of this board")
        info, figure = self.energy("--power-trace", steady(self), "--calibration", path)
        self.assertEqual((info["grade_ceiling"], figure["grade"]), ("D", "D"))
        self.assertIn("of another board", info["leaves_out"])

    def test_refused_calibrations(self):
        for name, text in (("none.json", None), ("no.json", "{}"), ("broken.json", "{")):
            if text is not None:
                self.write(name, text)
            self.assert_refused(self.meter("list", "--calibration", name), "--calibration " + name)
        path = self.keep("hwmon:nowhere")
        self.assert_refused(self.meter("list", "--calibration", path), "hwmon:nowhere, which is none of this machine's")
        path = self.keep("replay", offset_w=-1)
        self.assert_refused(self.meter("list", "--calibration", path, "--power-trace", counter(self)), "run backwards")

    # ---- what is refused, and stopping ----

    def calibrate(self, *args):
        return self.meter("calibrate", *args, "--power-trace", steady(self))

    def test_wrong_use(self):
        self.assert_refused(self.calibrate("--target", "replay"), "which meters?", status=(2,))
        self.assert_refused(self.calibrate("--target", "replay", "--reference", "replay"), "the same meter", status=(2,))
        self.assert_refused(self.calibrate("--target", "replay", "--reference", "moon"), "reference `moon`")
        self.assert_refused(self.calibrate("--target", "time", "--reference", "replay"), "target `time`")
        self.assert_refused(self.calibrate("--target", "replay", "--reference", "log", "--meter-source", "log:no.csv"),
                            "reference log cannot be used", "start the meter's logger first")

    def test_dry_run_plays_nothing(self):
        Meter(self.path("usb.csv"), 2, 5, 0).file.close()
        result = self.calibrate("--target", "replay", "--reference", "log", "--meter-source", "log:usb.csv", "--dry-run",
                                "--steps", "4", "--step-time", "10s")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("4 steps of 10", result.stdout)
        self.assertIn("0 % 100 % 50 % 0 %", result.stdout)
        self.assertEqual(self.kept(), [])

    def test_a_meter_that_does_not_follow(self):
        usb = Meter(self.path("usb.csv"), 2.0, 5.0, 55.5)
        writer = self.writer(usb)
        result = run_beside(writer, [
            PROGRAM, "meter", "calibrate", "--target", "replay", "--reference", "log", "--steps", "4", "--step-time",
            "1500ms", "--power-trace", steady(self), "--meter-source", f"log:{usb.path}"], cwd=self.folder, env=self.env)
        self.assert_refused(result, "meter replay goes only from", "nothing was kept", "--step-time", status=(1,))
        self.assertEqual(self.kept(), [])

    def test_stopped_by_ctrl_c(self):
        usb = Meter(self.path("usb.csv"), 2.0, 5.0, 55.5)
        writer = self.writer(usb)
        ours, its = pty.openpty()
        process = subprocess.Popen([
            PROGRAM, "meter", "calibrate", "--target", "replay", "--reference", "log", "--steps", "4", "--step-time",
            "60s", "--power-trace", steady(self), "--meter-source", f"log:{usb.path}"], cwd=self.folder, env=self.env,
            stdout=subprocess.PIPE, stderr=its)
        os.close(its)
        self.addCleanup(process.stdout.close)
        self.addCleanup(os.close, ours)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        writer.pid = process.pid
        said = b""
        while b"step 1 of 4" not in said and process.poll() is None:
            said += os.read(ours, 4096)
        self.assertIn(b"4 min 0 s left", said)
        process.send_signal(signal.SIGINT)
        while b"nothing was kept" not in said:
            said += os.read(ours, 4096)
        self.assertEqual(process.wait(60), 130)
        self.assertEqual((process.stdout.read(), self.kept()), (b"", []))


if __name__ == "__main__":
    unittest.main()
