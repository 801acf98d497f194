"""edgewise eval --task from outside: log-likelihoods against arithmetic on the logits that edgewise logits writes, the
prompts and counts of public data sets, guessing by random weights, wrong input."""
import array
import bz2
import json
import math
import os
import sqlite3
import unittest

from harness import BOX, SOURCE, ScratchCase, run

ITEMS = os.path.join(SOURCE, "eval", "edgewise-items.jsonl")
SHARED = os.environ["EW_SHARED_DIR"]
DATA = os.path.join(SHARED, "data", "eval")
HEADER = {"task": "small", "kind": "choice", "normalize": "none", "delimiter": ""}
QUESTION = {"context": "The old man opened the", "answer": 0,
            "endings": [" door.", " opened.", " window and looked out."]}


def wilson(right, n):
    """Wilson's interval for 95 %, from his formula."""
    z, p = 1.959963984540054, right / n
    centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)


class TaskCase(ScratchCase):
    def task(self, *lines, name="task.jsonl"):
        return self.write(name, "".join(json.dumps(line) + "\n" for line in lines))

    def ask(self, task, *args, model=BOX):
        result = run("eval", model, "--task", task, "--json", "--items-out", self.path("items"), *args, cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        with open(self.path("items")) as f:
            items = [json.loads(line) for line in f]
        (figures,) = json.loads(result.stdout)["tasks"]
        return figures, items

    def prompts(self, *args):
        result = run("eval", "--show-prompts", "--task", *args)
        self.assertEqual(result.returncode, 0, result.stderr)
        return [json.loads(line) for line in result.stdout.split("\n") if line]

    def refused(self, *args, words=()):
        result = run("eval", BOX, *args, cwd=self.folder)
        self.assertNotEqual(result.returncode, 0)
        for word in words:
            self.assertIn(word, result.stderr)
        return result

    def log_likelihood(self, context, ending):
        """Of the tokens that the ending adds to the context's, by the logits of the whole."""
        def ids(text):
            return json.loads(run("tokenize", BOX, "--json", text).stdout)["ids"]
        whole, first = ids(context + ending), len(ids(context))
        run("logits", BOX, "--tokens", ",".join(map(str, whole)), "-o", self.path("logits"))
        with open(self.path("logits"), "rb") as f:
            values = array.array("f", f.read())
        width, total = len(values) // len(whole), 0
        for i in range(first, len(whole)):
            row = values[(i - 1) * width:i * width]
            peak = max(row)
            total += row[whole[i]] - peak - math.log(sum(math.exp(x - peak) for x in row))
        return total, len(whole) - first


class Tasks(TaskCase):
    def test_an_ending_gets_the_likelihood_of_its_tokens(self):
        figures, (item,) = self.ask(self.task(HEADER, QUESTION))
        for ending, scored in zip(QUESTION["endings"], item["endings"]):
            expected, n = self.log_likelihood(QUESTION["context"], ending)
            self.assertEqual(scored["tokens"], n)
            self.assertAlmostEqual(scored["log_p"], expected, delta=0.03)  # a batch rounds activations as it likes
            self.assertAlmostEqual(scored["token_mean"], scored["log_p"] / n, places=5)
            self.assertEqual(scored["bytes"], len(ending.encode()))
        by_token = [e["log_p"] / e["tokens"] for e in item["endings"]]
        self.assertEqual(item["chosen_token"], by_token.index(max(by_token)))
        self.assertEqual(item["chosen_none"], max(range(3), key=lambda i: item["endings"][i]["log_p"]))
        self.assertEqual(figures["items"], 1)
        self.assertAlmostEqual(figures["chance"], 1 / 3, places=8)

    def test_what_a_set_says_is_counted_from_its_items(self):
        figures, items = self.ask(ITEMS)
        self.assertEqual(figures["items"], len(items))
        for measure, key in (("accuracy", "chosen_none"), ("accuracy_token", "chosen_token"),
                             ("accuracy_byte", "chosen_byte")):
            right = sum(item[key] == item["answer"] for item in items)
            low, high = wilson(right, len(items))
            self.assertAlmostEqual(figures["figures"][measure]["value"], right / len(items), places=9)
            self.assertAlmostEqual(figures["figures"][measure]["low"], low, places=6)
            self.assertAlmostEqual(figures["figures"][measure]["high"], high, places=6)
        self.assertGreater(figures["low"], figures["chance"])  # the model in the box knows English
        self.assertEqual(sum(group["items"] for group in figures["groups"]), len(items))

    def test_examples_stand_before_the_question(self):
        items = [{"context": f"Question {i}", "endings": [f" a{i}", f" b{i}"], "answer": 1} for i in range(4)]
        task = self.task(HEADER, *items)
        shown = self.prompts(task, "--shots", "2")
        self.assertEqual(len(shown), 2)  # what is shown is not scored
        self.assertEqual(shown[0]["prompts"], ["Question 0 b0\n\nQuestion 1 b1\n\nQuestion 2"])
        drawn = self.prompts(task, "--shots", "2", "--seed", "7")
        self.assertEqual(drawn, self.prompts(task, "--shots", "2", "--seed", "7"))

    def test_a_written_answer_is_the_greedy_one(self):
        with open(os.path.join(SOURCE, "models", "expected.json"), encoding="utf-8") as f:
            expected = json.load(f)
        case = expected["cases"][0]
        task = self.task(dict(HEADER, kind="generate", tokens=8),
                         {"context": case["prompt"], "answer": "not this"})
        figures, (item,) = self.ask(task)
        self.assertTrue(item["text"], item)
        written = item["text"].strip().split("\n")[0]
        self.assertTrue(case["text"].strip().startswith(written), (case["text"], written))
        self.assertEqual(figures["value"], 0)

    def test_figures_go_into_a_store(self):
        figures, _ = self.ask(ITEMS, "--items", "2", "--store", self.path("kept.db"))
        (row,) = sqlite3.connect(self.path("kept.db")).execute(
            "SELECT measure, data, settings, n, value, low, high, chance FROM quality").fetchall()
        self.assertEqual(row, (figures["measure"], "edgewise-items", figures["settings"], figures["items"],
                               figures["value"], figures["low"], figures["high"], figures["chance"]))

    def test_wrong_tasks_are_refused_by_line(self):
        for item, words in (
                ({"context": "a", "endings": [" b", " c"]}, ("`answer`",)),
                ({"context": "a", "endings": [" b", " c"], "answer": 2}, ("answer", "0 to 1")),
                ({"context": "a", "endings": [" b", ""], "answer": 0}, ("endings[1]", "empty")),
                ({"context": "a", "endings": [" b"], "answer": 0}, ("endings", "2"))):
            with self.subTest(item=item):
                task = self.task(HEADER, QUESTION, item)
                self.refused("--task", task, words=(task, "3", *words))
        self.refused("--task", self.write("odd", "nothing of the kind"), words=("odd", "--format"))
        self.refused("--task", self.task(HEADER), words=("has no items",))
        long = self.task(HEADER, dict(QUESTION, context="word " * 400))
        self.refused("--task", long, words=("context",))
        self.refused("--task", long, "--skip-long", words=("none of",))
        self.refused("--task", ITEMS, "--format", "quiz", words=("`quiz`",))
        self.refused("--task", ITEMS, "-f", ITEMS, words=("choose one",))
        self.refused("-f", ITEMS, "--shots", "2", words=("--task",))


@unittest.skipUnless(os.path.isdir(os.path.join(SHARED, "conformance")), "skipped: no ../shared/conformance")
class Guessing(TaskCase):
    def test_random_weights_guess(self):
        model = os.path.join(SHARED, "conformance", "llama-64-f32.gguf")
        figures, _ = self.ask(ITEMS, "--normalize", "token", "--skip-long", model=model)
        self.assertGreater(figures["items"], 300)
        self.assertLessEqual(figures["low"], figures["chance"])
        self.assertGreaterEqual(figures["high"], figures["chance"])


@unittest.skipUnless(os.path.isdir(DATA), "skipped: no ../shared/data/eval")
class PublicSets(TaskCase):
    def shared(self, name):
        return os.path.join(DATA, name)

    def test_every_item_is_read(self):
        lines = {}
        for name in ("arc_easy", "copa", "gsm8k_test", "hellaswag_val_sample", "lambada_openai", "piqa",
                     "triviaqa_small", "winograd_wsc", "winogrande"):
            with open(self.shared(name + ".jsonl"), "rb") as f:
                lines[name + ".jsonl"] = f.read().count(b"\n")
        lines["TruthfulQA.csv"] = 817  # as its SOURCES say
        for name, n in lines.items():
            with self.subTest(name):
                self.assertEqual(len(self.prompts(self.shared(name))), n)
        text = self.path("hellaswag.txt")
        with bz2.open(self.shared("hellaswag_val_part1.txt.bz2")) as packed, open(text, "wb") as out:
            out.write(packed.read())
        self.assertEqual(len(self.prompts(text)), 6694)  # six lines each, tasks 0 to 6693

    def test_hellaswag_reads_alike_in_both_forms(self):
        with bz2.open(self.shared("hellaswag_val_part1.txt.bz2"), "rt", encoding="utf-8") as packed:
            lines = [next(packed) for _ in range(6)]
        task = self.write("one.txt", "".join(lines))
        (item,) = self.prompts(task)
        self.assertEqual(item["prompts"], [lines[0].rstrip("\n")])
        self.assertEqual(item["answer"], int(lines[1]))
        self.assertEqual(item["endings"], [" " + line.strip() for line in lines[2:]])

    def test_mmlu_asks_as_its_authors_do(self):
        item = self.prompts(self.shared("mmlu"), "--shots", "5")[0]
        (prompt,) = item["prompts"]
        self.assertTrue(prompt.startswith("The following are multiple choice questions (with answers) about "
                                          "abstract algebra.\n\n"))
        self.assertEqual(prompt.count("\nAnswer:"), 6)
        self.assertTrue(prompt.endswith("\nAnswer:"))
        self.assertEqual(item["endings"], [" A", " B", " C", " D"])

    def test_winogrande_scores_what_follows(self):
        item = self.prompts(self.shared("winogrande.jsonl"))[1]
        self.assertEqual(item["prompts"], ["Sarah was a much better surgeon than Maria so Sarah",
                                           "Sarah was a much better surgeon than Maria so Maria"])
        self.assertEqual(item["endings"], [" always got the harder cases."] * 2)


if __name__ == "__main__":
    unittest.main()
