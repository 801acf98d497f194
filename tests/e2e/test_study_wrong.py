#!/usr/bin/env python3
"""What goes wrong: engines that die, damaged and missing models, full disks, wrong studies. Clear words, no crash."""
import os
import resource
import shutil
import subprocess
import sys
import unittest

from harness import BOX, FAKE_ENGINE, ScratchCase, run

STUDY = """study: wrong
models: [{file: m.gguf}]
sweep: {threads: 1}
measure: {prompt_tokens: 4, generate_tokens: 3, repeats: 1, warmup: 0, timeout: 4 s, energy: none}
"""


class EnginesThatFail(ScratchCase):
    def outcome(self, behaviour, repeats=1):
        shutil.copy(BOX, self.path("m.gguf"))
        self.write("s.yaml", STUDY.replace("repeats: 1", f"repeats: {repeats}"))
        result = self.study("s.yaml", "--engine-command", f"python3 '{FAKE_ENGINE}' {behaviour}")
        self.assertNotIn("Sanitizer", result.stderr)
        self.check_store()
        return result, self.query("SELECT status, reason, signal FROM trial")

    def test_a_good_one(self):
        result, trials = self.outcome("good")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(trials, [("ok", None, None)])
        self.assertEqual(self.query("SELECT engine FROM config")[0][0], f"python3 '{FAKE_ENGINE}' good")

    def test_crash_is_a_result(self):
        result, trials = self.outcome("crash", 2)
        self.assertEqual(result.returncode, 1)  # not one run ended well
        self.assertEqual([t[0] for t in trials], ["crashed", "crashed"])
        self.assertEqual(trials[0][2], 11)
        self.assertIn("in phase prefill", trials[0][1])
        self.assertIn("did not end well", result.stdout)

    def test_out_of_memory_is_a_result_and_not_repeated(self):
        _, trials = self.outcome("memory", 3)
        self.assertEqual(trials, [("oom", "needs 9 GiB, 7 are free", None)])

    def test_time_out_is_a_result(self):
        _, trials = self.outcome("hang")
        self.assertEqual(trials[0][0], "timeout")
        self.assertIn("not done after 4 s, in phase decode", trials[0][1])

    def test_a_broken_protocol_is_a_result(self):
        _, trials = self.outcome("garbage")
        self.assertEqual(trials[0][0], "failed")
        self.assertIn("broke the trial protocol", trials[0][1])

    def test_a_missing_engine(self):
        shutil.copy(BOX, self.path("m.gguf"))
        self.write("s.yaml", STUDY)
        self.study("s.yaml", "--engine-command", "/no/such/engine")
        status, reason = self.query("SELECT status, reason FROM trial")[0]
        self.assertEqual(status, "failed")
        self.assertIn("/no/such/engine", reason)


