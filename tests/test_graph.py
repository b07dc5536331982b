"""`threadlint graph`: orders, cycles and gates in a program's locks, and the ways to write them."""

from __future__ import annotations

import re
import shlex

import pytest
from click.testing import CliRunner

from support import ROOT
from threadlint.cli.main import threadlint

DOCS = (ROOT / "docs" / "graph.md").read_text(encoding="utf-8")

BOTH_WAYS = """\
import threading


first = threading.Lock()
second = threading.Lock()


def one():
    with first:
        with second:
            pass


def other():
    with second:
        with first:
            pass


threading.Thread(target=one).start()
threading.Thread(target=other).start()
"""
UNDER_GATE = """\
import threading

gate = threading.Lock()
first = threading.Lock()
second = threading.Lock()


def one():
    with gate, first, second:
        pass


def other():
    with gate, second, first:
        pass


threading.Thread(target=one).start()
threading.Thread(target=other).start()
"""


@pytest.fixture(name="both_ways")
def _both_ways(folder):
    folder.write({"locks.py": BOTH_WAYS})
    return folder


def test_orders_and_cycles_come_with_their_places(both_ways):
    result = both_ways.run("graph", "--locks", "locks.py")
    assert result.exit_code == 0
    assert result.stdout.startswith("2 locks, 2 orders, 1 cycle\n\ncycle 1: first -> second -> first\n")
    assert "threads in `one` and `other` can wait for each other" in result.stdout
    assert (
        "first -> second  (cycle 1)\n  locks.py:9:10   `one` takes first\n  locks.py:10:14  second is" in result.stdout
    )
    assert result.stdout.endswith("locks:\n  first (locks.py:4:9)\n  second (locks.py:5:10)\n")


def test_a_gate_lock_makes_no_cycle(folder):
    folder.write({"locks.py": UNDER_GATE})
    result = folder.run("graph", "locks.py")
    assert result.stdout.startswith("3 locks, 4 orders, no cycle\n")
    assert "no deadlock: first and second are taken in both orders, but always under gate\n" in result.stdout


def test_a_gate_around_two_of_three_is_enough(folder):
    """A ring needs all of its threads at once, and of the two under the gate only one gets in."""
    bodies = {"one": "gate, a, b", "two": "gate, b, c", "three": "c, a"}
    functions = "".join(f"def {name}():\n    with {locks}:\n        pass\n" for name, locks in bodies.items())
    starts = "".join(f"threading.Thread(target={name}).start()\n" for name in bodies)
    made = "import threading\n" + "".join(f"{name} = threading.Lock()\n" for name in ("gate", "a", "b", "c"))
    folder.write({"gated.py": made + functions + starts, "open.py": made + functions.replace("gate, ", "") + starts})
    assert "no cycle" in folder.run("graph", "gated.py").stdout
    assert "cycle 1: a -> b -> c -> a" in folder.run("graph", "open.py").stdout


def test_parts_that_never_run_in_parallel_are_told_apart(folder):
    calm = BOTH_WAYS.replace(").start()", ")").replace("threading.Thread(target=one)", "one()")
    folder.write({"locks.py": calm.replace("threading.Thread(target=other)", "other()")})
    result = folder.run("graph", "locks.py")
    assert "no cycle" in result.stdout
    assert "first and second are taken in both orders, but never in parallel" in result.stdout


def test_dot_marks_what_is_part_of_a_cycle(both_ways):
    lines = both_ways.run("graph", "--format", "dot", "locks.py").stdout.splitlines()
    assert (lines[0], lines[-1]) == ("digraph locks {", "}")
    assert '  "first" -> "second" [label="one (locks.py:10)", color=red, fontcolor=red];' in lines


def test_mermaid_marks_what_is_part_of_a_cycle(both_ways):
    lines = both_ways.run("graph", "--format", "mermaid", "locks.py").stdout.splitlines()
    assert lines == [
        "flowchart LR",
        '  l0["first"]',
        '  l1["second"]',
        '  l0 ==>|"one (locks.py:10)"| l1',
        '  l1 ==>|"other (locks.py:16)"| l0',
        "  linkStyle 0,1 stroke:red",
    ]


def test_names_that_several_locks_share_get_their_module(folder):
    text = "import threading\nimport {other}\nlock = threading.Lock()\ndef both():\n    with lock, {other}.lock:\n        pass\n"
    folder.write({"one.py": text.format(other="two"), "two.py": text.format(other="one")})
    assert "one.lock -> two.lock" in folder.run("graph", ".").stdout


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("x = 1\n", "no locks: the program takes none that threadlint knows of\n"),
        (
            "import threading\nlock = threading.Lock()\nwith lock:\n    pass\n",
            "1 lock, none of them taken while another is held, so no cycle\n",
        ),
    ],
)
def test_a_program_with_nothing_to_draw_is_told_so(folder, program, told):
    folder.write({"small.py": program})
    assert folder.run("graph", "small.py").stdout == told


def test_what_cannot_be_read_is_named_and_the_rest_is_drawn(both_ways):
    both_ways.write({"broken.py": "def f(:\n"})
    result = both_ways.run("graph", ".")
    assert result.exit_code == 2
    assert "broken.py:1:7: error: " in result.stderr
    assert "cycle 1" in result.stdout
    assert both_ways.run("graph", "vanished").exit_code == 2


@pytest.mark.parametrize("name", ["graph", "no locks"])
def test_the_output_in_the_documentation_is_real(monkeypatch, name):
    monkeypatch.chdir(ROOT)
    block = re.search(rf"<!-- output: {name} -->\n```console\n\$ threadlint (.+)\n([\s\S]*?)```", DOCS)
    result = CliRunner().invoke(threadlint, shlex.split(block[1]))
    assert (result.output, result.exit_code) == (block[2], 0)


def test_the_drawing_in_the_documentation_is_real(monkeypatch):
    monkeypatch.chdir(ROOT)
    block = re.search(r"<!-- output: mermaid -->\n```mermaid\n([\s\S]*?)```", DOCS)
    result = CliRunner().invoke(threadlint, ["graph", "--format", "mermaid", "fixtures/TL206/bank"])
    assert result.output == block[1]
