"""Changes that a child process, or another interpreter, makes to its own copy of what the parent reads afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from threadlint.facts.model import Access, Call, Const, Kind, Many, Ref, Root, Span, Value
from threadlint.findings import Problem, Related
from threadlint.project.bodies.uses import Act, Use
from threadlint.project.locks.locks import text
from threadlint.project.names.linker import absolute
from threadlint.project.names.test_files import in_tests
from threadlint.project.names.things import Cls, Func, FunctionThing, Object
from threadlint.project.names.types import argument
from threadlint.project.names.values import node_refs
from threadlint.project.roots.processes import ProcessSpawn

if TYPE_CHECKING:
    from threadlint.project.project import Project

_CALLS_UP = 2


@dataclass(frozen=True, slots=True)
class Lost:
    """A change in the child and a read in the parent; `place` is the same for all that concerns one variable."""

    spawn: ProcessSpawn
    place: tuple[object, ...]
    name: str
    func: Func
    span: Span
    reader: Func
    read: Span


def lost_writes(project: Project, world: str) -> Iterator[Lost]:
    """What processes, or interpreters, of the project change in vain; once for each variable, argument and attribute."""
    told: set[tuple[object, ...]] = set()
    for spawn in project.forks.processes:
        if spawn.world != world or in_tests(spawn.func) or _also_here(project, spawn):
            continue
        for found in (*_variables(project, spawn), *_arguments(project, spawn), *_attributes(project, spawn)):
            if found.place not in told:
                told.add(found.place)
                yield found


def problem(project: Project, found: Lost, where: str) -> Problem:
    """What is said about it; `where` is where the change is made."""
    spawn = found.spawn
    return Problem(
        project.site(found.func, found.span),
        f"`{found.name}` is changed in {where}, which has a copy of its own; the parent reads its own, unchanged",
        (
            Related(project.site(spawn.func, spawn.call.span), spawn.story),
            Related(project.site(found.reader, found.read), "the parent reads it here"),
        ),
        provable=found.place[0] == "variable",
    )


def _also_here(project: Project, spawn: ProcessSpawn) -> bool:
    """Whether the target also runs in the parent: called there, or given to a thread."""
    starts = {(one.func.id, one.call.id) for one in project.forks.processes}
    target = spawn.target.func
    if any(one.target.func is target for one in project.spawns):
        return True
    return any(
        (caller.id, call.id) not in starts and caller.id not in project.forks.reached
        for caller, call, _ in project.named_calls.of(target)
    )


def _children(project: Project, spawn: ProcessSpawn) -> Iterator[Func]:
    """The functions that the process runs and the parent does not call itself."""
    number = next(n for n, one in enumerate(project.forks.processes) if one is spawn)
    for func_id, reached in project.forks.reached.items():
        if number in reached.spawns:
            func = project.links.funcs[func_id]
            callers = {caller.id for caller, _, _ in project.named_calls.of(func)}
            if func is spawn.target.func or callers <= set(project.forks.reached):
                yield func


def _after(project: Project, func: Func, call: Call, up: int) -> Iterator[tuple[Func, int]]:
    """Where the parent goes on after the call: in the function itself, and in the functions that call it."""
    at = next((number for number, step in enumerate(project.steps(func)) if step.node is call), None)
    if at is None:
        return
    yield func, at
    if up:
        for caller, outer, _ in project.named_calls.of(func):
            real = project.links.calls[caller.id].get(outer.id)
            if real is outer and caller is not func and caller.id not in project.forks.reached:
                yield from _after(project, caller, outer, up - 1)


# variables of a module


def _variables(project: Project, spawn: ProcessSpawn) -> Iterator[Lost]:
    for func in _children(project, spawn):
        if func.is_module:
            continue
        for use in project.uses.of(func):
            key = _variable(project, use)
            if key is None or not _changes(project, use) or not _only_in_children(project, key):
                continue
            read = _read_later(project, spawn, key)
            if read is not None:
                yield Lost(spawn, ("variable", *key), text(use.ref), func, use.span, *read)
                break


def _variable(project: Project, use: Use) -> tuple[str, str] | None:
    """The module and name of the variable that the use is of."""
    if use.ref.path or use.ref.root not in (Root.GLOBAL, Root.IMPORT):
        return None
    found = absolute(project.links, use.func.module, use.ref)
    return (found.owner, found.name) if found.root == Root.GLOBAL and not found.path else None


def _changes(project: Project, use: Use) -> bool:
    if use.act in (Act.REBIND, Act.UPDATE) and not use.key:
        return use.how != "for"
    return use.act.writes and bool(project.uses.kind(use.ref, use.func))


def _only_in_children(project: Project, key: tuple[str, str]) -> bool:
    """Whether the parent only gives the variable its first, empty value: nothing, a number, an empty container."""
    for where, access in project.links.bindings.get(key, ()):
        if where.is_module:
            value = access.value
            empty = (
                isinstance(value, Const)
                or (isinstance(value, Many) and not value.items)
                or _is_empty_call(project, value, where)
            )
            if access.form not in ("", "annotation") or not empty:
                return False
        elif where.id not in project.forks.reached:
            return False
    for func in project.links.functions_of(project.links.modules[key[0]]):
        if func.id not in project.forks.reached:
            for use in project.uses.acts(func):
                if use.act.writes and not (func.is_module and use.act is Act.REBIND) and _variable(project, use) == key:
                    return False
    return True


def _is_empty_call(project: Project, value: Value | None, func: Func) -> bool:
    """`dict()`, `defaultdict(list)`, `Counter()`."""
    if not isinstance(value, Ref) or value.root != Root.RESULT or not isinstance(project.uses.kind(value, func), str):
        return False
    call = project.links.calls[func.id].get(int(value.name))
    return call is not None and bool(project.uses.kind(value, func)) and not call.keywords and len(call.args) <= 1


def _read_later(project: Project, spawn: ProcessSpawn, key: tuple[str, str]) -> tuple[Func, Span] | None:
    for func, at in _after(project, spawn.func, spawn.call, _CALLS_UP):
        for number in range(at + 1, len(project.steps(func))):
            step = project.steps(func)[number]
            for ref in node_refs(step.node):
                if _names(project, func, ref, key) and not (
                    isinstance(step.node, Access) and step.node.kind == Kind.WRITE
                ):
                    return func, step.node.span
            for thing, _ in project.calls(func, step):
                if isinstance(thing, FunctionThing) and thing.func.id not in project.forks.reached:
                    for use in project.uses.of(thing.func):
                        if use.act in (Act.READ, Act.ITERATE) and _variable(project, use) == key:
                            return thing.func, use.span
    return None


def _names(project: Project, func: Func, ref: Ref, key: tuple[str, str]) -> bool:
    if ref.root not in (Root.GLOBAL, Root.IMPORT):
        return False
    found = absolute(project.links, func.module, ref)
    return found.root == Root.GLOBAL and (found.owner, found.name) == key


# arguments


def _arguments(project: Project, spawn: ProcessSpawn) -> Iterator[Lost]:
    """`Process(target=f, args=(rows,))`, where `f` fills its `rows`."""
    target = spawn.target.func
    skip = 1 if project.types.self_name(target) else 0
    inner = Call(spawn.call.id, spawn.call.span, spawn.call.callee, spawn.args)
    returned = [value for value in project.types.returned(target) if isinstance(value, Ref)]
    if spawn.many and spawn.kind != "process":
        return
    for number, param in enumerate(target.facts.params[skip:]):
        value = argument(inner, number, param.name)
        if not isinstance(value, Ref) or value.path or value.root not in (Root.VAR, Root.GLOBAL):
            continue
        if not project.uses.kind(value, spawn.func) or any(one.name == param.name for one in returned):
            continue
        own = Ref(Root.VAR, param.name, (), target.facts.qualname)
        change = next((step.node for step in project.steps(target) if _fills(project, target, step.node, own)), None)
        if change is None:
            continue
        steps = project.steps(spawn.func)
        at = next((n for n, step in enumerate(steps) if step.node is spawn.call), len(steps))
        if any(_fills(project, spawn.func, step.node, value) for step in steps):
            continue  # the parent fills it too: it may read its own
        for step in steps[at + 1 :]:
            node = step.node
            if any(ref == value for ref in _read(node)) and not (
                isinstance(node, Call) and _is_handover(project, spawn.func, node)
            ):
                yield Lost(
                    spawn, ("argument", target.id, param.name), param.name, target, change.span, spawn.func, node.span
                )
                break


def _read(node: object) -> Iterator[Ref]:
    if isinstance(node, Access):
        if node.kind == Kind.READ:
            yield Ref(node.ref.root, node.ref.name, (), node.ref.owner)
    elif isinstance(node, Call):
        for ref in (*node.args, node.callee):
            if isinstance(ref, Ref):
                yield Ref(ref.root, ref.name, (), ref.owner)
    elif getattr(node, "kind", "") in ("for", "comprehension", "return"):
        value = getattr(node, "value", None)
        if isinstance(value, Ref):
            yield value


def _is_handover(project: Project, func: Func, call: Call) -> bool:
    return any(one.func is func and one.call is call for one in project.forks.processes)


def _fills(project: Project, func: Func, node: object, container: Ref) -> bool:
    """Whether the node changes what the container holds."""
    if isinstance(node, Access):
        return (
            node.kind != Kind.READ
            and len(node.ref.path) == 1
            and node.ref.path[0].startswith("[")
            and node.ref.receiver == container
        )
    if (
        isinstance(node, Call)
        and isinstance(node.callee, Ref)
        and node.callee.path
        and node.callee.receiver == container
    ):
        uses = (use for use in project.uses.of(func) if use.span == node.span)
        return any(use.act.in_place for use in uses) or node.callee.path[-1] in (
            "append",
            "add",
            "extend",
            "update",
            "insert",
        )
    return False


# attributes of a process


def _attributes(project: Project, spawn: ProcessSpawn) -> Iterator[Lost]:
    """`class Worker(Process)`, whose `run()` sets attributes that the parent asks for."""
    cls = project.types.owner(spawn.target.func)
    if spawn.kind != "class" or cls is None:
        return
    children = {func.id for func in _children(project, spawn)}
    for func in (project.links.funcs[one] for one in sorted(children)):
        if func.facts.cls != cls.facts.qualname or func.module is not cls.module:
            continue
        own = project.types.self_name(func)
        for use in project.uses.of(func):
            ref = use.ref
            if ref.name != own or ref.owner != func.facts.qualname or len(ref.path) != 1 or not use.act.writes:
                continue
            if not _changes(project, use):
                continue
            read = _asked_for(project, cls, ref.path[0], children)
            if read is not None:
                yield Lost(spawn, ("attribute", cls.id, ref.path[0]), f"{own}.{ref.path[0]}", func, use.span, *read)


def _asked_for(project: Project, cls: Cls, name: str, children: set[str]) -> tuple[Func, Span] | None:
    """Where the parent reads the attribute, if nothing but the process and the constructor sets it."""
    found = None
    for func in project.mentions.functions([name]):
        if func.id in children:
            continue
        for use in project.uses.of(func):
            if use.ref.path[-1:] != (name,) or not _is_process(project, use, cls):
                continue
            if use.act.writes and func.facts.name != "__init__":
                return None
            if use.act in (Act.READ, Act.ITERATE) and func.facts.name != "__init__" and found is None:
                found = (func, use.span)
    return found


def _is_process(project: Project, use: Use, cls: Cls) -> bool:
    things = project.types.of(use.ref.receiver, use.func)
    return any(isinstance(thing, Object) and thing.type is cls for thing in things)
