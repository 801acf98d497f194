"""What the end-to-end tests share: the program, scratch folders, studies, and looking into a store."""
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
import unittest

PROGRAM = os.environ["EW_PROGRAM"]
SOURCE = os.environ["EW_SOURCE_DIR"]
BOX = os.path.join(SOURCE, "models", "edgewise-tales-6m-f16.gguf")
FAKE_ENGINE = os.path.join(SOURCE, "tests", "fixtures", "fake-engine.py")
TIMEOUT_S = 300


def run(*args, cwd=None, stdin=None, **more):
    """The program with these arguments; a finished process with text output."""
    env = dict(os.environ, EDGEWISE_MODEL=BOX, XDG_CACHE_HOME=os.path.join(cwd or "/nonexistent", "cache"),
               EDGEWISE_KERNELS="features")  # what features say: the same in every run, and no contest
    return subprocess.run([PROGRAM, *args], cwd=cwd, env=env, input=stdin, capture_output=True, text=True,
                          timeout=TIMEOUT_S, **more)


class ScratchCase(unittest.TestCase):
    """Each test in a folder of its own."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="edgewise-e2e-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        return self.path(name)

    def study(self, *args, **more):
        return run("study", *args, "--yes", cwd=self.folder, **more)

    def query(self, sql, store="s.db"):
        with sqlite3.connect(f"file:{self.path(store)}?mode=ro", uri=True) as db:
            return db.execute(sql).fetchall()

    def signal_while_writing(self, child, number):
        """Sends a signal as soon as a file is being written in the scratch folder; what child says on standard error."""
        while not any(name.endswith(".partial") for name in os.listdir(self.folder)):
            self.assertIsNone(child.poll())
            time.sleep(0.002)
        child.send_signal(number)
        _, errors = child.communicate(timeout=TIMEOUT_S)
        self.assertEqual(child.returncode, 1, errors)
        self.assertIn("stopped", errors)
        return errors

    def check_store(self, store="s.db"):
        self.assertEqual(self.query("PRAGMA integrity_check", store), [("ok",)])
        self.assertEqual(self.query("PRAGMA foreign_key_check", store), [])

    def assert_refused(self, result, *words, status=(1, 2)):
        """A clear message on stderr, the right exit status, and no crash."""
        self.assertIn(result.returncode, status, result.stderr)
        self.assertTrue(result.stderr.startswith("edgewise"), result.stderr)
        self.assertNotIn("Sanitizer", result.stderr)
        self.assertNotIn("runtime error", result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)


def is_instrumented():
    """Under sanitizers neither memory nor speed mean anything."""
    spec = {"protocol": 1, "model": "/nonexistent", "prompt_tokens": 1, "generate_tokens": 2}
    hello = json.loads(run("trial", stdin=json.dumps(spec)).stdout.splitlines()[0])
    return "sanitizers" in hello["build"]
