"""Reading files in several processes, on threads and on a cluster: the same findings, and nothing lost where one dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys

import pytest

from support import RACE

FILES = {f"f{number}.py": f"{RACE}# {number}\n" if number % 3 == 0 else f"y = {number}\n" for number in range(9)}
ONLY_FORK = pytest.mark.skipif(
    sys.platform != "linux", reason="workers are copies of the test only where they are forked"
)


@pytest.fixture
def spread(folder, monkeypatch):
    """A project that is read by workers although it is small."""
    monkeypatch.setattr("threadlint.loading.workers.SMALL", 0)
    folder.write(FILES)
    return folder


def lint(folder, *args: str):
    result = folder.run("--no-cache", "--output-format", "concise", *args, ".")
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize(
    "args", [["--jobs", "2"], ["--jobs", "4"], ["--executor", "thread", "--jobs", "3"], ["--executor", "process"]]
)
def test_findings_do_not_depend_on_who_reads(spread, args):
    alone = lint(spread, "--jobs", "1")
    assert alone[1].count("TL101") == 3
    assert lint(spread, *args) == alone
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("kind", ["thread", "process"])
def test_what_is_nested_deeply_is_read_by_workers_too(spread, kind):
    spread.write(
        {
            "sum.py": "a = " + "+".join(["b"] * 2000),
            "not.py": "a = " + "not " * 2000 + "b",
            "calls.py": "a = " + "f(" * 190 + ")" * 190,
            "ladder.py": "if a: f()\n" + "elif b: f()\n" * 900,
            "blocks.py": "".join(" " * depth + "if a:\n" for depth in range(95)) + " " * 95 + "f()\n",
            "brackets.py": "a = " + "[" * 300 + "]" * 300,
        }
    )
    alone = lint(spread, "--jobs", "1")
    # Python 3.12 alone bounds the recursion of C code by a number, whatever the stack: facts of these cannot be stored.
    too_deep = ["ladder.py:901:1", "not.py:1:8004"] if sys.version_info[:2] == (3, 12) else []
    assert alone[2].splitlines() == [
        "brackets.py:1:306: error: too many nested brackets",
        *(f"{place}: error: this is nested too deeply" for place in too_deep),
        "3 findings in 15 files",
    ]
    assert lint(spread, "--executor", kind, "--jobs", "3") == alone


@ONLY_FORK
def test_a_worker_that_dies_costs_its_file_only(spread, monkeypatch):
    from threadlint.loading import work

    extract = work.extract

    def dying(source):
        if "deadly" in source.text:
            os._exit(1)
        return extract(source)

    monkeypatch.setattr(work, "extract", dying)
    alone = lint(spread, "--jobs", "1")
    spread.write({"bad.py": "deadly = 1\n", "worse.py": "deadly = 2\n"})
    code, out, err = lint(spread, "--executor", "process", "--jobs", "2")
    assert (code, out) == (2, alone[1])
    lines = err.splitlines()
    assert sum("the process that read this file died" in line for line in lines) == 2
    assert {line.partition(":")[0] for line in lines if "error" in line} == {"bad.py", "worse.py"}


@ONLY_FORK
def test_a_mistake_of_ours_in_a_worker_is_a_failure(spread, monkeypatch):
    def fail(_source):
        raise KeyError("lost")

    monkeypatch.setattr("threadlint.loading.work.extract", fail)
    code, _, err = lint(spread, "--jobs", "2")
    assert code == 2
    assert err.count("internal error in reading this file: KeyError: 'lost'") == len(FILES)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_an_interruption_ends_the_run_and_its_workers(spread):
    big = "".join(f"x{number} = [{number}] + y\n" for number in range(20_000))
    spread.write({"a1.py": big, "a2.py": big + "\n", "pyproject.toml": ""})
    os.mkfifo(spread.path / "pipe.py")
    run = subprocess.Popen(
        [sys.executable, "-m", "threadlint", "--jobs", "2", "a1.py", "a2.py", "pipe.py"],
        cwd=spread.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    with (spread.path / "pipe.py").open("w"):  # until somebody reads it: then the workers have the other files
        os.killpg(run.pid, signal.SIGINT)
        out, err = run.communicate(timeout=60)
    assert (run.returncode, out) == (130, b"")
    assert b"interrupted" in err
    assert b"Traceback" not in err
    with pytest.raises(ProcessLookupError):
        os.killpg(run.pid, 0)


def test_what_is_no_executor_is_a_mistake_of_usage(spread, monkeypatch):
    monkeypatch.setattr("threadlint.loading.spread.PATIENCE", 0.5)
    assert "none of process, thread and dask://HOST:PORT" in lint(spread, "--executor", "cluster")[2]
    code, _, err = lint(spread, "--executor", "dask://127.0.0.1:1")
    assert code == 2
    assert err.startswith("threadlint: error: ")
    assert len(err.splitlines()) == 1


def test_a_dask_cluster_reads_the_files(spread):
    distributed = pytest.importorskip("distributed")
    alone = lint(spread, "--jobs", "1")
    with distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=2,
        processes=False,
        host="127.0.0.1",
        protocol="tcp://",
        dashboard_address=None,
        silence_logs=50,
    ) as cluster:
        address = cluster.scheduler_address.removeprefix("tcp://")
        assert lint(spread, "--executor", f"dask://{address}") == alone


def test_a_worker_with_another_version_ends_the_run(spread, monkeypatch):
    monkeypatch.setattr("threadlint.loading.work.facts_code", lambda: b"another")
    code, _, err = lint(spread, "--executor", "thread")
    assert (code, err) == (
        2,
        "threadlint: error: a worker cannot do its work: it has another version of threadlint, LibCST or Python than this process\n",
    )
