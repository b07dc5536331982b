"""Reports: each format, its escapes, and what is shown of the source."""

from __future__ import annotations

import json
from pathlib import Path

import click
import jsonschema
import pytest

from support import make_finding
from threadlint.findings import Failure, Finding, Related, Report, Severity, Site
from threadlint.report import Format, render
from threadlint.report.text import failure, summary

SOURCE = "import x\nfor _ in y:\n    x[0] += 1\nother()\n"
OTHER = Related(Site("lib/b.py", 1, 1, 1, 9), "also touched here without a lock")
FINDING = make_finding("app.py", 3, 5, (3, 14), related=(OTHER,))
REPORT = Report((FINDING,), (), 2, {"app.py": SOURCE, "lib/b.py": "import y\n"})


def lines(report: Report, kind: Format, **options: bool) -> list[str]:
    return list(render(report, kind, **options))


def excerpt(source: str, line: int, column: int, end: tuple[int, int]) -> list[str]:
    """The two lines that text output shows of a finding at a place of `source`."""
    finding = make_finding("a.py", line, column, end)
    shown = lines(Report((finding,), sources={"a.py": source}), Format.TEXT)
    return [one.partition(" | ")[2] for one in shown if " | " in one]


def test_text_shows_the_line_and_the_other_place():
    assert lines(REPORT, Format.TEXT) == [
        "app.py:3:5: TL101 `x` is updated without a lock [unguarded-read-modify-write]",
        "     3 |     x[0] += 1",
        "       |     ^^^^^^^^^",
        "  lib/b.py:1:1: also touched here without a lock",
        "     1 | import y",
        "       | ^^^^^^^^",
        "",
    ]


def test_text_without_the_source_shows_the_places():
    shown = lines(Report((FINDING,)), Format.TEXT)
    assert [line.partition(": ")[0] for line in shown] == ["app.py:3:5", "  lib/b.py:1:1", ""]


def test_concise_is_one_line_each():
    assert lines(REPORT, Format.CONCISE) == [
        "app.py:3:5: TL101 `x` is updated without a lock [unguarded-read-modify-write]"
    ]


def test_colour_changes_nothing_but_colour():
    for kind in (Format.TEXT, Format.CONCISE):
        coloured = "\n".join(lines(REPORT, kind, color=True))
        assert "\x1b[" in coloured
        assert click.unstyle(coloured) == "\n".join(lines(REPORT, kind))


@pytest.mark.parametrize(
    ("line", "shown", "underline"),
    [
        ("\tx += 1", "    x += 1", "    ^^^^^^"),
        ("é = 1; x += 1", "é = 1; x += 1", "       ^^^^^^"),
        ("s = '日本'; x += 1", "s = '日本'; x += 1", "            ^^^^^^"),
        ("s = 'e\u0301'; x += 1", "s = 'e\u0301'; x += 1", "         ^^^^^^"),
        ("s = '\x1b[31m'; x += 1", "s = '\\x1b[31m'; x += 1", "                ^^^^^^"),
        ("s = '\u202e'; x += 1", "s = '\\u202e'; x += 1", "              ^^^^^^"),
    ],
)
def test_the_underline_is_below_the_place_on_any_terminal(line, shown, underline):
    column = line.index("x +=") + 1
    quoted = excerpt(f"pass\n{line}\n", 2, column, (2, column + 6))
    assert quoted == [shown, underline]


def test_a_long_line_is_cut_around_the_place():
    line = f"{'a' * 500} + target + {'b' * 500}"
    column = line.index("target") + 1
    shown, underline = excerpt(line, 1, column, (1, column + 6))
    assert shown.startswith("…")
    assert shown.endswith("…")
    assert len(shown) < 130
    assert shown[underline.index("^") : underline.rindex("^") + 1] == "target"


def test_a_place_of_several_lines_is_underlined_to_the_end_of_its_first():
    assert excerpt("x = f(\n    1,\n)\n", 1, 5, (3, 2)) == ["x = f(", "    ^^"]


def test_lines_are_counted_as_python_counts_them():
    assert excerpt("a = 1\x0c\u2028\rb = 2\r\nc = 3\n", 3, 1, (3, 2)) == ["c = 3", "^"]


def test_names_cannot_steer_the_terminal():
    finding = make_finding("a\x1b[2J\n.py", message="`\x07`")
    (line,) = lines(Report((finding,)), Format.CONCISE)
    assert line.startswith("a\\x1b[2J\\n.py:2:5: TL101 `\\x07` ")


def test_json_has_exactly_the_promised_keys():
    (found,) = json.loads("\n".join(lines(REPORT, Format.JSON)))
    assert found == {
        "code": "TL101",
        "name": "unguarded-read-modify-write",
        "message": "`x` is updated without a lock",
        "path": "app.py",
        "line": 3,
        "column": 5,
        "end_line": 3,
        "end_column": 14,
        "severity": "error",
        "confidence": "high",
        "builds": "free-threaded",
        "url": "https://example.org/TL101",
        "related": [{"path": "lib/b.py", "line": 1, "column": 1, "message": "also touched here without a lock"}],
        "fix": None,
    }


