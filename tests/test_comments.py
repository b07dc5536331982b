"""What comments say: which lines they concern, which codes, and what only looks like a comment."""

from __future__ import annotations

import pytest

from threadlint.facts.comments import END_OF_FILE, Annotation, Suppression, scan
from threadlint.facts.outline import outline


def said(comment: str) -> list[tuple[str, tuple[str, ...], bool, str]]:
    return [(one.kind, one.codes, one.blanket, one.reason) for one in scan(f"x = 1  {comment}\n").suppressions]


@pytest.mark.parametrize(
    ("comment", "want"),
    [
        ("# noqa", ("noqa", (), True, "")),
        ("# NoQA", ("noqa", (), True, "")),
        ("# noqa: TL101", ("noqa", ("TL101",), False, "")),
        ("# NOQA:tl101", ("noqa", ("TL101",), False, "")),
        ("# noqa: TL101,E501", ("noqa", ("TL101", "E501"), False, "")),
        ("# noqa: TL101 E501", ("noqa", ("TL101", "E501"), False, "")),
        ("# noqa: TL1", ("noqa", ("TL1",), False, "")),
        ("# noqa: TL101 (one thread)", ("noqa", ("TL101",), False, "one thread")),
        ("# noqa: TL101 one thread", ("noqa", ("TL101",), False, "one thread")),
        ("# noqa: TL101  # expect: TL001", ("noqa", ("TL101",), False, "")),
        ("# see below # noqa: TL101", ("noqa", ("TL101",), False, "")),
        ("# noqa : TL101", ("noqa", (), True, ": TL101")),
        ("# threadlint: ignore", ("ignore", (), True, "")),
        ("# threadlint: ignore[TL101]", ("ignore", ("TL101",), False, "")),
        ("#threadlint:ignore[tl101, TL205] one thread", ("ignore", ("TL101", "TL205"), False, "one thread")),
        ("# threadlint: ignore one thread", ("ignore", (), True, "one thread")),
    ],
)
def test_suppression(comment: str, want: tuple[str, tuple[str, ...], bool, str]) -> None:
    assert said(comment) == [want]


@pytest.mark.parametrize(
    "comment", ["#noqa", "# flake8: noqa", "# threadlint: ignored", "# threadlint ignore", "# no qa"]
)
def test_no_suppression(comment: str) -> None:
    assert said(comment) == []


def test_place_of_the_words() -> None:
    text = "é = 1  # é # noqa: TL101 (why)\n"
    assert scan(text).suppressions == (
        Suppression(1, 12, 25, 1, 1, codes=("TL101",), blanket=False, kind="noqa", reason="why"),
    )


@pytest.mark.parametrize(
    "text",
    [
        'x = "# noqa"\n',
        "x = '''\n# noqa\n'''\n",
        'x = f"# noqa {a} # noqa"\n',
        "x = f'{a:# noqa}'\n",
        "x = rb'\\'# noqa'\n",
        'x = f"{a["# noqa"]}"\n',
        'x = f"""\n{a + f"{b}"}\n# noqa"""\n',
        "x = 'a\\\n# noqa'\n",
        'x = f"{{# noqa"\n',
        'x = f"\\N{NUMBER SIGN}# noqa"\n',
        'x = rf"\\{a}# noqa"\n',
        "noqa = threadlint\n",
    ],
)
def test_strings_are_no_comments(text: str) -> None:
    assert scan(text).suppressions == ()
    assert len(scan(text + "y  # noqa\n").suppressions) == 1


def lines(text: str) -> list[tuple[int, int, int]]:
    return [(one.line, one.first, one.last) for one in scan(text).suppressions]


CASES = {
    "call": "f(\n    a,{}\n    b,\n)\n",
    "header": "if (a and\n        b):{}\n    c\n",
    "string": "x = 1\ny = '''\n\n''' + z{}\nw\n",
    "backslash": "x = 1 + \\\n    2{}\n",
    "own line": "x\n{}\ny\n",
    "own line in brackets": "f(\n{}\n    a)\n",
    "one-line block": "if a: b; c{}\n",
    "after a bracket in a string": "x = '('{}\ny = 1\n",
    "decorator": "@a{}\ndef f():\n    pass\n",
    "carriage returns": "x = (1,\r\n{}\r)\ry = 1\n",
    "f-string": "x = f'''{{\na[\n]\n}}''' + y{}\nz\n",
}
NOQA = [(2, 2), (2, 2), (2, 4), (1, 2), (2, 2), (2, 2), (1, 1), (1, 1), (1, 1), (2, 2), (4, 4)]
IGNORE = [(1, 4), (1, 2), (2, 4), (1, 2), (2, 2), (1, 3), (1, 1), (1, 1), (1, 1), (1, 3), (1, 4)]


@pytest.mark.parametrize(("text", "noqa", "ignore"), list(zip(CASES.values(), NOQA, IGNORE, strict=True)), ids=CASES)
def test_lines(text: str, noqa: tuple[int, int], ignore: tuple[int, int]) -> None:
    """`# noqa` concerns what it concerns in flake8, `# threadlint: ignore` the logical line."""
    assert [found[1:] for found in lines(text.format("  # noqa"))] == [noqa]
    assert [found[1:] for found in lines(text.format("  # threadlint: ignore"))] == [ignore]


@pytest.mark.parametrize(
    ("comment", "codes"),
    [
        ("# threadlint: ignore-file", ()),
        ("# threadlint: ignore-file[TL101]", ("TL101",)),
        ("# flake8: noqa", ()),
        ("# flake8: noqa: TL101", ("TL101",)),
    ],
)
def test_whole_file(comment: str, codes: tuple[str, ...]) -> None:
    (found,) = scan(f"x = 1\n{comment}\ny = 2\n").suppressions
    assert (found.line, found.first, found.last, found.codes) == (2, 1, END_OF_FILE, codes)


@pytest.mark.parametrize(
    ("comment", "want"),
    [
        ("# guarded-by: _lock", ("guarded-by", "_lock")),
        ("# guarded by: self._lock", ("guarded-by", "self._lock")),
        ("#Guarded_by:self._lock.", ("guarded-by", "self._lock")),
        ("# requires-lock: _lock", ("requires-lock", "_lock")),
    ],
)
def test_annotations(comment: str, want: tuple[str, str]) -> None:
    assert [(one.kind, one.value) for one in scan(f"\nx = 1  {comment}\n").annotations] == [want]
    assert scan(f"\nx = 1  {comment}\n").annotations[0].line == 2


def test_no_annotation() -> None:
    assert scan("x = 1  # this is guarded by: 5 men\n'# guarded-by: x'\n").annotations == ()


def test_several_in_one_comment() -> None:
    found = scan("x = 1  # guarded-by: a  # noqa: TL101  # threadlint: ignore[TL205]\n")
    assert [one.codes for one in found.suppressions] == [("TL101",), ("TL205",)]
    assert found.annotations == (Annotation(1, "guarded-by", "a"),)


def test_broken_texts_have_an_outline() -> None:
    for text in (
        "",
        "(",
        ")",
        "'",
        "f'{",
        "f'{a:",
        'f"""{a',
        "x = [(}",
        "\\",
        "#",
        "f'{a!r",
        "f'}}}",
        "f'{a:{b}'\n# c\n",
    ):
        found = outline(text + "\n# noqa\n")
        assert found.brackets <= 2
        assert all(found.text[one.start] == "#" for one in found.comments)
