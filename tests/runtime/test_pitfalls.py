"""What makes a companion lie, hang or disturb, one test each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from confirm_bench import CASES

from threadlint.runtime import host
from threadlint.runtime.child import INJECTED
from threadlint.runtime.verdict import Tier

START = """
ts = [threading.Thread(target=work) for _ in range(3)]
for t in ts: t.start()
for t in ts: t.join()
"""


def test_a_queue_before_a_lock_is_told_as_guarded_not_as_stuck(bench):
    run = bench.run((CASES / "s01_seed_locked.py").read_text())
    assert run.code == 0
    assert run.output == "80000\n"
    assert {one["end"] for one in run.of("pause")} <= {"guarded", "timeout"}


def test_a_thread_that_is_being_started_can_still_come(try_program):
    verdict = try_program(
        """
        import threading, time
        n = 0
        def work():
            global n
            n += 1  # FLAG
        class Slow(threading.Thread):
            def start(self):
                time.sleep(0.2)
                super().start()
        ts = [Slow(target=work) for _ in range(2)]
        for t in ts: t.start()
        for t in ts: t.join()
        """
    )
    assert verdict.tier is Tier.CONFIRMED


def test_equal_values_from_both_threads_are_a_loss_all_the_same(try_program):
    verdict = try_program("import threading\nx = [0]\ndef work():\n    x[0] += 1  # FLAG\n" + START)
    assert dict(verdict.evidence[2].values) == {"stored": "1", "lost": dict(verdict.evidence[1].values)["stored"]}


def test_a_proxy_that_leads_each_thread_elsewhere_is_no_race(try_program):
    verdict = try_program((CASES / "s18_proxy.py").read_text())
    assert verdict.tier is Tier.NOT_CONFIRMED


def test_reading_again_calls_no_property_and_fills_no_defaultdict(bench):
    run = bench.run(
        """
        import threading
        from collections import defaultdict
        reads = 0
        lock = threading.Lock()
        class P:
            _n = 0
            @property
            def n(self):
                global reads
                reads += 1
                return self._n
            @n.setter
            def n(self, v): self._n = v
        p = P()
        d = defaultdict(int)
        def work():
            for _ in range(10):
                with lock:
                    p.n += 1  # FLAG
                d.get("absent")
        """
        + "".join("        " + line + "\n" for line in START.splitlines())
        + "        print(reads, p._n, len(d))\n"
    )
    assert run.output == "30 30 0\n"


def test_making_a_lock_runs_no_code_of_the_program(try_program):
    verdict = try_program(
        "import threading\nfrom collections import defaultdict\nlocks = defaultdict(threading.RLock)\nn = 0\n"
        "def work():\n    global n\n    for _ in range(50):\n        with locks['k']:\n            n += 1  # FLAG\n"
        + START
    )
    assert verdict.tier is Tier.NOT_CONFIRMED
    assert "guarded by `with locks['k']:`" in verdict.verdict


def test_a_race_between_two_other_lines_does_not_confirm_the_flagged_one(try_program):
    verdict = try_program(
        """
        import threading
        class A: n = 0
        shared, own = A(), A()
        def mine():
            own.n += 1  # FLAG
        def work():
            shared.n += 1
        mine()
        """
        + "".join("        " + line + "\n" for line in START.splitlines())
    )
    assert not verdict.tier.is_confirmed


def test_a_worker_that_hangs_after_the_main_program_is_seen(try_program):
    verdict = try_program(
        """
        import threading
        lock = threading.Lock()
        def work():
            with lock:
                with lock:  # FLAG
                    pass
        threading.Thread(target=work).start()
        """,
        "TL205",
    )
    assert verdict.tier is Tier.CONFIRMED


def test_a_locked_loop_of_80000_is_paused_in_few_times(bench):
    began = time.monotonic()
    run = bench.run((CASES / "s01_seed_locked.py").read_text())
    assert len(run.of("pause")) <= 20
    assert time.monotonic() - began < 30


def test_an_attempt_that_shows_nothing_is_repeated(try_program):
    verdict = try_program((CASES / "s05_sequential.py").read_text())
    assert verdict.runs == 3


def test_a_lock_that_another_thread_opens_is_no_deadlock(try_program):
    verdict = try_program((CASES / "n05_lock_as_signal.py").read_text(), "TL205")
    assert verdict.tier is Tier.NOT_CONFIRMED


def test_a_lock_of_the_thread_module_is_left_alone(bench):
    run = bench.beside(
        "import _thread, queue, threading\n"
        "print(type(_thread.allocate_lock()).__module__, _thread.allocate_lock() is not threading.Lock())\n"
        "q = queue.SimpleQueue(); q.put(1); print(q.get(), q.empty())\n"
    )
    assert run.output == "_thread True\n1 True\n"


@pytest.mark.parametrize("module", ["test_sched", "test_threading_local"])
def test_the_library_s_own_tests_pass_under_the_stand_ins(bench, module):
    check = subprocess.run([bench.python, "-c", f"import test.{module}"], capture_output=True, check=False)
    if check.returncode:
        pytest.skip("this interpreter came without its tests")
    run = bench.beside(f"import sys, unittest\nsys.argv = ['x', '-q', 'test.{module}']\nunittest.main(module=None)\n")
    assert run.code == 0, run.output


def test_a_daemon_that_pauses_when_the_program_ends_looks_once_more(try_program):
    verdict = try_program((CASES / "a18_daemon_end.py").read_text())
    assert verdict.tier is Tier.CONFIRMED


def test_what_is_replaced_can_still_be_pickled(bench):
    run = bench.beside(
        """
        import concurrent.futures, pickle, queue, threading, time
        for thing in (threading.Lock, threading.RLock, time.sleep, threading.Thread.start, threading.Condition.wait,
                      queue.Queue.get, queue.SimpleQueue, concurrent.futures.ThreadPoolExecutor.submit):
            assert pickle.loads(pickle.dumps(thing)) is thing, thing
        try:
            pickle.dumps(threading.Lock())
        except TypeError as error:
            print(error)
        """
    )
    assert run.output == "cannot pickle '_thread.lock' object\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_programs_with_processes_run_as_without(bench, method):
    run = bench.beside(
        f"""
        import multiprocessing
        def double(x):
            return 2 * x
        if __name__ == "__main__":
            context = multiprocessing.get_context({method!r})
            with context.Pool(2) as pool:
                print(pool.map(double, range(4)))
            queue = context.Queue()
            worker = context.Process(target=queue.put, args=(7,))
            worker.start(); print(queue.get()); worker.join()
        """
    )
    assert run.code == 0
    assert run.output.endswith("[0, 2, 4, 6]\n7\n")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends a process with its parent")
def test_the_program_ends_when_the_companion_is_killed(bench):
    note = bench.folder / "pid"
    path = bench.write(
        f"import os, time\nopen({str(note)!r}, 'w').write(str(os.getpid()))\nwhile True: time.sleep(1)\nx = 1  # FLAG\n"
    )
    code = (
        "from threadlint.findings import Oracle, Site; from threadlint.runtime.child import run;"
        "from threadlint.runtime.trial import *; from pathlib import Path; import sys;"
        "run(Program(Path(sys.argv[1])), Trial('TL101', '', Oracle.LOST_UPDATE, Site(sys.argv[1], 4, 0, 4, 0)), Options(sys.argv[2]))"
    )
    companion = subprocess.Popen([sys.executable, "-c", code, str(path), bench.python])
    until(lambda: note.exists() and note.read_text())
    companion.send_signal(signal.SIGKILL)
    companion.wait()
    number = int(note.read_text())
    until(lambda: not Path(f"/proc/{number}").exists() or host.is_zombie(number))


def until(condition, patience=20):
    """Wait for another process, which nothing else can tell us about."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_elsewhere_than_on_linux_nothing_is_swept_and_nothing_breaks(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert host.marked("X") == []
    assert host.group_options() == {"start_new_session": True}


