"""The flake8 plugin: the findings of the command line, with flake8's selection, noqa and standard input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from argparse import Namespace
from multiprocessing import get_all_start_methods
from pathlib import Path

import pytest

from support import RACE, RACE_LINE
from threadlint import engine
from threadlint.config import Config
from threadlint.flake8_plugin.options import can_report, with_flake8
from threadlint.flake8_plugin.session import Session

pytest.importorskip("flake8")

NO_DEFAULTS = {"extend_ignore": None, "extended_default_select": ["TL"], "extended_default_ignore": []}


FORMAT = "--format=%(path)s|%(row)d|%(col)d|%(code)s"


def rows(output):
    """What flake8 printed, as (path, line, column, code)."""
    split = [line.split("|") for line in output.splitlines()]
    return [(os.path.normpath(path), int(line), int(column), code) for path, line, column, code in split]


def flake8(folder, *args, stdin=None, env=None):
    """`flake8 ARGS`."""
    result = subprocess.run(
        [sys.executable, "-m", "flake8", "--isolated", "--jobs=1", FORMAT, *args],
        cwd=folder.path,
        input=stdin,
        capture_output=True,
        env={**os.environ, **(env or {})},
        timeout=120,
        check=False,
    )
    assert result.stderr == b""
    return rows(result.stdout.decode())


def threadlint(folder, *args):
    """The same of `threadlint ARGS`."""
    listed = json.loads(folder.run("--no-cache", "--output-format", "json", *args).stdout)
    return sorted((one["path"], one["line"], one["column"], one["code"]) for one in listed)


def options(folder, paths):
    """What flake8 makes of these paths."""
    from flake8.options.parse_args import parse_args

    assert Path.cwd() == folder.path
    return parse_args(["--isolated", "--jobs=1", *paths])[1]


@pytest.fixture
def project(folder):
    """A package in which one module's function is run on threads by another."""
    folder.write(
        {
            "race.py": RACE.replace(
                "futures = [pool.submit(add, 10_000) for _ in range(8)]",
                "futures = [pool.submit(add, 9)]; pool.submit(add, 9)",
            ),
            "pkg/__init__.py": "",
            "pkg/work.py": "total = [0]\n\n\ndef work():\n    total[0] += 1\n",
            "pkg/main.py": (
                "from concurrent.futures import ThreadPoolExecutor\nfrom pkg.work import work\n\n"
                "with ThreadPoolExecutor() as pool:\n    pool.submit(work)\n    list(pool.map(work, ()))\n"
            ),
        }
    )
    return folder


@pytest.mark.parametrize(
    "paths", [["race.py"], ["pkg/work.py"], ["pkg/main.py"], ["pkg"], ["race.py", "pkg/work.py"], []]
)
def test_findings_are_those_of_the_command_line_for_the_same_paths(project, paths):
    expected = threadlint(project, *paths)
    assert expected or paths == ["pkg/work.py"], "who runs it on threads is not asked for"
    for jobs in ("--jobs=1", "--jobs=2"):
        assert sorted(flake8(project, "--select=TL", jobs, *paths)) == expected


def test_files_of_other_projects_keep_their_configuration(project):
    project.write({"pkg/pyproject.toml": '[tool.threadlint]\nignore = ["TL3"]\n'})
    expected = [*threadlint(project, "pkg"), *threadlint(project, "race.py")]
    assert sorted(flake8(project, "--select=TL")) == sorted(expected)
    assert {(path, code) for path, *_, code in expected} == {
        ("pkg/work.py", "TL101"),
        ("race.py", "TL101"),
        ("race.py", "TL301"),
    }


COUNTING = """
import multiprocessing, sys
from threadlint import engine

linted = engine.lint

def lint(*args, **keywords):
    with open("count.txt", "a") as file:
        file.write("lint\\n")
    return linted(*args, **keywords)

engine.lint = lint

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv.pop(1))
    from flake8.main.cli import main
    main(sys.argv[1:])
"""


@pytest.mark.parametrize("method", [one for one in ("fork", "spawn", "forkserver") if one in get_all_start_methods()])
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_run_lints_once_however_many_processes_there_are(project, tmp_path, method, jobs):
    expected = threadlint(project, ".")
    (tmp_path / "counting.py").write_text(COUNTING)
    found = subprocess.run(
        [
            sys.executable,
            str(tmp_path / "counting.py"),
            method,
            "--isolated",
            "--select=TL",
            f"--jobs={jobs}",
            FORMAT,
            ".",
        ],
        cwd=project.path,
        capture_output=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        timeout=120,
        check=False,
    )
    assert found.stderr == b""
    assert sorted(rows(found.stdout.decode())) == expected
    assert (project.path / "count.txt").read_text() == "lint\n"
    assert list(tmp_path.glob("threadlint-*")) == [], "what was left for other processes is removed"


