"""An update that an `await` splits: prolong that await until another task has changed the place.

Only awaits that are there and that do suspend are prolonged; none is added, so nothing happens that the loop could not
do by itself.
"""

from __future__ import annotations

import ast
import asyncio
import builtins
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .readers import quiet_reader, same, shown
from .registry import monotonic, stack_of
from .rewrite import NEW, OLD, Split, assign, call, describe, name, partners, parts, placed, reader
from .source import Surroundings, target_of

if TYPE_CHECKING:
    from collections.abc import Generator

    from .start import Engine

TURNS = 400
LONGEST = 0.5


class Open:
    """A task that has read the place and has not stored yet."""

    __slots__ = ("before", "key", "now", "read", "stack", "writers")

    def __init__(self, key: tuple[Any, ...], read: Callable[[], Any] | None, stack: list[dict[str, Any]]) -> None:
        self.key = key
        self.read = read
        self.before = read() if read is not None else None
        self.now: Any = self.before
        self.stack = stack
        self.writers: list[dict[str, Any]] = []

    def changed(self) -> bool:
        """Whether another task has stored something else since."""
        if self.read is None or not self.writers:
            return False
        self.now = self.read()
        return not same(self.before, self.now)


class AwaitRace:
    """Which tasks stand between reading and storing, and which of them is prolonged."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.open: dict[Any, Open] = {}
        self.prolonged: Any = None
        self.done = False
        self.attempts = 0

    def install(self) -> None:
        """Put the hooks among the builtins."""
        for hook in ("noted", "prolong", "storing"):
            setattr(builtins, f"__threadlint_{hook}__", getattr(self, hook))

    def noted(self, index: int, base: Any, key: Any, read: Any) -> None:
        """The place was read."""
        task = current_task()
        if task is None or self.done:
            return
        split = self.engine.splits[index]
        self.engine.events.send("reached", site=0, thread=task.get_name()) if self.attempts < 4 else None
        quiet = quiet_reader(split.kind, base, key, read)
        self.open[task] = Open(place_key(split, base, key, read), quiet, stack_of(sys._getframe(1)))

    def prolong(self, index: int, awaited: Any) -> Any:
        """The awaited thing, going on to wait until another task has changed the place."""
        return Prolonged(self, index, awaited)

    def storing(self, index: int, base: Any, key: Any, new: Any, read: Any) -> None:
        """About to store: did the place change since this task read it? Other tasks hear who stores."""
        task = current_task()
        if self.done:
            return
        split = self.engine.splits[index]
        mine = self.open.pop(task, None) if index == 0 else None
        if mine is not None and mine.changed():
            self.done = True
            self.witness(task, split, mine, new)
            return
        where = place_key(split, base, key, read)
        for owner, other in self.open.items():
            if other.key == where and owner is not task:
                other.writers.append(
                    {"thread": task.get_name() if task is not None else "a callback", "path": split.path, "line": split.line, "text": split.text,
                     "stack": stack_of(sys._getframe(1))}
                )  # fmt: skip

    def witness(self, task: Any, split: Split, mine: Open, new: Any) -> None:
        """One task read, awaited, and overwrote what another one stored meanwhile."""
        first = {"thread": task.get_name(), "path": split.path, "line": split.line, "text": split.text}
        steps = [
            {**first, "action": "read, then awaited", "values": {"read": shown(mine.before)}, "stack": mine.stack},
            {**mine.writers[0], "action": "stored", "values": {"stored": shown(mine.now)}},
            {**first, "action": "overwrote", "values": {"stored": shown(new), "lost": shown(mine.now)}},
        ]
        self.engine.events.send("witness", kind="rmw-across-await", steps=steps, tier="here")


class Prolonged:
    """An awaitable that does what another one does, and then gives the other tasks some more turns."""

    def __init__(self, race: AwaitRace, index: int, awaited: Any) -> None:
        self.race = race
        self.index = index
        self.awaited = awaited

    def __await__(self) -> Generator[Any, Any, Any]:
        """Drive the inner awaitable by hand, to see whether it suspends."""
        inner = self.awaited.__await__() if hasattr(self.awaited, "__await__") else self.awaited
        suspended = False
        try:
            waited_for = inner.send(None) if hasattr(inner, "send") else next(inner)
            while True:
                suspended = True
                try:
                    sent = yield waited_for
                except GeneratorExit:
                    inner.close()
                    raise
                except BaseException as error:  # noqa: BLE001  # cancellation goes through to the inner one
                    waited_for = inner.throw(error)
                else:
                    waited_for = inner.send(sent) if hasattr(inner, "send") else next(inner)
        except StopIteration as end:
            result = end.value
        if suspended:
            yield from self.more_turns()
        return result

    def more_turns(self) -> Generator[Any, Any, None]:
        """Let the loop turn until the place has changed, or nobody else moves."""
        race, task = self.race, current_task()
        mine = race.open.get(task)
        if mine is None or race.prolonged is not None or race.done or race.attempts > 20:
            return
        race.prolonged = task
        race.attempts += 1
        loop: Any = asyncio.get_running_loop()
        limit = monotonic() + LONGEST
        idle = 0
        end = "timeout"
        try:
            for _ in range(TURNS):
                if mine.changed():
                    end = "hit"
                    break
                timers = [one for one in getattr(loop, "_scheduled", ()) if not one.cancelled()]
                idle = 0 if getattr(loop, "_ready", ()) or timers else idle + 1
                if idle > 5 or monotonic() > limit:
                    end = "blocked"
                    break
                if timers and not getattr(loop, "_ready", ()):
                    yield from asyncio.sleep(0.002).__await__()
                else:
                    yield
        finally:
            race.prolonged = None
        race.engine.events.send("pause", end=end, site=0, thread=task.get_name(), guard=None)


def current_task() -> Any:
    """The running task, None outside of a loop."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def place_key(split: Split, base: Any, key: Any, read: Any) -> tuple[Any, ...]:
    """Tells one place from another."""
    if split.kind == "name":
        return ("name", split.name, id(read.__closure__[0]) if read.__closure__ else id(read.__globals__))
    return (split.kind, id(base), repr(key))