PROGRAMS = [
    "n06_consistent_order",
    "n10_queue_ok",
    "n12_pool_ok",
    "n30_async_lock_ok",
    "s04_condition",
    "s21_cond_turns",
]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_without_findings_prints_and_returns_the_same(bench, name):
    path = CASES / f"{name}.py"
    plain = subprocess.run([bench.python, str(path)], capture_output=True, text=True, check=False)
    run = bench.beside(path.read_text(encoding="utf-8"))
    assert (run.code, run.output) == (plain.returncode, plain.stdout + plain.stderr)


def test_the_script_is_main_in_every_respect(bench):
    run = bench.beside(
        """
        import os, sys
        print(__name__, __file__ == os.path.abspath(__file__), sys.argv[1:], sys.path[0] == os.path.dirname(__file__))
        print(sys.modules["__main__"].__dict__ is globals(), __spec__, [m for m in sys.path if "injected" in m])
        sys.exit(5)
        """
    )
    assert run.output == "__main__ True [] True\nTrue None []\n"
    assert run.code == 5


def test_pickle_of_what_the_script_defines_works(bench):
    run = bench.beside("import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))).__name__)\n")
    assert run.output == "A\n"


@pytest.mark.skipif(os.name != "posix", reason="elsewhere nobody may ask whether a process lives")
def test_a_program_that_starts_after_the_companion_was_killed_ends_at_once(bench):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    job, path = bench.folder / "job.json", bench.write("import time\nwhile True: time.sleep(1)\n")
    (bench.folder / "events").touch()
    place = {"path": str(path), "line": 1, "end_line": 1, "column": 0}
    words = {"oracle": "race", "places": [place], "events": str(bench.folder / "events"), "inject": False, "budget": 1}
    job.write_text(json.dumps({**words, "harness": False, "companion": gone.pid}), encoding="utf-8")
    environment = {**os.environ, "THREADLINT_JOB": str(job)}
    ended = subprocess.run(
        [bench.python, str(INJECTED / "launch.py"), str(path)], env=environment, timeout=20, check=False
    )
    assert ended.returncode == -signal.SIGKILL
