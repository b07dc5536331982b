"""The flake8 plugin: the findings of the command line, with flake8's selection, noqa and standard input."""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import Namespace

import pytest

from support import RACE, RACE_LINE
from threadlint.config import Config
from threadlint.flake8_plugin import with_flake8

pytest.importorskip("flake8")


def flake8(folder, *args, stdin=None):
    """`flake8 ARGS` as a list of (path, line, column, code)."""
    result = subprocess.run(
        [sys.executable, "-m", "flake8", "--isolated", "--jobs=1", "--format=%(path)s|%(row)d|%(col)d|%(code)s", *args],
        cwd=folder.path,
        input=stdin,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert result.stderr == b""
    rows = [line.split("|") for line in result.stdout.decode().splitlines()]
    return [(path, int(line), int(column), code) for path, line, column, code in rows]


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


def test_findings_are_those_of_the_command_line_for_the_file(project):
    for name in ("race.py", "pkg/work.py", "pkg/main.py"):
        listed = json.loads(project.run("--output-format", "json", name).stdout)
        expected = [(one["path"], one["line"], one["column"], one["code"]) for one in listed]
        assert flake8(project, "--select=TL0,TL1,TL2,TL3,TL4", name) == expected
    assert expected, "pkg/main.py drops a future"


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
