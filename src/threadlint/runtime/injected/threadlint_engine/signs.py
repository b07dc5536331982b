"""Drives signs between threads: holds waiters back until a pulse is over, wakes a waiter for nothing, and hears of signs given without the lock."""

from __future__ import annotations

import _thread
import ast
import builtins
import functools
import linecache
import sys
import threading
from typing import TYPE_CHECKING, Any

from .registry import is_library, monotonic, raised_at, stack_of, user_frame
from .rewrite import call, name, placed
from .source import Surroundings

if TYPE_CHECKING:
    from .job import Job
    from .start import Engine

PATIENCE = 1.0
"""Seconds that a waiter is held back at most."""
WAKES = 3
"""So many times in a run a waiter is woken for nothing."""
TURNS = 200
"""So many turns of a loop without a rest are a busy wait."""
REST = 0.002
"""Seconds: a turn that takes longer has rested."""


def install(engine: Engine) -> None:
    """Install what the oracle of this job needs."""
    oracle = engine.job.oracle
    if oracle == "event-wait-never-woken" and ".set(" in flagged_text(engine):
        Pulses(engine).install()
    elif oracle == "condition-lock-not-held":
        listen(engine)
    elif oracle == "woken-for-nothing":
        Wakes(engine).install()
    elif oracle == "busy-wait":
        Turns(engine).install()


def drive(tree: ast.Module, job: Job) -> None:
    """Put the hooks of the oracle into the flagged file. The tree is changed."""
    if job.oracle == "busy-wait":
        Turns.count_turns(tree, job.flagged.line)
    else:
        Wakes.watch_function(tree, job.flagged.line)


def flagged_text(engine: Engine) -> str:
    """The flagged statement as it is written."""
    place = engine.job.flagged
    return "".join(linecache.getline(place.path, line) for line in range(place.line, place.end_line + 1))


def step(engine: Engine, path: str, line: int, action: str, **values: Any) -> dict[str, Any]:
    """One step of a witness, in the calling thread."""
    thread = engine.registry.state().name
    return {"thread": thread, "path": path, "line": line, "text": "", "action": action, "values": values, "stack": []}


def at_job(engine: Engine, depth: int = 2) -> Any:
    """The frame of the program that calls the library, if it is at a line of the job."""
    frame = user_frame(sys._getframe(depth))
    if frame is None or not engine.watch.at_place({"path": frame.f_code.co_filename, "line": frame.f_lineno or 0}):
        return None
    return frame


