"""The tree made from Python's own: the facts are those of LibCST's parser, and its parser is seldom needed."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest

from support import ROOT
from threadlint.facts.building import Mismatch, build
from threadlint.facts.extract import extract, extract_slowly
from threadlint.facts.source import SourceError, decode, read
from threadlint.rules.rule import all_rules

LIBRARY = Path(sysconfig.get_path("stdlib"))
PROGRAMS = {
    "strings side by side": 'a = "x" "y"\nb = f(b"x", b"x" b"y", key="p" f"{q}" "r")\nd["k"] = d[b"k"] = d["k" "l"]\n',
    "fields": 'a = f"{x!r:>{width}}{y=}" f"{d[0]} {f(1)!s}"\nlog(f"{self.x + 1} {[i for i in self.y]}")\n',
    "a long string": f'a = f("{"x" * 199}", "{"x" * 198}", "{"x" * 300}" "y")\n',
    "letters of other alphabets": 'é = "ü"; d["ß"].x = é; f("日本", key=é)\n',
    "line ends": 'a = """x\r\ny"""\r\nb = f(\r\n  "x",\r\n  y)\r\n',
    "old line ends": "a = 1\rb = f(a)\r",
    "keywords between arguments": "f(a, *b, c=1, *d, **e, g=2)\nclass C(A, *B, metaclass=M, **k): pass\n",
    "arguments that look like a tuple": "f(args=(a))\nf(args=(a.b))\nf(args=((a),))\nf(args = ( # c\n a))\nf(args=a)\n",
    "chains": "a and b and c\n(a and b) and c\na and (b and c)\na or b and c or d\nnot a and b\nx = a < b <= c != d\n",
    "keys": "d[a, b] = d[(a, b)] = d[a,] = d[a.b, 'x':2, 1:]\nd['a', b] = d[(a), b] = d[((a), b)]\nd[-1] = d[0x10] = d[f()]\n",
    "numbers": f"a = [1_000, 0xFF, 1e5, 2j, {'9' * 50}, True, None, ..., -3]\n",
    "targets": "a, (b, *c), d.e, f[0] = [g, *h] = x\nfor i, (j, k) in y: pass\ndel a, (b[0], c.d)\ndel (e)\n",
    "parameters": "def f(a, b=1, /, c: int = 2, *d: str, e, g=3, **h: list[T]) -> 'A.B': pass\nf = lambda x, *y, z=1: x\n",
    "walrus": "if (n := f(a)) and [m := i for i in n]:\n    g = lambda: (o := 1)\nwhile chunk := read(): pass\n",
    "comprehensions": "a = {k: v for k, v in x if k if v for w in v}\nasync def f():\n    return [i async for i in g()]\n",
    "try": "try:\n    f()\nexcept (A, B) as e:\n    raise C from e\nexcept D: pass\nelse: g()\nfinally: h()\n",
    "branches": "if a: b()\nelif c: d(); e()\nelse:\n    if f: g()\nwhile a: break\nelse: b()\nfor x in y: continue\nelse: c()\n",
    "patterns": "match f(x):\n    case [A(b, c=d), *e] | {'k': g, **h} if g: pass\n    case None | -1 | K.L: pass\n    case (a, b) as c: pass\n    case _: pass\n",
    "docstrings": 'def f():\n    """The caller\n      holds the lock."""\ndef g(): "lock" "ed"\ndef h(): b"lock"\ndef i(): "x"; "lock"\n',
    "imports": "import a.b.c, d.e as f\nfrom . import g\nfrom ..h.i import (j as k, l)\ndef m():\n    from n import *\n    global o; nonlocal_ = 1\n",
    "suspensions": "async def f():\n    async with a as b, c: await d(await e)\n    x = yield\n    yield b\ndef g(): return (yield from h())\n",
    "annotations": "x: 'queue.Queue[int]' = f()\nself.y: dict[str, 'A | None']\nz: Optional[List[B]] = None\n",
    "statements of one line": "class A: x = 1; y = 2\ndef f(): return 1\nif a: pass\nassert a, b\nraise\nraise A\nx += 1; y @= z\n",
    "comments": "x = 1  # noqa: TL101 (why)\nself.y = 2  # guarded-by: lock\n",
    "nothing": "",
}
NEWER = {
    "exception groups": ((3, 11), "try: f()\nexcept* A as e: g()\n"),
    "a starred index": ((3, 11), "d[*a, 1]\ndef f(*args: *Ts): pass\n"),
    "types": ((3, 12), "type X[T: int] = list[T]\nclass A[T](B): pass\ndef f[**P](x: T) -> T: return x\n"),
    "quotes in quotes": ((3, 12), 'a = f"{d["k"]} {"x" "y"!r}"\n'),
    "templates": ((3, 14), 'a = t"{x} {y!r:>{w}}"\n'),
}


def of(text: str):
    return decode(text.encode(), "a.py")


@pytest.mark.parametrize("name", PROGRAMS)
def test_both_parsers_give_the_same_facts(name):
    source = of(PROGRAMS[name])
    assert extract(source) == extract_slowly(source)


@pytest.mark.parametrize("name", PROGRAMS)
def test_python_s_parser_is_enough(name):
    if name != "fields" or sys.version_info >= (3, 12):
        build(PROGRAMS[name])


@pytest.mark.parametrize("name", NEWER)
def test_newer_syntax_is_read_on_any_version(name):
    version, text = NEWER[name]
    source = of(text)
    assert extract(source) == extract_slowly(source)
    if sys.version_info >= version:
        build(text)


@pytest.mark.parametrize(
    "path",
    sorted((ROOT / "fixtures").rglob("*.py")),
    ids=lambda path: path.relative_to(ROOT / "fixtures").as_posix(),
)
def test_both_parsers_agree_on_every_fixture(path):
    source = read(path, str(path))
    if not path.stem.startswith("python_3_") or sys.version_info >= tuple(map(int, path.stem.split("_")[1:])):
        build(source.text)
    assert extract(source) == extract_slowly(source)


@pytest.mark.parametrize(
    "quoted", ["b'A'", '\'t"a" t"b"\'', "'\"b\\'A\\'\"'", f"'{'[' * 5000}{']' * 5000}'", f"'{'-' * 5000}A'"]
)
def test_an_annotation_that_names_no_class_is_none(quoted):
    facts = extract(of(f"def f(x: {quoted}) -> None:\n    x.start()\n"))
    assert [param.annotation for param in facts.functions[1].params] == [None]


@pytest.mark.parametrize("rule", all_rules().values(), ids=lambda rule: rule.code)
def test_both_parsers_agree_on_every_page(rule):
    for heading in ("Example", "Use instead"):
        source = of(rule.example(heading))
        assert extract(source) == extract_slowly(source)


def test_both_parsers_agree_on_the_library():
    built = 0
    paths = sorted([*LIBRARY.glob("[a-b]*.py"), *(LIBRARY / "concurrent").rglob("*.py")])
    for path in paths:
        source = read(path, path.name)
        assert extract(source) == extract_slowly(source), path
        try:
            build(source.text)
        except Mismatch:
            continue
        built += 1
    assert built >= 0.95 * len(paths) > 10


@pytest.mark.parametrize(
    "text", ["a = (", "x = 1\n  y = 2\n", "print 1\n", "def f(:\n", "a = 'x\n", "f(" * 300 + ")" * 300]
)
def test_mistakes_are_told_as_ever(text):
    with pytest.raises(SourceError) as fast:
        extract(of(text))
    with pytest.raises(SourceError) as slow:
        extract_slowly(of(text))
    assert str(fast.value) == str(slow.value)


def test_what_is_nested_deeply_is_read_all_the_same():
    for text in (
        "a = " + "+".join(["b"] * 900),
        "a" + ".b" * 900,
        "x = " + "not " * 400 + "y",
        "a = " + "f(" * 150 + ")" * 150,
    ):
        fast, slow = extract(of(text)), extract_slowly(of(text))
        assert [type(node) for node in fast.functions[0].body] == [type(node) for node in slow.functions[0].body]
