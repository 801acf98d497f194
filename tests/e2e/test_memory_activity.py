#!/usr/bin/env python3
"""What the memory system did, as `meter run`, studies and reports say it: on stand-in machines whose counters the
measured program itself moves, so that every number is known, and under a real limit where this machine allows one."""
import json
import os
import shutil
import subprocess
import unittest

import recorded_tree
from harness import BOX, FAKE_ENGINE, PROGRAM, ScratchCase, is_instrumented, run

VMSTAT = "pswpin {}\\npswpout {}\\npgmajfault {}\\nworkingset_refault_file {}\\n"
PRESSURE = ("some avg10=0.00 avg60=0.00 avg300=0.00 total={}\\n"
            "full avg10=0.00 avg60=0.00 avg300=0.00 total={}\\n")
EVENTS = "low 0\\nhigh 0\\nmax {}\\noom 0\\noom_kill {}\\n"
STUDY = """study: memory
models: [{file: m.gguf}]
sweep: {threads: 1}
measure: {prompt_tokens: 4, generate_tokens: 3, repeats: 1, warmup: 0, timeout: 60 s, energy: none}
"""


class StandIn(ScratchCase):
    """A machine below a folder, and a shell command that moves its counters by known amounts."""

    def machine(self):
        root = self.path("root")
        put = lambda path, text: recorded_tree.put(root, path, text.replace("\\n", "\n"))
        put("/proc/vmstat", VMSTAT.format(100, 200, 7, 50))
        put("/proc/pressure/memory", PRESSURE.format(1000000, 400000))
        put("/proc/meminfo", "MemTotal: 4194304 kB\nMemFree: 1 kB\nMemAvailable: 2097152 kB\n")
        put("/proc/self/cgroup", "0::/box\n")
        put("/proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n")
        put("/sys/fs/cgroup/box/memory.max", "536870912\n")
        put("/sys/fs/cgroup/box/memory.current", "268435456\n")
        put("/sys/fs/cgroup/box/memory.events", EVENTS.format(10, 0))
        put("/sys/block/zram0/mm_stat", "1048576 262144 300000 0 300000 0 0 0 0\n")
        return root

    @staticmethod
    def moved(root):
        return (f"printf '{VMSTAT.format(612, 3349, 9, 562)}' > {root}/proc/vmstat; "
                f"printf '{PRESSURE.format(61000000, 50400000)}' > {root}/proc/pressure/memory; "
                f"printf '{EVENTS.format(13, 1)}' > {root}/sys/fs/cgroup/box/memory.events; "
                f"echo '13631488 3407872 3600000 0 3600000 0 0 0 0' > {root}/sys/block/zram0/mm_stat; ")

    WORDS = ["swapped out 3149 pages", "swapped in 512 pages", "zram0 took up 12.0 MiB more, now 13.0 MiB in 3.4 MiB of memory",
             "memory pressure stalled tasks for 60 s, all of them at once for 50 s",
             "the cgroup's memory limit was hit 3 times", "1 of the cgroup's processes was killed for want of memory",
             "512 pages of files that had been dropped for want of memory were read again"]


