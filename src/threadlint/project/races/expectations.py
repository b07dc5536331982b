"""Where a program shows that it expects several threads, without a thread in sight: who imports threading or owns a lock does.

The second trigger of RacerD (Blackshear et al., OOPSLA 2018), beside explicit thread roots.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from threadlint.facts.model import Call, Ref, Root, Try
from threadlint.project.locks.lock_names import compact, lock_stem
from threadlint.project.locks.locks import Step
from threadlint.project.names.identity import Identity
from threadlint.project.names.linker import absolute
from threadlint.project.names.mentions import last_part
from threadlint.project.names.test_files import in_tests
from threadlint.project.names.things import ClassThing, Cls, Func, Module, Object
from threadlint.project.names.types import Types
from threadlint.project.roots.contexts import MAIN, Contexts

_THREADING = ("threading", "concurrent.futures", "_thread", "multiprocessing.pool", "multiprocessing.dummy")

_MAKER_AND_MORE = 2
_ON_LOOP = frozenset({"get_running_loop", "current_task"})


@dataclass(slots=True)
class Expectations:
    """Answers by location and function."""

    types: Types
    identity: Identity
    contexts: Contexts
    steps: Callable[[Func], list[Step]]
    _taken: dict[str, frozenset[str]] = field(default_factory=dict)
    _served: dict[str, bool] = field(default_factory=dict)
    """by what a lock's name says beside that it is a lock: whether an attribute has a name that begins so"""

    def on_threads(self, func: Func) -> bool:
        """Whether some thread root other than the main thread reaches the function."""
        return any(roots & ~MAIN for _, roots in self.contexts.of(func))

    def module(self, module: Module) -> bool:
        """Whether the module imports what makes threads or locks."""
        return any(
            name == known or name.startswith(f"{known}.") for name in module.facts.imports for known in _THREADING
        )

    def _on_loop(self, func: Func) -> bool:
        """Whether the function is a coroutine function, or fails where no event loop runs: it runs in the loop's thread."""
        if func.facts.is_async:
            return True
        return any(
            isinstance(step.node, Call)
            and last_part(step.node.callee) in _ON_LOOP
            and not any(isinstance(node, Try) for node, _ in step.context)
            for step in self.steps(func)
        )

    def _threaded(self, ref: Ref, func: Func) -> bool:
        """Whether the function's module uses threads, and so does the one that the location belongs to."""
        if not self.module(func.module) or in_tests(func):
            return False
        whole = absolute(self.types.links, func.module, ref)
        home = self.types.links.modules.get(whole.owner) if whole.root == Root.GLOBAL and not whole.path else None
        return home is None or self.module(home)

    def owner(self, ref: Ref, func: Func) -> Cls | None:
        """The class of the object that the last step of the reference is an attribute of."""
        base = ref.receiver
        for thing in self.types.of(base, func) if ref.path else ():
            if isinstance(thing, Object) and isinstance(thing.type, Cls):
                return thing.type
            if isinstance(thing, ClassThing):
                return thing.cls
        return None

    def is_global(self, ref: Ref, func: Func) -> bool:
        """Whether the location is one for the whole program: a module variable, or an attribute of a class."""
        if (
            absolute(self.types.links, func.module, ref).root == Root.GLOBAL
            and not absolute(self.types.links, func.module, ref).path
        ):
            return True
        base = ref.receiver
        return bool(ref.path) and any(isinstance(thing, ClassThing) for thing in self.types.of(base, func))

    def of(self, ref: Ref, func: Func) -> str:
        """Why several threads are expected at the location, as a clause for people; empty where nothing says so."""
        if func.is_module:
            return ""
        if self.is_global(ref, func):
            if self.on_threads(func):
                return "in code that runs on threads"
            return "in a module that uses threads" if self._threaded(ref, func) and not self._on_loop(func) else ""
        if self._on_loop(func):
            return ""
        cls = self.owner(ref, func)
        locks = self.locks_for(cls, ref.path[-1]) if cls is not None and ref.path else ()
        return f"of an object that owns a lock (`{min(locks)}`)" if locks else ""

    def locks_for(self, cls: Cls, attribute: str) -> tuple[str, ...]:
        """Those of the locks of the class that may be meant for the attribute: not those that are named after another one."""
        return tuple(name for name in self.locks(cls) if not self._named_after_another(name, attribute))

    def _named_after_another(self, lock: str, attribute: str) -> bool:
        """`_queue_lock`, where some object has a `_queue`, or `_queues`, and that is not the attribute."""
        stem = lock_stem(lock)
        if not stem or stem in compact(attribute):
            return False
        known = self._served.get(stem)
        if known is None:
            names = (name for name in self.types.links.attributes if name != lock)
            known = self._served[stem] = any(compact(name).startswith(stem) for name in names)
        return known

    def locks(self, cls: Cls) -> frozenset[str]:
        """The names of the attributes with locks of the class, but for those that it only hands on, or that only other subclasses of a base take.

        Such a lock does not say that several threads are expected here; one that nobody takes may have been forgotten.
        """
        known = self._taken.get(cls.id)
        if known is None:
            known = self._taken[cls.id] = frozenset(
                name
                for name in self.identity.locks(cls)
                if (not name.startswith("__") or self._own(cls, name)) and self._serves(cls, name)
            )
        return known

    def _own(self, cls: Cls, name: str) -> bool:
        """Whether the class itself gives the attribute a value: a name that begins with `__` is hidden from those that derive from it."""
        return any(self.types.owner(where) is cls for where, _ in self.types.links.attributes.get(name, ()))

    def _serves(self, cls: Cls, name: str) -> bool:
        """Whether the class, a base or a subclass takes the lock, or anybody that of such an object; or else nobody does anything with it."""
        family = self.types.mro(cls)
        others, named = False, 0
        for func in self.types.links.mentions.functions((name,)):
            owner = self.types.owner(func)
            named += owner is not None and (owner in family or cls in self.types.mro(owner))
            for taken in self._takers(func, name):
                if taken is None or taken in family or cls in self.types.mro(taken):
                    return True
                others = others or not set(family).isdisjoint(self.types.mro(taken))
        return not others and named < _MAKER_AND_MORE

    def _takers(self, func: Func, name: str) -> Iterator[Cls | None]:
        """The classes of the objects whose lock of this name the function takes; None where that is not known."""
        for step in self.steps(func):
            for held in step.held:
                if isinstance(held.value, Ref) and held.value.path[-1:] == (name,):
                    yield self.owner(held.value, func)
