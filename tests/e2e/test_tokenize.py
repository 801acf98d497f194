"""edgewise tokenize from outside: what it prints for a person and for a program, both directions, wrong use."""
import json
import os
import pty
import subprocess
import unittest

from harness import BOX, PROGRAM, SOURCE, ScratchCase, run

with open(os.path.join(SOURCE, "models", "expected.json"), encoding="utf-8") as f:
    EXPECTED = json.load(f)["cases"]  # ids that another engine gave


class Tokenize(ScratchCase):
    def tokenize(self, *args, stdin=None):
        return run("tokenize", BOX, *args, cwd=self.folder, stdin=stdin)

    def ids(self, *args, stdin=None):
        result = self.tokenize("--json", *args, stdin=stdin)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)["ids"]

    def test_text_file_and_pipe_give_the_same_ids(self):
        for case in EXPECTED:
            ids = case["prompt_tokens"]
            self.assertEqual(self.ids(case["prompt"]), ids)
            self.assertEqual(self.ids("--file", self.write("text.txt", case["prompt"])), ids)
            self.assertEqual(self.ids(stdin=case["prompt"]), ids)
            self.assertEqual(self.ids("--no-bos", case["prompt"]), ids[1:])

    def test_every_byte_of_a_file_counts(self):
        self.assertGreater(len(self.ids("--file", self.write("a.txt", "time\n"))), len(self.ids("time")))
        self.assertEqual(self.ids("--no-bos", "--file", self.write("empty.txt", "")), [])

    def test_special_tokens_only_on_request(self):
        self.assertEqual(self.ids("--no-bos", "--parse-special", "</s>"), [2])
        self.assertNotIn(2, self.ids("--no-bos", "</s>"))
        twice = self.tokenize("--parse-special", "<s>Once")
        self.assertIn("begins with the BOS token", twice.stderr)

    def test_decoding_gives_the_text_back(self):
        text = "Once upon a time, Zo\u00eb\nsaid \u201c\u6f22\U0001f999\u201d."
        listed = ",".join(map(str, self.ids(text)))
        self.assertEqual(self.tokenize("--decode", listed).stdout, text + "\n")
        self.assertEqual(json.loads(self.tokenize("--json", "--decode", listed).stdout), {"text": text})
        self.assertEqual(self.tokenize("--decode", "-", stdin=json.dumps(self.ids(text))).stdout, text + "\n")
        self.assertTrue(self.tokenize("--parse-special", "--decode", listed).stdout.startswith("<s> Once"))

    def test_half_a_character_is_replaced(self):
        llama_ids = self.ids("--no-bos", "\U0001f999")  # no token of its own: four bytes after the space
        self.assertEqual(len(llama_ids), 5)
        cut = ",".join(map(str, llama_ids[:3]))
        self.assertEqual(self.tokenize("--decode", cut).stdout, "\ufffd\n")

    def test_a_person_sees_boundaries_and_kinds(self):
        result = self.tokenize("Once upon a time\n\u6f22")
        lines = result.stdout.split("\n")
        self.assertEqual(lines[0], "[<s>]\u2502 Once\u2502 upon\u2502 a\u2502 time\u2502\\n")
        self.assertEqual(lines[1], "\\xe6\u2502\\xbc\u2502\\xa2")
        rows = [line.split(None, 1) for line in lines[4:-2]]
        self.assertEqual([int(row[0]) for row in rows], self.ids("Once upon a time\n\u6f22"))
        self.assertEqual(rows[0][1], "control  `<s>`")
        self.assertEqual(rows[1][1], "` Once`")
        self.assertEqual(rows[-1][1], "byte     `\\xa2`")
        self.assertEqual(lines[-2], "9 tokens, 18 characters, 20 bytes, 2.22 bytes per token")
        self.assertNotIn("\033", result.stdout)

    def test_counts_alone(self):
        self.assertEqual(self.tokenize("--count", "a\u00eb").stdout.split(", ")[1:3], ["2 characters", "3 bytes"])
        counts = json.loads(self.tokenize("--count", "--json", "Once upon a time").stdout)
        self.assertEqual(counts, {"tokens": 5, "characters": 16, "bytes": 16})

    def test_colour_only_on_a_terminal(self):
        for extra, coloured in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
            ours, theirs = pty.openpty()
            env = dict({k: v for k, v in os.environ.items() if k != "NO_COLOR"}, TERM="xterm") | extra
            subprocess.run([PROGRAM, "tokenize", BOX, "Once"], stdout=theirs, env=env, check=True, timeout=60)
            os.close(theirs)
            shown = os.read(ours, 65536)
            os.close(ours)
            self.assertIn(b"Once", shown)
            self.assertEqual(b"\033[" in shown, coloured, extra)

    def test_a_terminal_gets_no_control_characters(self):
        result = self.tokenize("--file", self.write("evil.txt", "\033[2J\u0085\a"))
        self.assertNotIn("\033", result.stdout)
        self.assertNotIn("\u0085", result.stdout)
        self.assertIn("\\x1b", result.stdout)

    def test_wrong_use_is_refused(self):
        self.assert_refused(run("tokenize", cwd=self.folder), "which MODEL?", status=(2,))
        self.assert_refused(self.tokenize("a", "b"), "one argument too many", status=(2,))
        self.assert_refused(self.tokenize("a", "--decode", "1"), "only one of TEXT, --file and --decode", status=(2,))
        self.assert_refused(self.tokenize("--decode", "1", "--count"), "--count", status=(2,))
        self.assert_refused(self.tokenize("--decode", "1,x"), "`x` is not a list of ids", status=(2,))
        self.assert_refused(self.tokenize("--decode", "1;2"), "`1;2` is not a list of ids", status=(2,))
        self.assert_refused(self.tokenize("--decode", "-5"), "id -5 is outside the vocabulary", status=(2,))
        self.assert_refused(self.tokenize("--decode", "99999999999999999999"), "is not a list of ids", status=(2,))
        self.assert_refused(self.tokenize("--file", "nosuch.txt"), "nosuch.txt: cannot open", status=(1,))
        self.assert_refused(run("tokenize", self.write("no.gguf", "text"), "a", cwd=self.folder), "no.gguf", status=(1,))


if __name__ == "__main__":
    unittest.main()
