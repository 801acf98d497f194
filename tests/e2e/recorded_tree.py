"""Recorded machines (tests/fixtures/machines) as folders, for --root."""
import os

from harness import SOURCE


def names():
    folder = os.path.join(SOURCE, "tests", "fixtures", "machines")
    return sorted(name[:-5] for name in os.listdir(folder) if name.endswith(".tree"))


def put(root, path, text, mode=0o644):
    full = root + path
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(full, mode)


def unpack(name, root):
    """The form is in tests/fixtures/machines/README.md."""
    path, text = None, []
    with open(os.path.join(SOURCE, "tests", "fixtures", "machines", name + ".tree"), encoding="utf-8") as f:
        lines = f.read().split("\n")
    for line in lines + ["= "]:
        if line[:1] in ("=", "!", ">") or line[:3] == "== ":
            if path:
                put(root, path, "".join(text))
            path, text = None, []
            if line.startswith("== "):
                path = line[3:]
            elif line.startswith(("= ", "! ")) and len(line) > 2:
                where, value = line[2:].split(" ", 1)
                put(root, where, value + "\n", 0o644 if line[0] == "=" else 0)
            elif line.startswith("> "):
                where, target = line[2:].split(" ", 1)
                os.makedirs(os.path.dirname(root + where), exist_ok=True)
                os.symlink(target, root + where)
        elif path:
            text.append(line + "\n")
    return root
