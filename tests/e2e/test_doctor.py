"""edgewise doctor: this machine, recorded ones, models, JSON, narrow terminals, and wrong use."""
import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
import unittest

import recorded_tree
from harness import BOX, PROGRAM, SOURCE, ScratchCase, run
from meter_traces import steady

MEMBERS = {"format", "machine", "cpus", "memory", "state", "meters", "energy_none", "limits", "model", "model_none",
           "findings", "seconds"}
SEVERITIES = ("ok", "note", "warning", "problem")
MARKS = "✓·!✗"


def documented(section, key):
    """The names in backquotes of one row of docs/doctor.md."""
    with open(os.path.join(SOURCE, "docs", "doctor.md"), encoding="utf-8") as f:
        row = re.search(rf"^\| `{re.escape(key)}` \|(.*)$", f.read().split(section)[1], re.MULTILINE).group(1)
    return re.findall(r"`([a-z0-9_]+)(?:\[\])?`", row)


def through_terminal(args, columns, env):
    """Everything that the program writes to a terminal of this width."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen([PROGRAM, *args], stdin=slave, stdout=slave, stderr=slave,
                               env=dict(os.environ, TERM="xterm", **env))
    os.close(slave)
    said, end = b"", time.monotonic() + 300
    while time.monotonic() < end:
        if not select.select([master], [], [], 0.2)[0]:
            continue
        try:
            got = os.read(master, 65536)
        except OSError:
            break
        if not got:
            break
        said += got
    os.close(master)
    return said.decode("utf-8"), process.wait(60)


class Doctor(ScratchCase):
    def doctor(self, *args, **more):
        return run("doctor", *args, cwd=self.folder, **more)

    def examine(self, *args):
        result = self.doctor("--json", *args)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stderr, "")
        document = json.loads(result.stdout)
        self.check_form(document)
        return document

    def check_form(self, d):
        self.assertEqual(set(d), MEMBERS)
        self.assertEqual(d["format"], "edgewise-doctor-1")
        for key in ("machine", "memory", "state"):
            self.assertEqual(sorted(d[key]), sorted(documented("## JSON", key)))
        self.assertTrue(d["findings"])
        for f in d["findings"]:
            self.assertEqual(set(f), {"id", "topic", "severity", "found", "why", "remedy"})
            self.assertIn(f["severity"], SEVERITIES)
            self.assertTrue(f["found"] and f["why"])
            if f["severity"] == "ok":
                self.assertIsNone(f["remedy"], f)
        ids = [f["id"] for f in d["findings"]]
        self.assertEqual(len(ids), len(set(ids)))

    def finding(self, document, name):
        return next((f for f in document["findings"] if f["id"] == name), None)

    def tree(self, name):
        return recorded_tree.unpack(name, self.path(name))

    # ---- this machine ----

    def test_measures_a_made_up_model(self):
        d = self.examine("--cpu-mask", "all")
        self.assertGreater(d["limits"]["read_bytes_per_s"], 1e6)
        self.assertGreater(d["limits"]["int8_ops_per_s"], 1e6)
        self.assertEqual([r["threads"] for r in d["limits"]["reads"]], sorted({r["threads"] for r in d["limits"]["reads"]}))
        model = d["model"]
        if model is None:
            self.assertTrue(d["model_none"])
            return
        self.assertTrue(model["synthetic"])
        self.assertGreater(model["weights_bytes"], 80 << 20)
        self.assertEqual(sum(s["is_default"] for s in model["speeds"]), 1)
        for s in model["speeds"]:
            self.assertGreaterEqual(s["runs"], 3)
            for phase in (s["prefill"], s["decode"]):
                self.assertLessEqual(phase["low"], phase["median_per_s"])
                self.assertLessEqual(phase["median_per_s"], phase["high"])
        usual = next(s for s in model["speeds"] if s["is_default"])
        self.assertAlmostEqual(usual["prefill"]["of_limit"],
                               usual["prefill"]["median_per_s"] / model["prefill_limit_per_s"], 6)
        for name in ("limit.memory", "limit.compute", "kernel.reference", "model.prefill", "model.decode"):
            self.assertIsNotNone(self.finding(d, name), name)

    def test_leaves_no_model_behind(self):
        os.mkdir(self.path("tmp"))
        env = dict(os.environ, TMPDIR=self.path("tmp"))
        result = subprocess.run([PROGRAM, "doctor", "--json"], env=env, capture_output=True, text=True, timeout=300)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(os.listdir(self.path("tmp")), [])

    def test_no_place_for_a_model(self):
        env = dict(os.environ, TMPDIR=self.path("nowhere"))
        result = subprocess.run([PROGRAM, "doctor", "--json"], env=env, capture_output=True, text=True, timeout=300)
        self.assertEqual(result.returncode, 0, result.stderr)
        d = json.loads(result.stdout)
        self.assertIsNone(d["model"])
        self.assertIn("nowhere", d["model_none"])
        self.assertIsNotNone(d["limits"])

    def test_the_model_in_the_box_is_in_the_cache(self):
        d = self.examine(BOX)
        self.assertFalse(d["model"]["synthetic"])
        self.assertGreater(d["model"]["speeds"][0]["decode"]["median_per_s"], 0)
        if self.finding(d, "model.cache"):
            self.assertIsNone(d["model"]["decode_limit_per_s"])

    def test_a_mask_is_named(self):
        d = self.examine("--cpu-mask", "none", BOX)
        if not d["machine"]["features"]:
            self.skipTest("this processor has nothing to hide")
        mask = self.finding(d, "kernel.mask")
        self.assertEqual((mask["severity"], mask["remedy"]), ("warning", "leave out --cpu-mask"))
        self.assertIn(d["machine"]["features"][0], mask["found"])
        self.assertEqual(self.finding(d, "kernel.reference")["severity"], "warning")
        self.assertIn("_ref", d["model"]["kernels"])

    def test_no_model(self):
        d = self.examine("--no-model")
        self.assertIsNone(d["model"])
        self.assertIsNone(d["model_none"])
        self.assertIsNotNone(d["limits"])

    def test_quick(self):
        d = self.examine("--quick")
        self.assertIsNone(d["limits"])
        self.assertIsNone(d["model"])
        d = self.examine("--quick", BOX)
        self.assertEqual(d["model"]["speeds"], [])
        self.assertGreater(d["model"]["needed_bytes"], 0)

    def test_a_meter_proves_itself_and_is_read(self):
        d = self.examine("--no-model", "--meter-source", "replay:" + steady(self))
        self.assertIsNone(d["energy_none"])
        chosen = [m for m in d["meters"] if m["auto"]]
        self.assertEqual(len(chosen), 1)
        if chosen[0]["name"] != "replay":
            self.skipTest("this machine has a better meter")
        self.assertAlmostEqual(chosen[0]["now"], 5.0, delta=0.1)
        energy = self.finding(d, "energy.meter")
        self.assertEqual(energy["severity"], "ok")
        self.assertIn("a bench supply (board), grade C at best", energy["found"])

    def test_a_frozen_meter_is_none(self):
        flat = self.write("flat.csv", "time_s,power_w\n" + "".join(f"{i / 50:.2f},5\n" for i in range(500)))
        d = self.examine("--no-model", "--meter-source", "replay:" + flat)
        replay = next(m for m in d["meters"] if m["name"] == "replay")
        self.assertEqual((replay["usable"], replay["reason"]), (False, "frozen"))

    # ---- recorded machines ----

    def test_recorded_machines(self):
        expected = {
            "pi5": {"heat.throttled": ("problem", "under-voltage since boot"), "energy.meter": ("ok", "pi-pmic"),
                    "power.voltage": ("warning", "4.70 V"), "clock.governor": ("warning", "ondemand")},
            "orin-nano": {"power.mode": ("warning", "25W"), "energy.meter": ("ok", "VDD_IN"),
                          "clock.limit": ("warning", "1.34 of 1.73 GHz")},
            "intel-laptop": {"clock.preference": ("note", "balance_performance"), "power.mode": ("note", "balanced")},
            "xeon-2s": {"kernel.features": ("note", "avx2")},
            "amd-desktop": {"heat.temperature": ("ok", "61 °C")},
            "nothing": {"energy.meter": ("problem", "none"), "machine.virtual": ("note", "virtual")},
        }
        for name in recorded_tree.names():
            d = self.examine("--root", self.tree(name))
            self.assertTrue(d["machine"]["recorded"])
            self.assertIsNone(d["limits"])
            for rule, (severity, words) in expected.get(name, {}).items():
                f = self.finding(d, rule)
                self.assertEqual(f["severity"], severity, f)
                self.assertIn(words, f["found"])

    def test_terminal_and_json_say_the_same(self):
        root = self.tree("orin-nano")
        text = self.doctor("--root", root)
        self.assertEqual(text.returncode, 0, text.stderr)
        lines = text.stdout.splitlines()
        self.assertIn("Jetson Orin Nano", lines[0])
        self.assertIn("2 × Cortex-A78AE at 1.73 GHz (neon dotprod fp16)", lines[0])
        d = self.examine("--root", root)
        for f in d["findings"]:
            head = f"{MARKS[SEVERITIES.index(f['severity'])]} {f['topic']}"
            line = next(i for i, said in enumerate(lines) if said.startswith(head) and f["found"] in said)
            if f["remedy"]:
                self.assertIn("→ " + f["remedy"], [said.strip() for said in lines[line:line + 3]])
        self.assertNotIn("\x1b", text.stdout)

    def test_an_empty_machine(self):
        os.mkdir(self.path("empty"))
        d = self.examine("--root", self.path("empty"))
        self.assertEqual([f["id"] for f in d["findings"]], ["energy.meter"])
        self.assertIn("tells nothing", self.doctor("--root", self.path("empty")).stdout)

    def test_hostile_names(self):
        """Names come from files and cannot drive the terminal."""
        root = self.tree("pi5")
        recorded_tree.put(root, "/sys/firmware/devicetree/base/model", "Board\x1b[2J\x07evil\n")
        recorded_tree.put(root, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "on\x1b[31mdemand\n")
        recorded_tree.put(root, "/etc/nvpmodel.conf", "< POWER_MODEL ID=0 NAME=\x1b]0;x\x07 >\n")
        recorded_tree.put(root, "/var/lib/nvpmodel/status", "pmode:0000\n")
        text = self.doctor("--root", root)
        self.assertEqual(text.returncode, 0, text.stderr)
        self.assertNotIn("\x1b", text.stdout)
        self.assertNotIn("\x07", text.stdout)
        self.examine("--root", root)

    # ---- terminals ----

    def test_narrow_terminal_without_colour(self):
        said, status = through_terminal(["doctor", "--root", self.tree("pi5")], 60, {"NO_COLOR": "1"})
        self.assertEqual(status, 0)
        said = said[said.rindex("\x1b[K") + 3:] if "\x1b[K" in said else said  # the progress line before it
        self.assertNotIn("\x1b", said)
        self.assertIn("throttled", said)
        for line in said.split("\r\n"):
            if "→" not in line:  # commands stay whole, so that they can be copied
                self.assertLessEqual(len(line), 60, line)

    def test_colour_on_a_terminal(self):
        said, status = through_terminal(["doctor", "--root", self.tree("pi5")], 100, {"NO_COLOR": ""})
        self.assertEqual(status, 0)
        self.assertIn("\x1b[1m", said)

    # ---- wrong use ----

    def test_wrong_use(self):
        self.assert_refused(self.doctor("a.gguf", "b.gguf"), "one model", "b.gguf", status=(2,))
        self.assert_refused(self.doctor("--no-model", "a.gguf"), "--no-model", "a.gguf", status=(2,))
        self.assert_refused(self.doctor("--fast"), "--fast", status=(2,))
        self.assert_refused(self.doctor("--cpu-mask", "mmx"), "mmx", status=(2,))
        self.assert_refused(self.doctor("--meter-source", "nonsense"), "nonsense", status=(2,))

    def test_broken_models(self):
        missing = self.doctor("--quick", self.path("missing.gguf"))
        self.assert_refused(missing, "missing.gguf", status=(1,))
        self.assertEqual(missing.stdout, "")
        with open(BOX, "rb") as f:
            head = f.read(100000)
        with open(self.path("short.gguf"), "wb") as f:
            f.write(head)
        self.assert_refused(self.doctor("--quick", self.path("short.gguf")), "short.gguf", status=(1,))
        self.write("text.gguf", "no model")
        self.assert_refused(self.doctor(self.path("text.gguf")), "text.gguf", status=(1,))

    def test_help(self):
        result = self.doctor("--help")
        self.assertEqual(result.returncode, 0)
        self.assertIn("Example:", result.stdout)
        self.assertIn("doctor", run("--help").stdout)


if __name__ == "__main__":
    unittest.main()
