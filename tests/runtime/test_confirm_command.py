"""`threadlint confirm` as it is typed."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from confirm_bench import CASES

from threadlint.cli.confirm import confirm

KEYS = ["path", "line", "code", "verdict", "kind", "evidence", "runs", "seconds"]


def typed(*words):
    return CliRunner().invoke(confirm, [str(word) for word in words])


def test_a_confirmed_line_exits_with_1_and_prints_a_timeline():
    result = typed(f"{CASES / 'a03_attr_once.py'}:6", "--as", "TL101")
    assert result.exit_code == 1
    head, _, threads, rule, *rest = result.stdout.splitlines()
    assert ":6: TL101 confirmed (" in head
    assert threads.count("(hit)") == 2
    assert set(rule) == {" ", "-"}
    text = "\n".join(rest)
    assert text.index("read 0") < text.index("stored 1") < text.index("overwrote: stored 1, lost 1")


def test_json_is_an_array_of_objects_with_these_keys():
    result = typed(f"{CASES / 'a03_attr_once.py'}:6", "--as", "TL101", "--output-format", "json")
    (one,) = json.loads(result.stdout)
    assert list(one) == KEYS
    assert one["kind"] == "race"
    assert [step["action"] for step in one["evidence"]] == ["read", "stored", "overwrote"]
    assert result.exit_code == 1


def test_what_is_guarded_exits_with_0_and_has_no_kind():
    result = typed(f"{CASES / 's02_caller_locks.py'}:6", "--as", "TL101", "--output-format", "json")
    (one,) = json.loads(result.stdout)
    assert one["kind"] is None
    assert "guarded by `lock.acquire()` at line 10" in one["verdict"]
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["no_such_file.py:1", "--as", "TL101"], "no_such_file.py: error: no such file"),
        ([f"{CASES / 'a03_attr_once.py'}:999", "--as", "TL101"], "there is no such line; the file has"),
        ([CASES / "a03_attr_once.py", "--as", "TL101"], "--as needs a line"),
        ([f"{CASES / 'a03_attr_once.py'}:6", "--as", "TL1O1"], "unknown code `TL1O1`; did you mean `TL"),
        (
            [f"{CASES / 'a03_attr_once.py'}:6", "--as", "TL101", "--python", "no-such-python"],
            "`no-such-python` cannot be started",
        ),
        ([f"{CASES / 'a03_attr_once.py'}:6", "--as", "TL101", "--python", "/bin/echo"], "is not a Python interpreter"),
        ([f"{CASES / 'a03_attr_once.py'}:6", "--as", "TL101", "--timeout", "soon"], "'soon' is not a valid float"),
    ],
)
def test_what_cannot_be_done_exits_with_2_and_says_why(words, message):
    result = typed(*words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_line_that_cannot_be_split_exits_with_2():
    result = typed(f"{CASES / 'a03_attr_once.py'}:1", "--as", "TL101")
    assert result.exit_code == 2
    assert "cannot run: there is no update, store or test at this line" in result.stdout


def test_arguments_reach_the_program(tmp_path):
    path = tmp_path / "args.py"
    path.write_text("import sys\nassert sys.argv[1:] == ['one', '--two'], sys.argv\nn = 0\nn += 1\n")
    result = typed(f"{path}:4", "--as", "TL101", "--", "one", "--two")
    assert result.exit_code == 0
    assert "not exercised: one thread" in result.stdout


def test_a_regression_test_is_written(tmp_path):
    file = tmp_path / "test_it.py"
    result = typed(f"{CASES / 'a03_attr_once.py'}:6", "--as", "TL101", "--write-test", file)
    assert result.exit_code == 1
    assert "def test_stats_hit_loses_no_update():" in file.read_text()


def test_nothing_is_written_where_nothing_was_confirmed(tmp_path):
    file = tmp_path / "test_it.py"
    result = typed(f"{CASES / 's02_caller_locks.py'}:6", "--as", "TL101", "--write-test", file)
    assert not file.exists()
    assert "is not written" in result.stderr


def test_what_linting_finds_is_tried():
    result = typed(CASES.parent / "material" / "race.py", "--output-format", "json")
    assert result.exit_code == 1
    assert [(one["code"], one["kind"]) for one in json.loads(result.stdout)] == [
        ("TL101", "race"),
        ("TL301", "swallowed-exception"),
    ]


def test_only_the_line_asked_for_is_tried():
    result = typed(f"{CASES.parent / 'material' / 'race.py'}:8", "--output-format", "json")
    assert [one["code"] for one in json.loads(result.stdout)] == ["TL101"]


def test_nothing_found_is_nothing_to_try(tmp_path):
    path = tmp_path / "quiet.py"
    path.write_text("print(1)\n")
    result = typed(path)
    assert result.exit_code == 0
    assert "nothing to try" in result.stderr


def test_a_file_that_cannot_be_read_is_told_and_exits_with_2(tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("def f(:\n")
    result = typed(path)
    assert result.exit_code == 2
    assert "broken.py:1:" in result.stderr
