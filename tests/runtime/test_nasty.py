"""Programs that do not want to be run: each ends in time, with a verdict that says why, and leaves nothing behind."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import pytest

from threadlint.runtime import host
from threadlint.runtime.verdict import Tier

UPDATE = """
import threading
n = 0
def work():
    global n
    n += 1  # FLAG
def threads():
    ts = [threading.Thread(target=work) for _ in range(2)]
    for t in ts: t.start()
    for t in ts: t.join()
"""


@pytest.fixture(autouse=True)
def _nothing_stays(tmp_path, monkeypatch):
    # Marks the processes of this test, so that others on the machine do not count.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield
    assert host.marked(f"THREADLINT_JOB={tmp_path}") == []


def test_a_program_that_spins_is_timed_out(try_program):
    verdict = try_program(UPDATE + "while True: pass\n", timeout=1)
    assert verdict.tier is Tier.TIMED_OUT
    assert verdict.seconds < 5


def test_a_program_that_ignores_sigterm_and_sigint_is_ended(try_program):
    verdict = try_program(
        "import signal\nfor s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(s, signal.SIG_IGN)\n"
        + UPDATE
        + "import time\nwhile True: time.sleep(1)\n",
        timeout=1,
    )
    assert verdict.tier is Tier.TIMED_OUT


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells which process belongs to a run")
def test_a_grandchild_in_a_session_of_its_own_is_found_and_ended(try_program, tmp_path):
    note = tmp_path / "pid"
    verdict = try_program(
        f"""
        import subprocess, sys
        p = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
        open({str(note)!r}, "w").write(str(p.pid))
        """
        + "\n".join("        " + line for line in UPDATE.splitlines())
        + "\n        threads()\n"
    )
    assert verdict.tier is Tier.CONFIRMED
    number = int(note.read_text())
    assert not Path(f"/proc/{number}").exists() or host.is_zombie(number)


def test_code_in_c_that_holds_the_interpreter_is_timed_out(try_program):
    verdict = try_program(UPDATE + "import re\nre.match('(a+)+$', 'a' * 60 + 'b')\n", timeout=1)
    assert verdict.tier is Tier.TIMED_OUT


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_with_a_held_lock_does_not_stop_the_trial(try_program):
    verdict = try_program(
        """
        import os, threading
        lock = threading.Lock()
        n = 0
        def work():
            global n
            n += 1  # FLAG
        with lock:
            pid = os.fork()
            if pid == 0:
                os._exit(0 if lock.locked() else 1)
        os.waitpid(pid, 0)
        ts = [threading.Thread(target=work) for _ in range(2)]
        for t in ts: t.start()
        for t in ts: t.join()
        """
    )
    assert verdict.tier is Tier.CONFIRMED


def test_a_crash_is_not_silence(try_program):
    verdict = try_program("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n" + UPDATE)
    assert verdict.tier is Tier.CANNOT_RUN
    assert "SIGSEGV" in verdict.verdict


def test_standard_input_is_closed(try_program):
    verdict = try_program(UPDATE + "import sys\nassert sys.stdin.read() == ''\nthreads()\n")
    assert verdict.tier is Tier.CONFIRMED


def test_a_hundred_megabytes_of_output_are_dropped(try_program):
    began = time.monotonic()
    verdict = try_program(
        UPDATE + "import sys\nfor _ in range(100): sys.stdout.write('x' * (1 << 20))\nthreads()\n", timeout=30
    )
    assert verdict.tier is Tier.CONFIRMED
    assert time.monotonic() - began < 30


def test_a_program_that_exits_at_once_has_not_run_the_line(try_program):
    verdict = try_program("import sys\nsys.exit(0)\n" + UPDATE)
    assert verdict.tier is Tier.NOT_EXERCISED
    assert verdict.verdict == "not exercised: line 8 never ran"


def test_a_program_that_leaves_by_the_back_door_keeps_its_counts(try_program):
    verdict = try_program(UPDATE + "import os\nwork()\nos._exit(0)\n")
    assert verdict.tier is Tier.NOT_EXERCISED
    assert verdict.verdict == "not exercised: one thread"


def test_closing_all_descriptors_does_not_silence_the_engine(try_program):
    verdict = try_program(UPDATE + "import os\nos.closerange(0, 256)\nthreads()\n")
    assert verdict.tier is Tier.CONFIRMED


def test_a_program_that_raises_before_the_line_cannot_run(try_program):
    verdict = try_program("import there_is_no_such_module\n" + UPDATE)
    assert verdict.tier is Tier.CANNOT_RUN
    assert "ModuleNotFoundError" in "\n".join(verdict.notes)


def test_a_syntax_error_cannot_run(try_program):
    verdict = try_program("def f(:\n" + UPDATE)
    assert verdict.tier is Tier.CANNOT_RUN
    assert "SyntaxError" in "\n".join(verdict.notes)


def test_a_hang_elsewhere_is_told_apart(try_program):
    verdict = try_program(UPDATE + "lock = threading.Lock()\nlock.acquire()\nlock.acquire()\n")
    assert verdict.tier is Tier.TIMED_OUT
    assert "elsewhere" in verdict.verdict
    assert any("waits" in note for note in verdict.notes)
