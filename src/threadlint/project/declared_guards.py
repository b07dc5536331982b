"""What comments declare about locks (`# guarded-by: _lock`, `# requires-lock: _lock`), and where the code does otherwise.

The annotations of Clang's thread safety analysis and Error Prone's `@GuardedBy`, as comments; as there, constructors and finalizers are not checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from threadlint.facts.model import Access, Call, Kind, Node, Ref, Root, Span
from threadlint.project.locks.entry_locks import OWNED_METHODS
from threadlint.project.locks.locks import ANY_LOCK, Step, text
from threadlint.project.names.linker import absolute
from threadlint.project.names.things import ClassThing, Cls, Func, Module, Object

if TYPE_CHECKING:
    from threadlint.project.project import Project


@dataclass(frozen=True, slots=True)
class Declared:
    """`name` of the class `cls` (empty for a global of the module) is guarded by, or as a function requires, `lock`."""

    module: Module
    cls: str
    name: str
    lock: str
    span: Span
    called: bool = False


@dataclass(frozen=True, slots=True)
class Breach:
    """A use without the declared lock: in `func` at `span`; declared in `module` at `declared`."""

    func: Func
    span: Span
    text: str
    lock: str
    module: Module
    declared: Span
    called: bool


def declarations(project: Project) -> Iterator[Declared]:
    """All declarations of the project's comments."""
    for module in project.links.modules.values():
        for note in module.facts.annotations:
            lock = note.value.removeprefix("self.").removeprefix("cls.")
            for function in module.facts.functions:
                if note.kind == "requires-lock":
                    if function.qualname and function.span[0] - 1 <= note.line <= function.span[0]:
                        yield Declared(module, function.cls, function.name, lock, function.span, called=True)
                    continue
                func = project.links.funcs[f"{module.name}:{function.qualname}"]
                yield from (one for node in function.body if (one := _declared(project, func, node, note.line, lock)))


def _declared(project: Project, func: Func, node: Node, line: int, lock: str) -> Declared | None:
    if (
        not isinstance(node, Access)
        or node.kind == Kind.READ
        or not node.span[0] <= line <= node.span[2]
        or node.form in ("def", "class")
    ):
        return None
    ref, module = node.ref, func.module
    if ref.root == Root.VAR and ref.name == project.types.self_name(func) and len(ref.path) == 1:
        return Declared(module, func.facts.cls, ref.path[0], lock, node.span)
    if ref.root == Root.GLOBAL and not ref.path:
        return Declared(module, "", ref.name, lock, node.span)
    if ref.root == Root.GLOBAL and f"{module.name}:{'.'.join((ref.name, *ref.path[:-1]))}" in project.links.classes:
        return Declared(module, ".".join((ref.name, *ref.path[:-1])), ref.path[-1], lock, node.span)
    return None


def breaches(project: Project) -> Iterator[Breach]:
    """Every use of something declared, outside of constructors, without its lock; one for each line and name."""
    found = list(dict.fromkeys(declarations(project)))
    if not found:
        return
    names = {one.name for one in found}
    for func in project.functions:
        if (
            func.is_module
            or func.facts.name in OWNED_METHODS
            or func.id in project.entry.owned
            or project.assumes_lock(func)
        ):
            continue
        seen: set[tuple[int, str]] = set()
        for step in project.steps(func):
            for ref, span in _uses(step):
                if not names.isdisjoint((ref.name, *ref.path)):
                    for one in found:
                        breach = _breach(project, func, step, ref, span, one)
                        if breach is not None and (span[0], one.name) not in seen:
                            seen.add((span[0], one.name))
                            yield breach


def _uses(step: Step) -> Iterator[tuple[Ref, Span]]:
    node = step.node
    if isinstance(node, Access) and node.form != "annotation":
        yield node.ref, node.span
    elif isinstance(node, Call) and isinstance(node.callee, Ref):
        yield node.callee, node.span


def _breach(project: Project, func: Func, step: Step, ref: Ref, span: Span, one: Declared) -> Breach | None:
    if one.called and not (isinstance(step.node, Call) and (ref.name, *ref.path)[-1] == one.name):
        return None
    base = _base(project, func, ref, one)
    if base is None or (func.module is one.module and span == one.span):
        return None
    own = ref.root == Root.VAR and project.types.self_name(func) == ref.name
    lock = Ref(base.root, base.name, (*base.path, one.lock), base.owner) if base.name else Ref(Root.GLOBAL, one.lock)
    held = project.locks.of(lock, func if base.name else project.links.funcs[f"{one.module.name}:"])
    above = project.entry.always.get(func.id, frozenset())
    keys = {item.lock.key for item in step.held} | above
    if (
        ANY_LOCK in above
        or (held is not None and held.key in keys)
        or any(_named(item.value, lock) for item in step.held)
    ):
        return None
    if held is None and not own and base.name:
        return None
    return Breach(
        func,
        span,
        text(ref) if one.called else text(_whole(ref, one.name)),
        text(lock),
        one.module,
        one.span,
        one.called,
    )


def _base(project: Project, func: Func, ref: Ref, one: Declared) -> Ref | None:
    """The object whose attribute is used (a reference without a name for globals); None where the reference means something else."""
    if not one.cls:
        place = absolute(project.links, func.module, ref)
        same = place.root == Root.GLOBAL and (place.owner, place.name) == (one.module.name, one.name)
        return Ref(Root.GLOBAL, "") if same else None
    for number, name in enumerate(ref.path):
        if name == one.name:
            base = Ref(ref.root, ref.name, ref.path[:number], ref.owner)
            if any(_is_a(project, thing, one) for thing in project.types.of(base, func)):
                return base
    return None


def _is_a(project: Project, thing: object, one: Declared) -> bool:
    cls = thing.type if isinstance(thing, Object) else thing.cls if isinstance(thing, ClassThing) else None
    wanted = f"{one.module.name}:{one.cls}"
    return isinstance(cls, Cls) and any(isinstance(base, Cls) and base.id == wanted for base in project.types.mro(cls))


def _named(value: object, lock: Ref) -> bool:
    return isinstance(value, Ref) and (value.name, value.path) == (lock.name, lock.path)


def _whole(ref: Ref, name: str) -> Ref:
    """The reference up to the declared name."""
    end = next((number for number, part in enumerate(ref.path) if part == name), -1)
    return Ref(ref.root, ref.name, ref.path[: end + 1], ref.owner)
