"""Loops that pass over an item because another one was removed: go through the container beside the loop, and compare at its end."""

from __future__ import annotations

import ast
import builtins
import sys
import threading
from typing import TYPE_CHECKING, Any

from .registry import stack_of
from .rewrite import name
from .source import Surroundings, innermost

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .job import Job
    from .start import Engine

THROUGH = frozenset({"enumerate", "iter"})
CHANGED = ("changed size during iteration", "mutated during iteration", "keys changed during iteration")


def install(engine: Engine) -> None:
    """Put the hook among the builtins."""
    builtins.__threadlint_through__ = Watching(engine).through  # type: ignore[attr-defined]


def rewrite(tree: ast.Module, job: Job) -> None:
    """`for x in xs` around the flagged statement becomes `for x in through(xs, line)`. The tree is changed."""
    statement = innermost(tree, job.flagged.line)
    if statement is None:
        return
    around = Surroundings(tree)
    loop = next((one for one in (statement, *around.above(statement)) if isinstance(one, ast.For)), None)
    if loop is None:
        return
    holder, field, value = loop, "iter", loop.iter
    while isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in THROUGH and value.args:
        holder, field, value = value, "args", value.args[0]  # type: ignore[assignment]
    watched = ast.Call(func=name("__threadlint_through__"), args=[value, ast.Constant(loop.lineno)], keywords=[])
    ast.copy_location(watched, value)
    if field == "iter":
        loop.iter = watched
    else:
        holder.args[0] = watched  # type: ignore[attr-defined]
    ast.fix_missing_locations(tree)


class Watching:
    """Tells of the first loop that passes over something."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.told = False

    def through(self, container: Iterable[Any], line: int) -> Iterator[Any]:
        """The items as the loop gets them. A loop that is left early, or goes through something that can be gone through but once, is not judged."""
        iterator = iter(container)
        before = [] if iterator is container else list(container)
        seen: set[int] = set()
        try:
            for item in iterator:
                seen.add(id(item))
                yield item
        except RuntimeError as error:
            if any(text in str(error) for text in CHANGED):
                self.tell(line, f"raised RuntimeError: {error}", {})
            raise
        left = [] if iterator is container else list(container)
        for number, item in enumerate(before):
            if id(item) not in seen and any(item is one for one in left):
                values = {"item": shown(item), "position at the start": number, "items seen": len(seen)}
                self.tell(line, "ended without having come to an item that is still there", values)
                return

    def tell(self, line: int, action: str, values: dict[str, Any]) -> None:
        """Send the witness, once."""
        if self.told:
            return
        self.told = True
        step = {
            "thread": threading.current_thread().name,
            "path": self.engine.job.flagged.path,
            "line": line,
            "action": action,
            "values": values,
            "stack": stack_of(sys._getframe(2)),
        }
        self.engine.events.send("witness", kind=self.engine.job.oracle, steps=[step])


def shown(item: object) -> str:
    """The item for people; what its own code raises while it is shown is not the program's."""
    try:
        text = repr(item)
    except Exception:  # noqa: BLE001 it is the program's code
        return f"<{type(item).__name__}>"
    return text if len(text) <= 80 else f"{text[:77]}..."
