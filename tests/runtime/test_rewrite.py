"""A split statement does what it did before: the same values, in the same order, with the same errors at the same lines."""

from __future__ import annotations

import ast
import builtins
import traceback

import pytest

from threadlint.runtime.injected.threadlint_engine.feasible import switches
from threadlint.runtime.injected.threadlint_engine.job import Place
from threadlint.runtime.injected.threadlint_engine.rewrite import choose, split_tree

PRELUDE = """
trace = []
def say(text, value=None):
    trace.append(text)
    return value
class Box:
    def __init__(self): self.d = {"k": 1}; self.n = 1; self.items = [1]
    def __getattr__(self, name): say(f"get {name}"); raise AttributeError(name)
    def __getitem__(self, k): say(f"item {k}"); return self.d[k]
    def __setitem__(self, k, v): say(f"set {k}"); self.d[k] = v
b = Box()
count = 0
"""
STATEMENTS = {
    "name": "def f():\n    global count\n    count += say('value', 2)\n",
    "attribute": "def f():\n    say('base', b).n += say('value', 2)\n",
    "item": "def f():\n    say('base', b)[say('key', 'k')] += say('value', 2)\n",
    "list": "def f():\n    say('base', b).items += [say('value', 2)]\n",
    "assign": "def f():\n    say('base', b)[say('key', 'k')] = say('value', 2) + b['k']\n",
    "several": "def f():\n    x = say('base', b)[say('key', 'k')] = y = say('value', 2)\n    say(str((x, y)))\n",
    "annotated": "def f():\n    b.n: int = say('value', b.n) + 1\n",
    "free": "def f():\n    n = 1\n    def g():\n        nonlocal n\n        n += say('value', 2)\n    g()\n    say(str(n))\n",
    "test": "def f():\n    if 'x' not in b.d:\n        b.d['x'] = say('body')\n    else:\n        say('else')\n",
    "elif": "def f():\n    if say('first'):\n        pass\n    elif 'x' not in b.d:\n        b.d['x'] = say('body')\n",
    "early": "def f():\n    if 'z' in b.d:\n        return 1\n    b.d['k'] = say('made')\n    return b.d\n",
    "while": "def f():\n    while b.n < 3:\n        b.n += 1\n        if b.n == 2: continue\n        say('turn')\n    else:\n        say('end')\n",
    "walrus": "def f():\n    if (v := b.d.get('x')) is None:\n        v = b.d['x'] = say('made', 3)\n    say(str(v))\n",
    "module": "count += say('value', 2)\ndef f():\n    say(str(count))\n",
    "method": "class A:\n    def __init__(self): self.__n = 1\n    def f(self):\n        self.__n += say('value', 1)\n        say(str(self.__n))\ndef f():\n    A().f()\n",
    "generator": "def f():\n    def g():\n        b.n += yield say('out')\n    it = g(); next(it)\n    try: it.send(5)\n    except StopIteration: pass\n    say(str(b.n))\n",
    "error": "def f():\n    b.d['absent'] += say('value', 1)\n",
    "type error": "def f():\n    b.n += 'x'\n",
    "regions": "def f():\n    with open(os.devnull):\n        old = b.n\n    new = old + say('value', 1)\n    with open(os.devnull):\n        b.n = new\n",
}
FLAGGED = {
    "elif": 4,
    "walrus": 2,
    "module": 1,
    "method": 4,
    "free": 5,
    "generator": 3,
    "regions": 6,
    "name": 3,
    "test": 2,
    "early": 2,
}


def outcome(code, hooks):
    for name, hook in hooks.items():
        setattr(builtins, f"__threadlint_{name}__", hook)
    space = {"os": __import__("os")}
    try:
        exec(compile(PRELUDE, "prelude", "exec"), space)
        try:
            exec(code, space)
            space["f"]()
            error = None
        except (KeyError, TypeError) as raised:
            last = traceback.extract_tb(raised.__traceback__)[-1]
            error = (type(raised), str(raised), last.lineno)
        box = space["b"].__dict__
        return space["trace"], error, space["count"], {k: repr(v) for k, v in box.items()}
    finally:
        for name in hooks:
            delattr(builtins, f"__threadlint_{name}__")


def split(text, line):
    tree = ast.parse(text)
    place = Place("program.py", line, line, 0)
    splits, refusals = choose(tree, text, "program.py", [place], place, 1)
    assert not refusals
    assert splits[0].index == 0
    return compile(split_tree(tree, splits), "program.py", "exec")


@pytest.mark.parametrize("name", STATEMENTS)
def test_it_does_what_it_did(name):
    text = STATEMENTS[name]
    called = []
    names = ("before", "store", "gap", "after", "act", "doing", "acted")
    hooks = {hook: (lambda *_, hook=hook: called.append(hook)) for hook in names}
    plain = outcome(compile(text, "program.py", "exec"), {})
    assert outcome(split(text, FLAGGED.get(name, 2)), hooks) == plain
    if plain[1] is None and name != "elif":
        assert called


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def f():\n    a, b.n = 1, 2\n", "several places"),
        ("def f():\n    b[1:2] = [3]\n", "slice"),
        ("class A:\n    n = 0\n    n += 1\n", "class body"),
        ("def f():\n    if q.pop():\n        b.n = 1\n", "cannot be called a second time"),
        ("def f():\n    return 1\n", "no update, store or test"),
    ],
)
def test_what_cannot_be_split_is_refused_with_the_reason(text, reason):
    tree = ast.parse(text)
    place = Place("program.py", 3 if "class" in text else 2, 3 if "class" in text else 2, 0)
    _, refusals = choose(tree, text, "program.py", [place], place, 1)
    assert [reason in refusal.reason for refusal in refusals] == [True]


@pytest.mark.parametrize(
    ("text", "read", "expected"),
    [
        ("x + 1", "x", False),
        ("abs(x) + 1", "x", True),
        ("f() + x", "x", False),
        ("x + f()", "x", True),
        ("d.get(k, 0) + 1", "d.get(k, 0)", True),
        ("[y for y in z] + x", "x", False),
        ("x + [y for y in z]", "x", True),
        ("x if y else z", "y", False),
        ("f'{x}'", "x", False),
        ("await x", "x", True),
        ("(lambda: f()) and x", "x", False),
    ],
)
def test_where_this_interpreter_switches_threads(text, read, expected):
    expression = ast.parse(f"async def f():\n    return {text}").body[0].body[0].value
    node = next(one for one in ast.walk(expression) if isinstance(one, ast.expr) and ast.unparse(one) == read)
    assert switches(expression, node) is expected
