"""The index of names: which calls and functions it finds, and in which order."""

from __future__ import annotations

import pytest

from threadlint.config import Config
from threadlint.facts.extract import extract
from threadlint.facts.model import Loop, Try, With
from threadlint.facts.source import decode
from threadlint.project.project import Project, link

FIRST = """
import os.path as place
from threading import Thread as Worker


def start(jobs):
    for job in jobs:
        Worker(target=job).start()


class Pool:
    def drain(self):
        with self.lock:
            handlers[0](place.join("a", "b"))
            return self.jobs["next"].result
"""
SECOND = """
async def main(pool):
    await pool.start()


def numbers():
    yield 1
"""


@pytest.fixture
def project() -> Project:
    files = (("first.py", "first", FIRST), ("second.py", "second", SECOND))
    return link([(path, name, extract(decode(text.encode(), path))) for path, name, text in files], Config())


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["Thread"], ["first:start"]),
        (["Worker"], []),
        (["start"], ["first:start", "second:main"]),
        (["start", "Thread", "join"], ["first:start", "first:start", "first:Pool.drain", "second:main"]),
        ([""], ["first:Pool.drain"]),
    ],
)
def test_calls_are_found_by_the_last_name_of_the_callee(project, names, found):
    assert [func.id for func, _ in project.mentions.calls(names)] == found


def test_callers_are_told_once(project):
    assert [func.id for func in project.mentions.callers(["start", "Thread"])] == ["first:start", "second:main"]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["jobs"], ["first:start", "first:Pool.drain"]),
        (["lock"], ["first:Pool.drain"]),
        (["os.path", "Thread"], ["first:start", "first:Pool.drain"]),
        (["pool"], ["second:main"]),
        (["target", "nothing"], []),
    ],
)
def test_functions_are_found_by_the_words_in_them(project, words, found):
    assert [func.id for func in project.mentions.functions(words)] == found


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        (Loop, ["first:start"]),
        (With, ["first:Pool.drain"]),
        (Try, []),
        ("await", ["second:main"]),
        ("yield", ["second:numbers"]),
    ],
)
def test_functions_are_found_by_what_they_have(project, kind, found):
    assert [func.id for func in project.mentions.having(kind)] == found