def test_json_of_nothing_is_an_empty_array():
    assert json.loads("\n".join(lines(Report(), Format.JSON))) == []


def test_github_commands_are_escaped():
    finding = make_finding("a,b:c%.py", 1, 2, (1, 4), message="100%\nsure", severity=Severity.WARNING, related=(OTHER,))
    (line,) = lines(Report((finding,)), Format.GITHUB)
    assert line == (
        "::warning title=TL101 unguarded-read-modify-write,file=a%2Cb%3Ac%25.py,line=1,col=2,endLine=1,endColumn=4::"
        "a,b:c%25.py:1:2: TL101 100%25%0Asure [unguarded-read-modify-write]%0A"
        "lib/b.py:1:1: also touched here without a lock"
    )


@pytest.mark.parametrize(
    ("severity", "command"), [(Severity.ERROR, "error"), (Severity.WARNING, "warning"), (Severity.INFO, "notice")]
)
def test_github_levels_follow_severity(severity, command):
    (line,) = lines(Report((make_finding(severity=severity, end=(4, 1)),)), Format.GITHUB)
    assert line.startswith(f"::{command} ")
    assert "endColumn" not in line


def sarif(report: Report) -> dict:
    log = json.loads("\n".join(lines(report, Format.SARIF)))
    schema = json.loads(Path(__file__).with_name("sarif-2.1.0-subset.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(log, schema, cls=jsonschema.Draft202012Validator)
    return log["runs"][0]


def test_sarif_is_valid_and_complete():
    warning = make_finding("sub dir/ä.py", 1, 1, code="TL301", name="discarded-future", severity=Severity.WARNING)
    failures = (Failure("broken.py", 3, 7, "syntax error"), Failure("", 0, 0, "internal error"))
    run = sarif(Report((FINDING, FINDING, warning), failures, 3, REPORT.sources))
    first, second, third = run["results"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["TL101", "TL301"]
    assert [first["ruleIndex"], third["ruleIndex"]] == [0, 1]
    assert [first["level"], third["level"]] == ["error", "warning"]
    place = first["locations"][0]["physicalLocation"]
    assert place["region"] == {"startLine": 3, "startColumn": 5, "endLine": 3, "endColumn": 14}
    assert third["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "sub%20dir/%C3%A4.py"
    assert first["relatedLocations"][0]["message"]["text"] == "also touched here without a lock"
    assert first["partialFingerprints"] != second["partialFingerprints"]
    assert run["invocations"][0]["executionSuccessful"] is False
    assert len(run["invocations"][0]["toolExecutionNotifications"]) == 2


def test_sarif_of_nothing_and_of_absolute_paths_is_valid():
    assert sarif(Report())["results"] == []
    absolute = str(Path("app.py").absolute())
    run = sarif(Report((make_finding(absolute),)))
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == Path(absolute).as_uri()


def test_sarif_fingerprints_survive_moved_lines():
    def printed(source: str, finding: Finding) -> object:
        return sarif(Report((finding,), sources={"app.py": source}))["results"][0]["partialFingerprints"]

    moved = make_finding("app.py", 4, 5, (4, 14))
    assert printed(SOURCE, FINDING) == printed("\n" + SOURCE, moved)
    assert printed(SOURCE, FINDING) != printed(SOURCE.replace("+= 1", "+= 2"), FINDING)


def test_statistics_count_each_rule():
    other = make_finding(code="TL301", name="discarded-future")
    report = Report((FINDING, FINDING, other))
    assert lines(report, Format.TEXT, counts=True) == [
        "2  TL101  unguarded-read-modify-write",
        "1  TL301  discarded-future",
    ]
    counted = json.loads("\n".join(lines(report, Format.JSON, counts=True)))
    assert counted[0] == {"code": "TL101", "name": "unguarded-read-modify-write", "count": 2}
    with pytest.raises(ValueError, match="sarif has no statistics"):
        lines(report, Format.SARIF, counts=True)


@pytest.mark.parametrize(
    ("failed", "line"),
    [
        (Failure("a.py", 3, 7, "syntax error"), "a.py:3:7: error: syntax error"),
        (Failure("a.py", 3, 0, "syntax error"), "a.py:3:1: error: syntax error"),
        (Failure("a.py", 0, 0, "no such file"), "a.py: error: no such file"),
        (Failure("", 0, 0, "internal error"), "threadlint: error: internal error"),
    ],
)
def test_failures_name_what_they_can(failed, line):
    assert failure(failed) == line


def test_the_summary_counts():
    assert summary(Report(files=1)) == "no findings in 1 file"
    assert summary(Report((FINDING,), files=2)) == "1 finding in 2 files"
    assert summary(Report((FINDING, FINDING), files=0)) == "2 findings in 0 files"
