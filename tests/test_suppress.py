"""What a comment silences, and what is said of comments that silence nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support import make_finding
from threadlint.facts.comments import scan
from threadlint.rules.rule import all_rules
from threadlint.suppress import suppress

FINDING_LINE = 2


def everything(_: str) -> bool:
    return True


def left(
    comment: str,
    codes: tuple[str, ...] = ("TL101",),
    active: Callable[[str], bool] = everything,
    before: str = "x = 0\n",
) -> list[str]:
    """The codes of what is left of findings on line 2, which ends with the comment."""
    findings = [make_finding(line=FINDING_LINE, code=code) for code in codes]
    return [
        one.code
        for one in suppress(
            findings, {"app.py": scan(f"{before}x += 1  {comment}\n").suppressions}, active, all_rules()
        )
    ]


@pytest.mark.parametrize(
    ("comment", "want"),
    [
        ("", ["TL101"]),
        ("# noqa", []),
        ("# noqa: TL101", []),
        ("# noqa: TL1", []),
        ("# noqa: TL", []),
        ("# noqa: TL101,E501 (why)", []),
        ("# noqa: E501", ["TL101"]),
        ("# noqa: TL205", ["TL101", "TL001"]),
        ("# noqa: TL101,TL205", ["TL001"]),
        ("# noqa: TL999", ["TL101", "TL001"]),
        ("# threadlint: ignore", []),
        ("# threadlint: ignore[TL101]", []),
        ("# threadlint: ignore[E501]", ["TL101", "TL001"]),
        ("# threadlint: ignore[]", ["TL101"]),
        ("# noqa: TL101  # threadlint: ignore[TL101]", []),
        ("# noqa: TL205, TL001", ["TL101"]),
        ("# noqa: TL101, TL001", ["TL001"]),
    ],
)
def test_one_finding(comment: str, want: list[str]) -> None:
    assert left(comment) == want


@pytest.mark.parametrize("comment", ["# noqa", "# threadlint: ignore", "# noqa: E501", "#noqa: TL101"])
def test_no_finding_and_nothing_to_say(comment: str) -> None:
    assert left(comment, ()) == []


def test_several_findings() -> None:
    assert left("# noqa: TL101", ("TL101", "TL205")) == ["TL205"]
    assert left("# noqa: TL101,TL205", ("TL101", "TL205")) == []
    assert left("# noqa: TL1", ("TL101", "TL101", "TL205")) == ["TL205"]


def test_other_lines_and_files() -> None:
    comments = scan("x += 1\ny += 1  # noqa: TL101\n").suppressions
    findings = [make_finding(line=1), make_finding(line=2), make_finding("b.py", line=2)]
    kept = suppress(findings, {"app.py": comments, "c.py": ()}, everything, all_rules())
    assert kept == [findings[0], findings[2]]


def test_whole_file() -> None:
    assert left("", before="# threadlint: ignore-file\n") == []
    assert left("", ("TL101", "TL205"), before="# threadlint: ignore-file[TL101]\n") == ["TL205"]
    assert left("", (), before="# threadlint: ignore-file[TL101]\n") == ["TL001"]
    assert left("", (), before="# flake8: noqa\n") == []


def test_a_rule_that_did_not_run_is_not_missed() -> None:
    assert left("# noqa: TL205", (), lambda code: code != "TL205") == []
    assert left("# noqa: TL2", (), lambda code: code != "TL205") == []
    assert left("# noqa: TL205", (), lambda code: code == "TL205") == ["TL001"]


def test_what_is_said() -> None:
    comments = scan("x = 0\n\nx += 1  # é  # noqa: TL101, TL999 (why)\n").suppressions
    first, second = suppress([], {"app.py": comments}, everything, all_rules())
    assert (first.site.line, first.site.column, first.site.end_column) == (3, 14, 34)
    assert first.message == "`TL101` does not occur here, so this comment silences nothing"
    assert second.message == "`TL999` is not a code of threadlint, so this comment does not silence it"
    assert (first.name, first.url) == ("unused-suppression", all_rules()["TL001"].url)


def test_the_rule_has_a_page() -> None:
    page = all_rules()["TL001"]
    assert "# expect: TL001" in page.example("Example")
    assert "noqa" not in page.example("Use instead")
