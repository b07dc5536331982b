"""Each kind of change, before and after: comments, odd formatting, one-line suites, strings and continuation lines are kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixing import fixed, program

from threadlint.config import Config
from threadlint.engine import lint

LOCKS = """\
import asyncio
import threading

lock = threading.Lock()
task_lock = asyncio.Lock()
rows = []


"""
CONDITIONS = """\
import threading

cond = threading.Condition()
rows = []


"""
QUEUES = """\
import queue
import threading

jobs = queue.Queue()


def handle(job):
    print(10 // job)


"""
JOINED = """

for _ in range(2):
    threading.Thread(target=work).start()
jobs.put(1)
jobs.join()
"""
THREADS = """\
import threading
from concurrent.futures import ThreadPoolExecutor

pool = ThreadPoolExecutor()


def send(name, size=0):
    print(name, 10 // size)


"""


CASES = [
    pytest.param(
        "TL201",
        LOCKS,
        """
        def add(line):
            # first of all
            lock.acquire()  # nobody else

            value = int(line)
            rows.append(value)
            # that is all
            lock.release()  # next, please
            return value
        """,
        """
        def add(line):
            # first of all
            with lock:  # nobody else
                value = int(line)
                rows.append(value)
                # that is all
                # next, please
            return value
        """,
        "",
        id="comments stay where they belong",
    ),
    pytest.param(
        "TL201",
        LOCKS,
        '''
        def add(line):
            lock.acquire()
            text = """
        one
          two
        """ + line
            rows.append(int(text,
                10))
            rows.append(text + \\
              line)
            lock.release()
        ''',
        '''
        def add(line):
            with lock:
                text = """
        one
          two
        """ + line
                rows.append(int(text,
                    10))
                rows.append(text + \\
              line)
        ''',
        "",
        id="strings and continued lines",
    ),
    pytest.param(
        "TL201",
        LOCKS,
        """
        def add(line):
            if line: lock.acquire(); rows.append(int(line)); lock.release()  # on one line
            print(line); lock.acquire(); int(line); lock.release(); print("done")  # on another
        """,
        """
        def add(line):
            if line:  # on one line
                with lock:
                    rows.append(int(line))
            print(line)
            with lock:
                int(line)
            print("done")  # on another
        """,
        "",
        id="semicolons",
    ),
    pytest.param(
        "TL201",
        LOCKS,
        """
        class Adder:
            @staticmethod
            def add(lines):
                for line in lines:
                    if (size := len(line)) > 3:
                        lock.acquire(True)
                        if size > 9:
                            lock.release()
                            continue
                        if size > 8:
                            lock.release()  # too long
                            raise ValueError(line)
                        rows.append(int(line))
                        lock.release()
        """,
        """
        class Adder:
            @staticmethod
            def add(lines):
                for line in lines:
                    if (size := len(line)) > 3:
                        with lock:
                            if size > 9:
                                continue
                            if size > 8:
                                # too long
                                raise ValueError(line)
                            rows.append(int(line))
        """,
        "",
        id="releases on the way out",
    ),
    pytest.param(
        "TL201",
        LOCKS,
        """
        def add(line):
            lock.acquire()
            value = int(line)

            # the dangerous part
            try:  # to do it
                # now
                rows.append(int(value))
                # done
            finally:
                # whatever happens
                lock.release()  # free
            return value
        """,
        """
        def add(line):
            with lock:
                value = int(line)

                # the dangerous part
                # to do it
                # now
                rows.append(int(value))
                # done
                # whatever happens
                # free
            return value
        """,
        "",
        id="a try that only releases",
    ),
    pytest.param(
        "TL201",
        LOCKS,
        """
        def add(line):
            lock.acquire()
            value = int(line)
            try:
                rows.append(value)
            except ValueError:
                rows.clear()
            else:
                rows.sort()
            finally:
                print(value)
                lock.release()
        """,
        """
        def add(line):
            with lock:
                value = int(line)
                try:
                    rows.append(value)
                except ValueError:
                    rows.clear()
                else:
                    rows.sort()
                finally:
                    print(value)
        """,
        "",
        id="a try that does more",
    ),
    pytest.param(
        "TL201",
        LOCKS,
        """
        def add(path):
            # read it
            try:
                text = open(path).read()
                lock.acquire()
                rows.append(int(text))
            finally:
                lock.release()
        """,
        """
        def add(path):
            # read it
            text = open(path).read()
            with lock:
                rows.append(int(text))
        """,
        "",
        id="acquired inside the try",
    ),
    pytest.param(
        "TL201",
        LOCKS,
        """
        async def add(line):
            await task_lock.acquire()
            await asyncio.sleep(int(line))
            task_lock.release()
        """,
        """
        async def add(line):
            async with task_lock:
                await asyncio.sleep(int(line))
        """,
        "",
        id="async",
    ),
    pytest.param(
        "TL204",
        LOCKS,
        """
        def add(line):
            with (lock and  lock2) , open(line)as file:  # both
                rows.append(file)
            with lock.acquire(): rows.append(line)
        """,
        """
        def add(line):
            with lock, lock2 , open(line)as file:  # both
                rows.append(file)
            with lock: rows.append(line)
        """,
        "\n\nlock2 = threading.Lock()\n",
        id="items of with",
    ),
    pytest.param(
        "TL401",
        QUEUES,
        """
        def work():
            while True:
                job = jobs.get()  # wait

                # do it
                if job == 7:
                    jobs.task_done()
                    break
                handle(job)
                jobs.task_done()  # did it
                print("next")
        """,
        """
        def work():
            while True:
                job = jobs.get()  # wait

                try:
                    # do it
                    if job == 7:
                        break
                    handle(job)
                finally:
                    jobs.task_done()  # did it
                print("next")
        """,
        JOINED,
        id="task_done in finally",
    ),
    pytest.param(
        "TL401",
        QUEUES,
        """
        def work():
            while True:
                job = jobs.get()
                try:
                    handle(job)
                except ZeroDivisionError:
                    print("zero")
                jobs.task_done()
        """,
        """
        def work():
            while True:
                job = jobs.get()
                try:
                    handle(job)
                except ZeroDivisionError:
                    print("zero")
                finally:
                    jobs.task_done()
        """,
        JOINED,
        id="task_done in the finally of a try that is there",
    ),
    pytest.param(
        "TL402",
        QUEUES,
        """
        def work():
            # until it is empty
            while not jobs.empty():  # for now
                # one
                job = jobs.get()  # it
                handle(job)
            if not jobs.empty():
                handle(jobs.get())
            else:
                print("empty")
        """,
        """
        def work():
            # until it is empty
            while True:  # for now
                try:
                    # one
                    job = jobs.get_nowait()  # it
                except queue.Empty:
                    break
                handle(job)
            try:
                item = jobs.get_nowait()
            except queue.Empty:
                print("empty")
            else:
                handle(item)
        """,
        JOINED,
        id="get_nowait",
    ),
    pytest.param(
        "TL304",
        THREADS,
        """
        def start(name):
            threading.Thread(
                target=send(name, size=3),  # at once
                daemon=True,
            ).start()
            return pool.submit(send(*name, **{}))
        """,
        """
        def start(name):
            threading.Thread(
                target=send, args=(name,), kwargs={"size": 3},  # at once
                daemon=True,
            ).start()
            return pool.submit(send, *name, **{})
        """,
        "",
        id="target and arguments",
    ),
    pytest.param(
        "TL305",
        THREADS,
        """
        def start():
            threading.Thread(target=send, args=("bob")).start()
            threading.Thread(target=send, args="bob").start()
            threading.Thread(send, args=("bob",)).start()
            threading.Timer(3, send, ( 5 )).start()
        """,
        """
        def start():
            threading.Thread(target=send, args=("bob",)).start()
            threading.Thread(target=send, args=("bob",)).start()
            threading.Thread(target=send, args=("bob",)).start()
            threading.Timer(3, send, ( 5, )).start()
        """,
        "",
        id="arguments as a tuple",
    ),
    pytest.param(
        "TL110",
        THREADS,
        """
        def start(names):
            for name in names:
                threading.Thread(target=lambda: send(name)).start()
                threading.Thread(target=lambda: send(name.title())).start()

                def both(size=1): send(name, size)
                threading.Thread(target=both).start()
        """,
        """
        def start(names):
            for name in names:
                threading.Thread(target=send, args=(name,)).start()
                threading.Thread(target=lambda name=name: send(name.title())).start()

                def both(size=1, name=name): send(name, size)
                threading.Thread(target=both).start()
        """,
        "",
        id="loop variables",
    ),
    pytest.param(
        "TL301",
        THREADS,
        """
        def start(names):
            # all of them
            for name in names:
                if name:
                    pool.submit(send, name)  # later
            pool.submit(send, "x")  # last
            print("started")
            return 1
        """,
        """
        def start(names):
            # all of them
            futures = []
            for name in names:
                if name:
                    futures.append(pool.submit(send, name))  # later
            for future in futures:
                future.result()
            future = pool.submit(send, "x")  # last
            print("started")
            future.result()
            return 1
        """,
        "",
        id="futures that nobody asks",
    ),
    pytest.param(
        "TL105",
        LOCKS,
        """
        value = None


        def get():
            global value
            if value is None:
                with lock:  # one at a time
                    # make it
                    value = object()
                    return value
            return value
        """,
        """
        value = None


        def get():
            global value
            if value is None:
                with lock:  # one at a time
                    if value is None:
                        # make it
                        value = object()
                    return value
            return value
        """,
        "",
        id="a second test",
    ),
    pytest.param(
        "TL202",
        LOCKS,
        """
        def add(line):
            # at most
            lock.acquire(timeout=2)  # seconds
            try:
                rows.append(line)
            finally:
                lock.release()
        """,
        """
        def add(line):
            # at most
            if not lock.acquire(timeout=2):  # seconds
                raise TimeoutError("lock was not free in time")
            try:
                rows.append(line)
            finally:
                lock.release()
        """,
        "",
        id="an error for a timeout",
    ),
    pytest.param(
        "TL503",
        CONDITIONS,
        """
        def take():
            with cond:
                # nothing yet
                if not rows:  # look
                    cond.wait()  # for a row
                return rows.pop()


        def take_one_line():
            with cond:
                if not rows: cond.wait()
                return rows.pop()
        """,
        """
        def take():
            with cond:
                # nothing yet
                while not rows:  # look
                    cond.wait()  # for a row
                return rows.pop()


        def take_one_line():
            with cond:
                while not rows: cond.wait()
                return rows.pop()
        """,
        """

def put(row):
    with cond:
        rows.append(row)
        cond.notify()
""",
        id="a wait in a loop",
    ),
]


@pytest.mark.parametrize(("code", "head", "before", "after", "tail"), CASES)
def test_a_change_keeps_all_else(code, head, before, after, tail):
    assert fixed(program(head, before, tail), code) == program(head, after, tail)


@pytest.mark.parametrize(("code", "head", "before", "after", "tail"), CASES)
def test_a_change_goes_with_tabs_too(code, head, before, after, tail):
    def tabbed(text):
        return program(head, text, tail).replace("    ", "\t")

    assert fixed(tabbed(before), code) == tabbed(after)


UNCHANGED = [
    pytest.param(
        "TL201",
        LOCKS,
        """
        def add(line):
            lock.acquire()
            if line:
                rows.append(int(line))
                lock.release()
            else:
                lock.release()
        """,
        id="released in branches",
    ),
    pytest.param(
        "TL201",
        LOCKS,
        """
        def add(line):
            lock.acquire()
            value = int(line)
            if value:
                lock.release()
                print(value)
                return
            lock.release()
        """,
        id="released before the function goes on",
    ),
    pytest.param(
        "TL201",
        LOCKS,
        """
        def add(lines):
            lock.acquire()
            for line in lines:
                if int(line):
                    lock.release()
                    break
            else:
                lock.release()
        """,
        id="released in a loop that ends",
    ),
    pytest.param(
        "TL201",
        LOCKS,
        """
        def add(line, lock=lock):
            lock.acquire()
            rows.append(int(line))
            lock = other
            lock.release()
        """,
        id="another lock under the same name",
    ),
    pytest.param(
        "TL201",
        LOCKS,
        """
        def enter(first):
            lock.acquire()
            rows.append(int(first))
            if first:
                return
            lock.release()
            rows.pop()
            if not rows:
                lock.release()
        """,
        id="meant to stay held",
    ),
    pytest.param(
        "TL402",
        QUEUES + JOINED.replace("work", "handle"),
        """
        def work():
            while not jobs.empty() and len(QUEUE) > 3:
                handle(jobs.get())


        threading.Thread(target=work).start()
        threading.Thread(target=work).start()
        """,
        id="a test of more",
    ),
    pytest.param(
        "TL105",
        LOCKS,
        """
        values = {}


        def get(name):
            if name not in values:
                with lock:
                    made = object()
                    values[name] = made
                return made
            return values[name]
        """,
        id="what is made is used afterwards",
    ),
]


@pytest.mark.parametrize(("code", "head", "text"), UNCHANGED)
def test_what_is_not_of_the_shape_stays(code, head, text):
    whole = program(head, text, "")
    report = lint(["-"], Config(root=Path.cwd(), select=(code,)), stdin=("a.py", whole.encode()))
    assert [one.code for one in report.findings] == [code]
    assert fixed(whole, code) == whole
