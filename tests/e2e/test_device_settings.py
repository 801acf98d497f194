"""edgewise meter run --set, on a recorded machine: set while the command runs, and put back however it ends."""
import fcntl
import json
import os
import signal
import subprocess
import unittest

from harness import PROGRAM, ScratchCase, run

POLICY = "sys/devices/system/cpu/cpufreq/policy0/"
BEFORE = {"scaling_governor": "ondemand", "scaling_available_governors": "ondemand performance",
          "scaling_min_freq": "600000", "scaling_max_freq": "1500000", "cpuinfo_min_freq": "600000",
          "cpuinfo_max_freq": "1500000", "scaling_available_frequencies": "600000 1000000 1500000"}
SHOW = 'cat "$0/%sscaling_governor" "$0/%sscaling_max_freq"' % (POLICY, POLICY)


class DeviceSettings(ScratchCase):
    def setUp(self):
        super().setUp()
        self.root = self.path("machine")
        os.makedirs(os.path.join(self.root, POLICY))
        for name, value in BEFORE.items():
            with open(os.path.join(self.root, POLICY, name), "w", encoding="utf-8") as f:
                f.write(value + "\n")

    def now(self):
        values = {}
        for name in BEFORE:
            with open(os.path.join(self.root, POLICY, name), encoding="utf-8") as f:
                values[name] = f.read().strip()
        return values

    def wait_until_nobody_holds_them(self):
        folder = os.open(os.path.join(self.root, "sys"), os.O_RDONLY)
        fcntl.flock(folder, fcntl.LOCK_EX)
        os.close(folder)

    def test_set_for_the_command_alone(self):
        result = run("meter", "run", "--root", self.root, "--set", "governor=performance", "--set",
                     "max-frequency=1GHz", "-o", "out.json", "--", "sh", "-c", SHOW, self.root, cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout, "performance\n1000000\n")
        self.assertIn("governor performance", result.stderr)
        self.assertEqual(self.now(), BEFORE)
        with open(self.path("out.json"), encoding="utf-8") as f:
            self.assertEqual(json.load(f)["settings"], {"governor": "performance", "max-frequency": "1GHz"})

    def test_put_back_when_the_command_fails_or_is_not_there(self):
        for command, status in ((["false"], 1), (["/nonexistent"], 127)):
            result = run("meter", "run", "--root", self.root, "--set", "governor=performance", "--", *command,
                         cwd=self.folder)
            self.assertEqual(result.returncode, status, result.stderr)
            self.assertEqual(self.now(), BEFORE)

    def test_put_back_after_kill_9(self):
        for number in (signal.SIGKILL, signal.SIGTERM):
            process = subprocess.Popen(
                [PROGRAM, "meter", "run", "--root", self.root, "--set", "frequency=min", "--", "sh", "-c",
                 "echo started; exec sleep 600"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                start_new_session=True)
            self.assertEqual(process.stdout.readline(), "started\n")
            self.assertEqual(self.now()["scaling_max_freq"], "600000")
            os.killpg(process.pid, number)
            process.wait()
            process.stdout.close()
            self.wait_until_nobody_holds_them()
            self.assertEqual(self.now(), BEFORE)

    def test_what_cannot_be_set_is_refused_before_anything_runs(self):
        for setting, word in (("governor=turbo", "ondemand, performance"), ("power-mode=1", "Jetson"),
                              ("max-frequency=1.2GHz", "1000MHz"), ("epp=power", "offers none")):
            result = run("meter", "run", "--root", self.root, "--set", setting, "--", "echo", "ran", cwd=self.folder)
            self.assertEqual(result.returncode, 125, result.stderr)
            self.assertIn(word, result.stderr)
            self.assertEqual(result.stdout, "")
            self.assertEqual(self.now(), BEFORE)

    def test_wrong_use(self):
        for words in (["--set", "governor"], ["--set", "colour=red"],
                      ["--set", "governor=performance", "--set", "governor=ondemand"]):
            self.assert_refused(run("meter", "run", *words, "--", "true", cwd=self.folder), "--set", status=(2,))


if __name__ == "__main__":
    unittest.main()