class MeterRun(StandIn):
    def meter_run(self, root, command, *options):
        result = run("meter", "run", "--root", root, "--meter", "none", "-o", "out.json", *options, "--", "sh", "-c", command,
                     cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        result = " ".join(result.stderr.split())
        with open(self.path("out.json"), encoding="utf-8") as f:
            return result, json.load(f)

    def test_all_that_happened(self):
        root = self.machine()
        text, value = self.meter_run(root, self.moved(root))
        for words in self.WORDS + ["available 2.0 GiB → 2.0 GiB", "the cgroup holds 256 MiB of 512 MiB"]:
            self.assertIn(words, text)
        self.assertNotIn("· not known:", text)
        activity = value["runs"][0]["memory_activity"]
        expected = {"swapped_out_pages": 3149, "swapped_in_pages": 512, "major_faults": 2, "reread_pages": 512,
                    "stalled_us": 60000000, "stalled_all_us": 50000000, "limit_bytes": 536870912,
                    "used_after_bytes": 268435456, "limit_hits": 3, "oom_kills": 1, "page_bytes": None,
                    "flags": ["swapped", "stalled", "limit_hit", "reread"],
                    "zram": [{"name": "zram0", "original_before_bytes": 1048576, "original_after_bytes": 13631488,
                              "compressed_after_bytes": 3407872, "used_after_bytes": 3600000}]}
        self.assertEqual({key: activity[key] for key in expected}, expected)

    def test_nothing_happened(self):
        text, value = self.meter_run(self.machine(), "true")
        self.assertIn("nothing was swapped · no task waited for memory · the cgroup's limit was not hit", text)
        self.assertEqual(value["runs"][0]["memory_activity"]["flags"], [])
        self.assertIsNone(value["runs"][0]["memory_activity"]["words"])

    def test_not_known_is_not_zero(self):
        os.mkdir(self.path("empty"))
        text, value = self.meter_run(self.path("empty"), "true")
        self.assertIn("pressure not known: swapping (/proc/vmstat does not say), stalls (no /proc/pressure/memory)", text)
        self.assertNotIn("nothing was swapped", text)
        self.assertIsNone(value["runs"][0]["memory_activity"]["swapped_out_pages"])
        self.assertIsNone(value["runs"][0]["memory_activity"]["stalled_us"])

    def test_repeats_name_the_run(self):
        root = self.machine()
        command = f"if [ -e second ]; then {self.moved(root)} fi; touch second"
        text, value = self.meter_run(root, command, "--repeat", "2", "--warm-up", "0")
        self.assertIn("pressure run 2: swapped out 3149 pages;", text)
        self.assertNotIn("run 1:", text)
        self.assertEqual([len(one["memory_activity"]["flags"]) for one in value["runs"]], [0, 4])

    def test_mapped_and_anonymous_apart(self):
        grow = "import time; held = bytearray(64 << 20); held[::4096] = b'x' * len(held[::4096]); time.sleep(0.4)"
        text, value = self.meter_run("", f'python3 -c "{grow}"')
        once = value["runs"][0]
        self.assertIn("anonymous", text)
        if not is_instrumented():
            self.assertGreater(once["peak_anon_bytes"], 60 << 20)
            self.assertLess(once["peak_file_bytes"], 60 << 20)

    def test_a_board_whose_gpu_shares_memory(self):
        text, value = self.meter_run(recorded_tree.unpack("orin-nano", self.path("orin")), "true")
        self.assertIn("GPU shares this memory", text)
        self.assertIs(value["gpu_shares_memory"], True)
        text, value = self.meter_run(self.machine(), "true")
        self.assertNotIn("GPU shares", text)


class RealLimit(ScratchCase):
    """A control group of our own below the one that we are in; it goes away with the test."""

    def group(self, limit_bytes):
        with open("/proc/self/cgroup", encoding="utf-8") as f:
            lines = [line.rstrip("\n").split(":", 2) for line in f]
        v1 = [path for _, controllers, path in lines if "memory" in controllers.split(",")]
        v2 = [path for _, controllers, path in lines if not controllers]
        below = "/sys/fs/cgroup/memory" + v1[0] if v1 else "/sys/fs/cgroup" + (v2 or [""])[0]
        folder = os.path.join(below, f"edgewise-test-{os.getpid()}")
        try:
            os.mkdir(folder)
        except OSError as error:
            self.skipTest(f"no control group may be made here: {error}")
        self.addCleanup(os.rmdir, folder)
        try:
            name = "memory.limit_in_bytes" if v1 else "memory.max"
            with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
                f.write(str(limit_bytes))
        except OSError as error:
            self.skipTest(f"no memory limit may be set here: {error}")
        return folder

    def test_a_file_larger_than_the_limit(self):
        if is_instrumented():
            self.skipTest("sanitizers need more memory than the limit")
        folder = self.group(48 << 20)

        def enter():
            with open(os.path.join(folder, "cgroup.procs"), "w", encoding="utf-8") as f:
                f.write(str(os.getpid()))

        result = subprocess.run([PROGRAM, "meter", "run", "--meter", "none", "-o", "out.json", "--", "sh", "-c",
                                 "dd if=/dev/zero of=large bs=1M count=96 2>/dev/null; cat large > /dev/null"],
                                cwd=self.folder, capture_output=True, text=True, preexec_fn=enter, timeout=120)
        self.assertEqual(result.returncode, 0, result.stderr)
        with open(self.path("out.json"), encoding="utf-8") as f:
            activity = json.load(f)["runs"][0]["memory_activity"]
        self.assertEqual(activity["limit_bytes"], 48 << 20)
        self.assertLessEqual(activity["used_after_bytes"], 48 << 20)
        if activity["limit_hits"] == 0 and activity["used_after_bytes"] < 24 << 20:
            self.skipTest("this file system keeps its pages outside the group")
        self.assertGreater(activity["limit_hits"], 0)
        self.assertIn("limit_hit", activity["flags"])
        self.assertIn("the cgroup's memory limit was hit", " ".join(result.stderr.split()))


class Study(StandIn):
    def test_a_run_is_marked_stored_and_reported(self):
        root = self.machine()
        shutil.copy(BOX, self.path("m.gguf"))
        self.write("s.yaml", STUDY)
        script = self.write("engine.sh", f"{self.moved(root)}\nexec python3 '{FAKE_ENGINE}' good\n")
        result = self.study("s.yaml", "--root", root, "--engine-command", f"sh {script}")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertIn("swapped out 3149 pages", result.stdout)
        self.check_store()
        stored, gpu = self.query("SELECT memory_json, gpu_peak_bytes FROM trial")[0]
        self.assertEqual((json.loads(stored)["limit_hits"], json.loads(stored)["swapped_out_pages"], gpu), (3, 3149, None))
        report = run("report", "s.db", cwd=self.folder)
        self.assertEqual(report.returncode, 0, report.stderr)
        text = " ".join(report.stdout.split())
        for words in ("memory was swapped (to a disk or to zram) in 1 of 1 runs",
                      "all tasks waited for memory 1 % of the time or more (memory pressure) in 1 of 1 runs",
                      "the memory limit of a control group was hit in 1 of 1 runs",
                      "files that had been dropped for want of memory were read again in 1 of 1 runs"):
            self.assertIn(words, text)
        runs = [json.loads(line) for line in run("report", "s.db", "--jsonl=-", cwd=self.folder).stdout.splitlines()]
        self.assertEqual(runs[0]["memory_pressure"], "; ".join(self.WORDS))
        self.assertIn("memory limit hit", runs[0]["flags"])
        self.assertIn(runs[0]["page_cache"], ("cold", "partly cached", "warm"))


if __name__ == "__main__":
    unittest.main()
