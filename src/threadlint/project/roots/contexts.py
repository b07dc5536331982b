"""What each thread root reaches, under which locks, and with whose objects.

One worklist pushes contexts (function, locks held at entry, whose objects the parameters are) through the call graph from all roots at
once; roots are bits of a number, so the cost is the number of contexts times their calls, however many roots there are. It is the top-down
half of a summary analysis (Reps, Horwitz and Sagiv, POPL 1995), with few contexts for each function.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from threadlint.facts.model import Ref, Root, Span, Value
from threadlint.project.locks.locks import ANY_LOCK, Held
from threadlint.project.names.things import Cls, Func, Object
from threadlint.project.roots.ownership import Ownership, varies
from threadlint.project.roots.passing import Passing
from threadlint.project.roots.thread_roots import Spawn
from threadlint.project.roots.tokens import CLOSURE, EACH, OWN, Binding, Given, Token, made_by

MAIN = 1
"""The bit of the main thread (and of whoever calls the project's public functions)."""

_MOST_CONTEXTS = 12
_ANY = frozenset({ANY_LOCK})


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """A function as reached in one way: locks held at entry (by key), and whose objects its parameters are. There is one object for each way."""

    func: Func
    held: frozenset[str]
    binding: Binding


@dataclass(frozen=True, slots=True)
class Origin:
    """How a context was first reached: from another context through the call at a step, by a spawn, or (neither) as an entry of the program."""

    context: Context | None = None
    step: int = -1
    span: Span | None = None
    spawn: Spawn | None = None


@dataclass(slots=True)
class Contexts:
    """All contexts, the roots that reach each, and how it was first reached."""

    spawns: tuple[Spawn, ...]
    reached: dict[Context, int] = field(default_factory=dict)
    origins: dict[Context, Origin] = field(default_factory=dict)
    """how each was first reached"""
    thread_origins: dict[Context, Origin] = field(default_factory=dict)
    """how each was first reached from a thread root"""
    main_origins: dict[Context, Origin] = field(default_factory=dict)
    """how each was first reached from the main thread"""
    texts: dict[str, Held] = field(default_factory=dict)
    """by key of a lock: one place where it is held"""
    _by_func: dict[str, list[tuple[Context, int]]] | None = None

    def of(self, func: Func) -> list[tuple[Context, int]]:
        """The ways in which the function is reached, each with its roots."""
        if self._by_func is None:
            self._by_func = {}
            for one in self.reached.items():
                self._by_func.setdefault(one[0].func.id, []).append(one)
        return self._by_func.get(func.id, [])

    def roots(self, bits: int) -> Iterator[Spawn]:
        """The spawns of a set of roots."""
        rest = bits >> 1
        while rest:
            last = rest & -rest
            yield self.spawns[last.bit_length() - 1]
            rest ^= last

    def chain(self, context: Context, *, threads: bool = False, main: bool = False) -> list[tuple[Context, Origin]]:
        """From the context back to the root that first reached it: each with how it was reached.

        With `threads` to a thread root, with `main` to an entry of the main thread, where there is one.
        """
        wanted = self.thread_origins if threads else self.main_origins if main else self.origins
        origins = wanted if context in wanted else self.origins
        found: list[tuple[Context, Origin]] = []
        seen: set[int] = set()
        current: Context | None = context
        while current is not None and id(current) not in seen:
            seen.add(id(current))
            origin = origins[current]
            found.append((current, origin))
            current = origin.context
        return found


def reach(
    spawns: tuple[Spawn, ...],
    entries: Iterable[Func],
    passing: Passing,
    assumed: frozenset[str],
    left_out: Iterable[tuple[str, int]] = (),
) -> Contexts:
    """Push contexts from all spawns and entries through the calls.

    `assumed` are the functions whose callers hold some lock, as a name or an annotation says; calls that are left out, by function id and number, are not
    followed.
    """
    skipped: dict[str, set[int]] = {}
    for func_id, number in left_out:
        skipped.setdefault(func_id, set()).add(number)
    return _Reach(Contexts(spawns), passing, passing.ownership, assumed, skipped).run(entries)


@dataclass(slots=True)
class _Reach:
    contexts: Contexts
    passing: Passing
    ownership: Ownership
    assumed: frozenset[str]
    left_out: dict[str, set[int]]
    todo: deque[Context] = field(default_factory=deque)
    known: dict[str, dict[tuple[frozenset[str], int], Context]] = field(default_factory=dict)
    """by function id: the ways in which it is reached; bindings by their identity, as there is one object for equal ones"""

    def run(self, entries: Iterable[Func]) -> Contexts:
        for number, spawn in enumerate(self.contexts.spawns):
            binding = self.passing.same(self._handed_over(spawn))
            self._add(spawn.target.func, frozenset(), binding, 1 << (number + 1), None, -1, spawn.span, spawn)
        for func in entries:
            self._add(func, frozenset(), self.passing.same(self._default(func)), MAIN, None, -1, None)
        for spawn in self.contexts.spawns:
            # whoever made the object: once the method has handed it to a thread, it is that one's too
            own = self.ownership.handed.own(spawn) if spawn.kind != "task" else None
            if own is not None:
                self._add(spawn.func, frozenset(), self.passing.same((own,)), MAIN, None, -1, None)
        while self.todo:
            context = self.todo.popleft()
            self._calls(context, self.contexts.reached[context])
        return self.contexts

    def _add(
        self,
        func: Func,
        held: frozenset[str],
        binding: Binding,
        roots: int,
        outer: Context | None,
        step: int,
        span: Span | None,
        spawn: Spawn | None = None,
    ) -> None:
        ways = self.known.get(func.id)
        if ways is None:
            ways = self.known[func.id] = {}
        if func.id in self.assumed:
            held |= _ANY
        contexts = self.contexts
        context = ways.get((held, id(binding)))
        if context is None and len(ways) >= _MOST_CONTEXTS:
            # unsound: a function reached in more ways than this is taken as unknown from here on, which keeps the pass linear
            held, binding = _ANY, self.passing.same(())
            context = ways.get((held, id(binding)))
        known = 0 if context is None else contexts.reached[context]
        new = roots & ~known
        if not new:
            return
        origin = Origin(outer, step, span, spawn)
        if context is None:
            context = ways[held, id(binding)] = Context(func, held, binding)
            contexts.origins[context] = origin
        contexts.reached[context] = known | new
        if new != MAIN:
            contexts.thread_origins.setdefault(context, origin)
        if new & MAIN:
            contexts.main_origins.setdefault(context, origin)
        self.todo.append(context)

    def _calls(self, context: Context, roots: int) -> None:
        func, outer_held = context.func, context.held
        left_out = self.left_out.get(func.id, ())
        given: Given | None = None
        for passed in self.passing.calls(func):
            if left_out and passed.node.id in left_out:
                continue
            held = outer_held
            if passed.excluding:
                held |= passed.keys
                for one in passed.excluding:
                    self.contexts.texts.setdefault(one.lock.key, one)
            if passed.called is None:
                continue
            running = roots & MAIN if passed.asleep else roots
            if not running:
                continue
            binding = passed.binding
            if type(binding) is not tuple:
                if given is None:
                    given = Given(context.binding)
                binding = self.passing.binding(passed, func, given)
            self._add(passed.called.func, held, binding, running, context, passed.number, passed.node.span)

    def _default(self, func: Func) -> Binding:
        """The parameters of a function that anybody may call: `self` is some instance."""
        cls = self.ownership.types.owner(func)
        if cls is None or not self.ownership.types.self_name(func):
            return ()
        token = OWN if func.facts.name in ("__init__", "__new__") else Token("self", cls.id)
        return ((func.facts.params[0].name, token),)

    def _handed_over(self, spawn: Spawn) -> Binding:
        """Whose the target's parameters are, in the new thread."""
        outer = dict(self._default(spawn.func))
        params = spawn.target.func.facts.params
        found: dict[str, Token] = {}
        skip = 0
        if self.ownership.types.owner(spawn.target.func) is not None and params:
            skip = 1
            token = self._receiver(spawn, outer)
            if token is not None:
                found[params[0].name] = token
        for number, param in enumerate(params[skip:]):
            given = next((value for key, value in spawn.keywords if key == param.name), None)
            if given is None and number < len(spawn.args) and param.kind == "pos":
                given = spawn.args[number]
            token = EACH if spawn.distinct and given is not None else self._crossing(spawn, given, outer)
            if token is not None:
                found[param.name] = token
        owner = spawn.target.func.facts.owner
        if owner and f"{spawn.target.func.module.name}:{owner}" == spawn.func.id:
            found[CLOSURE] = Token("closure", ",".join(sorted(self._varying(spawn))))
        return tuple(sorted(found.items()))

    def _receiver(self, spawn: Spawn, outer: dict[str, Token]) -> Token | None:
        if spawn.kind != "framework":
            return self._crossing(spawn, spawn.target.receiver, outer)
        cls = self.ownership.types.owner(spawn.target.func)
        return EACH if spawn.target.receiver is None or cls is None else Token("self", cls.id)

    def _varying(self, spawn: Spawn) -> Iterator[str]:
        """The variables of the spawning function that each turn of its loop binds anew."""
        again = spawn.many and not spawn.loops and not spawn.distinct and not spawn.func.is_module
        for name in spawn.func.facts.captured:
            if again or varies(
                Ref(Root.VAR, name, (), spawn.func.facts.qualname), spawn.func, spawn.loops, self.ownership.types
            ):
                yield name

    def _crossing(self, spawn: Spawn, value: Value | None, outer: dict[str, Token]) -> Token | None:
        if value is None:
            return None
        if varies(value, spawn.func, spawn.loops, self.ownership.types):
            return EACH
        if (
            isinstance(value, Ref)
            and value.root == Root.VAR
            and value.name in spawn.changing
            and value.owner == spawn.func.facts.qualname
        ):
            return EACH
        token = self.ownership.of(value, spawn.func, outer)
        made = self._made(value, spawn)
        if token is not None and token.shared:
            # what a module names, all know by that name
            return Token(token.kind, made) if made and token.kind != "global" else token
        if spawn.many and not spawn.loops and not spawn.distinct:
            # there are several because the spawning function is called several times: each call has variables of its own
            return EACH
        if made:
            return Token("var", made)
        if isinstance(value, Ref) and value.root == Root.VAR:
            # the same object for every thread of this place: whatever the variable holds
            return Token("var", f"{spawn.func.id}.{'.'.join((value.name, *value.path))}")
        if isinstance(value, Ref) and value.root == Root.RESULT:
            return Token("var", f"{spawn.func.id}.{value.name}()")
        return token

    def _made(self, value: Value, spawn: Spawn) -> str:
        """Which call has made the object, where it is an instance of a class of the project and can be no other; else empty."""
        things = self.ownership.types.of(value, spawn.func)
        thing = things[0] if len(things) == 1 else None
        if (
            isinstance(thing, Object)
            and isinstance(thing.type, Cls)
            and thing.call is not None
            and thing.frame is not None
        ):
            return made_by(thing.frame.id, thing.call.id)
        return ""
