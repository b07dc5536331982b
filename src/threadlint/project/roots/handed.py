"""Which local names of a function stand for an object that a thread has too: handed to the thread by the function itself, or by a method that it calls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from threadlint.facts.model import Access, Call, Loop, Ref, Root, Value, is_inside, walk
from threadlint.project.locks.locks import Step
from threadlint.project.names.mentions import last_part
from threadlint.project.names.test_files import in_tests
from threadlint.project.names.things import ClassThing, Cls, Func, Object
from threadlint.project.names.types import Types
from threadlint.project.roots.thread_roots import Spawn
from threadlint.project.roots.tokens import HANDED, Token, inside, made_by

_MAKING = frozenset({"__init__", "__new__"})
_CALLS_DEEP = 2


class Started(NamedTuple):
    """A local name whose object starts a thread on itself: by the call at a step of the function."""

    step: int
    spawn: Spawn
    token: Token


@dataclass(slots=True)
class Handed:
    """Answers by function: what each such name is, under the `id` that the object has in the thread.

    Only instances of the project's classes that the function has made itself, under a name that it binds once; what each turn of a loop makes anew
    belongs to the thread of that turn.
    """

    types: Types
    steps: Callable[[Func], list[Step]]
    spawns: Callable[[], tuple[Spawn, ...]]
    _answers: dict[str, Mapping[str, Token]] = field(default_factory=dict)
    _by_func: dict[str, list[Spawn]] | None = None
    _starts: dict[str, dict[str, Started]] | None = None

    def of(self, func: Func) -> Mapping[str, Token]:
        """The names, and what they are."""
        known = self._answers.get(func.id)
        if known is None:
            known = self._answers[func.id] = {} if func.is_module or in_tests(func) else dict(self._find(func))
        return known

    def own(self, spawn: Spawn) -> tuple[str, Token] | None:
        """The `self` of a method that hands it to the thread, and what it is there."""
        cls, name = self.types.owner(spawn.func), self.types.self_name(spawn.func)
        if cls is None or not name or spawn.kind == "framework" or spawn.distinct or in_tests(spawn.func):
            return None
        if name not in {ref.name for ref in self._given(spawn)}:
            return None
        if spawn.func.facts.name in _MAKING:
            return None if spawn.many and not spawn.loops else (name, Token(HANDED, f"{spawn.func.id}.{name}"))
        return name, Token(HANDED, cls.id)

    def names(self, func: Func, owner: Token) -> set[str]:
        """The names that stand for the object, or for one that it is a part of."""
        started = ((name, one.token) for name, one in self._started().get(func.id, {}).items())
        return {name for name, token in (*self.of(func).items(), *started) if inside(owner, token)}

    def begin(self, func: Func, owner: Token, spawn: Spawn) -> int | None:
        """The step at which the function calls what starts the thread on the object."""
        for started in self._started().get(func.id, {}).values():
            if started.spawn is spawn and inside(owner, started.token):
                return started.step
        return None

    def _find(self, func: Func) -> Iterator[tuple[str, Token]]:
        for name, started in self._started().get(func.id, {}).items():
            yield name, started.token
        for spawn in self._spawns_in(func):
            for ref in self._given(spawn) if not (spawn.many and not spawn.loops) else ():
                bound = self._bound(ref, func, spawn.loops)
                made = self._made(bound.value, func) if bound is not None else ""
                if made:
                    yield ref.name, Token(HANDED, made)

    def _spawns_in(self, func: Func) -> list[Spawn]:
        if self._by_func is None:
            self._by_func = defaultdict(list)
            for spawn in self.spawns():
                self._by_func[spawn.func.id].append(spawn)
        return self._by_func.get(func.id, [])

    def _given(self, spawn: Spawn) -> Iterator[Ref]:
        """The local names that the thread gets: as arguments, as the object whose method it runs, and as variables of the function around its own."""
        if spawn.kind == "framework" or spawn.distinct:
            return
        home = spawn.func.facts.qualname
        for value in (*spawn.args, *(value for _, value in spawn.keywords), spawn.target.receiver):
            if isinstance(value, Ref) and value.root == Root.VAR and not value.path and value.owner == home:
                yield value
            elif isinstance(value, Ref) and value.root == Root.RESULT and not value.path:
                yield from _names_of(value, spawn.func)
        if spawn.target.func.facts.owner == home:
            yield from (Ref(Root.VAR, name, (), home) for name in sorted(spawn.func.facts.captured))

    def _bound(self, ref: Ref, func: Func, loops: tuple[Loop, ...]) -> Access | None:
        """Where the name is bound, if that is one place, before the loop that starts the threads."""
        if any(param.name == ref.name for param in func.facts.params):
            return None
        found = [
            access
            for _, access in self.types.links.bindings.get(
                (func.module.name if func.is_module else func.id, ref.name), ()
            )
            if access.form != "annotation"
        ]
        if len(found) != 1 or found[0].form or any(is_inside(found[0].span, loop.span) for loop in loops):
            return None
        return found[0]

    def _made(self, value: Value | None, func: Func) -> str:
        things = self.types.of(value, func)
        thing = things[0] if len(things) == 1 else None
        if (
            not isinstance(thing, Object)
            or not isinstance(thing.type, Cls)
            or thing.call is None
            or thing.frame is not func
            or value != thing.call.result
        ):
            return ""
        return made_by(func.id, thing.call.id)

    def _started(self) -> dict[str, dict[str, Started]]:
        if self._starts is None:
            self._starts = {}
            starters = [
                (spawn.func, spawn, own[1])
                for spawn in self.spawns()
                if spawn.end < 0 and (own := self.own(spawn)) is not None and not self._ends_itself(spawn)
            ]
            seen = {(func.id, spawn.call.id) for func, spawn, _ in starters}
            for _ in range(_CALLS_DEEP):
                outer: list[tuple[Func, Spawn, Token]] = []
                for func, spawn, token in starters:
                    for caller, ref, step in self._callers(func):
                        if ref.name == self.types.self_name(caller):
                            if (caller.id, spawn.call.id) not in seen:
                                seen.add((caller.id, spawn.call.id))
                                outer.append((caller, spawn, token))
                            continue
                        loops = self.steps(caller)[step].loops
                        bound = self._bound(ref, caller, loops)
                        if bound is not None and self._made(bound.value, caller):
                            names = self._starts.setdefault(caller.id, {})
                            if ref.name not in names or step < names[ref.name].step:
                                names[ref.name] = Started(step, spawn, _of_module(ref, caller) or token)
                starters = outer
        return self._starts

    def _ends_itself(self, spawn: Spawn) -> bool:
        """Whether the method goes on to wait for something, or to end it: its thread may be over when it returns."""
        return any(is_wait(step) for step in self.steps(spawn.func)[spawn.begin + 1 :])

    def _callers(self, func: Func) -> Iterator[tuple[Func, Ref, int]]:
        """The functions that call the method, or make an object by it, with the local name of the object and the step."""
        cls, name = self.types.owner(func), func.facts.name
        making = name in _MAKING and cls is not None
        for caller, call in self.types.links.mentions.calls([cls.facts.name if making and cls is not None else name]):
            callee = call.callee
            if not isinstance(callee, Ref) or in_tests(caller):
                continue
            if making:
                things = self.types.of(callee, caller)
                refs = (
                    list(_names_of(call.result, caller))
                    if any(isinstance(thing, ClassThing) and thing.cls is cls for thing in things)
                    else []
                )
            elif (
                (callee.root == Root.GLOBAL if caller.is_module else callee.root == Root.VAR)
                and callee.path == (name,)
                and (caller.is_module or callee.owner == caller.facts.qualname)
                and any(thing.func is func for thing in self.types.functions(callee, caller))
            ):
                refs = [callee.receiver]
            else:
                refs = []
            if refs:
                step = next(number for number, one in enumerate(self.steps(caller)) if one.node is call)
                yield from ((caller, ref, step) for ref in refs)


def is_wait(step: Step) -> bool:
    """Whether the step waits for something, or ends something: perhaps a thread, or what a thread says."""
    return type(step.node) is Call and last_part(step.node.callee).lstrip("_").startswith(_WAITING)


def _names_of(value: Ref, func: Func) -> Iterator[Ref]:
    """The local names that are bound to the value."""
    for node in walk(func.facts.body):
        if (
            isinstance(node, Access)
            and node.value == value
            and node.ref.root == (Root.GLOBAL if func.is_module else Root.VAR)
            and not node.ref.path
        ):
            yield node.ref


def _of_module(ref: Ref, func: Func) -> Token | None:
    """What a name of the module is, which all functions know it by."""
    return Token("global", f"{func.module.name}.{ref.name}") if func.is_module else None


_WAITING = (
    "wait", "join", "get", "result", "exception", "acquire", "recv", "is_alive", "done", "communicate", "as_completed",
    "stop", "close", "shutdown", "terminate", "cancel", "kill", "finish", "end", "abort", "drain", "flush",
)  # fmt: skip
"""How the names of methods begin that wait for a thread, for what it hands over, or for its end."""
