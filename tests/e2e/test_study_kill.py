#!/usr/bin/env python3
"""kill -9 of a running study at twenty random moments, resumed each time: every trial exactly once, nothing lost."""
import os
import random
import signal
import subprocess
import sys
import time
import unittest

from harness import PROGRAM, ScratchCase

KILLS = 20
FIRST_TRIALS, MORE_TRIALS = 60, 40  # more whenever a start gets to the end before it is killed


class StudyKill(ScratchCase):
    def write_study(self, trials):
        self.write("s.yaml", f"""study: kill
models: [{{box: true, sample_text: false}}]
sweep: {{threads: 1}}
measure: {{prompt_tokens: 2, generate_tokens: 2, repeats: {trials}, warmup: 0, energy: none}}
""")

    def test_every_trial_exactly_once(self):
        trials = FIRST_TRIALS
        self.write_study(trials)
        seed = int(os.environ.get("EW_KILL_SEED", random.SystemRandom().randrange(10**9)))
        print(f"seed {seed} (EW_KILL_SEED repeats it)")
        moments = random.Random(seed)
        kills, finished_before = 0, 0
        while kills < KILLS:
            process = subprocess.Popen([PROGRAM, "study", "s.yaml", "--yes"], cwd=self.folder,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            time.sleep(moments.random() * 0.5)
            if process.poll() is not None:
                self.assertEqual(process.returncode, 0, process.communicate()[1])
                trials += MORE_TRIALS
                self.write_study(trials)
                continue
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
            if not os.path.exists(self.path("s.db")):
                continue  # killed before the store was made
            if not self.query("SELECT name FROM sqlite_schema WHERE name = 'trial'"):
                continue
            self.check_store()
            finished = self.query("SELECT count(*) FROM trial WHERE status = 'ok'")[0][0]
            self.assertGreaterEqual(finished, finished_before)
            self.assertLessEqual(self.query("SELECT count(*) FROM trial WHERE status = 'running'")[0][0], 1)
            finished_before = finished
        result = self.study("s.yaml")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.check_store()
        self.assertEqual(self.query("SELECT status, count(*), count(DISTINCT key), count(DISTINCT repeat) FROM trial"
                                    " GROUP BY status"), [("ok", trials, trials, trials)])
        # Each has its own stamps and phases, once.
        self.assertEqual(self.query("SELECT count(*) FROM stamps"), [(trials,)])
        self.assertEqual(self.query("SELECT count(*) FROM phase WHERE name = 'decode'"), [(trials,)])
        # Killing cost at most the trial that was running.
        wasted = self.query("SELECT sum(attempts) - count(*) FROM trial")[0][0]
        self.assertLessEqual(wasted, KILLS)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
