"""Writes a pytest file that fails while a confirmed mistake is there and passes once it is mended.

The file needs pytest and nothing else. It finds the statement by its function and its text, not by its line, so
it still looks at the right place after the code around it has changed; when the statement is gone, it only runs the program.
"""

from __future__ import annotations

import ast
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from threadlint.findings import Oracle

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from threadlint.runtime.trial import Trial
    from threadlint.runtime.verdict import Verdict

DRIVERS = Path(__file__).with_name("drivers")
DELAYED = frozenset({Oracle.LOCK_ORDER, Oracle.POOL_DEADLOCK})
MUST_END = frozenset(
    {
        Oracle.SELF_DEADLOCK,
        Oracle.LOCK_ORDER,
        Oracle.QUEUE_JOIN,
        Oracle.BARRIER,
        Oracle.SEMAPHORE,
        Oracle.EVENT,
        Oracle.LOCK_LEAK,
        Oracle.POOL_DEADLOCK,
    }
)
HEAD = '''"""{title}

Written by `threadlint confirm --write-test`. Needs pytest only.
"""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRAM = (HERE / {program!r}).resolve()
TIMEOUT = {timeout}


def run(driver, *arguments, **environment):
    """Run the driver in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", driver, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT,
        check=False,
        env={{**os.environ, **environment}},
    )
'''
LOST_UPDATE = '''

def test_{name}():
    """{sentence}"""
    answer = run(LOST_UPDATE, PROGRAM, (HERE / {target!r}).resolve(), {function!r}, {statement!r})
    assert answer.returncode != 97, answer.stdout
'''
STEERED = '''

def test_{name}():
    """{sentence}"""
    # A program that hangs ends this test with TimeoutExpired.
    run(STEERED, PROGRAM, (HERE / {target!r}).resolve(), {function!r}, {statement!r}, {mode!r})
'''
HEARD = '''

def test_{name}():
    """{sentence}"""
    answer = run(STEERED, PROGRAM, (HERE / {target!r}).resolve(), {function!r}, {statement!r}, {mode!r})
    assert answer.returncode != 0 or {error!r} in answer.stdout, "the error is lost"
'''
SILENT = '''

def test_{name}():
    """{sentence}"""
    answer = run(STEERED, PROGRAM, (HERE / {target!r}).resolve(), "", "", "plain", PYTHONASYNCIODEBUG={debug!r})
    assert not re.search({pattern!r}, answer.stdout), answer.stdout
'''


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a mistake is, in words that outlive a change of lines."""

    target: str
    function: str
    statement: str
    test: bool


def regression_test(program: Path, found: Iterable[tuple[Trial, Verdict]], file: Path, timeout: float) -> str | None:
    """The text of the test file; None if none of the mistakes can be put into a test."""
    bodies = []
    names: set[str] = set()
    for trial, verdict in found:
        spot = spot_of(trial, verdict, file.resolve().parent)
        body = body_of(trial, verdict, spot, unique(trial, spot, names)) if spot is not None else None
        if body is not None:
            bodies.append(body)
    if not bodies:
        return None
    parts = [
        HEAD.format(
            title=f"What threads get wrong in {program.name}, and must not any more.",
            program=relative(program, file.resolve().parent),
            timeout=max(int(timeout), 10),
        )
    ]
    text = "".join(bodies)
    if "re.search" in text:
        parts[0] = parts[0].replace("import os\nimport subprocess", "import os\nimport re\nimport subprocess")
    parts += [driver(name) for name in ("LOST_UPDATE", "STEERED") if f"run({name}," in text]
    return "".join([*parts, text])


def driver(name: str) -> str:
    """The program that a test runs, as a constant of the test file."""
    text = (DRIVERS / f"{name.lower()}.py.txt").read_text(encoding="utf-8")
    return f"\n\n{name} = r'''\n{text}'''\n"


def relative(path: Path, folder: Path) -> str:
    """A path as seen from the folder of the test."""
    return os.path.relpath(path.resolve(), folder)


def unique(trial: Trial, spot: Spot, names: set[str]) -> str:
    """A name for a test function."""
    what = {Oracle.LOST_UPDATE: "loses_no_update", Oracle.SWALLOWED_ERROR: "loses_no_error"}.get(trial.oracle, "ends")
    stem = re.sub(r"\W+", "_", f"{spot.function or 'the_module'}_{what}").strip("_").lower()
    name, number = stem, 2
    while name in names:
        name, number = f"{stem}_{number}", number + 1
    names.add(name)
    return name


def body_of(trial: Trial, verdict: Verdict, spot: Spot, name: str) -> str | None:
    """One test function."""
    where = f"`{spot.statement}`" + (f" in `{spot.function}`" if spot.function else "")
    values = {"name": name, "target": spot.target, "function": spot.function, "statement": spot.statement}
    if trial.oracle is Oracle.LOST_UPDATE:
        return LOST_UPDATE.format(**values, sentence=f"{where} loses no update of another thread.")
    if trial.oracle is Oracle.EVENT and any("set and cleared" in one.action for one in verdict.evidence):
        return None  # a plain run hardly ever shows it
    if trial.oracle in MUST_END:
        mode = "delay" if trial.oracle in DELAYED else "fail" if verdict.injected_line else "plain"
        return STEERED.format(
            **values, mode=mode, sentence=f"The program ends, also when {where} is reached at a bad moment."
        )
    if trial.oracle is Oracle.SWALLOWED_ERROR:
        callable_name = verdict.evidence[0].action.split("`")[1]
        values["statement"] = callable_name
        error = "RuntimeError" if verdict.injected else verdict.evidence[1].action.removeprefix("raised ")
        mode = "submit" if verdict.injected else "plain"
        return HEARD.format(**values, mode=mode, error=error, sentence=f"An error of `{callable_name}` is not lost.")
    last = spot.function.rpartition(".")[2]
    if trial.oracle is Oracle.LOOP_BLOCKED:
        pattern = rf"Executing .*{re.escape(last)}\(\).* took"
        return SILENT.format(
            **values, pattern=pattern, debug="1", sentence=f"{where} does not keep the event loop from turning."
        )
    if trial.oracle is Oracle.NEVER_AWAITED:
        made = verdict.evidence[0].action.partition("`")[2].partition("`")[0]
        pattern = f"coroutine '{re.escape(made)}' was never awaited"
        return SILENT.format(
            **values, pattern=pattern, debug="", sentence=f"The coroutine that {where} makes is awaited."
        )
    return None


def spot_of(trial: Trial, verdict: Verdict, folder: Path) -> Spot | None:
    """The function and the text of the statement at the site, or of the one that was made to fail."""
    path = Path(trial.site.path)
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    line = verdict.injected_line or trial.site.line
    names, statement = statement_at(tree, line, trial.oracle)
    if statement is None:
        return None
    is_test = isinstance(statement, (ast.If, ast.While)) and trial.oracle is Oracle.LOST_UPDATE
    text = ast.unparse(statement.test) if is_test else ast.unparse(statement).partition("\n")[0]  # type: ignore[attr-defined]
    return Spot(relative(path, folder), ".".join(names), text, is_test)


def statement_at(tree: ast.Module, line: int, oracle: Oracle) -> tuple[Sequence[str], ast.stmt | None]:
    """The innermost statement at a line, of a kind that the driver can handle, and the names of the functions around it."""
    found: tuple[tuple[str, ...], ast.stmt | None] = ((), None)
    wanted: tuple[type[ast.stmt], ...] = (ast.stmt,)
    if oracle is Oracle.LOST_UPDATE:
        wanted = (ast.AugAssign, ast.Assign, ast.AnnAssign, ast.If, ast.While)

    def look(node: ast.AST, names: tuple[str, ...]) -> None:
        nonlocal found
        for child in ast.iter_child_nodes(node):
            named = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            if isinstance(child, ast.stmt) and not named and isinstance(child, wanted):
                last = child.test.end_lineno if isinstance(child, (ast.If, ast.While)) else child.end_lineno
                if child.lineno <= line <= (last or child.lineno):
                    found = (names, child)
            look(child, (*names, child.name) if named else names)  # type: ignore[attr-defined]

    look(tree, ())
    return found
