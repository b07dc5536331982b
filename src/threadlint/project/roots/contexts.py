"""What each thread root reaches, under which locks, and with whose objects.

One worklist pushes contexts (function, locks held at entry, whose objects the parameters are) through the call graph from all roots at
once; roots are bits of a number, so the cost is the number of contexts times their calls, however many roots there are. It is the top-down
half of a summary analysis (Reps, Horwitz and Sagiv, POPL 1995), with few contexts for each function.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from threadlint.facts.model import Ref, Root, Span, Value
from threadlint.project.locks.called import Calling
from threadlint.project.locks.locks import ANY_LOCK, Held
from threadlint.project.names.things import ClassThing, Func, FunctionThing
from threadlint.project.roots.ownership import CLOSURE, EACH, OWN, Binding, Ownership, Token, varies
from threadlint.project.roots.thread_roots import Spawn

MAIN = 1
"""The bit of the main thread (and of whoever calls the project's public functions)."""

_MOST_CONTEXTS = 12


@dataclass(frozen=True, slots=True)
class Context:
    """A function as reached in one way: locks held at entry (by key), and whose objects its parameters are."""

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

    def roots(self, bits: int) -> Iterator[Spawn]:
        """The spawns of a set of roots."""
        for number, spawn in enumerate(self.spawns):
            if bits >> (number + 1) & 1:
                yield spawn

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
    entries: Iterator[Func],
    calling: Callable[[Func], Calling],
    ownership: Ownership,
    assumed: Callable[[Func], bool],
) -> Contexts:
    """Push contexts from all spawns and entries through the calls.

    `assumed` says of a function that its caller holds some lock (by its name or an annotation).
    """
    return _Reach(Contexts(spawns), calling, ownership, assumed).run(entries)


@dataclass(slots=True)
class _Reach:
    contexts: Contexts
    calling: Callable[[Func], Calling]
    ownership: Ownership
    assumed: Callable[[Func], bool]
    todo: deque[Context] = field(default_factory=deque)
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def run(self, entries: Iterator[Func]) -> Contexts:
        for number, spawn in enumerate(self.contexts.spawns):
            self._add(
                spawn.target.func,
                frozenset(),
                self._handed_over(spawn),
                1 << (number + 1),
                Origin(spawn=spawn, span=spawn.span),
            )
        for func in entries:
            self._add(func, frozenset(), self._default(func), MAIN, Origin())
        while self.todo:
            context = self.todo.popleft()
            self._calls(context, self.contexts.reached[context])
        return self.contexts

    def _add(self, func: Func, held: frozenset[str], binding: Binding, roots: int, origin: Origin) -> None:
        if self.assumed(func):
            held |= {ANY_LOCK}
        context = Context(func, held, binding)
        known = self.contexts.reached.get(context)
        if known is None:
            if self.counts[func.id] >= _MOST_CONTEXTS:
                # unsound: a function reached in more ways than this is taken as unknown from here on, which keeps the pass linear
                context = Context(func, frozenset({ANY_LOCK}), ())
                known = self.contexts.reached.get(context)
            if known is None:
                self.counts[func.id] += 1
                self.contexts.reached[context] = roots
                self.contexts.origins[context] = origin
                self._note(context, roots, origin)
                self.todo.append(context)
                return
        if known | roots != known:
            self.contexts.reached[context] = known | roots
            self._note(context, roots & ~known, origin)
            self.todo.append(context)

    def _note(self, context: Context, roots: int, origin: Origin) -> None:
        if roots & ~MAIN:
            self.contexts.thread_origins.setdefault(context, origin)
        if roots & MAIN:
            self.contexts.main_origins.setdefault(context, origin)

    def _calls(self, context: Context, roots: int) -> None:
        func = context.func
        binding = dict(context.binding)
        for number, step, targets in self.calling(func):
            if not targets:
                continue
            held = context.held
            for one in step.held:
                if one.lock.excludes:
                    self.contexts.texts.setdefault(one.lock.key, one)
                    held = held | {one.lock.key}
            for target, node in targets:
                called = self._constructor(target) if isinstance(target, ClassThing) else target
                if called is None:
                    continue
                inner = dict(self.ownership.bind(called, node.args, node.keywords, func, binding))
                if isinstance(target, ClassThing) and called.func.facts.params:
                    inner[called.func.facts.params[0].name] = OWN
                if CLOSURE in binding and called.func.facts.owner and called.func.facts.owner != func.facts.qualname:
                    inner[CLOSURE] = binding[CLOSURE]
                self._add(called.func, held, tuple(sorted(inner.items())), roots, Origin(context, number, node.span))

    def _constructor(self, target: ClassThing) -> FunctionThing | None:
        init = self.ownership.types.method(target.cls, "__init__")
        return FunctionThing(init) if init is not None else None

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
        if token is not None and token.shared:
            return token
        if spawn.many and not spawn.loops and not spawn.distinct:
            # there are several because the spawning function is called several times: each call has variables of its own
            return EACH
        if isinstance(value, Ref) and value.root == Root.VAR:
            # the same object for every thread of this place: whatever the variable holds
            return Token("var", f"{spawn.func.id}.{'.'.join((value.name, *value.path))}")
        if isinstance(value, Ref) and value.root == Root.RESULT:
            return Token("var", f"{spawn.func.id}.{value.name}()")
        return token
