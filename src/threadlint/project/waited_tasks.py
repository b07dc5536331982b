"""Which tasks the function that starts them also waits for, until they end by themselves.

A task that nobody waits for is cancelled when the loop ends (`asyncio.run`), and so it hangs nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from threadlint.facts.model import Access, Call, Kind, Loop, Ref, Root, Suspend, Value, With
from threadlint.knowledge.event_loops import TASK_GROUPS, TIMEOUTS
from threadlint.project.bodies.lifetimes import receiver_of
from threadlint.project.daemons import ends_with_program, joined
from threadlint.project.locks.locks import Step
from threadlint.project.names.things import External, Func, Object
from threadlint.project.names.values import refs
from threadlint.project.roots.thread_roots import Spawn

if TYPE_CHECKING:
    from threadlint.project.project import Project

_KEEPING = frozenset({"append", "add", "extend"})


def waited_for(project: Project, spawn: Spawn) -> bool:
    """Whether the spawn's function waits for the task without a limit, and does nothing that may end it before."""
    func = spawn.func
    start = project.steps(func)[spawn.begin]
    call = start.node
    inside = (func, *project.links.inner.get(func.id, ()))
    if spawn.kind != "task" or not isinstance(call, Call) or cancels(project, inside):
        return False
    return _in_group(project, func, start, call) or _gathered(project, func, spawn.begin, call)


def hangs_somebody(project: Project, spawn: Spawn) -> bool:
    """Whether a worker that never ends holds up the program: its thread is no daemon or is joined, or its task is waited for."""
    if spawn.kind == "task":
        return waited_for(project, spawn)
    return not ends_with_program(project, spawn) or joined(project, spawn)


def cancels(project: Project, funcs: Iterable[Func]) -> bool:
    """Whether one of the functions cancels anything."""
    return any(
        isinstance(call.callee, Ref) and "cancel" in (call.callee.name, *call.callee.path)[-1]
        for one in funcs
        for call in project.links.calls[one.id].values()
    )


def _limited(project: Project, func: Func, step: Step) -> bool:
    """Whether the step stands in a block that ends after a time."""
    made = {item.value for node, _ in step.context if isinstance(node, With) for item in node.items}
    return any(
        isinstance(thing, External) and thing.name in TIMEOUTS
        for call in project.links.calls[func.id].values()
        if call.result in made
        for thing in project.types.of(call.callee, func)
    )


def _in_group(project: Project, func: Func, start: Step, call: Call) -> bool:
    """`group.create_task(...)`: the end of the group's `async with` waits for it."""
    receiver = receiver_of(call)
    if receiver is None or _limited(project, func, start):
        return False
    return any(
        isinstance(node, With)
        and node.is_async
        and any(item.target == receiver for item in node.items)
        and any(isinstance(thing, Object) and thing.type in TASK_GROUPS for thing in project.types.of(receiver, func))
        for node, _ in start.context
    )


def _gathered(project: Project, func: Func, begin: int, call: Call) -> bool:
    """`await gather(...)` of the task itself, of its name, or of the list that it is kept in; or one `await` for each of the list."""
    steps = project.steps(func)
    names: set[Ref] = {call.result}
    if call.use.startswith("awaited"):
        return _is_gather(project, func, call) and not _limited(project, func, steps[begin])
    for step in steps[begin + 1 :]:
        node = step.node
        if isinstance(node, Access) and node.kind is Kind.WRITE and _names(node.value, names):
            if not _is_local(node.ref, func):
                return False  # others may end it
            names.add(node.ref)
        elif isinstance(node, Loop) and node.kind == "for" and node.value in names:
            names.update(node.targets)
        elif isinstance(node, Suspend) and node.kind == "await" and node.value in names:
            return not _limited(project, func, step)
        elif isinstance(node, Call) and any(_names(value, names) for value in node.args):
            callee = node.callee
            if isinstance(callee, Ref) and callee.path[-1:] != () and callee.path[-1] in _KEEPING:
                if not _is_local(callee.receiver, func):
                    return False
                names.add(callee.receiver)
            elif node.use.startswith("awaited") and _is_gather(project, func, node):
                return not _limited(project, func, step)
            else:
                return False
    return False


def _is_gather(project: Project, func: Func, call: Call) -> bool:
    return any(
        isinstance(thing, External) and thing.name == "asyncio.gather" for thing in project.types.of(call.callee, func)
    )


def _is_local(ref: Ref, func: Func) -> bool:
    return (
        ref.root == Root.VAR
        and not ref.path
        and ref.owner == func.facts.qualname
        and all(param.name != ref.name for param in func.facts.params)
    )


def _names(value: Value | None, names: set[Ref]) -> bool:
    return any(ref in names for ref in refs(value))
