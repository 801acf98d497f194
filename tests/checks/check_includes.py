#!/usr/bin/env python3
"""Checks the direction of includes between the rooms of src/ (see ARCHITECTURE.md).

A room includes only rooms above it in ROOMS. Two walls are absolute: engine and meter never see each other, and
programs (cli, report, serve) never see tensor internals, except for the entries of ALLOWED, each with its reason."""
import re

import source_tree

ROOMS = ["base", "machine", "gguf", "quant", "token", "kernel", "plan", "model", "chat", "backend", "engine",
         "meter", "quality", "convert", "study", "store", "insight", "report", "serve", "cli"]
INTERNALS = {"gguf", "quant", "kernel", "plan", "backend"}
WALLS = [  # (rooms, what they must not include, rule)
    ({"engine"}, {"meter", "edgewise/meter.h", "edgewise/edgewise.h"}, "engine never sees meters"),
    ({"meter"}, {"engine", "edgewise/session.h", "edgewise/edgewise.h"}, "meters never see the engine"),
    ({"cli", "report", "serve"}, INTERNALS, "programs never see tensor internals"),
]
ALLOWED = {  # (file, include): reason
    ("src/cli/cmd_info.c", "gguf/gguf_read.h"): "prints a file's own metadata and tensors, without loading a model",
    ("src/cli/cmd_info.c", "gguf/file_type.h"): "names of file types",
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def findings_of_file(name, text):
    room = name.split("/")[1]
    if room not in ROOMS:
        yield f"{name}: `{room}` is not a room (tests/checks/check_includes.py lists them)"
        return
    for include in INCLUDE.findall(text):
        target = include.split("/")[0]
        if (name, include) in ALLOWED:
            continue
        if "/" not in include:
            yield f'{name}: "{include}": write the room, as in "{room}/{include}"'
        elif target != "edgewise" and target not in ROOMS:
            yield f'{name}: "{include}": `{target}` is not a room'
        elif target != "edgewise" and ROOMS.index(target) > ROOMS.index(room):
            yield f'{name}: "{include}": {room} must not include {target}, which is below it'
        for rooms, walled, rule in WALLS:
            if room in rooms and (target in walled or include in walled):
                yield f'{name}: "{include}": {rule}'


def check(root):
    failures, seen = [], set()
    for path in source_tree.files(root / "src", "*.c", "*.h", "*.S", "*.inc"):
        name = path.relative_to(root).as_posix()
        text = source_tree.read(path)
        failures += findings_of_file(name, text)
        seen.update((name, include) for include in INCLUDE.findall(text))
    warnings = [f"{name}: allowed to include {include}, but does not" for name, include in ALLOWED
                if (name, include) not in seen and (root / name).exists()]
    return failures, warnings


if __name__ == "__main__":
    source_tree.run(check)