class Pulses:
    """Holds back the threads that come to an event until the flagged `set()` and the `clear()` after it are done.

    That is what the scheduler may do to any of them.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.holding: set[int] = set()
        self.budget = engine.job.budget

    def install(self) -> None:
        """Wrap `Event.set` and `Event.wait`."""
        cls: Any = threading.Event
        given, waited = cls.set, cls.wait

        @functools.wraps(given)
        def set_event(event: Any) -> None:
            if at_job(self.engine) is not None:
                event._threadlint_pulsed = True
            given(event)

        @functools.wraps(waited)
        def wait(event: Any, timeout: float | None = None) -> bool:
            if timeout is None and not is_library(sys._getframe(1).f_code.co_filename):
                self.hold(event)
            got: bool = waited(event, timeout)
            return got

        cls.set, cls.wait = set_event, wait

    def hold(self, event: Any) -> None:
        """Wait until the pulse is over, or cannot come any more."""
        state = self.engine.registry.state()
        begin = monotonic()
        clock = _thread.allocate_lock()
        clock.acquire()
        self.holding.add(state.ident)
        try:
            while not (self.over(event) or event.is_set() or self.in_vain(state)):
                if monotonic() - begin > min(PATIENCE, self.budget):
                    break
                clock.acquire(True, 0.002)
        finally:
            self.holding.discard(state.ident)
            self.budget = max(0.0, self.budget - (monotonic() - begin))

    def over(self, event: Any) -> bool:
        """Whether the flagged line has set the event, and it is off again."""
        return "_threadlint_pulsed" in event.__dict__ and not event.is_set()

    def in_vain(self, me: Any) -> bool:
        """Whether all others wait without an end, or are held back too."""
        registry = self.engine.registry
        if registry.starting:
            return False
        for state in registry.others(me):
            wait = state.wait
            if state.ident not in self.holding and (wait is None or wait.deadline is not None or not wait.blocked()):
                return False
        return True


def listen(engine: Engine) -> None:
    """Hear of a `wait()` or `notify()` at the flagged line that fails because the lock is not held."""
    cls: Any = threading.Condition
    for method in ("wait", "wait_for", "notify", "notify_all"):
        setattr(cls, method, told(engine, getattr(cls, method)))
    if "asyncio" in sys.modules or "asyncio" in flagged_file(engine):
        import asyncio

        tasks: Any = asyncio.Condition
        for method in ("notify", "notify_all"):
            setattr(tasks, method, told(engine, getattr(tasks, method)))


def flagged_file(engine: Engine) -> str:
    """The text of the flagged file."""
    return "".join(linecache.getlines(engine.job.flagged.path))


def told(engine: Engine, original: Any) -> Any:
    """The method, telling of a RuntimeError at a line of the job."""

    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return original(*args, **kwargs)
        except RuntimeError as error:
            frame = at_job(engine)
            if frame is not None:
                path, line = frame.f_code.co_filename, frame.f_lineno or 0
                found = step(engine, path, line, f"raised RuntimeError: {error}")
                found["stack"] = stack_of(frame)
                engine.events.send("witness", kind=engine.job.oracle, steps=[found], tier="here")
            raise

    return wrapped


class Wakes:
    """Lets the flagged `wait()` return at once, as when another thread was faster and took what was announced."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.woken: dict[int, tuple[str, int]] = {}
        self.left = WAKES

    def install(self) -> None:
        """Wrap `Condition.wait`, and hear of errors that leave the flagged function."""
        builtins.__threadlint_failed__ = self.failed  # type: ignore[attr-defined]
        cls: Any = threading.Condition
        original = cls.wait

        @functools.wraps(original)
        def wait(condition: Any, timeout: float | None = None) -> bool:
            frame = at_job(self.engine)
            me = self.engine.registry.state().ident
            if frame is not None:
                if self.woken.pop(me, None) is not None:
                    self.engine.events.send("looked", how="waited again")
                elif self.left > 0 and condition._is_owned():
                    self.left -= 1
                    self.woken[me] = (frame.f_code.co_filename, frame.f_lineno or 0)
                    return True
            got: bool = original(condition, timeout)
            return got

        cls.wait = wait

    def failed(self, error: BaseException) -> None:
        """An error leaves the flagged function: by its own will (`raise`, `assert`), or because what it went on with was not there."""
        place = self.woken.pop(self.engine.registry.state().ident, None)
        if place is None or not isinstance(error, Exception):
            return
        path, line = raised_at(error.__traceback__)
        if linecache.getline(path, line).lstrip().startswith(("raise", "assert")):
            self.engine.events.send("looked", how=f"raised {type(error).__name__} itself")
            return
        steps = [
            step(self.engine, *place, "was woken, with nothing there: as if another thread had been faster"),
            step(self.engine, path, line, f"went on, and raised {type(error).__name__}", message=str(error)),
        ]
        self.engine.events.send("witness", kind=self.engine.job.oracle, steps=steps, tier="here")

    @staticmethod
    def watch_function(tree: ast.Module, line: int) -> None:
        """Make the function around a line tell of the errors that leave it. The tree is changed."""
        around = Surroundings(tree)
        inside = [node for node in ast.walk(tree) if isinstance(node, ast.stmt) and node.lineno == line]
        function = around.function(inside[0]) if inside else tree
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return
        first = function.body[0]
        hook = ast.Expr(ast.Call(func=name("__threadlint_failed__"), args=[name("__threadlint_error__")], keywords=[]))
        handler = ast.ExceptHandler(type=name("BaseException"), name="__threadlint_error__", body=[hook, ast.Raise()])
        guard = ast.Try(body=function.body, handlers=[handler], orelse=[], finalbody=[])
        placed([guard], first)
        function.body = [guard]
        ast.fix_missing_locations(tree)


class Turns:
    """Counts the turns of the flagged loop that come without a rest."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.count = 0
        self.last = 0.0
        self.begin = 0.0

    def install(self) -> None:
        """Make the hook known."""
        builtins.__threadlint_turn__ = self.turn  # type: ignore[attr-defined]

    def turn(self, line: int) -> None:
        """One turn of the loop."""
        now = monotonic()
        if now - self.last > REST:
            self.count, self.begin = 0, now
        self.last = now
        self.count += 1
        if self.count == TURNS:
            spent = f"{(now - self.begin) * 1000:.1f} ms"
            path = self.engine.job.flagged.path
            found = step(self.engine, path, line, f"looked {TURNS} times without a rest", spent=spent)
            self.engine.events.send("witness", kind=self.engine.job.oracle, steps=[found], tier="here")

    @staticmethod
    def count_turns(tree: ast.Module, line: int) -> None:
        """Put the hook into the `while` at a line. The tree is changed."""
        for node in ast.walk(tree):
            if isinstance(node, ast.While) and node.lineno == line:
                node.body[:0] = placed([call("turn", line)], node.body[0])
                ast.fix_missing_locations(tree)
                return
