"""The pipeline: what is passed on, and that nothing that goes wrong in one place loses the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import RACE, RACE_LINE
from threadlint.config import Config
from threadlint.engine import lint
from threadlint.findings import Problem, Severity, Site
from threadlint.rules.rule import rule


def only(code: str) -> Config:
    return Config(root=Path.cwd(), select=(code,))


def test_a_report_holds_the_texts_that_its_findings_point_into(folder):
    folder.write({"race.py": RACE, "fine.py": "x = 1\n"})
    report = lint(["."], only("TL101"))
    assert [finding.site.line for finding in report.findings] == [RACE_LINE]
    assert (report.files, set(report.sources)) == (2, {"race.py"})
    assert report.sources["race.py"] == RACE


def test_findings_come_in_the_order_of_their_places(folder):
    folder.write(dict.fromkeys(["b.py", "a.py", "c/d.py"], RACE))
    report = lint(["c", "b.py", "a.py"], only("TL101"))
    assert [finding.site.path for finding in report.findings] == ["a.py", "b.py", "c/d.py"]


def test_progress_is_told_of_every_file(folder):
    folder.write({"a.py": "import b\n", "b.py": ""})
    told: list[tuple[int, int]] = []
    lint(["a.py"], Config(root=folder.path), progress=lambda done, known: told.append((done, known)))
    assert told == [(0, 1), (1, 2)]


def test_a_file_that_vanishes_is_a_failure_and_the_others_are_linted(folder):
    folder.write({"a.py": "x = 1\n", "b.py": RACE, "race.py": RACE})
    report = lint(["."], only("TL101"), progress=lambda _done, _known: (folder.path / "b.py").unlink(missing_ok=True))
    assert [failure.path for failure in report.failures] == ["b.py"]
    assert [finding.site.path for finding in report.findings] == ["race.py"]


def test_given_text_stands_for_the_file_of_its_name(folder):
    folder.write({"a.py": RACE})
    report = lint(["a.py"], only("TL101"), stdin=("a.py", b"x = 1\n"))
    assert (report.findings, report.files) == ((), 1)


def test_comments_silence_findings_unless_noqa_is_not_honoured(folder):
    for comment, silenced in (("# noqa: TL101", False), ("# threadlint: ignore[TL101]", True)):
        folder.write({"a.py": RACE.replace("+= 1", f"+= 1  {comment}")})
        assert lint(["a.py"], Config(root=folder.path)).findings == ()
        heard = lint(["a.py"], Config(root=folder.path), honour_noqa=False)
        assert (heard.findings == ()) == silenced


def test_a_comment_that_silences_nothing_is_reported_if_its_rule_ran(folder):
    folder.write({"a.py": "x = 1  # noqa: TL101\n"})
    assert [finding.code for finding in lint(["a.py"], Config(root=folder.path)).findings] == ["TL001"]
    for config in (Config(root=folder.path, ignore=("TL101",)), Config(root=folder.path, ignore=("TL001",))):
        assert lint(["a.py"], config).findings == ()


@pytest.fixture
def with_rules(monkeypatch):
    """A function that makes the given checks the only rules."""

    def use(*checks):
        made = [rule(f"TL90{number}", since="0.1", everywhere=True)(check) for number, check in enumerate(checks)]
        monkeypatch.setattr("threadlint.rules.rule.all_rules", lambda: {one.code: one for one in made})

    return use


def first_line(_project):
    yield Problem(Site("a.py", 1, 1, 1, 2), "said", severity=Severity.INFO)


def broken(_project):
    yield Problem(Site("a.py", 1, 1, 1, 2), "said before")
    raise KeyError("lost")


def test_a_rule_that_breaks_is_a_failure_and_the_others_run(folder, with_rules):
    folder.write({"a.py": "x = 1\n"})
    with_rules(broken, first_line)
    report = lint(["a.py"], Config(root=folder.path))
    assert [(finding.code, finding.message) for finding in report.findings] == [
        ("TL900", "said before"),
        ("TL901", "said"),
    ]
    (failure,) = report.failures
    assert failure.message.startswith("internal error in TL900: KeyError: 'lost'; please report it at ")


def test_a_problem_may_differ_from_its_rule(folder, with_rules):
    folder.write({"a.py": "x = 1\n"})
    with_rules(first_line)
    (finding,) = lint(["a.py"], Config(root=folder.path)).findings
    assert (finding.severity, finding.name) == (Severity.INFO, "first-line")


def test_a_rule_that_breaks_can_be_debugged(folder, with_rules, monkeypatch):
    folder.write({"a.py": "x = 1\n"})
    with_rules(broken)
    monkeypatch.setenv("THREADLINT_DEBUG", "1")
    with pytest.raises(KeyError):
        lint(["a.py"], Config(root=folder.path))


@pytest.mark.parametrize("stage", ["threadlint.loading.work.extract", "threadlint.project.project.link"])
def test_a_mistake_of_ours_in_any_stage_is_a_failure(folder, monkeypatch, stage):
    def fail(*_args):
        raise RecursionError

    folder.write({"a.py": "x = 1\n"})
    monkeypatch.setattr(stage, fail)
    (failure,) = lint(["a.py"], Config(root=folder.path)).failures
    assert "internal error in " in failure.message
    assert "RecursionError; please report it" in failure.message


def test_findings_in_files_that_nobody_named_are_dropped(folder, with_rules):
    folder.write({"a.py": "x = 1\n", "b.py": "import a\n"})
    with_rules(first_line)
    assert lint(["b.py"], Config(root=folder.path)).findings == ()
    assert len(lint(["a.py"], Config(root=folder.path)).findings) == 1


@pytest.mark.parametrize("value", ["2**63", "18446744073709551616", "-9223372036854775809", "'\\ud800'", "1e400", "1j"])
def test_any_literal_can_be_stored(folder, value):
    folder.write({"a.py": f"x = {value}\n"})
    assert lint(["a.py"], Config(root=folder.path)).failures == ()


def test_files_that_import_a_name_from_each_other(folder):
    """`b` takes `lock` from `a`, which has it from `b` by a star: it comes from nowhere."""
    folder.write(
        {
            "a.py": "from b import *\n\n\ndef use():\n    with lock:\n        print(1)\n",
            "b.py": "from a import lock\n",
        }
    )
    assert lint(["a.py", "b.py"], Config(root=folder.path, select=("ALL",))).failures == ()


def test_a_value_is_followed_along_a_long_chain_of_calls(folder):
    chain = "".join(f"def lock{n + 1}():\n    return lock{n}()\n\n" for n in range(150))
    head = "import threading\n\nLOCK = threading.Lock()\n\ndef lock0():\n    return LOCK\n\n"
    use = "def twice():\n    with lock150():\n        LOCK.acquire()\n"
    folder.write({"a.py": head + chain + use})
    report = lint(["a.py"], only("TL205"))
    assert (len(report.findings), report.failures) == (1, ())
    assert report.findings[0].message.startswith("`lock150()` is a plain Lock")
