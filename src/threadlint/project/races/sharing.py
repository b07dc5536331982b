"""Which locations several threads reach, and which accesses to them may run in parallel without a common lock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field
from typing import TypeGuard

from threadlint.facts.model import Access, Call, Kind, Ref, Root
from threadlint.knowledge.stdlib import IN_PLACE_ATOMIC
from threadlint.project.locks.entry_locks import OWNED_METHODS
from threadlint.project.locks.locks import ANY_LOCK, Step, text
from threadlint.project.names.linker import absolute
from threadlint.project.names.things import ClassThing, Cls, Func, Object
from threadlint.project.names.types import Types
from threadlint.project.races.alongside import Alongside
from threadlint.project.races.own_items import OwnItems
from threadlint.project.races.standstill import Standstill
from threadlint.project.roots.child_only import ChildOnly
from threadlint.project.roots.contexts import MAIN, Context, Contexts, Origin
from threadlint.project.roots.looked_up import is_looked_up_anew
from threadlint.project.roots.ownership import CLOSURE, Given, Ownership, Token, closure_token, part
from threadlint.project.roots.thread_roots import Spawn
from threadlint.project.roots.tokens import HANDED, NEW, apart


@dataclass(frozen=True, slots=True)
class Location:
    """What may be shared: `key` is the same for every access to it, `owner` says whose object it belongs to, `text` is for messages."""

    key: str
    owner: Token
    text: str

    def reaching(self, roots: int) -> int:
        """Of the roots that reach an access, those that count: what a function has handed to a thread it shares with that one, not with others that call it."""
        return roots & MAIN if self.owner.kind == HANDED else roots


@dataclass(frozen=True, slots=True)
class Touch:
    """An access to a shared location in one context: with the locks held (by key) and the roots that come this way."""

    access: Access
    step: int
    context: Context
    location: Location
    held: frozenset[str]
    roots: int

    @property
    def func(self) -> Func:
        """The function that the access stands in."""
        return self.context.func


@dataclass(frozen=True, slots=True)
class Race:
    """Two accesses of one location that may run in parallel: `first` is an update, `second` writes (it may be the same access in another thread)."""

    first: Touch
    second: Touch
    roots: tuple[Spawn, ...]
    with_main: bool = False
    main_side: Touch | None = None
    """with the main thread: the access that it makes"""


@dataclass(slots=True)
class Sharing:
    """Collects touches and pairs them."""

    types: Types
    ownership: Ownership
    contexts: Contexts
    steps: Callable[[Func], list[Step]]
    child_only: ChildOnly
    standstill: Standstill = field(init=False)
    alongside: Alongside = field(init=False)
    own_items: OwnItems = field(init=False)
    _touches: dict[str, list[Touch]] | None = None
    _races: tuple[Race, ...] | None = None
    _definers: dict[tuple[str, str], str] = field(default_factory=dict)
    _kept: dict[tuple[str, int], bool] = field(default_factory=dict)
    _owners: dict[str, set[str]] = field(default_factory=dict)
    """by name of an attribute: the classes whose methods set it"""
    _calls_of_events: dict[tuple[str, str], tuple[tuple[int, tuple[str, int]], ...]] = field(default_factory=dict)
    """by function id and method: the steps that call it on events, and where those are made"""

    def __post_init__(self) -> None:
        self.standstill = Standstill(self.types, self.steps)
        self.alongside = Alongside(self.types, self.ownership.handed, self.steps)
        self.own_items = OwnItems(self.types.links)

    def touches(self) -> dict[str, list[Touch]]:
        """All writing accesses to locations that more than one thread may reach, by location."""
        if self._touches is None:
            self._touches = self._collect()
        return self._touches

    def _collect(self) -> dict[str, list[Touch]]:
        found: dict[str, list[Touch]] = defaultdict(list)
        spawners = {spawn.func.id for spawn in self.contexts.spawns}
        names = self._written_on_threads()
        writes: dict[Func, list[tuple[int, Step, Access]]] = {}
        for context, roots in self.contexts.reached.items() if names else ():
            if context.func.facts.name in OWNED_METHODS and roots & ~MAIN == 0:
                continue
            own = writes.get(context.func)
            if own is None:
                own = writes[context.func] = list(self._writes(context.func, names))
            binding = Given(context.binding)
            for number, step, node in own:
                location = self.location(node.ref, context.func, binding, handed=True)
                if location is None or self.harmless(node, context.func):
                    continue
                excluding = [one for one in step.held if one.lock.excludes]
                for one in excluding:
                    self.contexts.texts.setdefault(one.lock.key, one)
                held = context.held.union(one.lock.key for one in excluding)
                if not node.ref.path and node.ref.root == Root.VAR and node.ref.owner == context.func.facts.qualname:
                    # the variable's own function: each activation has its own variable, which only the threads that it starts share
                    if context.func.id not in spawners:
                        continue
                    found[location.key].append(Touch(node, number, context, location, held, MAIN))
                else:
                    found[location.key].append(Touch(node, number, context, location, held, location.reaching(roots)))
        return found

    def _writes(self, func: Func, names: Container[str]) -> Iterator[tuple[int, Step, Access]]:
        """The steps that write what can have one of these last names, or hold a lock."""
        for number, step in enumerate(self.steps(func)):
            node = step.node
            if type(node) is not Access or node.kind is Kind.READ or node.form in _NO_STORE:
                continue
            if (step.held or self.may_be(node, func, names)) and not self.child_only.at(func, step):
                yield number, step, node

    def _written_on_threads(self) -> set[str]:
        """The last names of the locations that some thread writes: all others are no races."""
        keys = {
            location.key
            for context, roots in self.contexts.reached.items()
            if roots & ~MAIN
            for step in self.steps(context.func)
            if type(step.node) is Access and step.node.kind is not Kind.READ and step.node.form not in _NO_STORE
            if (location := self.location(step.node.ref, context.func, dict(context.binding))) is not None
        }
        return {last_of(key) for key in keys}

    def may_be(self, write: Access, func: Func, names: Container[str]) -> bool:
        """Whether the location that is written can have one of these last names; asked before what the location is, which takes longer."""
        ref = write.ref
        if ref.root is Root.VAR and not ref.path:
            return ref.owner != func.facts.qualname or ref.name in func.facts.captured
        if ref.root is Root.VAR and len(ref.path) == 1 and ref.name == self.types.self_name(func):
            return ref.path[0] in names or ref.path[0].startswith("[")
        return bool(ref.path) or ref.root is not Root.GLOBAL or ref.name in names or write.value is None

    def races(self) -> tuple[Race, ...]:
        """For each location the update that is easiest to understand, with an access that can come between its read and its write."""
        if self._races is None:
            self._races = tuple(self._find_races())
        return self._races

    def _find_races(self) -> Iterator[Race]:
        for touches in self.touches().values():
            if any(touch.roots & ~MAIN for touch in touches):
                updates = [
                    t
                    for t in touches
                    if t.access.kind == Kind.UPDATE and t.access.form in _UPDATES and ANY_LOCK not in t.held
                ]
                others = sorted(touches, key=lambda touch: touch.location.owner.id.startswith(NEW))
                best = self._easiest(sorted(updates, key=_preference), others)
                if best is not None:
                    yield best

    def _easiest(self, updates: list[Touch], touches: list[Touch]) -> Race | None:
        """The race that is easiest to believe: a thread against others of its kind, then two threads, then one and the main thread."""
        alone = [self._with_itself(update) for update in updates]
        one_place = next((race for race in alone if race is not None and len(race.roots) == 1), None)
        if one_place is not None:
            return one_place
        with_main: Race | None = None
        # unsound: a location with more pairs of accesses than this is not looked at to the end
        pairs = _MOST_PAIRS
        for update, race in zip(updates, alone, strict=True):
            if race is not None:
                return race
            for other in touches[:pairs]:
                if _ordered(update, other):
                    continue
                found = self._in_threads(update, other)
                if found is not None:
                    return found
                with_main = with_main or next(self._with_main(update, other), None)
            pairs -= len(touches[:pairs])
        return with_main

    def _with_itself(self, update: Touch) -> Race | None:
        ref, func = update.access.ref, update.func
        spawns = (spawn for spawn in self.contexts.roots(update.roots & ~MAIN) if spawn.many)
        many = [spawn for spawn in spawns if not self.own_items.each(ref, func, spawn)]
        return Race(update, update, tuple(many)) if many and not update.held else None

    def _in_threads(self, one: Touch, other: Touch) -> Race | None:
        if apart(one.location.owner, other.location.owner):
            return None
        of_self = one.location.owner.kind in ("self", "part")
        for ours in self.contexts.roots(one.roots & ~MAIN):
            for theirs in self.contexts.roots(other.roots & ~MAIN):
                if of_self and self.standstill.instead(ours, theirs):
                    continue
                if self.own_items.apart((one.access.ref, one.func, ours), (other.access.ref, other.func, theirs)):
                    continue
                if ours is not theirs and self._overlap(ours, theirs):
                    return None if self._signalled(one, other) else Race(one, other, (ours, theirs))
        return None

    def parallel(self, one: Touch, other: Touch) -> Race | None:
        """Whether the two may run in parallel without a common lock, in which threads; None where nothing says so."""
        if ANY_LOCK in one.held or _ordered(one, other):
            return None
        many = [spawn for spawn in self.contexts.roots(one.roots & other.roots & ~MAIN) if spawn.many]
        if many:
            return Race(one, other, (many[0],))
        return self._in_threads(one, other) or next(self._with_main(one, other), None)

    def _with_main(self, update: Touch, other: Touch) -> Iterator[Race]:
        """One side in a thread, the other in the main thread while that thread runs."""
        for thread_side, main_side in ((update, other), (other, update)):
            if main_side.roots & MAIN and thread_side.roots & ~MAIN:
                handed = main_side.location.owner.kind == HANDED
                if handed and main_side.location.owner.id != thread_side.location.owner.id:
                    continue
                chain = self.contexts.chain(main_side.context, main=True)
                for spawn in self.contexts.roots(thread_side.roots & ~MAIN):
                    if self._while_running(spawn, main_side, chain) or self._from_outside(spawn, main_side, chain):
                        yield Race(update, other, (spawn,), with_main=True, main_side=main_side)

    def _while_running(self, spawn: Spawn, touch: Touch, chain: list[tuple[Context, Origin]]) -> bool:
        """Whether the main thread's access, to which the chain leads, can come after the start of the thread and before its end."""
        if chain[-1][1].spawn is not None or self.standstill.at(spawn, touch.step, chain):
            return False
        if touch.location.owner.kind == HANDED:
            return self.alongside.at(spawn, touch.step, touch.location.owner, chain)
        step = touch.step
        for context, origin in chain:
            if context.func is spawn.func:
                return spawn.begin < step and (spawn.end < 0 or step <= spawn.end)
            step = origin.step
        return chain[-1][0].func.is_module and self.alongside.at(spawn, touch.step, touch.location.owner, chain)

    def _from_outside(self, spawn: Spawn, touch: Touch, chain: list[tuple[Context, Origin]]) -> bool:
        """Whether a public method of the object that runs the thread updates it: whoever has the object can call that at any time."""
        entry = chain[-1][0].func
        if (
            touch.access.kind != Kind.UPDATE
            or entry is spawn.func
            or not entry.facts.cls
            or entry.facts.name.startswith("_")
            or not self._is_kept(spawn)
            or self.standstill.at(spawn, touch.step, chain)
        ):
            return False
        return touch.location.owner.kind in ("self", "part") and self.types.owner(entry) is self.types.owner(spawn.func)

    def _is_kept(self, spawn: Spawn) -> bool:
        """Whether the object keeps the thread, and so lives on beside it; a method that runs a thread for itself is busy meanwhile."""
        if spawn.kind in ("executor", "pool", "framework"):
            return True
        place = (spawn.func.id, spawn.call.id)
        if place not in self._kept:
            nodes = (step.node for step in self.steps(spawn.func))
            self._kept[place] = any(
                type(node) is Access and bool(node.ref.path) and node.value == spawn.call.result for node in nodes
            )
        return self._kept[place]

    def _overlap(self, one: Spawn, other: Spawn) -> bool:
        """Whether threads of two places can run at once: unless one function starts the second after it has joined the first."""
        if one.func is not other.func:
            return True
        if one.call is other.call:
            return one.many  # one thread runs both: `run` of its class, and the target that this calls
        first, second = (one, other) if one.begin <= other.begin else (other, one)
        return first.end < 0 or second.begin <= first.end

    def _signalled(self, one: Touch, other: Touch) -> bool:
        """Whether an Event that one side sets after its access, and the other waits for before its own, puts them in order."""
        return self._sets_then_waits(one, other) or self._sets_then_waits(other, one)

    def _sets_then_waits(self, first: Touch, second: Touch) -> bool:
        set_after = {origin for number, origin in self._events(first.func, "set") if number > first.step}
        return any(number < second.step and origin in set_after for number, origin in self._events(second.func, "wait"))

    def _events(self, func: Func, method: str) -> tuple[tuple[int, tuple[str, int]], ...]:
        known = self._calls_of_events.get((func.id, method))
        if known is None:
            known = self._calls_of_events[func.id, method] = tuple(self._find_events(func, method))
        return known

    def _find_events(self, func: Func, method: str) -> Iterator[tuple[int, tuple[str, int]]]:
        for number, step in enumerate(self.steps(func)):
            node = step.node
            if type(node) is Call and isinstance(node.callee, Ref) and node.callee.path[-1:] == (method,):
                for thing in self.types.of(node.callee.receiver, func):
                    if (
                        isinstance(thing, Object)
                        and thing.type == "threading.Event"
                        and thing.frame is not None
                        and thing.call is not None
                    ):
                        yield number, (thing.frame.id, thing.call.id)

    # locations

    def location(self, ref: Ref, func: Func, binding: dict[str, Token], *, handed: bool = False) -> Location | None:
        """The shared location that a reference means; None for what one thread has for itself, and where that is not known.

        With `handed` also what belongs to an object that the calling function has handed to a thread it starts.
        """
        if not ref.path:
            return self._name(ref, func, binding)
        base = ref.receiver
        step = ref.path[-1]
        things = self.types.of(base, func)
        if any(isinstance(thing, Object) and is_looked_up_anew(self.types, thing) for thing in things):
            return None
        if step.startswith("["):
            return self._element(base, func, binding, text(ref), handed=handed)
        for thing in things:
            if isinstance(thing, ClassThing):
                return Location(f"{self._definer(thing.cls, step)}.{step}", Token("global", thing.cls.id), text(ref))
        whole = absolute(self.types.links, func.module, ref)
        if whole.root == Root.GLOBAL and not whole.path:
            return Location(f"{whole.owner}.{whole.name}", Token("global", f"{whole.owner}.{whole.name}"), text(ref))
        token = self.ownership.of(base, func, binding)
        if not _counts(token, handed=handed) or self.ownership.per_thread(things, step):
            return None
        for thing in things:
            if isinstance(thing, Object) and isinstance(thing.type, Cls):
                return Location(f"{self._definer(thing.type, step)}.{step}", token, text(ref))
        inner = part(token, step)
        return Location(inner.id, token, text(ref)) if inner is not None else None

    def _name(self, ref: Ref, func: Func, binding: dict[str, Token]) -> Location | None:
        if ref.root in (Root.GLOBAL, Root.IMPORT):
            found = absolute(self.types.links, func.module, ref)
            if found.root != Root.GLOBAL:
                return None
            key = f"{found.owner}.{found.name}"
            return Location(key, Token("global", key), text(ref))
        if ref.root == Root.VAR:
            key = f"{func.module.name}:{ref.owner}.{ref.name}"
            if ref.owner != func.facts.qualname:
                token = closure_token(key, ref.name, binding.get(CLOSURE))
                return Location(key, token, text(ref)) if token is not None and token.shared else None
            if ref.name in func.facts.captured:
                return Location(key, Token("var", key), text(ref))
        return None

    def _element(self, base: Ref, func: Func, binding: dict[str, Token], name: str, *, handed: bool) -> Location | None:
        container = (
            self.location(base, func, binding, handed=handed)
            if base.path or base.root != Root.VAR or base.owner != func.facts.qualname
            else None
        )
        if container is not None:
            return Location(f"{container.key}[]", container.owner, name)
        token = self.ownership.of(base, func, binding)
        return Location(f"{token.id}[]", token, name) if _counts(token, handed=handed) else None

    def _definer(self, cls: Cls, step: str) -> str:
        """The base class that first gives the attribute a value, so that all subclasses name one location."""
        known = self._definers.get((cls.id, step))
        if known is None:
            known = self._definers[cls.id, step] = self._find_definer(cls, step)
        return known

    def _find_definer(self, cls: Cls, step: str) -> str:
        owners = self._owners.get(step)
        if owners is None:
            owners = self._owners[step] = {
                f"{where.module.name}:{where.facts.cls}"
                for where, access in self.types.links.attributes.get(step, ())
                if where.facts.cls and access.ref.root == Root.VAR and len(access.ref.path) == 1
            }
        found = cls.id
        for base in self.types.mro(cls):
            if isinstance(base, Cls) and base.id in owners:
                found = base.id
        return found

    def harmless(self, access: Access, func: Func) -> bool:
        """In-place operators of builtin containers, which are one step and store the same object back; patches of other people's code."""
        if access.form in ("assigned", "carried"):
            return self._patches(access.ref, func)
        if access.form != "augmented":
            return False
        kinds = self.types.types(access.ref, func)
        return any(access.op in IN_PLACE_ATOMIC.get(kind, ()) for kind in kinds)

    def _patches(self, ref: Ref, func: Func) -> bool:
        """Whether an attribute of a library's class or module is replaced: `Command.run = wrapped(Command.run)`, which set-up code does."""
        if not ref.path or ref.path[-1].startswith("["):
            return False
        return absolute(self.types.links, func.module, ref).root == Root.IMPORT


def _counts(token: Token | None, *, handed: bool) -> TypeGuard[Token]:
    return token is not None and (token.shared or (handed and token.kind == HANDED))


_NO_STORE = frozenset({"annotation", "def", "class", "import", "for", "with", "except"})
_MOST_PAIRS = 50_000
_UPDATES = frozenset({"augmented", "assigned", "carried"})


def last_of(key: str) -> str:
    """The last name in the key of a location."""
    return key.rstrip("[]").rpartition(".")[2]


def _same_object(one: Location, other: Location) -> bool:
    """Two locations with one key are the same, unless they belong to two objects that are known to differ."""
    return one.owner == other.owner or not (one.owner.kind == other.owner.kind == "global")


def _ordered(one: Touch, other: Touch) -> bool:
    """Whether a lock keeps the two apart, or they are of two objects."""
    return ANY_LOCK in other.held or bool(one.held & other.held) or not _same_object(one.location, other.location)


def _preference(update: Touch) -> tuple[object, ...]:
    """The update that is easiest to understand first; then by place."""
    own = update.location.owner.id.startswith(NEW)
    return (bool(update.held), own, update.access.form != "augmented", update.func.module.path, update.access.span)
