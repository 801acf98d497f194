"""Kernels chosen by a contest: shown by the doctor, remembered between runs, given to trials, and never in the way."""
import json
import os
import subprocess
import unittest

from harness import BOX, PROGRAM, TIMEOUT_S, ScratchCase

MEMBERS = {"format", "processor", "features", "decided", "path", "remembered", "note", "choices", "figures"}
FIGURE = {"type", "layout", "tokens", "kernel", "bytes_per_s", "ops_per_s", "of_limit", "spread", "chosen"}
CHOICE = {"type", "layout", "one", "many", "few_tokens", "auto"}
ATTEMPTS = 8  # on a machine that is busy, nothing is decided, which is right
PROMPT = ("run", BOX, "-p", "Once", "-n", "3", "--json")


class Kernels(ScratchCase):
    def program(self, *args, cache=None, stdin=None, **env):
        env = dict(os.environ, EDGEWISE_MODEL=BOX, XDG_CACHE_HOME=cache or self.path("cache"), **env)
        return subprocess.run([PROGRAM, *args], cwd=self.folder, env=env, input=stdin, capture_output=True, text=True,
                              timeout=TIMEOUT_S, check=False)

    def doctor(self, *args, **more):
        result = self.program("doctor", "--json", *args, **more)
        self.assertEqual(result.returncode, 0, result.stderr)
        d = json.loads(result.stdout)
        self.assertEqual(set(d), MEMBERS)
        self.assertEqual(d["format"], "edgewise-kernels-1")
        for f in d["figures"]:
            self.assertEqual(set(f), FIGURE)
            self.assertTrue(f["bytes_per_s"] > 0 and f["ops_per_s"] > 0 and f["of_limit"] > 0, f)
        for c in d["choices"]:
            self.assertEqual(set(c), CHOICE)
        groups = {(f["type"], f["layout"], f["tokens"]) for f in d["figures"]}
        for group in groups:
            of_group = [f for f in d["figures"] if (f["type"], f["layout"], f["tokens"]) == group]
            self.assertEqual(sum(f["chosen"] for f in of_group), 1, group)
            self.assertEqual(len({f["kernel"] for f in of_group}), len(of_group), group)
        return d

    def decided(self):
        """The doctor's answer for the model in the box, once everything is decided."""
        d = self.doctor("--kernels", BOX)
        if not d["figures"] and not d["note"]:
            self.skipTest("this processor has one kernel for each purpose")
        for _ in range(ATTEMPTS):
            if d["note"] is None:
                return d
            self.assertRegex(d["note"], "the machine was busy|damaged")
            d = self.doctor("--kernels", BOX)
        self.skipTest("this machine is too busy for a contest")

    def state(self):
        """Content and time of every file that is remembered."""
        folder = self.path("cache/edgewise")
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        found = {}
        for name in names:
            with open(os.path.join(folder, name), encoding="utf-8") as f:
                found[name] = (f.read(), os.stat(os.path.join(folder, name)).st_mtime_ns)
        return found

    def test_decided_once_and_remembered(self):
        first = self.decided()
        self.assertTrue(first["remembered"])
        self.assertTrue(first["path"].startswith(self.path("cache/edgewise/kernels-")))
        self.assertEqual({c["type"] for c in first["choices"]}, {"F16"})
        before = self.state()
        self.assertEqual([os.path.basename(first["path"])], list(before))
        from_file = self.doctor("--kernels", BOX)  # whose figures have six digits
        self.assertEqual(from_file["choices"], first["choices"])
        self.assertEqual(self.doctor("--kernels", BOX), from_file)
        self.assertEqual(self.state(), before)
        text = self.program("doctor", "--kernels", BOX)
        self.assertEqual(text.returncode, 0, text.stderr)
        self.assertIn(first["path"], text.stdout)
        for f in first["figures"]:
            self.assertIn(f["kernel"], text.stdout)
        again = self.doctor("--kernels=again", BOX)
        self.assertTrue(again["note"] or self.state() != before)

    def test_runs_use_what_is_remembered(self):
        decided, before = self.decided(), self.state()
        names = {c[key] for c in decided["choices"] if c["layout"] == "rows" for key in ("one", "many")}
        runs = [self.program(*PROMPT) for _ in range(2)]
        for run in runs:
            self.assertEqual((run.returncode, run.stderr), (0, ""))
            self.assertTrue(names <= set(json.loads(run.stdout)["kernels"].split()), run.stdout)
        self.assertEqual(json.loads(runs[0].stdout)["text"], json.loads(runs[1].stdout)["text"])
        self.assertEqual(self.state(), before)

    def test_the_first_run_holds_the_contest(self):
        self.decided()
        with open(self.doctor("--kernels", BOX)["path"], encoding="utf-8") as f:
            head = f.read().splitlines()[:4]
        os.remove(self.doctor("--kernels", BOX)["path"])
        for _ in range(ATTEMPTS):
            self.assertEqual(self.program(*PROMPT).returncode, 0)
            if self.state():
                break
        else:
            self.skipTest("this machine is too busy for a contest")
        self.assertEqual(next(iter(self.state().values()))[0].splitlines()[:4], head)

    def test_a_damaged_file_is_made_anew(self):
        d = self.decided()
        for damage in (b"", b"\0\xff" * 100, b"edgewise kernels 1\nprocessor"):
            with open(d["path"], "wb") as f:
                f.write(damage)
            result = self.program(*PROMPT)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn(d["path"], result.stderr)
            self.assertIn("kernels are chosen anew", result.stderr)
        self.decided()
        self.assertEqual(self.program(*PROMPT).stderr, "")

    def test_another_processor_is_told(self):
        d = self.decided()
        with open(d["path"], encoding="utf-8") as f:
            text = f.read()
        with open(d["path"], "w", encoding="utf-8") as f:
            f.write(text.replace("processor ", "processor Another ", 1))
        self.assertIn("kernels are chosen anew", self.program(*PROMPT).stderr)

    def test_without_a_place_to_remember(self):
        nowhere = os.path.join(self.write("a-file", ""), "cache")  # below a file: nobody can make it
        first, second = (self.program(*PROMPT, cache=nowhere) for _ in range(2))
        features = self.program(*PROMPT, EDGEWISE_KERNELS="features")
        for run in (first, second, features):
            self.assertEqual((run.returncode, run.stderr), (0, ""))
            self.assertEqual(json.loads(run.stdout)["kernels"], json.loads(features.stdout)["kernels"])
        d = self.doctor("--kernels", BOX, cache=nowhere)
        self.assertFalse(d["remembered"])
        self.assertTrue(d["note"] or not d["figures"])
        self.assertEqual(self.state(), {})

    def test_features_alone_hold_no_contest(self):
        self.assertEqual(self.program(*PROMPT, EDGEWISE_KERNELS="features").returncode, 0)
        self.assertEqual(self.program("logits", BOX, "--tokens", "1,2", "-o", self.path("l.bin")).returncode, 0)
        self.assertEqual(self.program("info", BOX).returncode, 0)
        self.assertEqual(self.state(), {})

    def test_plain_c_has_nothing_to_choose(self):
        d = self.doctor("--kernels", "--cpu-mask", "none", BOX)
        self.assertEqual((d["choices"], d["figures"], d["decided"], d["features"]), ([], [], None, []))
        self.assertEqual(self.state(), {})
        self.assertIn("nothing to choose", self.program("doctor", "--kernels", "--cpu-mask", "none", BOX).stdout)

    def trial(self, **spec):
        spec = dict({"protocol": 1, "model": BOX, "prompt_tokens": 8, "generate_tokens": 3, "warmup_limit_ms": 0},
                    **spec)
        result = self.program("trial", stdin=json.dumps(spec))
        return [json.loads(line) for line in result.stdout.splitlines()]

    def test_trials_take_their_parents_kernels_and_hold_no_contest(self):
        self.assertEqual(self.trial()[-1]["event"], "done")
        self.assertEqual(self.state(), {})
        d = self.decided()
        with open(d["path"], encoding="utf-8") as f:
            text = f.read()
        os.remove(d["path"])
        events = self.trial(kernels=text)
        self.assertEqual(events[-1]["event"], "done")
        names = next(e["names"] for e in events if e["event"] == "kernels").split()
        self.assertTrue({c["one"] for c in d["choices"] if c["layout"] == "rows"} <= set(names))
        self.assertEqual(self.state(), {})
        wrong = self.trial(kernels=text[:-30])[-1]
        self.assertEqual((wrong["event"], wrong["status"]), ("error", "format"))
        self.assertIn("kernels", wrong["message"])

    def test_bench_decides_before_its_trials(self):
        d = self.decided()
        before = self.state()
        bench = self.program("bench", BOX, "-p", "16", "-n", "4", "-r", "1", "--energy", "none", "--store", "s.db")
        self.assertEqual(bench.returncode, 0, bench.stderr)
        names = self.query("SELECT DISTINCT kernels FROM trial")
        self.assertEqual(len(names), 1)
        self.assertTrue({c["many"] for c in d["choices"] if c["layout"] == "rows"} <= set(names[0][0].split()))
        self.assertEqual(self.state(), before)

    def test_wrong_use(self):
        for args in (("--kernels=never",), ("--kernels", "--quick"), ("--kernels", "--no-model"),
                     ("--kernels", "--root", self.folder)):
            self.assert_refused(self.program("doctor", *args), "--kernels", status=(2,))
        self.assert_refused(self.program("doctor", "--kernels", self.path("none.gguf")), "none.gguf", status=(1,))


if __name__ == "__main__":
    unittest.main()
