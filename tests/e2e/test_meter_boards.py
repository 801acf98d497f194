"""meter list, doctor and meter watch as the owner of each recorded board sees them."""
import json
import os
import re
import sys
import unittest

import recorded_tree
from harness import SOURCE, ScratchCase, run


class MeterBoards(ScratchCase):
    def tree(self, name):
        return recorded_tree.unpack(name, self.path(name))

    def told(self, root, *command):
        """What the program says, in one line."""
        result = run(*command, "--root", root, cwd=self.folder)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return " ".join(result.stdout.split())

    # ---- values in words ----

    def test_counts_shares_and_speeds_have_no_prefixes(self):
        """By hand from the trees: it once read 13.65 krpm, and 18.1 ks since boot."""
        said = self.told(self.tree("pi5"), "meter", "list", "--prove")
        self.assertIn("speed of the fans · now 2874 rpm", said)
        self.assertIn("now under-voltage since boot, throttled since boot", said)
        self.assertRegex(said, r"not slewed by network time · now \d+(\.\d+)? s ")
        said = self.told(self.tree("intel-laptop"), "meter", "list", "--prove")
        self.assertIn("now core heat 7 events, package heat 12 events", said)
        self.assertIn("steps of 1 event ", said)
        said = self.told(self.tree("orin-nano"), "meter", "list", "--prove")
        self.assertIn("as its driver last saw it · now 0.415", said)
        self.assertIn("now 612 MHz", said)

    def test_large_and_single_values(self):
        root = self.tree("pi5")
        fan = next(os.path.join(folder, "fan1_input") for folder, _, files in os.walk(root) if "fan1_input" in files)
        recorded_tree.put("", fan, "13650\n")
        self.assertIn("now 13650 rpm", self.told(root, "meter", "list", "--prove"))
        root = self.tree("intel-laptop")
        for path, text in (("devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "1"),
                           ("devices/system/cpu/cpu0/thermal_throttle/core_throttle_total_time_ms", "1500"),
                           ("class/thermal/cooling_device0/type", "Processor"),
                           ("class/thermal/cooling_device0/max_state", "10"),
                           ("class/thermal/cooling_device0/cur_state", "3")):
            recorded_tree.put(root, "/sys/" + path, text + "\n")
        said = self.told(root, "meter", "list", "--prove")
        for words in ("now core heat 1 event, package", "✓ throttle-time", "slowed down · now 1.5 s", "✓ cooling",
                      "as far as it can · now 0.3 "):
            self.assertIn(words, said)

    def test_a_channel_without_a_reading_does_not_hide_the_others(self):
        """A graphics processor that is switched off has no temperature, and the others have."""
        root = self.tree("agx-thor")
        os.remove(root + "/sys/class/thermal/thermal_zone0/temp")  # the processor's
        for zone, kind in ((0, "gpu-thermal"), (1, "board-thermal"), (4, "soc678-thermal")):
            recorded_tree.put(root, f"/sys/class/thermal/thermal_zone{zone}/type", kind + "\n")
        self.assertIn("gpu-thermal –, board-thermal –, soc012-thermal 55.1 °C, soc345-thermal 53.7 °C, …",
                      self.told(root, "doctor"))

    def test_every_meter_of_a_board_is_listed_in_both(self):
        """doctor once left out all that came after states: fans and throttle counts."""
        for name in recorded_tree.names():
            with self.subTest(name):
                root = self.tree(name)
                meters = json.loads(run("meter", "list", "--json", "--root", root, cwd=self.folder).stdout)["meters"]
                said = self.told(root, "doctor"), self.told(root, "meter", "list")
                for meter in meters:
                    for text in said:
                        if meter["name"] != "memory":  # of a process: the list shows its own as an example
                            self.assertIn(meter["name"], text)

    def test_what_a_jetson_says_of_itself(self):
        for name, words in (
                ("agx-thor", ("Neoverse-V3AE", "Jetson Thor's DC input VIN: module and carrier board (board), grade B at best",
                              "fan 1786 rpm", "VDD_GPU, VDD_CPU_SOC_MSS, VIN_SYS_5V0", "tells what the supply may give")),
                ("tx2", ("cpu 39 °C", "ina3221x-board", "the largest is 0 MAXN")),
                ("xavier-nx", ("VDD_IN", "nvpmodel 2 MODE_15W_6CORE, the largest")),
                ("xavier-agx", ("sum of GPU, CPU, SOC, CV, VDDRQ and SYS5V (module), grade C at best",)),
                ("jetson-nano", ("Jetson Nano 5 V input POM_5V_IN: the whole module (module), grade B at best",))):
            said = self.told(self.tree(name), "doctor")
            for word in words:
                self.assertIn(word, said, name)

    def test_the_page_on_meters_names_them(self):
        with open(os.path.join(SOURCE, "docs", "meters.md"), encoding="utf-8") as f:
            page = f.read()
        for name in recorded_tree.names():
            meters = json.loads(run("meter", "list", "--json", "--root", self.tree(name), cwd=self.folder).stdout)
            for meter in meters["meters"]:
                if meter["usable"]:
                    self.assertRegex(page, rf"`{re.escape(meter['name'].split(':')[0])}[`:]")


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
