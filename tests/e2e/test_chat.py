"""The chat of edgewise run: over a pipe, and in a terminal with keys, Ctrl-C and commands."""
import json
import os
import struct
import unittest

import meter_traces
from harness import BOX, ScratchCase, run
from terminal import Terminal

TEMPLATE = ("{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
            "{% if add_generation_prompt %}[assistant]{% endif %}")
REFUSES_SYSTEM = ("{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}"
                  "{% endif %}<{{ m.role }}>{{ m.content }}{{ eos_token }}{% endfor %}")


def with_key(source, target, key, value):
    """A copy of a GGUF file with one more string in its metadata. Written from the specification of GGUF."""
    sizes = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
    with open(source, "rb") as f:
        data = f.read()

    def string_end(at):
        return at + 8 + struct.unpack_from("<Q", data, at)[0]

    def value_end(at, kind):
        if kind == 8:
            return string_end(at)
        if kind != 9:
            return at + sizes[kind]
        element, n = struct.unpack_from("<IQ", data, at)
        at += 12
        if element in sizes:
            return at + n * sizes[element]
        for _ in range(n):
            at = string_end(at)
        return at

    version, n_tensors, n_keys = struct.unpack_from("<IQQ", data, 4)
    at = 24
    for _ in range(n_keys):
        at = string_end(at)
        at = value_end(at + 4, struct.unpack_from("<I", data, at)[0])
    for _ in range(n_tensors):
        at = string_end(at)
        at += 4 + 8 * struct.unpack_from("<I", data, at)[0] + 12
    pad = lambda n: -n % 32
    added = struct.pack("<Q", len(key)) + key.encode() + struct.pack("<IQ", 8, len(value.encode())) + value.encode()
    head = data[:4] + struct.pack("<IQQ", version, n_tensors, n_keys + 1) + added + data[24:at]
    with open(target, "wb") as f:
        f.write(head + bytes(pad(len(head))) + data[at + pad(at):])
    return target


