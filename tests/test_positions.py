"""Places of nodes: equal to those of LibCST's own provider, exact in characters, and the same for newer syntax."""

from __future__ import annotations

import random
import sysconfig
import time
from pathlib import Path

import libcst as cst
import pytest
from libcst.metadata import MetadataWrapper, PositionProvider

from threadlint.facts.positions import Positions, positions
from threadlint.facts.source import Source, SourceError, decode, parse, read

LIBRARY = Path(sysconfig.get_path("stdlib"))
PLACED = (cst.BaseExpression, cst.BaseSmallStatement, cst.BaseCompoundStatement, cst.ExceptHandler, cst.ImportAlias)
STRINGS = (cst.ConcatenatedString, cst.FormattedString, cst.TemplatedString)
# Names in these fields are no expressions in Python's grammar and have no place.
NAMES = {
    cst.Attribute: ("attr",),
    cst.Param: ("name",),
    cst.FunctionDef: ("name",),
    cst.ClassDef: ("name",),
    cst.Arg: ("keyword",),
    cst.NameItem: ("name",),
    cst.ImportAlias: ("name", "asname"),
    cst.ImportFrom: ("module",),
    cst.ExceptHandler: ("name",),
    cst.ExceptStarHandler: ("name",),
    cst.MatchAs: ("name",),
    cst.MatchStar: ("name",),
    cst.MatchMapping: ("rest",),
    cst.MatchKeywordElement: ("key",),
    cst.TypeVar: ("name",),
    cst.TypeVarTuple: ("name",),
    cst.ParamSpec: ("name",),
}


def placed(text: str) -> tuple[Source, cst.Module, Positions]:
    source = decode(text.encode(), "a.py")
    module = parse(source)
    return source, module, positions(module, source.text)


def nodes(module: cst.Module) -> list[cst.CSTNode]:
    """All nodes whose places are those of the provider."""
    found: list[cst.CSTNode] = []
    waiting: list[cst.CSTNode] = [module]
    while waiting:
        node = waiting.pop()
        unplaced = [getattr(node, field) for field in NAMES.get(type(node), ())]
        if isinstance(node, cst.Del) and isinstance(node.target, cst.Tuple) and not node.target.lpar:
            unplaced.append(node.target)
            waiting.extend(element.value for element in node.target.elements)
        if isinstance(node, PLACED):
            found.append(node)
        if not isinstance(node, STRINGS):
            waiting.extend(child for child in node.children if child not in unplaced)
    return found


def compare(text: str, name: str) -> int:
    """Compare with the provider; gives how many nodes were compared."""
    _, module, places = placed(text)
    provided = MetadataWrapper(module, unsafe_skip_copy=True).resolve(PositionProvider)
    compared = 0
    for node in nodes(module):
        if isinstance(node, (cst.Tuple, cst.GeneratorExp)):
            continue
        place = provided[node]
        want = (place.start.line, place.start.column + 1, place.end.line, place.end.column + 1)
        got = places.of(node)
        if isinstance(node, cst.BaseCompoundStatement) and got != want:
            assert module.code_for_node(node).rstrip().endswith(";"), f"{name}: {got} for {want}"
            continue
        assert got == want, f"{name}: {got} for {want}: {module.code_for_node(node)}"
        compared += 1
    return compared


def sample() -> list[Path]:
    """40 files of the standard library, the same ones in every run."""
    files = [path for path in sorted(LIBRARY.glob("*.py")) if 2_000 < path.stat().st_size < 60_000]
    files += [path for path in sorted(LIBRARY.glob("*/*.py")) if 2_000 < path.stat().st_size < 30_000]
    files = [path for path in files if not {"site-packages", "lib2to3"} & set(path.parts)]
    return random.Random(3).sample(files, 40)


@pytest.mark.parametrize("part", range(4))
def test_as_the_provider_says_on_the_standard_library(part: int) -> None:
    compared = 0
    for path in sample()[part::4]:
        try:
            source = read(path, path.name)
        except SourceError:
            continue
        compared += compare(source.text, str(path))
    assert compared > 3_000


