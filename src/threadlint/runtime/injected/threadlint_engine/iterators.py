"""Generators that two threads want to advance at once: let threads meet at the flagged statement, and see what it raises."""

from __future__ import annotations

import ast
import builtins
import sys
import threading
from typing import TYPE_CHECKING, Any

from .registry import stack_of
from .rewrite import call, placed
from .source import innermost

if TYPE_CHECKING:
    from .job import Job
    from .start import Engine

BUSY = "generator already executing"
PATIENCE = 0.05
"""Seconds that a thread waits for another one at the statement."""
MEETINGS = 20


def install(engine: Engine) -> None:
    """Put the hooks among the builtins."""
    meeting = Meeting(engine)
    builtins.__threadlint_meet__ = meeting.meet  # type: ignore[attr-defined]
    builtins.__threadlint_failed__ = meeting.failed  # type: ignore[attr-defined]


def rewrite(tree: ast.Module, job: Job) -> None:
    """`S` becomes `meet(); try: S; except ValueError: failed(); raise`."""
    statement = innermost(tree, job.flagged.line)
    if statement is None:
        return
    handler = ast.ExceptHandler(
        type=ast.Name("ValueError", ast.Load()), name=None, body=[call("failed", 0), ast.Raise()]
    )
    guarded = ast.Try(body=[statement], handlers=[handler], orelse=[], finalbody=[])
    for node in ast.walk(tree):
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            if isinstance(block, list) and statement in block and node is not guarded:
                at = block.index(statement)
                block[at : at + 1] = placed([call("meet", 0), guarded], statement)
                ast.fix_missing_locations(tree)
                return


class Meeting:
    """Lets two threads go on together, a few times."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.barrier = threading.Barrier(2)
        self.left = MEETINGS
        self.told = False

    def meet(self, _: int) -> None:
        """Wait a moment for another thread."""
        if self.left <= 0 or threading.active_count() < 2:
            return
        self.left -= 1
        try:
            self.barrier.wait(PATIENCE)
        except threading.BrokenBarrierError:
            self.barrier.reset()

    def failed(self, _: int) -> None:
        """The statement raised ValueError."""
        if self.told or str(sys.exc_info()[1]) != BUSY:
            return
        self.told = True
        flagged = self.engine.job.flagged
        step: dict[str, Any] = {
            "thread": self.engine.registry.state().name,
            "path": flagged.path,
            "line": flagged.line,
            "text": "",
            "action": f"raised ValueError: {BUSY}, as another thread was running it",
            "values": {},
            "stack": stack_of(sys._getframe(1)),
        }
        self.engine.events.send("witness", kind="generator-already-executing", steps=[step], tier="here")
