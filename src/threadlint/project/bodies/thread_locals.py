"""Which values are thread-local storage, and what functions do to its attributes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from threadlint.facts.model import Access, Call, Const, Kind, Ref, Root, Span, Value
from threadlint.project.locks.locks import Step, text
from threadlint.project.names.carriers import carriers
from threadlint.project.names.linker import Links
from threadlint.project.names.mentions import last_part
from threadlint.project.names.things import Cls, Func, Object
from threadlint.project.names.thread_local import is_thread_local
from threadlint.project.names.types import Types

_ASKING = frozenset({"hasattr", "setattr", "delattr"})
_LOOKING = frozenset({"vars", "dir", "getattr"})
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class LocalUse:
    """One read, assignment, update or deletion of an attribute; `text` names the storage as this place does, `step` is the number of the step."""

    func: Func
    step: int
    span: Span
    text: str
    kind: Kind
    value: Value | None = None


@dataclass(slots=True)
class Storage:
    """One thread-local object: the call that made it, and what is done to its attributes.

    `asked` holds the attributes that `hasattr()`, `setattr()` or `delattr()` is called for; `whole` says that something else happens to the object as
    a whole (`vars(local)`, `local.__dict__`), so that not all uses of its attributes are known.
    """

    func: Func
    call: Call
    cls: Cls | None
    uses: dict[str, list[LocalUse]] = field(default_factory=dict)
    defaulted: dict[str, list[LocalUse]] = field(default_factory=dict)
    """reads that reckon with a missing attribute: `getattr(local, "x", None)`"""
    asked: set[str] = field(default_factory=set)
    whole: bool = False


@dataclass(slots=True)
class ThreadLocals:
    """Finds the storage of a project."""

    links: Links
    types: Types
    steps: Callable[[Func], list[Step]]
    _found: dict[tuple[str, int], Storage] | None = None

    def all(self) -> list[Storage]:
        """Every thread-local object that the project makes."""
        if self._found is None:
            self._found = {}
            self._collect(self._found)
        return list(self._found.values())

    def _collect(self, found: dict[tuple[str, int], Storage]) -> None:
        classes = self._classes()
        for func, call in self.links.mentions.calls(classes):
            made = next((one for one in self.types.of(call.result, func) if is_thread_local(self.types, one)), None)
            if isinstance(made, Object) and made.call is call:
                cls = made.type if isinstance(made.type, Cls) else None
                found[func.id, call.id] = Storage(func, call, cls)
        if not found:
            return
        names = carriers(self.links, set(found))
        naming = {func.id for func in self.links.mentions.functions(names)}
        own = {storage.cls for storage in found.values() if storage.cls is not None}
        for func in self.links.ordered():
            if func.id in naming or (own and self.types.owner(func) in own):
                for number, step in enumerate(self.steps(func)):
                    for ref, use in _uses(func, number, step):
                        self._note(found, names, ref, use)
        for func, call in self.links.mentions.calls(_ASKING | _LOOKING):
            self._asked(found, names, func, call)

    def _classes(self) -> set[str]:
        """Last names of the classes that can be thread-local storage: `local`, and what derives from it."""
        found = {"local"}
        for _ in range(_ROUNDS):
            for cls in self.links.classes.values():
                if any(isinstance(base, Ref) and last_part(base) in found for base in cls.facts.bases):
                    found.add(cls.facts.name)
        return found

    def _note(self, found: dict[tuple[str, int], Storage], names: set[str], ref: Ref, use: LocalUse) -> None:
        parts = (ref.name.rpartition(".")[2], *ref.path)
        for end in range(len(ref.path)):
            base = Ref(ref.root, ref.name, ref.path[:end], ref.owner)
            if parts[end] not in names and not (not end and self._is_self(base, use.func)):
                continue
            attribute = ref.path[end]
            for storage in self._storages(found, base, use.func):
                if attribute.startswith(("[", "__")):
                    storage.whole = storage.whole or attribute == "__dict__"
                    continue
                kind = use.kind if end == len(ref.path) - 1 else Kind.READ
                storage.uses.setdefault(attribute, []).append(
                    LocalUse(use.func, use.step, use.span, text(base), kind, use.value if kind != Kind.READ else None)
                )

    def _is_self(self, base: Ref, func: Func) -> bool:
        return base.root == Root.VAR and bool(func.facts.cls) and base.name == self.types.self_name(func)

    def _storages(self, found: dict[tuple[str, int], Storage], base: Ref, func: Func) -> Iterator[Storage]:
        for thing in self.types.of(base, func):
            if isinstance(thing, Object) and is_thread_local(self.types, thing):
                if thing.frame is not None and thing.call is not None:
                    if (thing.frame.id, thing.call.id) in found:
                        yield found[thing.frame.id, thing.call.id]
                elif isinstance(thing.type, Cls):
                    # `self` in a method of the class: every object of the class
                    yield from (one for one in found.values() if one.cls is thing.type)

    def _asked(self, found: dict[tuple[str, int], Storage], names: set[str], func: Func, call: Call) -> None:
        callee = call.callee
        if not isinstance(callee, Ref) or callee.root != Root.BUILTIN or callee.path:
            return
        builtin = callee.name
        for one in call.args[:1]:
            if not isinstance(one, Ref) or last_part(one) not in names:
                continue
            for storage in self._storages(found, one, func):
                name = call.args[1] if len(call.args) > 1 else None
                if isinstance(name, Const) and isinstance(name.value, str):
                    if builtin in _ASKING:
                        storage.asked.add(name.value)
                    elif builtin == "getattr":
                        number = next(n for n, step in enumerate(self.steps(func)) if step.node is call)
                        use = LocalUse(func, number, call.span, text(one), Kind.READ)
                        storage.defaulted.setdefault(name.value, []).append(use)
                else:
                    storage.whole = True


def _uses(func: Func, number: int, step: Step) -> Iterator[tuple[Ref, LocalUse]]:
    """The names with attributes that a step uses."""
    node = step.node
    if isinstance(node, Access):
        if node.ref.path and node.form not in ("annotation", "def", "class"):
            yield node.ref, LocalUse(func, number, node.span, "", node.kind, node.value)
    elif isinstance(node, Call) and isinstance(node.callee, Ref) and len(node.callee.path) > 1:
        callee = node.callee
        yield callee.receiver, LocalUse(func, number, node.span, "", Kind.READ)