SNIPPETS = {
    "chains": "x = a and b and (c) and d or e and (f or g or (h)) or not i\ny = a < b <= (c) != d\n",
    "chain over lines": "x = (a and b and ( # )\n  c ) \\\n and d and (\n((e)) # ) )\n ) and f)\n",
    "parentheses": "x = ((a) + (b)).c((d), *(e), k=(f), **(g))[(h)]\n",
    "displays": "x = [a, *b, (c)]; y = {a: b, **c, (d): (e)}; z = {a, *b}; w = a, *b\n",
    "arguments": "f(a, *b, c, k=d, *e, j=f, **g)(h for h in i)((j for j in k))\n",
    "slices": "a[b], a[b:c], a[::d], a[b, c:d, e], a[b,], a[(b, c)], a[:]\n",
    "comprehensions": "x = [a for b in c if d if e for f in g], {a: b for c in d}, {a async for b in c}\n",
    "lambdas": "x = lambda a, /, b=1, *c, d, e=2, **f: (a, b)\ny = lambda: 0\nz = lambda *, a: a\n",
    "statements": "a; b = c; del d, (e)[0], (f); del (g); del h\nassert i, j\nraise k from l\nglobal m\nimport n.o as p, q\n",
    "targets": "a = b, c = [d, *e] = f\ng: h = i\nj: k\nl.m += (n)\nfor o, p in q: r; s\nelse: t\n",
    "branches": "if a: b\nelif c:\n  d\nelif e: f\nelse:\n  g\nwhile h:\n  i\nelse: j\n",
    "try": "try: a\nexcept b: c\nexcept (d, e) as f:\n  g\nexcept: h\nelse: i\nfinally: j\n",
    "with": "with a, (b) as c, d as (e, f): g\nasync def h():\n  async with i as j: await k\n  async for l in m: yield n\n",
    "parenthesised with": "with (a as b, c): d\nwith (e): f\nwith (g), h: i\n",
    "definitions": "@a\n@b.c(d)\nasync def e(f: g, /, h: i = j, *k: l, m=n, **o: p) -> q: return\n@r\nclass s(t, *u, v=w, **x): pass\n",
    "yields": "def a():\n  b = yield\n  c = yield d, e\n  yield from (f)\n  g = (yield h) + (yield)\n",
    "walrus": "if (a := b) and (c := (d)): e\nx = [f := g, h]\n",
    "strings": "x = 'é' \"b\" 'c'; y = f(a, '''\n''', b)\nz = f'{a}' 'b' f'{c.d[0]!r:>{e}}' + g\n",
    "wide characters": "é = ('😀', ñ) + x; y = 'ü'; z\nx = '''\n😀''' + y + z\n",
    "names that normalise": "ﬁ.ﬂ = ﬁ(ﬂ) + x\n",
    "line ends": "a = b\r\nc = d\re = (f +\r\n g)\n\x0c\nh = i\n",
    "match": "match a, b:\n  case 1 | -2.5 | 'c' | d.e if f: g\n  case {1: [h, *i], **j}: k\n  case L(m, n=None) as o: p\n  case _: q\n",
    "line joined": "a = b + \\\n  c; \\\nd\n",
}


@pytest.mark.parametrize("text", SNIPPETS.values(), ids=SNIPPETS)
def test_as_the_provider_says(text: str) -> None:
    assert compare(text, "a.py") > 4


NEWER = {
    "except*": "try: a\nexcept* b as c: d\nexcept* (e, f): g\n",
    "star index": "a[*b, c]\nb[*c]\n",
    "star annotation": "def f(*args: *Ts): pass\n",
    "type parameters": "def f[T: (int, str), *Ts, **P](a: T) -> T: return a\nclass C[T: int](D): pass\ntype X[T] = list[T]\n",
    "type defaults": "class C[T = int, *Ts = *tuple[int], **P = [int]]: pass\n",
    "nested f-string": "x = f'{a['b']}' + c\n",
    "t-string": "x = t'{a!r:{b}}' + c\n",
    "t-strings side by side": "x = t'{a!r}' T'b' t'''{c\n}''' + d\n",
    "raw t-string": "x = tr'\\{a}', Rt'{b}' + c, tR'{d}' 'e'\n",
    "except without parentheses": "try: a\nexcept b, c: d\nexcept e.f, g(h): i\n",
    "except* without parentheses": "try: a\nexcept* b, c: d\n",
    "except with a last comma": "try: a\nexcept b,: # ,:\n  c\nexcept (d), : # ,:\n  e\nx = f[g,:]\n",
}


