"""Tasks that catch their own cancellation and go on: cancel one where it stands, and see whether it comes to the same place again."""

from __future__ import annotations

import ast
import asyncio
import builtins
import sys
import threading
from typing import TYPE_CHECKING, Any

from .registry import stack_of
from .rewrite import call, placed
from .source import Surroundings

if TYPE_CHECKING:
    from .job import Job
    from .start import Engine


def install(engine: Engine) -> None:
    """Put the hooks among the builtins."""
    cancelling = Cancelling(engine)
    builtins.__threadlint_stand__ = cancelling.stand  # type: ignore[attr-defined]
    builtins.__threadlint_caught__ = cancelling.caught  # type: ignore[attr-defined]


def rewrite(tree: ast.Module, job: Job) -> None:
    """`try: S except E: H` becomes `try: stand(); S except E: caught(); H`. The tree is changed.

    `with suppress(E): S` becomes `with suppress(E): try: stand(); S except BaseException: caught(); raise`.
    """
    line = job.flagged.line
    handlers = (node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler))
    handler = next((node for node in handlers if node.lineno <= line <= node.body[0].lineno), None)
    blocks = (node for node in ast.walk(tree) if isinstance(node, (ast.With, ast.AsyncWith)))
    block = next((node for node in blocks if node.lineno == line), None)
    if handler is not None:
        guarded: Any = Surroundings(tree).parents[handler]
        handler.body[:0] = placed([call("caught", 0)], handler)  # type: ignore[arg-type]
        guarded.body[:0] = placed([call("stand", 0)], guarded.body[0])
    elif block is not None:
        raising = ast.ExceptHandler(
            type=ast.Name("BaseException", ast.Load()), name=None, body=[call("caught", 0), ast.Raise()]
        )
        inner = ast.Try(body=[call("stand", 0), *block.body], handlers=[raising], orelse=[], finalbody=[])
        block.body[:] = placed([inner], block.body[0])
    ast.fix_missing_locations(tree)


class Cancelling:
    """Cancels the first task that comes to the place, once, and waits for it there."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.task: asyncio.Task[Any] | None = None
        self.steps: list[dict[str, Any]] = []
        self.told = False

    def stand(self, _: int) -> None:
        """A task is about to do what its handler guards."""
        try:
            task = asyncio.current_task()
        except RuntimeError:
            return
        if task is None:
            return
        if self.task is None:
            self.task = task
            self.steps.append(self.step("was cancelled where it waited next: threadlint did that"))
            task.get_loop().call_soon(task.cancel)
        elif task is self.task and len(self.steps) > 1 and not self.told:
            self.told = True
            self.steps.append(self.step("came here again: it goes on"))
            self.engine.events.send("witness", kind=self.engine.job.oracle, steps=self.steps)

    def caught(self, _: int) -> None:
        """The handler runs."""
        if isinstance(sys.exc_info()[1], asyncio.CancelledError) and self.is_here() and len(self.steps) == 1:
            self.steps.append(self.step("caught CancelledError"))

    def is_here(self) -> bool:
        """Whether this is the task that was cancelled."""
        try:
            return self.task is not None and asyncio.current_task() is self.task
        except RuntimeError:
            return False

    def step(self, action: str) -> dict[str, Any]:
        """What the task did just now, for people."""
        frame = sys._getframe(2)
        return {
            "thread": threading.current_thread().name,
            "path": self.engine.job.flagged.path,
            "line": frame.f_lineno,
            "action": action,
            "values": {},
            "stack": stack_of(frame),
        }