class Piped(ScratchCase):
    def setUp(self):
        super().setUp()
        self.template = self.write("turns.jinja", TEMPLATE)

    def chat(self, *args, said):
        return run("run", "--chat", *args, cwd=self.folder, stdin=said)

    def turns(self, *args, said):
        result = self.chat("--json", *args, said=said)
        self.assertEqual(result.returncode, 0, result.stderr)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def test_each_line_is_a_turn(self):
        result = self.chat("-n", "8", "--template", self.template, said="Hello\n\nAnd then?\n")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stderr.count(" tok/s"), 2)
        self.assertEqual(result.stderr.count("8 tok ·"), 2)
        self.assertNotIn("> ", result.stdout)

    def test_only_the_new_part_is_evaluated_and_the_answer_is_the_same(self):
        first, second = self.turns("-n", "12", "--ignore-end", "--template", self.template,
                                   said="Tell me a story.\nAnd then?\n")
        self.assertEqual(first["reused_tokens"], 0)
        self.assertGreaterEqual(second["reused_tokens"], first["prompt_tokens"])
        self.assertLess(second["reused_tokens"], second["prompt_tokens"])
        text = f"[user] Tell me a story.\n[assistant] {first['answer']}\n[user] And then?\n[assistant]"
        whole = run("run", "-p", text, "--no-bos", "-n", "12", "--ignore-end", "--json", cwd=self.folder)
        whole = json.loads(whole.stdout)
        self.assertEqual(len(whole["prompt_tokens"]), second["prompt_tokens"])
        self.assertEqual(whole["text"], second["answer"])

    def test_drafts_change_no_answer(self):
        said = "The cat sat on a mat. The cat sat on a mat.\nThe cat sat on a mat. The cat sat\n"
        args = ("-n", "16", "--ignore-end", "--template", self.template, "--cpu-mask", "none", "--speculate")
        plain, drafted = self.turns(*args, "off", said=said), self.turns(*args, "4", said=said)
        self.assertEqual([a["answer"] for a in drafted], [a["answer"] for a in plain])
        self.assertEqual([a["drafted"] for a in plain], [0, 0])
        self.assertGreater(sum(a["accepted"] for a in drafted), 0)
        self.assertIn("drafted tok accepted", self.chat(*args, "4", said=said).stderr)

    def test_one_message_and_out(self):
        result = run("run", "-p", "Hello", "-n", "5", "--template", self.template, "--json", cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        answer = json.loads(result.stdout)
        self.assertEqual((answer["tokens"], answer["end"]), (5, "length"))

    def test_a_full_context_stops_and_says_so(self):
        said = "one\n" + "long " * 100 + "\ntwo\n"
        result = self.chat("-n", "4", "-c", "48", "--ignore-end", "--template", self.template, said=said)
        self.assertEqual(result.returncode, 1)
        self.assertIn("context full: the conversation has", result.stderr)
        self.assertIn("your message is taken back", result.stderr)
        self.assertEqual(result.stderr.count(" tok/s"), 2)  # the chat goes on
        result = self.chat("-c", "40", "--ignore-end", "--template", self.template, said="one\n")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("context full: the answer is cut at 40 tokens", result.stderr)

    def test_old_turns_are_dropped_when_asked_for(self):
        said = "one two three four\n" * 6
        result = self.chat("-n", "8", "-c", "64", "--ignore-end", "--drop-oldest", "--template", self.template, said=said)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stderr.count(" tok/s"), 6)
        self.assertIn("dropped", result.stderr)
        self.assertNotIn("your message is taken back", result.stderr)

    def test_the_plain_template_is_for_models_without_one(self):
        plain, = self.turns("-n", "3", said="Hello\n")
        text = run("run", "-p", "User: Hello\n\nAssistant:", "-n", "3", "--json", cwd=self.folder)
        self.assertEqual(plain["prompt_tokens"], len(json.loads(text.stdout)["prompt_tokens"]))

    def test_the_models_own_template(self):
        model = with_key(BOX, self.path("own.gguf"), "tokenizer.chat_template", REFUSES_SYSTEM)
        said = "Hello\n"

        def prompt_tokens(text):
            result = run("run", model, "-p", text, "--no-bos", "-n", "1", "--json", cwd=self.folder)
            return len(json.loads(result.stdout)["prompt_tokens"])

        def chat_tokens(*args):
            result = run("run", model, "-n", "1", "--json", *args, cwd=self.folder, stdin=said)
            self.assertEqual(result.returncode, 0, result.stderr)
            return json.loads(result.stdout)["prompt_tokens"]

        self.assertEqual(chat_tokens(), prompt_tokens("<s><user>Hello</s>"))
        self.assertEqual(chat_tokens("--system", "Be kind."), prompt_tokens("<s><user>Be kind.\nHello</s>"))
        self.assertEqual(chat_tokens("--no-template"), prompt_tokens("<s>User: Hello\n\nAssistant:"))

    def test_joules_of_an_answer(self):
        trace = meter_traces.steady(self, step_s=0.002)  # an answer of this model may take a tenth of a second
        answer, = self.turns("-n", "230", "--ignore-end", "--template", self.template, "--power-trace", trace,
                             "--energy", "replay", said="Hello\n")
        self.assertEqual(answer["energy_grade"], "C")
        seconds = answer["ttft_s"] + answer["decode_s"]
        self.assertAlmostEqual(answer["energy_j"] / (meter_traces.WATTS * seconds), 1, delta=0.1)
        result = self.chat("-n", "230", "--ignore-end", "--power-trace", trace, "--template", self.template, said="Hello\n")
        self.assertIn("J/tok (C)", result.stderr)
        answer, = self.turns("-n", "2", "--energy", "none", said="Hello\n")
        self.assertIsNone(answer["energy_j"])
        self.assert_refused(self.chat("--energy", "nosuch", said="x\n"), "nosuch")

    def test_commands_over_a_pipe(self):
        said = ("/system Be kind.\nHello\n//slash\n\"\"\"\ntwo\nlines\n\"\"\"\n/save kept.json\n/save kept.json\n/reset\n"
                "/save empty.json\n/fly\n/bye\nnever said\n")
        result = self.chat("-n", "3", "--template", self.template, said=said)
        self.assertEqual(result.stderr.count(" tok/s"), 3)
        with open(self.path("kept.json"), encoding="utf-8") as f:
            kept = json.load(f)["messages"]
        self.assertEqual([m["role"] for m in kept], ["system"] + ["user", "assistant"] * 3)
        self.assertEqual([kept[i]["content"] for i in (0, 1, 3, 5)], ["Be kind.", "Hello", "/slash", "two\nlines"])
        with open(self.path("empty.json"), encoding="utf-8") as f:
            self.assertEqual([m["role"] for m in json.load(f)["messages"]], ["system"])
        self.assertIn("kept.json: is there already", result.stderr)
        self.assertIn("`/fly` is not a command", result.stderr)

    def test_wrong_use_is_refused(self):
        self.assert_refused(self.chat("--template", "nosuch.jinja", said="x\n"), "nosuch.jinja: cannot open")
        bad = self.write("bad.jinja", "a\n{{ 'x'|shout }}")
        self.assert_refused(self.chat("--template", bad, said="x\n"), "bad.jinja: line 2: `shout` is not a filter")
        bad = self.write("open.jinja", "{% if x %}")
        self.assert_refused(self.chat("--template", bad, said="x\n"), "open.jinja: line 1: the template ends before")
        self.assert_refused(self.chat("--template", bad, "--no-template", said=""), "exclude each other", status=(2,))
        bad = self.write("no.jinja", "{{ raise_exception('not today') }}")
        self.assert_refused(self.chat("--template", bad, said="x\n"), "line 1: the template refuses: not today")