@pytest.mark.parametrize(
    "args",
    [
        ["--version"],
        ["--help"],
        ["--bug-report"],
        ["--select=E", "."],
        ["--ignore=TL", "."],
        ["--extend-ignore=T", "."],
        ["--select=T", "--ignore=TL", "."],
    ],
)
def test_nothing_is_done_where_nothing_can_be_reported(project, tmp_path, args):
    (tmp_path / "counting.py").write_text(COUNTING)
    command = [sys.executable, str(tmp_path / "counting.py"), "fork", "--isolated", "--jobs=2", *args]
    found = subprocess.run(command, cwd=project.path, capture_output=True, timeout=120, check=False)
    assert b"TL101" not in found.stdout
    assert not (project.path / "count.txt").exists()


def test_a_code_that_is_selected_more_narrowly_than_ignored_is_reported(project):
    assert {code for *_, code in flake8(project, "--select=E,TL101", "--ignore=TL", "race.py")} == {"E702", "TL101"}
    assert can_report(Namespace(select=["E"], extend_select=["TL1"], ignore=["TL"], **NO_DEFAULTS))
    assert not can_report(Namespace(select=["E"], extend_select=None, ignore=None, **NO_DEFAULTS))


def test_files_that_flake8_leaves_out_are_context_only(project):
    with_main = flake8(project, "--select=TL", "pkg", "--exclude=nothing")
    assert {path for path, *_ in with_main} == {"pkg/work.py", "pkg/main.py"}
    assert flake8(project, "--select=TL", "pkg", "--exclude=main.py") == [], "nobody runs it on threads then"
    assert {path for path, *_ in flake8(project, "--select=TL", "pkg", "--exclude=work.py")} == {"pkg/main.py"}
    assert flake8(project, "--select=TL", "--filename=*.txt", "pkg") == []


def test_what_the_configuration_leaves_out_by_force_stays_out(project):
    project.write({"pyproject.toml": '[tool.threadlint]\nexclude = ["race.py"]\nforce-exclude = true\n'})
    assert flake8(project, "--select=TL", "race.py") == []
    assert {path for path, *_ in flake8(project, "--select=TL")} == {"pkg/work.py", "pkg/main.py"}


def test_ignores_per_file_hold_in_both_configurations(project):
    assert {path for path, *_ in flake8(project, "--select=TL", "--per-file-ignores=race.py:TL")} == {
        "pkg/main.py",
        "pkg/work.py",
    }
    project.write({"pyproject.toml": '[tool.threadlint.per-file-ignores]\n"pkg/*" = ["TL"]\n'})
    assert {path for path, *_ in flake8(project, "--select=TL")} == {"race.py"}


def test_an_editors_text_stands_for_the_file_and_sees_what_it_imports(project):
    text = (project.path / "pkg/main.py").read_bytes().replace(b"pool.submit(work)", b"pass; pool.submit(work)")
    assert flake8(project, "--select=TL3", "--stdin-display-name=pkg/main.py", "-", stdin=text) == [
        ("pkg/main.py", 5, 11, "TL301")
    ]
    quiet = b"total = [0]\n"
    assert flake8(project, "--select=TL", "--stdin-display-name=race.py", "-", stdin=quiet) == []
    windows = RACE.replace("\n", "\r\n").encode()
    assert flake8(project, "--select=TL", "--stdin-display-name=race.py", "-", stdin=windows) == [
        ("race.py", RACE_LINE, 9, "TL101")
    ]


def test_a_file_that_has_changed_since_is_linted_as_it_is(project):
    plugin_options = options(project, ["pkg", "race.py"])
    session = Session(plugin_options)
    lines = (project.path / "race.py").read_text().splitlines(keepends=True)
    before = session.rows("race.py", lines)
    assert session.rows("race.py", ["# new\n", *lines]) == tuple((line + 1, *rest) for line, *rest in before)
    (found,) = session.rows(
        "pkg/work.py", ["import os\n", *(project.path / "pkg/work.py").read_text().splitlines(keepends=True)]
    )
    assert (found[0], found[2][:5]) == (6, "TL101"), "the others are its context"
    assert session.rows("race.py", ["x = 1\n"]) == ()


def test_who_calls_flake8_from_python_may_name_files_later_and_again(project):
    script = """
        from flake8.api import legacy
        guide = legacy.get_style_guide(select=["TL1"])
        print(guide.check_files(["race.py"]).total_errors)
        print(guide.check_files(["pkg"]).total_errors)
    """
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=project.path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    counts = [line for line in found.stdout.splitlines() if line.isdigit()]
    assert (counts, found.stderr) == (["1", "1"], "")


def test_files_with_crlf_latin_1_and_a_mark_are_those_that_were_linted(project, monkeypatch):
    project.write(
        {
            "crlf.py": RACE.replace("\n", "\r\n"),
            "latin.py": b"# coding: latin-1\n# caf\xe9\n" + RACE.encode(),
            "mark.py": b"\xef\xbb\xbf" + RACE.encode(),
        }
    )
    session = Session(options(project, ["."]))
    monkeypatch.setattr(session, "_alone", None)
    for name, line in (("crlf.py", RACE_LINE), ("latin.py", RACE_LINE + 2), ("mark.py", RACE_LINE)):
        text = (project.path / name).read_bytes().decode("latin-1" if name == "latin.py" else "utf-8-sig")
        ((found, *_),) = session.rows(name, text.replace("\r\n", "\n").splitlines(keepends=True))
        assert found == line


