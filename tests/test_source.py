"""Reading and parsing files: every encoding, every line end, and a clear message for what cannot be read."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import libcst as cst
import pytest

from threadlint.facts.extract import extract
from threadlint.facts.positions import Positions, positions
from threadlint.facts.source import Source, SourceError, decode, parse, read, run_deep

UNREADABLE = {
    "cut short": (b"x = 1 +\n", "1:8: syntax error: invalid syntax"),
    "open bracket": (b"x = (\n1\n", "1:5: syntax error: '(' was never closed"),
    "indent": (b"a = 1\n  b = 2\n", "2:2: syntax error: unexpected indent"),
    "await for a name": (b"x = 1\nawait 3 = async\n", "2:1: syntax error: cannot assign to await expression"),
    "unknown codec": (b"# coding: foo\nx = 1\n", "1:1: unknown encoding: foo in the coding cookie"),
    "unknown codec in line 2": (b"#!/bin/python\n# coding: foo\n", "2:1: unknown encoding: foo in the coding cookie"),
    "codec of no text": (
        b"# coding: rot13\nx = 1\n",
        "1:1: the file is not text in the encoding that it declares, `rot13`",
    ),
    "codec of no text in line 2": (
        b"#!/bin/python\n# coding: rot13\n",
        "2:1: the file is not text in the encoding that it declares, `rot13`",
    ),
    "mark and utf8": (
        b"\xef\xbb\xbf\n# coding: utf8\n",
        "2:1: the coding cookie contradicts the UTF-8 byte order mark",
    ),
    "not in the codec of the cookie": (b'# coding: ascii\nx = "\xc3\xa9"\n', "2:6: byte 0xc3 is not ascii"),
    "mark and cookie": (
        b"\xef\xbb\xbf# coding: latin-1\nx = 1\n",
        "1:1: the coding cookie contradicts the UTF-8 byte order mark",
    ),
    "latin-1": (
        b'ok = 1\nx = "\xe9"\n',
        "2:6: byte 0xe9 is not utf-8; say which encoding it is with a coding cookie",
    ),
    "null byte": (b"x = 1\r\ny\0\n", "2:2: null byte: this is not Python source"),
    "utf-16": ("x = 1\n".encode("utf-16"), "1:1: the file is UTF-16, which Python does not read; save it as UTF-8"),
    "lone surrogate": (
        b'# coding: utf-7\nx = "+2AA-"\n',
        "1:1: the file is not text in the encoding that it declares, `utf-7`",
    ),
}

READABLE = {
    "empty": (b"", ""),
    "blank lines": (b"\n\n", "\n\n"),
    "no last line end": (b"x = 1", "x = 1"),
    "carriage returns": (b"x = 1\ry = 2\r", "x = 1\ry = 2\r"),
    "both": (b"if a:\r\n  b\r\n", "if a:\r\n  b\r\n"),
    "form feed": (b"\x0c\nx = 1\n", "\x0c\nx = 1\n"),
    "mark": (b"\xef\xbb\xbfx = 1\n", "x = 1\n"),
    "mark and utf-8": (b"\xef\xbb\xbf# coding: utf-8\n", "# coding: utf-8\n"),
    "latin-1": (b'# coding: latin-1\nx = "\xe9"\n', '# coding: latin-1\nx = "é"\n'),
    "name that Emacs gives": (b"# -*- coding: utf-8-unix -*-\n", "# -*- coding: utf-8-unix -*-\n"),
    "codec that Emacs names": (b'# coding: latin_1-dos\nx = "\xe9"\n', '# coding: latin_1-dos\nx = "é"\n'),
    "cookie after code": (b"x = 1\n# coding: foo\n", "x = 1\n# coding: foo\n"),
    "cookie in line 3": (b"\n\n# coding: foo\n", "\n\n# coding: foo\n"),
    "cookie in line 2": (
        b'#!/bin/python\n# coding: cp1252\nx = "\x93"\n',
        '#!/bin/python\n# coding: cp1252\nx = "\u201c"\n',
    ),
}

# How to write something `n` levels deep.
DEEP = {
    "sum": lambda n: "x = " + " + ".join(["a"] * n) + "\n",
    "sum over lines": lambda n: "x = (" + " +\n".join(["a"] * n) + ")\n",
    "parentheses": lambda n: "x = " + "(" * n + "a" + ")" * n + "\n",
    "lists": lambda n: "x = " + "[" * n + "]" * n + "\n",
    "mixed brackets": lambda n: "x = " + "a + (b * [" * n + "]) " * n + "\n",
    "not": lambda n: "x = " + "not " * n + "a\n",
    "attributes": lambda n: "x = a" + ".b" * n + "\n",
    "calls": lambda n: "x = a" + "()" * n + "\n",
    "subscripts": lambda n: "x = a" + "[0]" * n + "\n",
    "power": lambda n: "x = " + "a**" * n + "a\n",
    "and": lambda n: "x = " + "a and " * n + "a\n",
    "ternary": lambda n: "x = " + "a if b else " * n + "c\n",
    "lambda": lambda n: "x = " + "lambda: " * n + "a\n",
    "strings": lambda n: "x = " + '"a" ' * n + "\n",
    "f-strings": lambda n: "x = " + 'f"{' * n + "a" + '}"' * n + "\n",
    "elif": lambda n: "if a: pass\n" + "elif a: pass\n" * n,
    "patterns": lambda n: "match a:\n case " + "[" * n + "]" * n + ": pass\n",
    "mappings": lambda n: "match a:\n case " + "{1: " * n + "b" + "}" * n + ": pass\n",
    "blocks": lambda n: "".join(" " * level + "if a:\n" for level in range(n)) + " " * n + "pass\n",
}


def source(text: str) -> Source:
    return decode(text.encode(), "a.py")


@pytest.mark.parametrize(("data", "message"), UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable(data: bytes, message: str) -> None:
    if sys.version_info[:2] != (3, 11) and "syntax error" in message:
        message = message[: message.index(":")]  # the words and columns are those of the running Python
    with pytest.raises(SourceError) as caught:
        parse(decode(data, "a.py"))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(("data", "text"), READABLE.values(), ids=READABLE)
def test_readable(data: bytes, text: str) -> None:
    found = decode(data, "a.py")
    assert (found.name, found.text) == ("a.py", text)
    assert isinstance(parse(found), cst.Module)


OLD_NAMES = {
    "module": "from .async import wait\n",
    "attribute": "import asyncio\nasyncio.async(work())\nasyncio . await(3)\n",
    "keyword": "submit(job, async=True, **more)\n",
    "parameter": 'def submit(job, async=False, await=None):\n    """An async call."""\n    return async and await or async\n',
    "function": "def async(job):  # async it is\n    return lambda await: await.result(async)\n",
    "beside a keyword": "def submit(async):\n    pass\n\nasync def run(a):\n    async with a as b:\n        return [await c async for c in b]\n",
}


@pytest.mark.parametrize("text", OLD_NAMES.values(), ids=OLD_NAMES)
def test_names_that_were_no_keywords_yet(text: str) -> None:
    """Python 3.6 accepts these files."""
    assert parse(source(text)).code == text
    facts = extract(source(text))
    assert "\uff41" not in repr(facts)
    assert bool(facts.functions[1:]) == ("def " in text)


def test_digest_is_of_the_bytes() -> None:
    assert decode(b"x\n", "a.py").digest == decode(b"x\n", "b.py").digest
    assert decode(b"x\n", "a.py").digest != decode(b"x\r\n", "a.py").digest


def test_no_file(tmp_path: Path) -> None:
    for path, words in ((tmp_path, "folder"), (tmp_path / "gone.py", "no such file")):
        with pytest.raises(SourceError, match=words):
            read(path, path.name)
    loop = tmp_path / "loop.py"
    loop.symlink_to(loop)
    with pytest.raises(SourceError, match="cannot be read"):
        read(loop, "loop.py")


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(
        Path, "read_bytes", refuse
    )  # root may read everything, so the mode of a file tells nothing here
    with pytest.raises(SourceError, match="no permission"):
        read(tmp_path / "a.py", "a.py")


def outcome(data: bytes) -> Positions | SourceError:
    """What linting gets to see of a file."""
    try:
        text = decode(data, "a.py")
        return run_deep(lambda found, module: positions(module, found.text), text, parse(text))
    except SourceError as error:
        return error


@pytest.mark.parametrize("kind", DEEP)
@pytest.mark.parametrize("levels", [8, 60, 150, 1000, 30_000])
def test_deep(kind: str, levels: int) -> None:
    found = outcome(DEEP[kind](min(levels, 1000) if kind == "blocks" else levels).encode())
    if levels == 8:
        assert isinstance(found, Positions)
    elif levels == 30_000:
        assert isinstance(found, SourceError)
    if isinstance(found, SourceError):
        assert "too" in found.message or "syntax" in found.message


def test_a_sum_of_3000_terms_is_read() -> None:
    text = source(DEEP["sum"](3000))
    assert run_deep(_depth, text, parse(text)) >= 2999


def _depth(_: Source, node: cst.Module) -> int:
    """Recursion as in a walk of the tree, one frame for each level."""

    def depth(part: cst.CSTNode) -> int:
        if isinstance(part, cst.BinaryOperation):
            return 1 + max(depth(part.left), depth(part.right))
        return 0

    line = node.body[0]
    assert isinstance(line, cst.SimpleStatementLine)
    assign = line.body[0]
    assert isinstance(assign, cst.Assign)
    return depth(assign.value)


def test_deep_calls_nest_and_leave_the_process_as_it_was() -> None:
    text = source(DEEP["sum"](500))
    before = sys.getrecursionlimit()
    assert run_deep(lambda outer: run_deep(lambda inner: inner.name, outer), text) == "a.py"
    assert sys.getrecursionlimit() == before


def test_what_a_deep_call_raises_comes_out() -> None:
    def fail(_: Source) -> None:
        raise KeyError("here")

    def recur(found: Source) -> None:
        recur(found)

    with pytest.raises(KeyError, match="here"):
        run_deep(fail, source(DEEP["sum"](500)))
    with pytest.raises(SourceError, match="nested too deeply"):
        run_deep(recur, source(DEEP["sum"](500)))


def test_long_tables_are_not_deep() -> None:
    rows = "".join(f'    (-1.5, "a-b-c", a.b.c({number})),\n' for number in range(5000))
    assert isinstance(parse(source(f"x = [\n{rows}]\n")), cst.Module)
    assert source(f"x = [\n{rows}]\n").outline.depth < 60
    assert source('"""' + "- + (\n" * 5000 + '"""\n').outline.depth < 60


def test_mutated_files_are_read_or_refused() -> None:
    """No text, however broken, makes anything but a tree or a `SourceError`."""
    chance = random.Random(20)
    blocks = Path(__file__).read_bytes().split(b"\n\n\n")
    pieces = [
        b"(",
        b")",
        b"[",
        b"}",
        b'"',
        b"'''",
        b"#",
        b"\\",
        b"\r",
        b"\n",
        b"\t",
        b" ",
        b"f'",
        b"{",
        b":",
        b"\xff",
        b"if ",
        b"0",
    ]
    read_ones = 0
    for _ in range(150):
        data = bytearray(chance.choice(blocks))
        for _ in range(chance.randrange(1, 3)):
            at = chance.randrange(len(data))
            data[at : at + chance.randrange(3)] = chance.choice(pieces)
        found = outcome(bytes(data))
        if isinstance(found, Positions):
            read_ones += 1
        else:
            assert 1 <= found.line <= data.count(b"\n") + data.count(b"\r") + 2
            assert found.column >= 1
            assert found.message
    assert 20 < read_ones < 130
