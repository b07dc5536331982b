"""Tells when a flagged statement raises the error that its finding speaks of."""

from __future__ import annotations

import ast
import contextvars
import os
import re
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from .inject import Marker
from .processes import prefer
from .source import innermost

if TYPE_CHECKING:
    from types import FrameType

    from .events import Events
    from .job import Job
    from .start import Engine

UNSENDABLE = re.compile(r"pickle|through inheritance|not shareable", re.IGNORECASE)
"""What pickle, multiprocessing and concurrent.interpreters say of what they cannot send."""


REFUSED = re.compile(r"non-negative|out of range")
"""What waits say of a negative number of seconds."""
HELD_UP = 3600
"""Seconds by which the clocks go on before the flagged statement reads one, as for a thread that is held up past its deadline."""
CLOCKS = {
    "time": 1,
    "monotonic": 1,
    "perf_counter": 1,
    "time_ns": 10**9,
    "monotonic_ns": 10**9,
    "perf_counter_ns": 10**9,
}
"""The clocks of `time`, with their ticks in a second."""


class Wrapping(ast.NodeTransformer):
    """Puts a `try` around one statement that tells of its errors and raises them again."""

    def __init__(self, statement: ast.stmt) -> None:
        self.statement = statement

    def visit(self, node: ast.AST) -> Any:
        """The statement inside its `try`; everything else unchanged."""
        if node is not self.statement:
            return self.generic_visit(node)
        text = "try:\n    pass\nexcept BaseException:\n    __threadlint_raised__()\n    raise"
        wrapper = ast.parse(text).body[0]
        for inner in ast.walk(wrapper):
            if hasattr(inner, "lineno"):
                ast.copy_location(inner, self.statement)
        wrapper.body[:] = [self.statement]  # type: ignore[attr-defined]
        return wrapper


def rewrite(tree: ast.Module, job: Job) -> None:
    """Wrap the flagged statement. The tree is changed."""
    statement = innermost(tree, job.flagged.line)
    if statement is None:
        return
    if job.oracle == "negative-timeout":
        clocks = (innermost(tree, one.line) for one in job.places if one.path == job.flagged.path)
        for clock in {id(one): one for one in (*clocks, statement) if one is not None}.values():
            Marker(clock, "held_up").visit(tree)
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


def refused(error: BaseException | None) -> bool:
    """Whether a wait was given a negative number of seconds."""
    return isinstance(error, ValueError) and bool(REFUSED.search(str(error)))


WANTED = {"not-set-in-thread": missing, "cannot-be-sent": unsendable, "negative-timeout": refused}


class Late:
    """Clocks that can be put forward. Threads that wait do so by the system's clock, which stays as it is."""

    def __init__(self) -> None:
        self.seconds = 0

    def install(self) -> None:
        """Take the place of the clocks; modules that are imported from here on see these."""
        for clock, ticks in CLOCKS.items():
            setattr(time, clock, self.forward(getattr(time, clock), ticks))

    def forward(self, clock: Any, ticks: int) -> Any:
        """The clock, as much later as has been said."""

        def now() -> Any:
            return clock() + self.seconds * ticks

        now.__module__, now.__qualname__, now.__name__, now.__doc__ = (
            "time", clock.__name__, clock.__name__, clock.__doc__,
        )  # fmt: skip
        return now

    def hold_up(self, _: int) -> None:
        """A thread is about to read the clock."""
        self.seconds = HELD_UP


def install(engine: Engine) -> None:
    """Put in the hooks that the rewritten statements call; for what cannot be sent, watch processes start too."""
    wanted = WANTED[engine.job.oracle]
    late = Late()

    def raised() -> None:
        error = sys.exc_info()[1]
        if wanted(error):
            tell(engine.events, engine.job, error, late.seconds)

    import builtins

    builtins.__threadlint_raised__ = raised  # type: ignore[attr-defined]
    if wanted is refused:
        late.install()
        builtins.__threadlint_held_up__ = late.hold_up  # type: ignore[attr-defined]
    if wanted is unsendable:
        prefer("spawn", engine.events)
        watch_starts(engine)


def tell(events: Events, job: Job, error: BaseException | None, late: int = 0) -> None:
    """Send the witness; `late` are the seconds by which the clocks were put forward."""
    text = " ".join(str(error).split())[:200]
    step = {
        "thread": threading.current_thread().name,
        "action": f"raised {type(error).__name__}",
        "path": job.flagged.path,
        "line": job.flagged.line,
        "values": {"message": text, **({"clock": f"put forward by threadlint, {late} s"} if late else {})},
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