def test_broken_files_beside_change_nothing(project):
    expected = flake8(project, "--select=TL")
    project.write({"broken.py": "def f(:\n", "bytes.py": b"# caf\xe9\n", "pkg/half.py": "x = (\n"})
    for jobs in ("--jobs=1", "--jobs=2"):
        found = flake8(project, "--select=TL,E9", jobs)
        assert [row for row in found if row[3] == "TL101"] == [row for row in expected if row[3] == "TL101"]
        assert ("bytes.py", 1, 6, "TL000") in found
        assert {row[0]: row[3] for row in found if row[3][0] == "E"}.keys() == {"broken.py", "pkg/half.py"}


def test_the_cache_is_that_of_the_project_unless_it_is_not_wanted(project):
    cache = project.path / ".threadlint_cache"
    expected = flake8(project, "--select=TL", "--threadlint-no-cache")
    assert not cache.exists()
    assert flake8(project, "--select=TL") == expected
    assert (cache / "cache.sqlite3").exists()
    size = (cache / "cache.sqlite3").stat().st_size
    assert project.run("--exit-zero").exit_code == 0
    assert (cache / "cache.sqlite3").stat().st_size == size, "the command line finds all there"
    assert flake8(project, "--select=TL", "--jobs=2") == expected


def test_a_cache_that_cannot_be_made_is_done_without(project):
    project.write({"file": ""})
    env = {"THREADLINT_CACHE_DIR": str(project.path / "file" / "cache")}
    expected = flake8(project, "--select=TL")
    for jobs in ("--jobs=1", "--jobs=2"):
        assert flake8(project, "--select=TL", jobs, env=env) == expected


def test_a_mistake_of_ours_does_not_end_flake8(project, monkeypatch):
    def lint(*_args, **_keywords):
        raise KeyError("oh")

    monkeypatch.setattr(engine, "lint", lint)
    session = Session(options(project, ["race.py"]))
    ((line, column, text),) = session.rows("race.py", [])
    assert (line, column) == (1, 0)
    assert text.startswith("TL000 internal error: KeyError: 'oh'; please report it")


def test_the_plugin_runs_by_default_beside_other_checks(project):
    codes = {code for *_, code in flake8(project, "race.py")}
    assert "E702" in codes
    assert "TL101" in codes


def test_standard_input_is_linted(project):
    found = flake8(project, "--select=TL101", "--stdin-display-name=other.py", "-", stdin=RACE.encode())
    assert found == [("other.py", RACE_LINE, 9, "TL101")]
    latin = b"# coding: latin-1\n# caf\xe9\n" + RACE.encode()
    assert flake8(project, "--select=TL101", "-", stdin=latin) == [("stdin", RACE_LINE + 2, 9, "TL101")]
    marked = b"\xef\xbb\xbf" + RACE.encode()
    assert flake8(project, "--select=TL101", "-", stdin=marked) == [("stdin", RACE_LINE, 9, "TL101")]


def test_flake8_silences_and_selects(project):
    project.write({"race.py": RACE.replace("+= 1", "+= 1  # noqa: TL101")})
    assert flake8(project, "--select=TL", "race.py") == []
    assert flake8(project, "--select=TL1", "--disable-noqa", "race.py") == [("race.py", RACE_LINE, 9, "TL101")]
    project.write({"race.py": RACE})
    assert flake8(project, "--select=TL2", "race.py") == []
    assert flake8(project, "--extend-ignore=TL101", "--select=TL1", "race.py") == []


def test_the_configuration_of_threadlint_holds(project):
    project.write({"pyproject.toml": '[tool.threadlint]\nignore = ["TL101"]\n', "race.py": RACE})
    assert flake8(project, "--select=TL3", "race.py") == []
    assert flake8(project, "race.py") == []


def test_a_bad_configuration_is_shown(project):
    project.write({"pyproject.toml": "[tool.threadlint]\nselekt = []\n"})
    assert flake8(project, "--select=TL", "race.py") == [("race.py", 1, 1, "TL000")]


@pytest.mark.parametrize(
    ("named", "added"), [("TL", ()), ("TL2", ("TL2",)), ("TL209", ("TL209",)), ("E501", ()), (None, ())]
)
def test_rules_that_are_off_by_default_run_when_flake8_names_them(named, added):
    for option in ("select", "extend_select", "enable_extensions"):
        config = with_flake8(Config(extend_select=("TL101",)), Namespace(**{option: named and [named]}))
        assert config.extend_select == ("TL101", *added)


def test_syntax_errors_are_left_to_flake8(project):
    project.write({"broken.py": "def f(:\n"})
    assert {code for *_, code in flake8(project, "broken.py")} == {"E999"}