def memory_group(name, limit_bytes):
    """A control group of our own with a memory limit, version 1 or 2; None where we may not make one."""
    kinds = (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max"))
    for parent, limit in kinds:
        if not os.path.isdir(parent):
            continue
        group = os.path.join(parent, name)
        try:
            os.mkdir(group)
            with open(os.path.join(group, limit), "r+", encoding="ascii") as f:
                f.write(str(limit_bytes))
            return group
        except OSError:
            if os.path.isdir(group):
                os.rmdir(group)
    return None


class KilledByTheKernel(ScratchCase):
    """The real thing: a control group that is full, and the kernel that kills in it."""

    def test_the_engine_is_killed_and_the_study_goes_on(self):
        group = memory_group(f"edgewise-test-{os.getpid()}", 192 << 20)
        if not group:
            self.skipTest("making a memory control group is not allowed here")
        self.addCleanup(os.rmdir, group)

        def enter():
            with open(os.path.join(group, "cgroup.procs"), "w", encoding="ascii") as f:
                f.write(str(os.getpid()))

        shutil.copy(BOX, self.path("m.gguf"))
        self.write("s.yaml", STUDY.replace("prompt_tokens: 4", "prompt_tokens: [4, 64]").replace("repeats: 1", "repeats: 3"))
        result = self.study("s.yaml", "--engine-command", f"python3 '{FAKE_ENGINE}' greedy", preexec_fn=enter)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.check_store()
        trials = self.query("SELECT c.prompt_tokens, t.status, t.reason, t.signal FROM trial t JOIN config c "
                            "ON c.id = t.config_id ORDER BY 1")
        self.assertEqual([t[:2] for t in trials], [(4, "ok")] * 3 + [(64, "oom")])
        self.assertIn("killed by the kernel while out of memory, in phase prefill", trials[-1][2])
        self.assertEqual(trials[-1][3], 9)

    def test_the_engine_is_first_in_line(self):
        shutil.copy(BOX, self.path("m.gguf"))
        self.write("s.yaml", STUDY)
        self.write("engine.sh", f"cat /proc/self/oom_score_adj > score\nexec python3 '{FAKE_ENGINE}' good\n")
        self.assertEqual(self.study("s.yaml", "--engine-command", "sh engine.sh").returncode, 0)
        with open(self.path("score"), encoding="ascii") as f:
            self.assertEqual(f.read().strip(), "1000")


class WrongModels(ScratchCase):
    def refused(self, data, *words):
        with open(self.path("m.gguf"), "wb") as f:
            f.write(data)
        self.write("s.yaml", STUDY)
        self.assert_refused(self.study("s.yaml"), "s.yaml:2", "m.gguf", *words)

    def test_ten_damaged_files(self):
        with open(BOX, "rb") as f:
            good = f.read()
        for data in (b"", b"GGUF", good[:100], good[: len(good) // 2], good[:-1], b"GGML" + good[4:],
                     good[:4] + b"\x09\0\0\0" + good[8:], good[:8] + b"\xff" * 8 + good[16:],
                     good[:16] + b"\xff" * 8 + good[24:], good[:24] + b"\xff" * 64 + good[88:], b"\0" * 4096):
            with self.subTest(size=len(data), head=data[:24]):
                self.refused(data)

    def test_unknown_architecture(self):
        with open(BOX, "rb") as f:
            good = f.read()
        key = b"general.architecture"
        at = good.index(key) + len(key) + 4 + 8  # value type, length
        self.assertEqual(good[at:at + 5], b"llama")
        self.refused(good[:at] + b"zebra" + good[at + 5:], "zebra")

    def test_missing_file(self):
        self.write("s.yaml", STUDY)
        self.assert_refused(self.study("s.yaml"), "s.yaml:2: m.gguf: cannot open: No such file")

    def test_a_folder(self):
        os.mkdir(self.path("m.gguf"))
        self.write("s.yaml", STUDY)
        self.assert_refused(self.study("s.yaml"), "m.gguf: is not a regular file", status=(2,))

    def test_unknown_shape_and_type(self):
        self.write("s.yaml", "study: s\nmodels:\n  - {synth: lama, types: [q4_0]}\n")
        self.assert_refused(self.study("s.yaml"), "s.yaml:3: synth: `lama` is not a known shape", "llama-3.2-1b", status=(2,))
        self.write("s.yaml", "study: s\nmodels:\n  - {synth: llama-3.2-1b, types: [q3_k]}\n")
        self.assert_refused(self.study("s.yaml"), "s.yaml:3: types: `q3_k` cannot be written", "Q4_K_M", status=(2,))


class WrongStudies(ScratchCase):
    def refused(self, text, *words):
        self.write("s.yaml", text)
        self.assert_refused(self.study("s.yaml"), *words, status=(2,))

    def test_wrong_key(self):
        self.refused(STUDY + "colour: red\n", "s.yaml:5: colour: is not a key of a study file")

    def test_wrong_value(self):
        self.refused(STUDY.replace("threads: 1", "decode_threads: [1, none]"),
                     "s.yaml:3: decode_threads: `none` is not a number of threads")

    def test_more_threads_than_cores(self):
        shutil.copy(BOX, self.path("m.gguf"))
        self.refused(STUDY.replace("threads: 1", "decode_threads: [4000]"),
                     "s.yaml:3: decode_threads: 4000 is more than this machine's")

    def test_no_study(self):
        self.assert_refused(run("study", "none.yaml", cwd=self.folder), "none.yaml")
        self.assertEqual(run("study", cwd=self.folder).returncode, 2)

    def test_a_meter_that_is_not_there(self):
        shutil.copy(BOX, self.path("m.gguf"))
        self.write("s.yaml", STUDY.replace("energy: none", "energy: flux-capacitor"))
        self.assert_refused(self.study("s.yaml"), "flux-capacitor", status=(1,))

    def test_a_store_that_is_none(self):
        shutil.copy(BOX, self.path("m.gguf"))
        self.write("s.yaml", STUDY)
        self.write("s.db", "this is a text, and by no means a database of anything\n" * 40)
        self.assert_refused(self.study("s.yaml"), "s.db: is not a store of edgewise")
        self.assert_refused(self.study("s.yaml", "--store", "no/folder/s.db"), "no/folder/s.db-lock")


class FullDisk(ScratchCase):
    def test_files_may_not_grow(self):
        """RLIMIT_FSIZE stands for a full disk where nobody may mount."""
        shutil.copy(BOX, self.path("m.gguf"))
        self.write("s.yaml", STUDY.replace("repeats: 1", "repeats: 400"))
        limit = 260 * 1024
        result = self.study("s.yaml", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        self.assert_refused(result, "s.db", "disk", status=(1,))
        self.check_store()
        self.write("s.yaml", STUDY.replace("repeats: 1", "repeats: 2"))
        result = self.study("s.yaml")  # with room again it goes on
        self.assertEqual(result.returncode, 0, result.stderr)
        self.check_store()

    def test_a_small_file_system(self):
        small = self.path("small")
        os.mkdir(small)
        mounted = os.geteuid() == 0 and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=192k", "none", small], capture_output=True).returncode == 0
        if not mounted:
            self.skipTest("mounting is not allowed here")
        self.addCleanup(subprocess.run, ["umount", "-l", small], capture_output=True)
        shutil.copy(BOX, self.path("m.gguf"))
        self.write("s.yaml", STUDY.replace("repeats: 1", "repeats: 400"))
        result = self.study("s.yaml", "--store", "small/s.db")
        self.assert_refused(result, "small/s.db", "disk", status=(1,))
        self.check_store("small/s.db")
        self.write("t.yaml", "study: s\nmodels: [{synth: smollm2-135m, types: [q4_0]}]\ncache: small\n")
        self.assert_refused(self.study("t.yaml"), "model files need", "are free", status=(1,))
        self.assertEqual([f for f in os.listdir(small) if f.endswith(".gguf")], [])


class Trials(ScratchCase):
    def test_a_wrong_spec(self):
        for spec in ("", "{}", "[]", '{"protocol": 7}', '{"protocol": 1, "model": "m", "prompt_tokens": -1}', "\0" * 50):
            result = run("trial", stdin=spec)
            self.assertEqual(result.returncode, 1)
            self.assertIn('"event":"error"', result.stdout)
            self.assertIn("edgewise: spec", result.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
