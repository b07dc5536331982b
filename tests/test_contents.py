"""Which functions rules begin with: by locks held, by updates, and by what they call under whatever name."""

from __future__ import annotations

import pytest

from threadlint.config import Config
from threadlint.facts.extract import extract
from threadlint.facts.model import Kind, With
from threadlint.facts.source import decode
from threadlint.project.locks.locks import Held
from threadlint.project.project import Project, link

CODE = """
import threading
from threading import Thread as Worker

start = threading.Thread
lock = threading.Lock()
total = 0


class Job(Worker):
    pass


def by_alias():
    start(target=print).start()


def by_class():
    return Job()


def guarded():
    global total
    with lock:
        total += 1


def opened(path):
    with open(path) as file:
        return guarded()


def by_hand():
    lock.acquire()
    print(total)
    lock.release()
"""


@pytest.fixture
def project() -> Project:
    return link([("m.py", "m", extract(decode(CODE.encode(), "m.py")))], Config())


@pytest.mark.parametrize(
    ("kinds", "found"),
    [
        ([Held], ["guarded", "by_hand"]),
        ([Kind.UPDATE], ["guarded"]),
        ([With], ["guarded", "opened"]),
        ([Held, With], ["guarded", "opened", "by_hand"]),
    ],
)
def test_functions_are_found_by_what_they_have(project, kinds, found):
    assert [func.name for func in project.having(*kinds)] == found


def test_functions_are_found_by_what_they_call_of_the_library(project):
    assert [func.name for func in project.callers_of(["threading.Thread"])] == ["by_alias"]
    assert [func.name for func in project.callers_of(["threading.Lock", "threading.Thread"])] == [
        "module `m`",
        "by_alias",
    ]


def test_functions_are_found_by_the_classes_and_functions_that_they_call(project):
    assert [func.name for func in project.callers_of([project.links.classes["m:Job"]])] == ["by_class"]
    assert [func.name for func in project.callers_of([project.links.funcs["m:guarded"]])] == ["opened"]
