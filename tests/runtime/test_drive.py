"""Code that is not a script: driven by a command, by a test suite, or by a harness."""

from __future__ import annotations

import sys

import pytest

from threadlint.findings import Oracle, Site
from threadlint.runtime.confirm import attempt, confirm
from threadlint.runtime.trial import Options, Program, Trial
from threadlint.runtime.verdict import Tier

COUNT = """
class Count:
    def __init__(self, start: int = 0):
        self.n = start
    def inc(self, by: int):
        self.n += by
    def odd(self, thing: "Unheard"):
        self.n += 1
if __name__ == "__main__":
    raise SystemExit("run as a script")
"""
TEST = """
import threading
from count import Count

total = 0

def bump():
    global total
    total += 1

def run(work, *args):
    ts = [threading.Thread(target=work, args=args) for _ in range(3)]
    for t in ts: t.start()
    for t in ts: t.join()

def test_count():
    c = Count()
    run(c.inc, 1)
    assert c.n == 3

def test_bump():
    run(bump)
    assert total == 3
"""


def update(path, line):
    return Trial("TL101", "x", Oracle.LOST_UPDATE, Site(str(path), line, 0, line, 0))


@pytest.fixture
def project(tmp_path, bench, monkeypatch):
    bench.write(COUNT, "count.py")
    bench.write(TEST, "test_count.py")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_module_is_driven_by_a_test_suite(project):
    command = f"{sys.executable} -m pytest -q -p no:cacheprovider test_count.py"
    verdict = attempt(Program(command=command), update(project / "count.py", 5), Options(sys.executable))
    assert verdict.tier is Tier.CONFIRMED


def test_a_line_of_the_test_module_itself_can_be_tried(project):
    command = f"{sys.executable} -m pytest -q -p no:cacheprovider test_count.py"
    verdict = attempt(Program(command=command), update(project / "test_count.py", 8), Options(sys.executable))
    assert verdict.tier is Tier.CONFIRMED


@pytest.mark.parametrize("words", ["main.py", "-m main", "-W ignore main.py 1 2"])
@pytest.mark.usefixtures("project")
def test_a_script_behind_a_command(bench, words):
    path = bench.write(
        "import sys\nfrom test_count import run\nn = 0\ndef add():\n    global n\n    n += 1\nrun(add)\n", "main.py"
    )
    verdict = attempt(Program(command=f"{bench.python} {words}"), update(path, 6), Options(bench.python))
    assert verdict.tier is Tier.CONFIRMED


def test_a_command_that_is_not_there(project):
    verdict = attempt(
        Program(command="there-is-no-such-command x"), update(project / "count.py", 5), Options(sys.executable)
    )
    assert verdict.tier is Tier.CANNOT_RUN
    assert "there-is-no-such-command" in verdict.verdict


def test_a_command_without_python(project):
    verdict = attempt(Program(command="true"), update(project / "count.py", 5), Options(sys.executable))
    assert verdict.verdict == "cannot run: the command started no Python in which threadlint could run"


def test_a_package_that_its_own_finder_finds(project, bench):
    (project / "hidden").mkdir()
    path = bench.write("n = 0\ndef add():\n    global n\n    n += 1\n", "hidden/found.py")
    bench.write(
        f"""
        import importlib.util, sys
        class Finder:
            @staticmethod
            def find_spec(name, path=None, target=None):
                if name == "found":
                    return importlib.util.spec_from_file_location(name, {str(path)!r})
        sys.meta_path.append(Finder)
        import found
        from test_count import run
        run(found.add)
        """,
        "main.py",
    )
    verdict = attempt(Program(project / "main.py"), update(path, 4), Options(bench.python))
    assert verdict.tier is Tier.CONFIRMED


def test_the_harness_is_a_tier_of_its_own(project, bench):
    trial = update(project / "count.py", 5)
    verdict = attempt(Program(project / "count.py"), trial, Options(bench.python, harness=True))
    assert verdict.tier is Tier.HARNESS
    assert "if two threads share one instance of Count" in verdict.verdict
    assert "harness: Count(), inc(1)" in verdict.verdict


def test_the_harness_says_what_it_cannot_build(project, bench):
    trial = update(project / "count.py", 7)
    verdict = attempt(Program(project / "count.py"), trial, Options(bench.python, harness=True))
    assert verdict.tier is Tier.CANNOT_RUN
    assert "no value for a parameter of type `Unheard`" in verdict.verdict


def test_several_trials_at_the_same_time_come_in_order(project):
    program = Program(command=f"{sys.executable} -m pytest -q -p no:cacheprovider test_count.py")
    trials = [update(project / "count.py", 5), update(project / "count.py", 7), update(project / "test_count.py", 8)]
    verdicts = list(confirm(program, trials, Options(sys.executable, jobs=2)))
    assert [verdict.line for verdict in verdicts] == [5, 7, 8]
    assert [verdict.tier for verdict in verdicts] == [Tier.CONFIRMED, Tier.NOT_EXERCISED, Tier.CONFIRMED]
