"""edgewise meter watch and list: on a terminal, elsewhere, as CSV and JSON; without any sensor."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unittest

from harness import PROGRAM, ScratchCase, run
from meter_traces import WATTS, counter, steady
from recorded_tree import put, unpack


def through_terminal(args, seconds, cwd, rows=24, columns=80):
    """What the program writes to a terminal until a Ctrl-C after some time; and its exit status."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    env = dict(os.environ, TERM="xterm")
    process = subprocess.Popen([PROGRAM, *args], stdin=slave, stdout=slave, stderr=slave, cwd=cwd, env=env,
                               preexec_fn=lambda: (os.setsid(), fcntl.ioctl(0, termios.TIOCSCTTY, 0)))
    os.close(slave)
    said, end, stopped = b"", time.monotonic() + seconds, False
    while time.monotonic() < end + 30:
        if time.monotonic() > end and not stopped:
            os.write(master, b"\x03")  # as a person does
            stopped = True
        if select.select([master], [], [], 0.05)[0]:
            try:
                got = os.read(master, 65536)
            except OSError:
                break
            if not got:
                break
            said += got
    status = process.wait(30)
    os.close(master)
    return said.decode("utf-8"), status


class MeterWatch(ScratchCase):
    def watch(self, *args, **more):
        return run("meter", "watch", *args, cwd=self.folder, **more)

    def test_lines_without_a_terminal(self):
        result = self.watch("--power-trace", steady(self), "--duration", "1s", "--interval", "0.25s")
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = result.stdout.splitlines()
        self.assertIn(len(lines), range(4, 7))
        self.assertNotIn("\x1b", result.stdout + result.stderr)
        joules = [float(re.search(r"([0-9.]+) J", line).group(1)) for line in lines]
        self.assertEqual(joules, sorted(joules))
        self.assertIn("replay 5.00 W", lines[-1])
        self.assertRegex(result.stderr, r"energy +[0-9.]+ ± [0-9.]+ J .* grade C")

    def test_csv_is_a_trace_that_plays_again(self):
        for trace in (steady(self), counter(self)):
            result = self.watch("--power-trace", trace, "--duration", "2s", "--interval", "0.1s", "--csv")
            self.assertEqual(result.returncode, 0, result.stderr)
            rows = [line.split(",") for line in result.stdout.splitlines() if not line.startswith("#")]
            self.assertEqual(rows[0][:4], ["time_s", "energy_j", "power_w", "peak_w"])
            good = [(float(r[0]), float(r[1])) for r in rows[1:] if r[1]]
            self.assertGreater(len(good), 10)
            for (t0, _), (t1, _) in zip(good, good[1:]):
                self.assertGreater(t1, t0)
            seconds, joules = good[-1][0] - good[0][0], good[-1][1] - good[0][1]
            self.assertAlmostEqual(joules / seconds, WATTS, delta=0.02 * WATTS)
            again = run("meter", "run", "-o", "out.json", "--power-trace", self.write("again.csv", result.stdout), "--",
                        "sleep", "1.4", cwd=self.folder)
            self.assertEqual(again.returncode, 0, again.stderr)
            with open(self.path("out.json"), encoding="utf-8") as f:
                figure = json.load(f)["runs"][0]["energy"]
            self.assertEqual(figure["grade"], "E")  # of some other run
            self.assertLessEqual(abs(figure["energy_j"] - WATTS * figure["duration_s"]), figure["error_j"])

    def test_json_lines_and_summary(self):
        result = self.watch("--power-trace", steady(self), "--duration", "0.8s", "--interval", "0.2s", "--json")
        values = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual(values[0]["energy"][0]["meter"], "replay")
        self.assertGreater(values[-2]["memory_available_bytes"], 0)
        figure = values[-1]["energy"][0]
        self.assertTrue(values[-1]["summary"])
        self.assertLessEqual(abs(figure["energy_j"] - WATTS * figure["duration_s"]), figure["error_j"])

    def test_on_a_terminal(self):
        said, status = through_terminal(["meter", "watch", "--power-trace", steady(self), "--interval", "0.25s"], 2.5,
                                        self.folder)
        self.assertEqual(status, 0)
        self.assertEqual(said.count("\x1b[?25l"), said.count("\x1b[?25h"))  # the cursor comes back
        self.assertEqual(said.count("\x1b[?25l"), 1)
        self.assertGreater(said.rindex("\x1b[?25h"), said.rindex("\x1b[?25l"))
        live = said[:said.rindex("\x1b[?25h")]
        used = set(re.findall(r"\x1b\[\??[0-9]*[A-Za-z]", live)) - {"\x1b[?25l", "\x1b[K", "\x1b[J"}
        self.assertEqual(used, set(re.findall(r"\x1b\[[0-9]+A", live)))  # only cursor up besides
        self.assertNotIn("\x1b", re.sub(r"\x1b\[\??[0-9]*[A-Za-z]", "", said))
        pictures = said.split("Ctrl-C ends with a summary")
        self.assertGreater(len(pictures), 3)
        for line in re.sub(r"\x1b\[\??[0-9]*[A-Za-z]", "", said.rsplit("\x1b[?25h", 1)[0]).splitlines():
            self.assertLessEqual(len(line.split("\r")[-1]), 80)
        self.assertIn("J counted", said)
        self.assertRegex(said.rsplit("\x1b[?25h", 1)[1], r"energy(\x1b\[0m)? +[0-9.]+ ± [0-9.]+ J")

    def test_without_a_meter_the_rest_is_shown(self):
        os.mkdir(self.path("empty"))
        result = self.watch("--root", self.path("empty"), "--duration", "0.3s", "--interval", "0.2s")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("no energy", result.stdout)
        self.assertIn("none: no RAPL", result.stderr)
        said, status = through_terminal(["meter", "watch", "--root", self.path("empty")], 1.2, self.folder, columns=50)
        self.assertEqual(status, 0)
        self.assertIn("none: no RAPL", said)

    def test_heat_and_clocks_of_a_recorded_machine(self):
        zone, policy = "sys/class/thermal/thermal_zone0", "sys/devices/system/cpu/cpufreq/policy0"
        cpu = "sys/devices/system/cpu/cpu0/topology"
        for folder in (zone, policy, cpu, "proc"):
            os.makedirs(self.path(os.path.join("root", folder)))
        self.write(f"root/{zone}/type", "cpu-thermal\n")
        self.write(f"root/{zone}/temp", "52340\n")
        self.write(f"root/{policy}/scaling_cur_freq", "1800000\n")
        self.write("root/sys/devices/system/cpu/online", "0\n")
        self.write("root/proc/meminfo", "MemTotal: 8000000 kB\nMemAvailable: 4194304 kB\n")
        result = self.watch("--root", self.path("root"), "--duration", "0.3s", "--json")
        value = json.loads(result.stdout.splitlines()[1])
        self.assertAlmostEqual(value["temperature_c"]["cpu"], 52.34, delta=1e-6)
        self.assertAlmostEqual(value["frequency_hz"]["cpu0"], 1.8e9, delta=1)
        self.assertEqual(value["memory_available_bytes"], 4 << 30)

    def test_fans_and_throttling_of_recorded_machines(self):
        """A Pi that is throttled now, a Jetson whose kernel holds clocks down, a laptop whose count grows meanwhile."""
        pi, jetson, laptop, nothing = (self.path(name) for name in ("pi", "jetson", "laptop", "nothing"))
        for root, tree in ((pi, "pi5"), (jetson, "orin-nano"), (laptop, "intel-laptop"), (nothing, "nothing")):
            unpack(tree, root)
        put(pi, "/sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled", "50005\n")
        for name, text in {"0/type": "pwm-fan", "0/cur_state": "1", "0/max_state": "4", "1/type": "cpufreq-cpu0",
                           "1/cur_state": "5", "1/max_state": "20"}.items():
            put(jetson, "/sys/class/thermal/cooling_device" + name, text + "\n")
        held = "the kernel holds the clocks down (cpufreq-cpu0 at 5 of 20)"

        def values(root):
            result = self.watch("none", "--root", root, "--duration", "0.3s", "--json")
            self.assertEqual(result.returncode, 0, result.stderr)
            return [json.loads(line) for line in result.stdout.splitlines()]

        first, last = values(pi)[0], values(pi)[-1]
        self.assertEqual((first["throttled"], first["throttle_text"]), (True, "under-voltage; throttled"))
        self.assertEqual(first["fan_rpm"], {"pwmfan fan1": 2874})
        self.assertTrue(last["throttle_text"].startswith("under-voltage at start and end; throttled at start and end; in "))
        first = values(jetson)[0]
        self.assertEqual((first["throttled"], first["throttle_text"], first["fan_drive"]), (True, held, {"pwm-fan": 0.25}))
        self.assertIsNone(first["temperature_c"]["cv0-thermal"])  # a zone that is off
        self.assertEqual({(v["throttled"], v["throttle_text"], v["throttle_events"]) for v in values(nothing)},
                         {(None, None, None)})
        result = self.watch("none", "--root", jetson, "--duration", "0.3s")
        self.assertIn("throttled: " + held, result.stdout)
        self.assertIn("held the clocks down at start and end (cpufreq-cpu0 at 5 of 20)", " ".join(result.stderr.split()))
        rows = self.watch("none", "--root", jetson, "--duration", "0.3s", "--csv").stdout.splitlines()[2:]
        self.assertEqual((rows[0].split(",")[-1], rows[1].split(",")[-1]), ("throttled", "1"))
        said, _ = through_terminal(["meter", "watch", "none", "--root", jetson], 1.2, self.folder)
        self.assertIn("pwm-fan 25 %", said)
        self.assertIn("now: " + held, said)

        process = subprocess.Popen([PROGRAM, "meter", "watch", "none", "--root", laptop, "--json", "--interval", "0.2s"],
                                   text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(json.loads(process.stdout.readline())["throttle_events"], 0)
        put(laptop, "/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "10\n")
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=20)
        last = json.loads(out.splitlines()[-1])
        self.assertEqual((last["throttled"], last["throttle_text"], last["throttle_events"]),
                         (True, "cores slowed by heat 3 times", 3))

    def test_terminate_ends_with_the_summary_too(self):
        process = subprocess.Popen([PROGRAM, "meter", "watch", "--power-trace", steady(self)], cwd=self.folder, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        out, said = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0)
        self.assertRegex(said, "energy .* J")

    def test_wrong_use(self):
        self.assert_refused(self.watch("--interval", "fast"), "--interval", "`fast`", "0.1", status=(2,))
        self.assert_refused(self.watch("--interval", "1ms"), "--interval", "`1ms`", status=(2,))
        self.assert_refused(self.watch("--csv", "--json"), "--csv and --json", status=(2,))
        self.assert_refused(self.watch("nonesuch"), "nonesuch", status=(1,))


class MeterList(ScratchCase):
    def list(self, *args):
        return run("meter", "list", *args, cwd=self.folder)

    def test_usable_first_then_refused_with_reason(self):
        result = self.list("--power-trace", steady(self))
        self.assertEqual(result.returncode, 0, result.stderr)
        text = result.stdout
        self.assertLess(text.index("✓ replay"), text.index("✗ "))
        self.assertIn("auto takes this one", text)
        for word in ("a bench supply (board, grade C at best)", "every 20 ms", "error ± 2 %", "memory\n✓ memory"):
            self.assertIn(word, text)

    def test_json(self):
        value = json.loads(self.list("--json", "--power-trace", steady(self)).stdout)
        self.assertEqual((value["proved"], value["auto"]), (False, "replay"))
        kinds = [m["quantity"] for m in value["meters"]]
        self.assertEqual(kinds, sorted(kinds, key=["energy", "memory", "temperature", "frequency", "time"].index))
        first = value["meters"][0]
        self.assertEqual(first["error_relative"], 0.02)
        self.assertEqual(first["period_s"], 0.02)
        self.assertEqual(sum(m["auto"] for m in value["meters"]), 1)
        for meter in value["meters"]:
            self.assertEqual(meter["usable"], meter["reason"] == "usable")
            self.assertTrue(meter["usable"] or meter["reason_text"])

    def test_prove_shows_a_reading_or_refuses(self):
        value = json.loads(self.list("--json", "--prove", "--power-trace", steady(self)).stdout)
        self.assertAlmostEqual(value["meters"][0]["now"], WATTS, delta=0.06)
        frozen = self.write("frozen.csv", "# loop: yes\n# boundary: board\ntime_s,power_w\n" +
                            "".join(f"{i * 0.1:.1f},4.2\n" for i in range(20)))
        value = json.loads(self.list("--json", "--prove", "--power-trace", frozen).stdout)
        replay = [m for m in value["meters"] if m["name"] == "replay"][0]
        self.assertEqual((replay["usable"], replay["reason"], value["auto"]), (False, "frozen", None))
        self.assertIsNone(replay["now"])

    def test_a_machine_without_sensors(self):
        os.mkdir(self.path("empty"))
        result = self.list("--root", self.path("empty"))
        self.assertEqual(result.returncode, 0)
        self.assertIn("absent: no RAPL", result.stdout)
        self.assertIn("No meter that `auto` may take", result.stdout)

    def test_help_and_wrong_use(self):
        result = run("meter", "--help")
        self.assertEqual(result.returncode, 0)
        for name in ("list", "watch", "run"):
            self.assertRegex(result.stdout, rf"\n  {name} ")
            sub = run("meter", name, "--help")
            self.assertEqual(sub.returncode, 0)
            self.assertIn(f"edgewise meter {name}", sub.stdout)
            self.assertIn("Example", sub.stdout)
        self.assert_refused(run("meter", "frob"), "`frob`", status=(2,))
        self.assertEqual(run("meter").returncode, 2)
        self.assert_refused(self.list("extra"), "extra", status=(2,))


if __name__ == "__main__":
    unittest.main()
