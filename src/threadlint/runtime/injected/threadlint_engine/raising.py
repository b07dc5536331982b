"""Tells when a flagged statement raises the error that its finding speaks of."""

from __future__ import annotations

import ast
import contextvars
import os
import re
import sys
import threading
from typing import TYPE_CHECKING, Any

from .processes import prefer
from .source import innermost

if TYPE_CHECKING:
    from types import FrameType

    from .events import Events
    from .job import Job
    from .start import Engine

UNSENDABLE = re.compile(r"pickle|through inheritance|not shareable", re.IGNORECASE)
"""What pickle, multiprocessing and concurrent.interpreters say of what they cannot send."""


class Wrapping(ast.NodeTransformer):
    """Puts a `try` around one statement that tells of its errors and raises them again."""

    def __init__(self, statement: ast.stmt) -> None:
        self.statement = statement

    def visit(self, node: ast.AST) -> Any:
        """The statement inside its `try`; everything else unchanged."""
        if node is not self.statement:
            return self.generic_visit(node)
        text = "try:\n    __threadlint_here__(0)\nexcept BaseException:\n    __threadlint_raised__()\n    raise"
        wrapper = ast.parse(text).body[0]
        for inner in ast.walk(wrapper):
            if hasattr(inner, "lineno"):
                ast.copy_location(inner, self.statement)
        wrapper.body.append(self.statement)  # type: ignore[attr-defined]
        return wrapper


def wrap(tree: ast.Module, job: Job) -> None:
    """Wrap the flagged statement. The tree is changed."""
    statement = innermost(tree, job.flagged.line)
    if statement is not None:
        Wrapping(statement).visit(tree)
        ast.fix_missing_locations(tree)


def missing(error: BaseException | None) -> bool:
    """Whether the statement itself asked for an attribute, or a context variable, that this thread does not have."""
    if isinstance(error, LookupError) and error.args and isinstance(error.args[0], contextvars.ContextVar):
        return True
    return isinstance(error, AttributeError) and error.__traceback__ is not None and error.__traceback__.tb_next is None


def unsendable(error: BaseException | None) -> bool:
    """Whether something could not be sent to another process."""
    return error is not None and bool(UNSENDABLE.search(str(error)))


def install(engine: Engine) -> None:
    """Put in the hook that the wrapped statement calls; for what cannot be sent, watch processes start too."""
    wanted = missing if engine.job.oracle == "not-set-in-thread" else unsendable

    def raised() -> None:
        error = sys.exc_info()[1]
        if wanted(error):
            tell(engine.events, engine.job, error)

    import builtins

    builtins.__threadlint_raised__ = raised  # type: ignore[attr-defined]
    if wanted is unsendable:
        prefer("spawn", engine.events)
        watch_starts(engine)


def tell(events: Events, job: Job, error: BaseException | None) -> None:
    """Send the witness."""
    text = " ".join(str(error).split())[:200]
    step = {
        "thread": threading.current_thread().name,
        "action": f"raised {type(error).__name__}",
        "path": job.flagged.path,
        "line": job.flagged.line,
        "values": {"message": text},
    }
    events.send("witness", kind=job.oracle, steps=[step])


def watch_starts(engine: Engine) -> None:
    """A process that was made at the flagged line cannot be started: the error comes at its `start()`."""
    from multiprocessing.process import BaseProcess

    make, start = BaseProcess.__init__, BaseProcess.start
    made: set[int] = set()

    def init(self: Any, *args: Any, **keywords: Any) -> None:
        make(self, *args, **keywords)
        if from_here(engine.job):
            made.add(id(self))

    def begin(self: Any) -> None:
        try:
            start(self)
        except BaseException as error:
            if id(self) in made and unsendable(error):
                tell(engine.events, engine.job, error)
            raise

    BaseProcess.__init__ = init  # type: ignore[method-assign]
    BaseProcess.start = begin  # type: ignore[method-assign]


def from_here(job: Job) -> bool:
    """Whether the flagged statement is what called, a few calls up."""
    frame: FrameType | None = sys._getframe(2)
    place = job.flagged
    for _ in range(6):
        if frame is None:
            return False
        if place.line <= frame.f_lineno <= place.end_line and os.path.realpath(frame.f_code.co_filename) == place.path:
            return True
        frame = frame.f_back
    return False
