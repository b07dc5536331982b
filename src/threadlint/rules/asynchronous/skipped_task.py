"""TL710."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Access, Call, Kind, Loop, Node, Operate, Ref, Root, Suspend, Value, walk
from threadlint.findings import Fix, Oracle, Problem, Related, Severity
from threadlint.knowledge.containers import REMOVING, VIEWS
from threadlint.knowledge.loops import TASK_METHODS, TASK_NAMES
from threadlint.project.bodies.paths import Paths, catches_all
from threadlint.project.locks.locks import text
from threadlint.project.names.linker import absolute
from threadlint.project.names.substitution import substitute
from threadlint.project.names.things import Cls, Func, FunctionThing, Object
from threadlint.project.names.values import refs
from threadlint.project.project import Project
from threadlint.rules.rule import rule

_THROUGH = frozenset({"enumerate", "iter"})
"""Builtins whose result goes through their first argument, item by item and from the front."""


@rule("TL710", since="0.1", severity=Severity.ERROR, oracle=Oracle.ITEM_SKIPPED, everywhere=True)
def skipped_task(project: Project) -> Iterator[Problem]:
    """A task is taken out of the list of tasks while a loop goes through that list, so the next task is skipped.

    ## Why is this bad?

    A loop over a list counts positions. Removing an item moves all later ones one place forward, the loop goes on to the next position, and the item that moved into the
    freed place does not get its turn: an event loop does not run it in this round, a supervisor does not see that it has ended, and a broadcast does not reach it. Nothing
    is raised, and with one task, or where the last one ends, all looks well. (A dict, set or deque ends the loop with `RuntimeError`.)

    ## Example

    The second task is ready, and has to wait until the first loop is over.

    ```python
    def event_loop(tasks):
        while tasks:
            for task in tasks:
                try:
                    print(task.send(None))
                except StopIteration:
                    tasks.remove(task)  # expect: TL710


    def count(name, turns):
        for turn in range(turns):
            yield f"{name} {turn}"


    event_loop([count("a", 1), count("b", 2), count("c", 3)])
    ```

    ## Use instead

    Go through a copy, or make the list of those that stay.

    ```python
    def event_loop(tasks):
        while tasks:
            for task in list(tasks):
                try:
                    print(task.send(None))
                except StopIteration:
                    tasks.remove(task)


    def count(name, turns):
        for turn in range(turns):
            yield f"{name} {turn}"


    event_loop([count("a", 1), count("b", 2), count("c", 3)])
    ```

    ## Fix

    Safe, where `xs` is a list, dict or set and the loop only removes from it by value or key: the loop goes through `list(xs)`.

    ## Known limits

    - Reported only where the items are things that run: the loop calls `send`, `is_alive`, `poll`, `join` and the like on them, or they are called `tasks`, `threads`, `workers`. For
      every other container, ruff's and flake8-bugbear's B909 and pylint's `modified-iterating-list` say the same.
    - Unlike those, it follows the removal into the functions that the loop calls, and is silent where the loop is left right after it.
    - Adding to a list while a loop goes through it is a way to give the loop more to do, and is not reported.
    - Removing in another thread is [TL106](TL106.md).
    """
    seen: set[tuple[str, tuple[int, ...]]] = set()
    for func in project.having(Loop):
        for loop in walk(func.facts.body):
            if isinstance(loop, Loop) and loop.kind == "for":
                for problem, key in _check(project, func, loop):
                    if key not in seen:
                        seen.add(key)
                        yield problem


def _check(project: Project, func: Func, loop: Loop) -> Iterator[tuple[Problem, tuple[str, tuple[int, ...]]]]:
    container = _gone_through(project, loop.value, func)
    if container is None:
        return
    if not _are_tasks(loop, container):
        return
    removals = [found for node in walk(loop.body) for found in _removals(project, func, node, container)]
    if not removals or _is_other(project, container, func):
        return
    kind = project.uses.kind(container, func)
    for number in _going_on(loop, [node for node, _, _ in removals]):
        node, how, where = removals[number]
        harm = (
            "makes the loop skip the item after it"
            if kind in ("", "list")
            else f"ends the loop with RuntimeError, as a {kind} may not change size meanwhile"
        )
        related = [Related(project.site(func, loop.span), f"the loop over `{text(container)}` begins here")]
        if where is not None:
            related.append(where)
        yield (
            Problem(
                project.site(func, node.span),
                f"`{how}` removes from `{text(container)}` while a loop goes through it, which {harm}",
                tuple(related),
                fix=Fix(Change.ITERATE_COPY, (project.site(func, loop.span),), safe=True, text=kind)
                if kind in ("list", "dict", "set")
                else None,
            ),
            (func.id, node.span),
        )


def _gone_through(project: Project, value: Value, func: Func) -> Ref | None:
    """The container whose items come one by one, from the front, when the value is iterated over."""
    if not isinstance(value, Ref):
        return None
    if value.root != Root.RESULT:
        return None if any(":" in step for step in value.path) else project.uses.home(value, func)
    call = project.links.calls[func.id].get(int(value.name)) if not value.path else None
    callee = call.callee if call is not None else None
    if call is None or not isinstance(callee, Ref):
        return None
    if callee.path and callee.path[-1] in VIEWS and not call.args:
        return _gone_through(project, callee.receiver, func)
    if callee.root == Root.BUILTIN and callee.name in _THROUGH and not callee.path and call.args:
        return _gone_through(project, call.args[0], func)
    return None


def _removals(project: Project, func: Func, node: Node, container: Ref) -> Iterator[tuple[Node, str, Related | None]]:
    """What the node takes out of the container: itself, or in a function that it calls."""
    if isinstance(node, Access):
        if node.kind == Kind.DELETE and node.ref.path and _same(project, node.ref.receiver, container, func):
            yield node, f"del {text(node.ref)}", None
    elif isinstance(node, Call) and isinstance(node.callee, Ref):
        callee = node.callee
        if callee.path and callee.path[-1] in REMOVING and _same(project, callee.receiver, container, func):
            if callee.path[-1] != "clear":
                yield node, f"{text(callee)}()", None
            return
        for thing in project.callees(func, node):
            if isinstance(thing, FunctionThing) and thing.func is not func:
                inner = _inside(project, func, node, thing, container)
                if inner is not None:
                    yield node, f"{text(callee)}()", inner


def _inside(project: Project, func: Func, call: Call, thing: FunctionThing, container: Ref) -> Related | None:
    """Where the called function removes from the container, whatever happens there."""
    if thing.func.facts.is_async or thing.func.facts.is_generator:
        return None
    for node in thing.func.facts.body:
        if not isinstance(node, Call) or not isinstance(node.callee, Ref) or node.callee.path[-1:] == ("clear",):
            continue
        if node.callee.path and node.callee.path[-1] in REMOVING:
            receiver = substitute(project.uses.home(node.callee.receiver, thing.func), thing, call, func)
            if isinstance(receiver, Ref) and _same(project, receiver, container, func):
                return Related(project.site(thing.func, node.span), "removed here")
    return None


def _same(project: Project, ref: Ref, container: Ref, func: Func) -> bool:
    home = project.uses.home(ref, func)
    return home == container or (
        home.root != Root.VAR
        and absolute(project.links, func.module, home) == absolute(project.links, func.module, container)
    )


def _are_tasks(loop: Loop, container: Ref) -> bool:
    """Whether the items are things that run: by what the loop does with them, or by the name of the container."""
    name = next((step for step in reversed(container.path) if not step.startswith("[")), container.name)
    words = name.rpartition(".")[2].lower().strip("_").split("_")
    if any(word in TASK_NAMES or word.removesuffix("s") in TASK_NAMES for word in words):
        return True
    names = {target.name for target in loop.targets}
    return any(_runs(node, names) for node in walk(loop.body))


def _runs(node: Node, names: set[str]) -> bool:
    if isinstance(node, Suspend):
        return node.kind in ("await", "yield from") and any(_is_item(ref, names) for ref in refs(node.value))
    if not isinstance(node, Call) or not isinstance(node.callee, Ref):
        return False
    callee = node.callee
    if callee == Ref(Root.BUILTIN, "next"):
        return any(isinstance(value, Ref) and _is_item(value, names) for value in node.args[:1])
    if callee.root != Root.VAR or callee.name not in names:
        return False
    return not callee.path or callee.path[-1] in TASK_METHODS


def _is_item(ref: Ref, names: set[str]) -> bool:
    return ref.root == Root.VAR and ref.name in names and not ref.path


def _is_other(project: Project, container: Ref, func: Func) -> bool:
    """Whether the container is of a class of the project, whose loops may well stand removals."""
    return any(isinstance(thing, Object) and isinstance(thing.type, Cls) for thing in project.types.of(container, func))


def _going_on(loop: Loop, removals: list[Node]) -> list[int]:
    """Which of the removals the loop goes on after."""
    numbers = {id(node): str(number) for number, node in enumerate(removals)}
    paths = Paths(
        step=lambda node, state: state or numbers.get(id(node), ""),
        raises=lambda node: isinstance(node, (Call, Suspend, Operate)),
        catches=catches_all,
    )
    outcome = paths.run(loop.body, "")
    return sorted({int(state) for state, _ in outcome.get("fall") | outcome.get("continue") if state})
