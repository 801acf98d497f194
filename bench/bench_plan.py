"""What is measured: cells (one test that every engine can do), models, and plans that list both.

A cell is `prefill:512`, `decode:128`, `decode:128@4096` (128 tokens one by one after 4096 positions), `load:16` (load the
model and give the first token after a prompt of 16) or `load:16:cold`. A model is a file, or a shape and a type such as `llama-3.2-1b:q4_0`, which `edgewise synth` writes into the
folder for synthetic models. A plan is a TOML file with `models`, `cells`, optionally `rounds`, `threads`, and tables
`peers` and `trials` of names and commands."""
import dataclasses
import os
import pathlib
import re
import subprocess
import tomllib

MOST_TOKENS = 1 << 20
CELL = re.compile(r"(?:prefill:(?P<prefill>\d+)|decode:(?P<decode>\d+)(?:@(?P<depth>\d+))?|load:(?P<load>\d+)(?P<cold>:cold)?)")
PLAN_KEYS = {"models": list, "cells": list, "rounds": int, "threads": int, "peers": dict, "trials": dict}


class PlanError(Exception):
    """Names the value and the rule."""


@dataclasses.dataclass(frozen=True)
class Figure:
    words: str
    unit: str
    more_is_better: bool


FIGURES = {
    "prefill": Figure("prefill", "tok/s", True),
    "decode": Figure("decode", "tok/s", True),
    "load_s": Figure("load", "s", False),
    "first_token_s": Figure("load and first token", "s", False),
    "peak_mib": Figure("peak memory", "MiB", False),
}
FIGURES_OF_KIND = {
    "prefill": ("prefill", "peak_mib"),
    "decode": ("decode", "peak_mib"),
    "load": ("load_s", "first_token_s", "peak_mib"),
}


@dataclasses.dataclass(frozen=True)
class Cell:
    kind: str
    tokens: int
    depth: int = 0  # positions before the tokens
    cold: bool = False  # the file is not in the page cache

    def __str__(self):
        return f"{self.kind}:{self.tokens}" + (f"@{self.depth}" if self.depth else "") + (":cold" if self.cold else "")

    @property
    def words(self):
        if self.kind == "load":
            return f"{'cold' if self.cold else 'warm'} load, prompt {self.tokens}"
        return f"{self.kind} {self.tokens}" + (f" at depth {self.depth}" if self.depth else "")

    @property
    def prompt(self):
        return 0 if self.kind == "decode" else self.tokens

    @property
    def generate(self):
        return {"prefill": 0, "decode": self.tokens, "load": 1}[self.kind]

    @property
    def is_warmed_up(self):
        """The first token after loading is what `load` is about, so nothing may come before it."""
        return self.kind != "load"

    @property
    def figures(self):
        return FIGURES_OF_KIND[self.kind]

    @property
    def placeholders(self):
        """What a command may name; `tests` are llama-bench's options, `tests_gp` those of builds that know no -d."""
        tests = f"-p {self.prompt} -n {self.generate}"
        deep = f"-p 0 -n 0 -gp {self.depth},{self.generate}"
        return {"prompt": self.prompt, "generate": self.generate, "depth": self.depth, "warm_up": int(self.is_warmed_up),
                "tests": tests + (f" -d {self.depth}" if self.depth else ""), "tests_gp": deep if self.depth else tests}


def parse_cell(text):
    found = CELL.fullmatch(text)
    if not found:
        raise PlanError(f"cell `{text}` is none of prefill:N, decode:N, decode:N@DEPTH, load:N, load:N:cold")
    kind = next(kind for kind in FIGURES_OF_KIND if found[kind])
    tokens, depth = int(found[kind]), int(found["depth"] or 0)
    if not 1 <= tokens <= MOST_TOKENS or depth > MOST_TOKENS:
        raise PlanError(f"cell `{text}`: 1 to {MOST_TOKENS} tokens, after at most as many")
    return Cell(kind, tokens, depth, bool(found["cold"]))


def read_plan(path):
    with open(path, "rb") as file:
        try:
            plan = tomllib.load(file)
        except tomllib.TOMLDecodeError as error:
            raise PlanError(f"{path}: {error}") from error
    for key, value in plan.items():
        if key not in PLAN_KEYS:
            raise PlanError(f"{path}: `{key}` is none of {', '.join(PLAN_KEYS)}")
        if not isinstance(value, PLAN_KEYS[key]):
            raise PlanError(f"{path}: `{key}` is no {PLAN_KEYS[key].__name__}")
    return plan


def default_cache():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "edgewise")


def find_model(text, program, cache):
    """The path of a model; a synthetic one is written first where it is missing."""
    if os.path.exists(text):
        return text
    shape, colon, file_type = text.rpartition(":")
    if not colon or "/" in shape:
        raise PlanError(f"model `{text}` is no file, and no SHAPE:TYPE")
    path = pathlib.Path(cache) / f"{shape}-{file_type.lower()}.gguf"
    if path.exists():
        return str(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([program, "synth", shape, "--type", file_type, "-o", str(path)], capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        raise PlanError(f"model `{text}`: {done.stderr.strip()}")
    return str(path)