@pytest.mark.parametrize("text", NEWER.values(), ids=NEWER)
def test_syntax_newer_than_the_running_python(text: str) -> None:
    """Whether Python's parser or the provider was asked, the answer is the same."""
    assert compare(text, "a.py") > 2


@pytest.mark.parametrize("text", [*SNIPPETS.values(), *NEWER.values()], ids=[*SNIPPETS, *NEWER])
def test_both_ways_say_the_same(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The slow way is for syntax that the running Python does not know."""
    source, module, fast = placed(text)

    def refuse(_: str) -> None:
        raise SyntaxError

    monkeypatch.setattr("threadlint.facts.positions.python_tree", refuse)
    slow = positions(module, source.text)
    waiting: list[cst.CSTNode] = list(nodes(module))
    for node in waiting:
        assert slow.of(node) == fast.of(node), module.code_for_node(node)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("x = (a, b)\n", {cst.Tuple: (1, 5, 1, 11)}),
        ("x = a, b\n", {cst.Tuple: (1, 5, 1, 9)}),
        ("f(a for a in b)\n", {cst.GeneratorExp: (1, 2, 1, 16)}),
        ("f( (a for a in b))\n", {cst.GeneratorExp: (1, 4, 1, 18)}),
        ("f(k=(a))\n", {cst.Arg: (1, 6, 1, 7)}),
        ("with (a) as b: pass\n", {cst.WithItem: (1, 7, 1, 8)}),
        ("def f(*a: (b)): pass\n", {cst.Param: (1, 8, 1, 14)}),
        ("@a\ndef f():\n    pass\n", {cst.FunctionDef: (2, 1, 3, 9), cst.Decorator: (1, 2, 1, 3)}),
        ("x = f'é {a}' \\\n 'b'\n", {cst.FormattedStringExpression: None, cst.ConcatenatedString: (1, 5, 2, 5)}),
        ("\x0cx = a\n", {cst.Assign: (1, 2, 1, 7)}),
        ("ééé = a; b = c\n", {cst.SimpleStatementLine: (1, 1, 1, 15)}),
    ],
)
def test_documented_places(text: str, want: dict[type, tuple[int, int, int, int] | None]) -> None:
    _, module, places = placed(text)
    waiting: list[cst.CSTNode] = [module]
    seen = set()
    while waiting:
        node = waiting.pop()
        waiting.extend(node.children)
        if type(node) in want and type(node) not in seen:
            seen.add(type(node))
            place = want[type(node)]
            if place is None:
                with pytest.raises(KeyError):
                    places.of(node)
            else:
                assert places.of(node) == place
    assert seen == set(want)


def test_all_in_an_f_string_stands_where_the_string_does() -> None:
    _, module, places = placed("x = f'{a.b[c]:{d}}' + e\n")
    names = {
        node.value: places.of(node)
        for node in _all(module)
        if isinstance(node, cst.Name) and node.value in {"a", "c", "d", "e"}
    }
    assert names == {"a": (1, 5, 1, 20), "c": (1, 5, 1, 20), "d": (1, 5, 1, 20), "e": (1, 23, 1, 24)}


def test_a_node_of_another_tree_has_no_place() -> None:
    _, _, places = placed("x = 1\n")
    with pytest.raises(KeyError):
        places.of(cst.Name("x"))


def test_places_cost_less_than_parsing() -> None:
    source = read(LIBRARY / "threading.py", "threading.py")
    parsing, placing = [], []
    for _ in range(3):
        start = time.process_time()
        module = parse(source)
        middle = time.process_time()
        positions(module, source.text)
        parsing.append(middle - start)
        placing.append(time.process_time() - middle)
    assert min(placing) < 0.5 * min(parsing)


def _all(module: cst.Module) -> list[cst.CSTNode]:
    found: list[cst.CSTNode] = [module]
    for node in found:
        found.extend(node.children)
    return found
