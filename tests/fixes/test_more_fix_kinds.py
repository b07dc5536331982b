"""The smaller kinds of change, before and after; each program is whole but for its imports."""

from __future__ import annotations

import pytest
from fixing import fixed, program

HEAD = """\
import asyncio
import contextvars
import threading
import time
from concurrent.futures import ThreadPoolExecutor

lock = threading.Lock()
pool = ThreadPoolExecutor()


"""
REACQUIRED = """
def outer():
    with lock:
        inner()


def inner():
    with lock:
        print("twice")
"""
DROPPED = """
async def work():
    await asyncio.sleep(1)


async def main():
    work()
    asyncio.create_task(work())  # aside
    await asyncio.sleep(9)
    asyncio.create_task(work())
"""

CASES = [
    pytest.param(
        "TL103",
        """
        cache = {}
        jobs = []


        def work(key):
            # old ones
            if key in cache:  # still there
                del cache[key]
            if len(jobs) > 0:
                job = jobs.pop()  # one
                print(job)
            else:
                print("none")


        for number in range(2):
            pool.submit(work, number)
        """,
        """
        cache = {}
        jobs = []


        def work(key):
            # old ones
            cache.pop(key, None)  # still there
            try:
                job = jobs.pop()  # one
            except IndexError:
                print("none")
            else:
                print(job)


        for number in range(2):
            pool.submit(work, number)
        """,
        id="one step",
    ),
    pytest.param(
        "TL102",
        """
        class Meter:
            def __init__(self):
                self.guard = threading.Lock()
                self.total = 0

            def add(self, amount):
                with self.guard:
                    self.total += amount

            def take(self, amount):
                with self.guard:
                    self.total -= amount

            def reset(me):
                # all of it
                print("reset"); me.total -= 1  # nearly
                return 1
        """,
        """
        class Meter:
            def __init__(self):
                self.guard = threading.Lock()
                self.total = 0

            def add(self, amount):
                with self.guard:
                    self.total += amount

            def take(self, amount):
                with self.guard:
                    self.total -= amount

            def reset(me):
                # all of it
                print("reset")
                with me.guard:
                    me.total -= 1  # nearly
                return 1
        """,
        id="hold the guard",
    ),
    pytest.param(
        "TL207",
        """
        class Account:
            def __init__(self):
                self.lock = threading.Lock()
                self.balance = 0


        def move(source: Account, target: Account, first: int) -> None:
            # both
            with source.lock, target.lock:  # in this order
                source.balance -= first
        """,
        """
        class Account:
            def __init__(self):
                self.lock = threading.Lock()
                self.balance = 0


        def move(source: Account, target: Account, first: int) -> None:
            # both
            first2, second = sorted((source, target), key=id)
            with first2.lock, second.lock:  # in this order
                source.balance -= first
        """,
        id="sorted locks",
    ),
    pytest.param(
        "TL209",
        """
        def slow():
            with lock:
                print("a")

                # later
                time.sleep(1)  # s
            print("b")


        def other():
            with lock:
                print("c")
        """,
        """
        def slow():
            with lock:
                print("a")

            # later
            time.sleep(1)  # s
            print("b")


        def other():
            with lock:
                print("c")
        """,
        id="moved out",
    ),
    pytest.param(
        "TL211",
        """
        rows = []


        def every():
            with lock:
                print("all")
                # each
                for row in rows:
                    yield row  # here
        """,
        """
        rows = []


        def every():
            with lock:
                print("all")
                # each
                items = list(rows)
            for row in items:
                yield row  # here
        """,
        id="yield outside",
    ),
    pytest.param(
        "TL306",
        """
        def begin():
            threading.Thread(target=print)  # now
            thread = threading.Thread(target=print)
        """,
        """
        def begin():
            threading.Thread(target=print).start()  # now
            thread = threading.Thread(target=print)
            thread.start()
        """,
        id="started",
    ),
    pytest.param(
        "TL307",
        '''
        class Worker(threading.Thread):
            def __init__(self, url):
                """Make one."""
                self.url = url

            def run(self):
                print(self.url)


        Worker("x").start()
        ''',
        '''
        class Worker(threading.Thread):
            def __init__(self, url):
                """Make one."""
                super().__init__()
                self.url = url

            def run(self):
                print(self.url)


        Worker("x").start()
        ''',
        id="constructor of the base",
    ),
    pytest.param(
        "TL604",
        """
        user = contextvars.ContextVar("user")


        def show(size):
            print(user.get())


        def handle():
            user.set("bob")
            pool.submit(show, 3)
            threading.Thread(target=show, args=(3,)).start()
        """,
        """
        user = contextvars.ContextVar("user")


        def show(size):
            print(user.get())


        def handle():
            user.set("bob")
            pool.submit(contextvars.copy_context().run, show, 3)
            threading.Thread(target=contextvars.copy_context().run, args=(show, 3,)).start()
        """,
        id="context",
    ),
    pytest.param(
        "TL703",
        """
        async def tick():
            while True:
                time.sleep(1)  # slow
        """,
        """
        async def tick():
            while True:
                await asyncio.sleep(1)  # slow
        """,
        id="sleep awaited",
    ),
    pytest.param(
        "TL711",
        """
        def wait(end):
            while True:
                time.sleep(end - time.monotonic())  # rest
        """,
        """
        def wait(end):
            while True:
                time.sleep(max(0, end - time.monotonic()))  # rest
        """,
        id="not negative",
    ),
    pytest.param(
        "TL712",
        """
        def wait(done, timeout):
            end = time.time() + timeout
            while time.time() < end and not done.is_set():
                time.sleep(0.1)
        """,
        """
        def wait(done, timeout):
            end = time.monotonic() + timeout
            while time.monotonic() < end and not done.is_set():
                time.sleep(0.1)
        """,
        id="monotonic",
    ),
]


@pytest.mark.parametrize(("code", "before", "after"), CASES)
def test_a_change_keeps_all_else(code, before, after):
    assert fixed(program(HEAD, before, ""), code) == program(HEAD, after, "")


def test_a_lock_becomes_re_entrant_where_it_is_made():
    text = program(HEAD, REACQUIRED, "")
    assert fixed(text, "TL205") == text.replace("lock = threading.Lock()", "lock = threading.RLock()")


def test_tasks_are_kept_in_a_set_at_the_top_of_the_module():
    done = fixed(program(HEAD, DROPPED, ""), "TL707")
    assert "import ThreadPoolExecutor\n\nbackground_tasks = set()\n\nlock" in done
    assert "    await work()\n" in done
    assert "    task = asyncio.create_task(work())  # aside\n    background_tasks.add(task)\n" in done
    assert done.count(".add_done_callback(background_tasks.discard)\n") == 2


def test_what_a_change_needs_is_imported():
    text = '"""Waits."""\n\nfrom __future__ import annotations\n\nfrom time import sleep\n\n\nasync def tick():\n    sleep(1)\n'
    assert fixed(text, "TL703") == text.replace("import sleep\n", "import sleep\nimport asyncio\n").replace(
        "    sleep(1)", "    await asyncio.sleep(1)"
    )


def test_a_clock_that_has_another_name_too_is_left_alone():
    text = program(
        HEAD,
        """
        def wait(done, timeout, now=time.time):
            end = time.time() + timeout
            while now() < end and time.time() < end:
                time.sleep(0.1)
        """,
        "",
    )
    assert fixed(text, "TL712") == text