def rewrite(engine: Engine, text: str, tree: ast.Module, path: str) -> ast.Module:
    """Put the hooks around the flagged update: after its reading, into its awaits, before its store."""
    around = Surroundings(tree)
    place = engine.job.flagged
    node = around.statement(place.line, place.end_line, place.column)
    split = describe(node, around, path, text.splitlines()) if node is not None else None
    several = isinstance(node, ast.Assign) and len(node.targets) > 1
    if node is None or several or not isinstance(split, Split) or split.kind == "test":
        engine.events.send("refused", line=place.line, reason="there is no update at this line that can be split")
        return tree
    awaits, begin = window(node, around)
    if not awaits:
        engine.events.send("refused", line=place.line, reason="no await stands between reading and storing")
        return tree
    engine.splits.append(split)
    others: dict[ast.stmt, Split] = {}
    for other in partners(tree, node):
        theirs = describe(other, around, path, text.splitlines())
        several = isinstance(other, ast.Assign) and len(other.targets) > 1
        if isinstance(theirs, Split) and not several and not isinstance(around.function(other), ast.Module):
            theirs.index = len(engine.splits)
            engine.splits.append(theirs)
            others[other] = theirs
    engine.events.send("loaded", path=path)
    Prolonger(split, node, awaits, begin, others).visit(tree)
    return ast.fix_missing_locations(tree)


def window(node: ast.stmt, around: Surroundings) -> tuple[set[ast.Await], ast.stmt]:
    """The awaits between reading and storing, and the statement that reads."""
    target = target_of(node)
    inside = {one for one in ast.walk(node) if isinstance(one, ast.Await)}
    if isinstance(node, ast.AugAssign) or target is None:
        return inside, node
    read = [one for one in around.window(node) if isinstance(one, ast.stmt)]
    begin = read[0] if read else node
    scope = around.function(node)
    between = {
        one
        for one in ast.walk(scope)
        if isinstance(one, ast.Await) and begin.lineno < one.lineno and one.lineno < node.lineno
    }
    return inside | between, begin


class Prolonger(ast.NodeTransformer):
    """Writes the hooks."""

    def __init__(
        self, split: Split, node: ast.stmt, awaits: set[ast.Await], begin: ast.stmt, others: dict[ast.stmt, Split]
    ) -> None:
        self.split = split
        self.others = others
        self.node = node
        self.awaits = awaits
        self.begin = begin

    def visit_Await(self, node: ast.Await) -> ast.AST:  # ast's name
        """`await X` becomes `await prolong(X)`."""
        self.generic_visit(node)
        if node not in self.awaits:
            return node
        hook = ast.Call(func=name("__threadlint_prolong__"), args=[ast.Constant(value=0), node.value], keywords=[])
        node.value = ast.copy_location(hook, node)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:  # ast's name
        """Note the reading, then store with notice."""
        self.generic_visit(node)
        if node in self.others:
            return self.announced(node, self.others[node], node.target)
        if node is not self.node:
            return node
        out: list[ast.stmt] = []
        load, store, base, key = parts(self.split, node.target, out)
        out += [
            assign(OLD, load),
            assign(NEW, name(OLD)),
            call("noted", 0, base, key, reader(node.target)),
            ast.AugAssign(target=ast.Name(id=NEW, ctx=ast.Store()), op=node.op, value=node.value),
            call("storing", 0, base, key, name(NEW), reader(node.target)),
            ast.Assign(targets=[store], value=name(NEW)),
        ]
        return placed(out, node)

    def visit_Assign(self, node: ast.Assign) -> Any:  # ast's name
        """The same for `T = R`, whose reading may be a statement before."""
        self.generic_visit(node)
        out: list[ast.stmt] = []
        if node is self.begin and node is not self.node:
            return [node, *self.noting(node)]
        if node in self.others:
            return self.announced(node, self.others[node], node.targets[0])
        if node is not self.node:
            return node
        if self.begin is node:
            out += self.noting(node)
        out.append(assign(NEW, node.value))
        _, store, base, key = parts(self.split, node.targets[0], out)
        out.append(call("storing", 0, base, key, name(NEW), reader(node.targets[0])))
        out.append(ast.Assign(targets=[store], value=name(NEW)))
        return placed(out, node)

    def announced(self, node: ast.AugAssign | ast.Assign, split: Split, target: ast.expr) -> list[ast.stmt]:
        """A store elsewhere, told to the tasks that stand between reading and storing."""
        out: list[ast.stmt] = []
        load, store, base, key = parts(split, target, out)
        if isinstance(node, ast.Assign):
            out = [assign(NEW, node.value), *out]
        else:
            change = ast.AugAssign(target=ast.Name(id=NEW, ctx=ast.Store()), op=node.op, value=node.value)
            out += [assign(NEW, load), change]
        out.append(call("storing", split.index, base, key, name(NEW), reader(target)))
        out.append(ast.Assign(targets=[store], value=name(NEW)))
        return placed(out, node)

    def noting(self, near: ast.stmt) -> list[ast.stmt]:
        """Evaluate the place's base and key where it is read, and note them."""
        target = target_of(self.node) or name(self.split.name)
        out: list[ast.stmt] = []
        _, _, base, key = parts(self.split, target, out)
        return placed([*out, call("noted", 0, base, key, reader(target))], near)
