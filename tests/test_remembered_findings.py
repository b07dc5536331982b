"""Findings that are remembered equal those that are made anew, whatever is edited in between."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from threadlint.cache import disk
from threadlint.cache.disk import DiskStore
from threadlint.config import Config
from threadlint.engine import lint

PIECES = [
    "count = 0\nlock = threading.Lock()\n",
    "def bump():\n    global count\n    count += 1\n",
    "def safe():\n    global count\n    with lock:\n        count += 1\n",
    "def start():\n    for _ in range(3):\n        threading.Thread(target=bump).start()\n",
    "def start_other():\n    for _ in range(3):\n        threading.Thread(target={other}.bump).start()\n",
    "def wait():\n    lock.acquire()\n    {other}.safe()\n    lock.release()\n",
    "def take():\n    with lock:\n        with {other}.lock:\n            pass\n",
    "def leak(flag):\n    lock.acquire()\n    if flag:\n        return 1\n    lock.release()\n",
    """\
class Box:
    def __init__(self):
        self.items = []
        self.lock = threading.Lock()

    def put(self, item):
        with self.lock:
            self.items.append(item)

    def total(self):
        n = 0
        for item in self.items:
            n += item
        return n
""",
    "box = {other}.Box()\nthreading.Thread(target=box.put, args=(1,)).start()\nthreading.Thread(target=box.total).start()\n",
    "start()\n",
    "# a remark\n",
    "\n",
    "x = 1  # noqa: TL101\n",
    "def broken(:\n",
]
NAMES = ("a", "b", "c", "package/d", "package/e", "alone")


def imports(name: str, picked: random.Random) -> str:
    known = [other.replace("/", ".") for other in NAMES if other not in {name, "alone"}]
    chosen = picked.sample(known, picked.randrange(3)) if name != "alone" else []
    return "".join(f"import {other}\n" for other in ("threading", *chosen))


def module(name: str, picked: random.Random) -> str:
    head = imports(name, picked)
    other = picked.choice([line.split()[1] for line in head.splitlines()])
    chosen = [piece for piece in PIECES if picked.random() < 0.5 and (piece != PIECES[-1] or picked.random() < 0.1)]
    return head + "".join(piece.replace("{other}", other) for piece in chosen)


def edit(text: str, name: str, picked: random.Random) -> str:
    """A small change of some kind, most of which leave a program."""
    lines = text.splitlines(keepends=True)
    kind = picked.randrange(9)
    at = picked.randrange(len(lines) + 1)
    if kind == 0:
        return module(name, picked)
    if kind in {1, 7, 8}:
        return "".join([*lines[:at], picked.choice(["# remark\n", "\n", "\n\n"]), *lines[at:]])
    if kind == 2 and lines:
        return "".join([*lines[: at - 1], *lines[at:]])
    if kind == 3:
        return text + picked.choice(PIECES).replace("{other}", "a")
    if kind == 4:
        return text.replace("count += 1\n", "count += 1  # noqa: TL101\n", 1)
    if kind == 5:
        return text.replace("with lock:", "if True:", 1)
    return text.replace("    ", "        ", picked.randrange(3))


@pytest.mark.parametrize("seed", range(3))
def test_any_edits(folder, monkeypatch, seed):
    monkeypatch.setattr(disk, "RACY", 0)
    picked = random.Random(seed)
    folder.write({"package/__init__.py": "", **{f"{name}.py": module(name, picked) for name in NAMES}})
    seen = set()
    for _ in range(40):
        name = picked.choice(NAMES)
        file = folder.path / f"{name}.py"
        file.write_text(edit(file.read_text(), name, picked))
        paths = picked.choice([["."], ["."], ["package"], [f"{name}.py"]])
        config = Config(root=Path.cwd(), select=picked.choice([(), (), ("ALL",), ("TL1",)]))
        with DiskStore(Path.cwd() / ".threadlint_cache", pytest.fail) as store:
            remembered = lint(paths, config, store=store)
        assert remembered == lint(paths, config)
        seen.update(finding.code for finding in remembered.findings)
    assert len(seen) >= 3
