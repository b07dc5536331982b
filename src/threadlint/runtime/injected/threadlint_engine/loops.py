"""Event loops: a statement that keeps the loop from turning, and coroutines that nobody awaits."""

from __future__ import annotations

import ast
import asyncio
import builtins
import functools
import gc
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

from .registry import get_ident, monotonic, stack_of
from .rewrite import call, placed
from .source import innermost

if TYPE_CHECKING:
    from .job import Place
    from .start import Engine

LIBRARY = os.path.dirname(os.path.realpath(asyncio.__path__[0]))
SLOW = 0.1
"""Seconds after which asyncio itself calls a callback slow (`loop.slow_callback_duration`)."""
ORIGINS = 6
SUSPENDING = (ast.Await, ast.AsyncFor, ast.AsyncWith, ast.Yield, ast.YieldFrom)


def install(engine: Engine) -> None:
    """Install what the oracle of the engine's job needs."""
    oracle = engine.job.oracle
    if oracle == "event-loop-blocked":
        timer = Timer(engine)
        builtins.__threadlint_enter__ = timer.enter  # type: ignore[attr-defined]
        builtins.__threadlint_leave__ = timer.leave  # type: ignore[attr-defined]
        builtins.__threadlint_begin__ = timer.begin  # type: ignore[attr-defined]
        timer.watch_turns()
    elif oracle == "never-awaited":
        never_awaited(engine)
    elif oracle == "loop-used-from-thread":
        watch_owners(engine)
    else:
        from .awaits import AwaitRace  # only where it is needed

        AwaitRace(engine).install()


def rewrite(engine: Engine, text: str, tree: ast.Module, path: str) -> ast.Module:
    """Put the hooks of the oracle into the flagged statement."""
    if engine.job.oracle == "rmw-across-await":
        from .awaits import rewrite as rewrite_awaits  # as above

        return rewrite_awaits(engine, text, tree, path)
    place = engine.job.flagged
    statement = innermost(tree, place.line)
    if statement is None:
        engine.events.send("refused", line=place.line, reason="there is no statement at this line")
        return tree
    engine.events.send("loaded", path=path)
    Timed(statement).visit(tree)
    return ast.fix_missing_locations(tree)


class Timed(ast.NodeTransformer):
    """Puts a clock around one statement."""

    def __init__(self, statement: ast.stmt) -> None:
        self.statement = statement

    def visit(self, node: ast.AST) -> Any:
        """Wrap the statement; go on elsewhere."""
        if node is not self.statement:
            return self.generic_visit(node)
        if any(isinstance(one, SUSPENDING) for one in ast.walk(node)):
            # Its time is not the loop's alone; what counts is the turn of the loop in which it begins.
            return placed([call("begin", 0), self.statement], self.statement)
        body = ast.Try(body=[self.statement], handlers=[], orelse=[], finalbody=[call("leave", 0)])
        return placed([call("enter", 0), body], self.statement)


