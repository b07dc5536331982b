"""Each rule on queues against each class of queue: which mistakes a class allows, and which methods it has from which version on."""

from __future__ import annotations

import json

import pytest

THREADS = ("queue.Queue", "queue.LifoQueue", "queue.PriorityQueue")
SIMPLE = ("queue.SimpleQueue", "multiprocessing.SimpleQueue")
PROCESSES = ("multiprocessing.Queue", 'multiprocessing.get_context("spawn").Queue')
MANAGED = ("multiprocessing.Manager().Queue", "multiprocessing.Manager().JoinableQueue")
JOINABLE = (*THREADS, "multiprocessing.JoinableQueue", *MANAGED)
TASKS = ("asyncio.Queue", "asyncio.LifoQueue", "asyncio.PriorityQueue")
EVERY = (*SIMPLE, *PROCESSES, *JOINABLE)
"""All but those of tasks."""

HEAD = "import asyncio, multiprocessing, queue, threading\n\n\n"
WORKER = "def worker(jobs):\n    while {test}:\n        job = jobs.get()\n{body}\n\n"
START = "threading.Thread(target=worker, args=(jobs,){daemon}).start()\n"

SKIPPED = (
    HEAD
    + WORKER.format(test="True", body="        print(10 // job)\n        jobs.task_done()\n")
    + "jobs = {queue}()\n"
    + START.format(daemon=", daemon=True")
    + "jobs.put(1)\njobs.join()\n"
)
UNMARKED = SKIPPED.replace("        jobs.task_done()\n", "")
EMPTY = (
    HEAD
    + "def worker(jobs):\n    while not jobs.empty():\n        print(jobs.get())\n\n\njobs = {queue}()\n"
    + "for _ in range(3):\n    "
    + START.format(daemon="")
)
FILLED = (
    HEAD
    + WORKER.format(test="True", body="        if job is None:\n            return\n")
    + "jobs = {queue}(10)\nfor number in range(100):\n    jobs.put(number)\n"
    + START.format(daemon="")
    + "jobs.put(None)\n"
)
MARKERS = (
    HEAD
    + WORKER.format(test="True", body="        if job is None:\n            return\n")
    + "jobs = {queue}()\nfor _ in range(4):\n    "
    + START.format(daemon="")
    + "jobs.put(1)\njobs.put(None)\n"
)
ENDLESS = (
    HEAD
    + WORKER.format(test="True", body="        print(job)\n")
    + "jobs = {queue}()\n"
    + START.format(daemon="")
    + "jobs.put(1)\n"
)
FLAG = ENDLESS.replace("while True", "while not stop.is_set()").replace(
    "\n\n\n", "\n\nstop = threading.Event()\n\n\n", 1
)
FLAG += "stop.set()\n"
DRAIN = (
    HEAD
    + "def work(jobs):\n    jobs.put(1)\n\n\ndef main():\n    jobs = {queue}()\n"
    + "    process = multiprocessing.Process(target=work, args=(jobs,))\n    process.start()\n    process.join()\n"
    + "    print(jobs.get())\n\n\nif __name__ == '__main__':\n    main()\n"
)
SHUTDOWN = HEAD + "jobs = {queue}()\njobs.put(1)\njobs.shutdown()\n"


def codes(folder, program: str, queue: str, *, version: str = "3.13") -> set[str]:
    """The codes of the family TL4 that are reported for the program with this class of queue."""
    folder.write({"program.py": program.replace("{queue}", queue)})
    args = ("--no-cache", "--select", "TL4", "--target-version", version, "--output-format", "json")
    return {one["code"] for one in json.loads(folder.run(*args, "program.py").stdout)}


@pytest.mark.parametrize("queue", JOINABLE)
@pytest.mark.parametrize("program", [SKIPPED, UNMARKED], ids=["skipped", "unmarked"])
def test_items_of_a_joined_queue_are_marked(folder, program, queue):
    assert codes(folder, program, queue) == {"TL401"}


@pytest.mark.parametrize("queue", [*SIMPLE, *PROCESSES])
def test_queues_without_join_say_so_instead(folder, queue):
    assert codes(folder, SKIPPED, queue) == {"TL407"}


@pytest.mark.parametrize("queue", EVERY)
def test_every_queue_may_be_emptied_between_the_question_and_the_get(folder, queue):
    assert codes(folder, EMPTY, queue) == {"TL402"}


@pytest.mark.parametrize("queue", [*PROCESSES, *JOINABLE])
def test_a_limit_is_a_limit_in_every_class_that_has_one(folder, queue):
    assert codes(folder, FILLED, queue) == {"TL403"}


@pytest.mark.parametrize("queue", EVERY)
@pytest.mark.parametrize(
    ("program", "code"), [(MARKERS, "TL404"), (ENDLESS, "TL405"), (FLAG, "TL406")], ids=["TL404", "TL405", "TL406"]
)
def test_every_queue_can_keep_its_worker(folder, program, code, queue):
    assert codes(folder, program, queue) == {code}


@pytest.mark.parametrize(
    ("queue", "found"),
    [
        *((name, {"TL408"}) for name in (*PROCESSES, "multiprocessing.JoinableQueue", "multiprocessing.SimpleQueue")),
        # what a manager's process holds is in no pipe of the worker's
        *((name, set()) for name in MANAGED),
    ],
)
def test_a_process_waits_until_its_pipe_is_read(folder, queue, found):
    assert codes(folder, DRAIN, queue) == found


@pytest.mark.parametrize("queue", [*THREADS, *TASKS, *MANAGED])
def test_shutdown_came_with_3_13(folder, queue):
    assert codes(folder, SHUTDOWN, queue, version="3.12") == {"TL407"}
    assert codes(folder, SHUTDOWN, queue, version="3.13") == set()


@pytest.mark.parametrize("queue", [*SIMPLE, *PROCESSES, "multiprocessing.JoinableQueue"])
def test_other_queues_have_no_shutdown_at_all(folder, queue):
    assert codes(folder, SHUTDOWN, queue, version="3.14") == {"TL407"}


@pytest.mark.parametrize("queue", TASKS)
def test_queues_of_tasks_are_filled_and_marked_by_tasks(folder, queue):
    program = (
        HEAD
        + "async def worker(jobs):\n    while True:\n        print(10 // await jobs.get())\n        jobs.task_done()\n\n\n"
        + "async def main():\n    jobs = {queue}(4)\n    for number in range(9):\n        await jobs.put(number)\n"
        + "    task = asyncio.create_task(worker(jobs))\n    await jobs.join()\n    task.cancel()\n\n\nasyncio.run(main())\n"
    )
    assert codes(folder, program, queue) == {"TL401", "TL403"}