class InATerminal(ScratchCase):
    def setUp(self):
        super().setUp()
        self.template = self.write("turns.jinja", TEMPLATE)

    def test_a_conversation(self):
        t = Terminal(self, "run", "--chat", "-n", "4", "--ignore-end", "--template", self.template, cwd=self.folder)
        at = t.wait_for("> ", t.wait_for("/help lists the commands"))
        t.type("/help\n")
        at = t.wait_for("> ", t.wait_for("/save    FILE", at))
        t.type("Hello\n")
        at = t.wait_for("> ", t.wait_for("tok/s", at))
        t.type("first\\\n")
        at = t.wait_for(". ", at)
        t.type("secund\x7f\x7f\x7fond\n")  # edited
        at = t.wait_for("> ", t.wait_for("tok/s", at))
        t.type("/save kept.json\n")
        at = t.wait_for("> ", t.wait_for("kept.json: 2 turns", at))
        t.type("\x10\x10\x10\n")  # three lines back in the history: Hello
        at = t.wait_for("> ", t.wait_for("tok/s", at))
        t.type("/save more.json\n")
        at = t.wait_for("> ", t.wait_for("more.json: 3 turns", at))
        t.type("\x04")
        self.assertEqual(t.finish(), 0)
        with open(self.path("more.json"), encoding="utf-8") as f:
            said = [m["content"] for m in json.load(f)["messages"] if m["role"] == "user"]
        self.assertEqual(said, ["Hello", "first\nsecond", "Hello"])

    def test_ctrl_c_stops_the_answer_and_not_the_program(self):
        self.stop_an_answer()

    def test_ctrl_c_stops_an_answer_with_drafts(self):
        self.stop_an_answer("--cpu-mask", "none", "--speculate", "4")

    def stop_an_answer(self, *options):
        t = Terminal(self, "run", "--chat", "-c", "30000", "--ignore-end", "--template", self.template, *options,
                     cwd=self.folder)
        at = t.wait_for("> ", t.wait_for("/help lists"))
        t.type("Hello\n")
        at = t.wait_for("Hello", at)
        t.wait_for_more(40)
        t.type("\x03")
        at = t.wait_for("> ", t.wait_for("· stopped", at))
        t.type("not this")
        t.wait_for("not this", at)
        t.type("\x03")
        at = t.wait_for("> ", t.wait_for("^C", at))
        t.type("/save kept.json\n")
        t.wait_for("kept.json: ", at)
        t.type("/bye\n")
        self.assertEqual(t.finish(), 0)
        with open(self.path("kept.json"), encoding="utf-8") as f:
            self.assertNotIn("not this", f.read())
        self.assertFalse(os.path.exists(self.path("core")))


if __name__ == "__main__":
    unittest.main(verbosity=2)