class Timer:
    """Measures how long the flagged statement keeps a loop's thread."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.began: dict[int, list[tuple[float, float]]] = {}
        self.threads: set[str] = set()
        self.begun: set[int] = set()
        self.told = False

    def watch_turns(self) -> None:
        """Time every callback of a loop in which a flagged statement that awaits has begun."""
        handle: Any = asyncio.events.Handle
        original = handle._run

        @functools.wraps(original)
        def run(one: Any) -> None:
            ident = get_ident()
            self.began.setdefault(ident, []).append((monotonic(), self.engine.watch.late))
            try:
                original(one)
            finally:
                began, late = self.began[ident].pop()
                if ident in self.begun:
                    self.begun.discard(ident)
                    self.judge(began, late)

        handle._run = run

    def begin(self, _: int) -> None:
        """Before a statement that awaits."""
        self.reached()
        self.begun.add(get_ident())

    def enter(self, _: int) -> None:
        """Before the statement."""
        self.reached()
        self.began.setdefault(get_ident(), []).append((monotonic(), self.engine.watch.late))

    def reached(self) -> None:
        """Tell that the statement runs, and where."""
        state = self.engine.registry.state()
        if state.name not in self.threads:
            self.threads.add(state.name)
            self.engine.events.send(
                "reached", site=0, thread=state.name, in_loop=asyncio._get_running_loop() is not None
            )

    def leave(self, _: int) -> None:
        """After the statement."""
        self.judge(*self.began[get_ident()].pop())

    def judge(self, began: float, late: float) -> None:
        """Tell if a loop of this thread was held up since `began`, and by the program, not by the machine."""
        state = self.engine.registry.state()
        took = monotonic() - began
        loop: Any = asyncio._get_running_loop()
        if loop is None or self.told:
            return
        self.engine.events.send("timed", seconds=round(took, 4))
        # Time for which the engine's own clock stood still too was taken by the machine, not by the statement.
        if took - (self.engine.watch.late - late) < SLOW:
            return
        self.told = True
        due = sum(
            1 for timer in getattr(loop, "_scheduled", ()) if timer.when() <= loop.time() and not timer.cancelled()
        )
        waiting = due + len(getattr(loop, "_ready", ()))
        step = {
            "thread": state.name,
            "path": self.engine.job.flagged.path,
            "line": self.engine.job.flagged.line,
            "text": "",
            "action": "kept the event loop from turning",
            "values": {"seconds": f"{took:.3f}", "callbacks that had to wait": waiting},
            "stack": stack_of(sys._getframe(2)),
        }
        self.engine.events.send("witness", kind="event-loop-blocked", steps=[step], tier="here")


GUARDED = ("call_soon", "call_at", "stop", "_add_reader", "_remove_reader", "_add_writer", "_remove_writer")
"""What the methods of a loop, and of what belongs to it, come down to."""


def watch_owners(engine: Engine) -> None:
    """Look at who calls the methods of a running loop: the thread that runs it, or another."""
    told: list[bool] = []

    def watched(original: Any) -> Any:
        @functools.wraps(original)
        def method(loop: Any, *args: Any, **keywords: Any) -> Any:
            owner = getattr(loop, "_thread_id", None)
            if owner is not None and owner != get_ident() and not told:
                stack = stack_of(sys._getframe(1))
                at = next((frame for frame in stack if engine.watch.at_place(frame)), None)
                if at is not None:
                    told.append(True)
                    step = {
                        "thread": engine.registry.state().name,
                        "path": at["path"],
                        "line": at["line"],
                        "text": "",
                        "action": f"called `{original.__name__}()` of a loop that another thread was running",
                        "values": {},
                        "stack": stack,
                    }
                    engine.events.send("witness", kind="loop-used-from-thread", steps=[step], tier="here")
            return original(loop, *args, **keywords)

        return method

    for kind in (asyncio.BaseEventLoop, getattr(asyncio, "SelectorEventLoop", None)):
        for name in GUARDED:
            if kind is not None and name in vars_of(kind):
                setattr(kind, name, watched(getattr(kind, name)))


def vars_of(kind: Any) -> set[str]:
    """The names that the class or, for private ones, a base of it defines."""
    return {name for base in kind.__mro__ for name in vars(base) if base is kind or name.startswith("_")}


def never_awaited(engine: Engine) -> None:
    """Follow coroutines to where they were made; the interpreter says which were dropped."""
    library: Any = warnings
    original = library._warn_unawaited_coroutine
    named = names_at(engine.job.flagged)
    sys.set_coroutine_origin_tracking_depth(ORIGINS)
    # The depth is a property of each thread.
    engine.registry.on_thread = lambda: sys.set_coroutine_origin_tracking_depth(ORIGINS)

    def warn(coro: Any) -> None:
        origin = [{"path": path, "line": line, "function": function} for path, line, function in (coro.cr_origin or ())]
        dropped = any(engine.watch.at_place(frame) for frame in origin[:2])
        # Given away at the flagged line by its name, and called by the library.
        if dropped or (coro.cr_code.co_name in named and engine.pauser.records and in_library(origin)):
            step: dict[str, Any] = {
                "thread": engine.registry.state().name,
                "path": origin[0]["path"] if dropped else engine.job.flagged.path,
                "line": engine.job.flagged.line,
                "text": "",
                "action": f"made the coroutine `{coro.__qualname__}` and dropped it; its body never ran"
                if dropped
                else f"gave `{coro.__qualname__}` away; only a coroutine was made of it, whose body never ran",
                "values": {},
                "stack": origin,
            }
            engine.events.send("witness", kind="never-awaited", steps=[step], tier="here")
        original(coro)

    library._warn_unawaited_coroutine = warn
    # What still lives in a cycle when the program ends has not been awaited either.
    engine.at_end.append(lambda: void(gc.collect()))


def names_at(place: Place) -> set[str]:
    """The names and attributes in the flagged statement."""
    try:
        with open(place.path, "rb") as file:
            statement = innermost(ast.parse(file.read()), place.line)
    except (OSError, SyntaxError, ValueError):
        return set()
    nodes = list(ast.walk(statement)) if statement is not None else []
    return {node.id for node in nodes if isinstance(node, ast.Name)} | {
        node.attr for node in nodes if isinstance(node, ast.Attribute)
    }


def in_library(origin: list[dict[str, Any]]) -> bool:
    """Whether a file of the standard library made the coroutine."""
    return bool(origin) and os.path.dirname(os.path.realpath(origin[0]["path"])).startswith(LIBRARY)


def void(_: object) -> None:
    """Takes a value and gives none."""
