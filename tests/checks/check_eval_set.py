#!/usr/bin/env python3
"""Checks the evaluation set in eval/: that no answer is given away by position or length, that nothing stands there
twice, that the text is no template, and that README.md counts right. What an item means, no check can see."""
import collections
import json
import re

import source_tree

HEADER = {"task": "edgewise-items", "kind": "choice", "normalize": "token", "delimiter": ""}
N_ITEMS, N_GROUP, N_PROMPTS = 240, 20, 12
ENDINGS = range(2, 5)
# How far the share of right answers that are the longest (or shortest) ending may lie from chance. In a group of 24
# two standard deviations are 0.2; over all items they are 0.05.
LENGTH_OF_ALL, LENGTH_OF_GROUP = 0.05, 0.25
POSITION = 0.05  # share of right answers in one position, from an equal share
TEXT_SIZE = range(30_000, 40_001)
REPEAT = 8  # words in a row that may stand in the text only once
PLAIN = re.compile(r"[ -~]+")
GROUP_ROW = re.compile(r"^\| `(\w+)` \| (\d+) \|", re.MULTILINE)
ALL_ROW = re.compile(r"^\| all \| (\d+) \|", re.MULTILINE)


def lines_of(path):
    """([(line number, object)], findings); a file that is not there is a finding."""
    if not path.exists():
        return [], [f"eval/{path.name} is not there"]
    found, failures = [], []
    for number, line in enumerate(source_tree.read(path).splitlines(), 1):
        try:
            found.append((number, json.loads(line)))
        except ValueError as why:
            failures.append(f"eval/{path.name}:{number}: is no JSON: {why}")
    return found, failures


def fault_of_item(item):
    """The first rule that an item breaks, or None."""
    if set(item) != {"group", "context", "endings", "answer"}:
        return "must have group, context, endings, answer and no more"
    context, endings = item["context"], item["endings"]
    if len(endings) not in ENDINGS:
        return f"{len(endings)} endings: must be 2 to 4"
    if item["answer"] not in range(len(endings)):
        return f"answer {item['answer']}: must be 0 to {len(endings) - 1}"
    if any(not PLAIN.fullmatch(text) for text in [context, *endings]):
        return "must be plain ASCII, and not empty"
    if context != context.strip():
        return "the context must neither begin nor end with a space: endings bring it"
    if any(not re.match(r" \S", ending) for ending in endings):
        return "an ending must begin with exactly one space"
    if any(ending[-1] not in ".?!," and not re.search(r'[.?!,]"$', ending) for ending in endings):
        return "an ending must end as a sentence does"
    if len(set(endings)) < len(endings):
        return "two endings are the same"
    if max(map(len, endings)) > 2 * min(map(len, endings)):
        return "the longest ending is more than twice as long as the shortest"
    return None


def share(items, choose):
    """(share of right answers that are the longest or shortest ending, the share by chance); ties count in parts."""
    right = chance = 0.0
    for item in items:
        lengths = [len(ending) for ending in item["endings"]]
        extreme = choose(lengths)
        right += (lengths[item["answer"]] == extreme) / lengths.count(extreme)
        chance += 1 / len(lengths)
    return right / len(items), chance / len(items)


def check_lengths(items, what, most):
    for choose, word in (max, "longest"), (min, "shortest"):
        got, chance = share(items, choose)
        if abs(got - chance) > most:
            yield f"{what}: the {word} ending is right in {got:.2f}, by chance {chance:.2f}: must be within {most}"


def check_positions(items):
    for n in ENDINGS:
        answers = [item["answer"] for item in items if len(item["endings"]) == n]
        for position in range(n):
            got = answers.count(position) / len(answers) if answers else 1 / n
            if abs(got - 1 / n) > POSITION:
                yield (f"items with {n} endings: answer {position} in {got:.2f}, by chance {1 / n:.2f}: "
                       f"must be within {POSITION}")


def check_items(folder):
    lines, failures = lines_of(folder / "edgewise-items.jsonl")
    if failures:
        return collections.Counter(), failures
    if not lines or lines[0][1] != HEADER:
        failures.append(f"eval/edgewise-items.jsonl:1: must be {json.dumps(HEADER)}")
    items, seen = [], {}
    for number, item in lines[1:]:
        fault = fault_of_item(item)
        text = (item.get("context"), *sorted(item.get("endings", [])))
        if not fault and text in seen:
            fault = f"the same as line {seen[text]}"
        seen.setdefault(text, number)
        if fault:
            failures.append(f"eval/edgewise-items.jsonl:{number}: {fault}")
        else:
            items.append(item)
    groups = collections.Counter(item["group"] for item in items)
    if len(items) < N_ITEMS:
        failures.append(f"{len(items)} sound items: must be at least {N_ITEMS}")
    for group, n in groups.items():
        if n < N_GROUP:
            failures.append(f"group {group}: {n} items: must be at least {N_GROUP}")
        members = [item for item in items if item["group"] == group]
        failures += check_lengths(members, f"group {group}", LENGTH_OF_GROUP)
    if items:
        failures += [*check_lengths(items, "all items", LENGTH_OF_ALL), *check_positions(items)]
    return groups, failures


def check_text(folder):
    path = folder / "held-out.txt"
    if not path.exists():
        yield "eval/held-out.txt is not there"
        return
    text = source_tree.read(path)
    if len(text) not in TEXT_SIZE:
        yield f"eval/held-out.txt: {len(text)} bytes: must be {TEXT_SIZE.start} to {TEXT_SIZE.stop - 1}"
    for number, paragraph in enumerate(text.removesuffix("\n").split("\n"), 1):
        if not PLAIN.fullmatch(paragraph) or paragraph != paragraph.strip():
            yield f"eval/held-out.txt:{number}: must be plain ASCII, a paragraph a line, no empty line or outer space"
    words = re.findall(r"[a-z']+", text.lower())
    seen = set()
    for i in range(len(words) - REPEAT + 1):
        run = tuple(words[i:i + REPEAT])
        if run in seen:
            yield f"eval/held-out.txt: `{' '.join(run)}` stands there twice"
            return
        seen.add(run)


def check_prompts(folder):
    lines, failures = lines_of(folder / "prompts.jsonl")
    yield from failures
    names = [line.get("name") for _, line in lines]
    prompts = [line.get("prompt") for _, line in lines]
    for number, line in lines:
        if set(line) != {"name", "prompt"} or not all(line.values()):
            yield f"eval/prompts.jsonl:{number}: must have name and prompt, and no more"
    if not failures and (len(lines) != N_PROMPTS or len(set(names)) < len(names) or len(set(prompts)) < len(prompts)):
        yield f"eval/prompts.jsonl: must be {N_PROMPTS} different prompts with different names"


def check_readme(folder, groups):
    path = folder / "README.md"
    text = source_tree.read(path) if path.exists() else ""
    stated = {name: int(n) for name, n in GROUP_ROW.findall(text)}
    for name in sorted(stated.keys() | groups.keys()):
        said, found = stated.get(name, 0), groups[name]
        if said != found:
            yield f"eval/README.md: group {name}: {said} items, eval/edgewise-items.jsonl has {found}"
    total = sum(groups.values())
    if [int(n) for n in ALL_ROW.findall(text)] != [total]:
        yield f"eval/README.md: must have one row `| all | {total} |`"


def check(root):
    folder = root / "eval"
    groups, failures = check_items(folder)
    return [*failures, *check_text(folder), *check_prompts(folder), *check_readme(folder, groups)], []


if __name__ == "__main__":
    source_tree.run(check)
