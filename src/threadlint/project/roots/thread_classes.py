"""Which classes and objects are threads or processes, and what their constructors do with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from threadlint.facts.model import Call, Ref, Root, Value
from threadlint.project.bodies.lifetimes import receiver_of
from threadlint.project.locks.locks import Step
from threadlint.project.names.linker import Links
from threadlint.project.names.things import ClassThing, Cls, External, Func, Object
from threadlint.project.names.types import Types

BASES = frozenset({"threading.Thread", "threading.Timer", "multiprocessing.Process"})
"""Classes of the library whose `start()` makes `run()` run elsewhere."""

Made = tuple[str, int]
"""The identity of an object: the function in which it is made, and the number of the constructor call there."""


@dataclass(slots=True)
class ThreadClasses:
    """Answers by class."""

    links: Links
    types: Types
    steps: Callable[[Func], list[Step]]
    _started: set[Made | str] | None = field(default=None)

    def base(self, cls: Cls) -> str:
        """The class of the library, one of `BASES`, that the class derives from; empty where there is none."""
        return next((base for base in self.types.mro(cls) if isinstance(base, str) and base in BASES), "")

    def made(self, func: Func, call: Call) -> str:
        """The base of the thread or process that the call makes; empty where it makes none."""
        for thing in self.types.of(call.callee, func):
            if isinstance(thing, External) and thing.name in BASES:
                return thing.name
            if isinstance(thing, ClassThing):
                return self.base(thing.cls)
        return ""

    def objects(self, value: Value | None, func: Func) -> Iterator[Object]:
        """The threads and processes that the value can be."""
        for thing in self.types.of(value, func):
            if isinstance(thing, Object) and (
                self.base(thing.type) if isinstance(thing.type, Cls) else thing.type in BASES
            ):
                yield thing

    def started(self) -> set[Made | str]:
        """What `start()` is called on somewhere: objects by where they are made, and classes by id where only the class is known."""
        if self._started is None:
            self._started = set()
            for func in self.links.ordered():
                for call in self.links.calls[func.id].values():
                    if isinstance(call.callee, Ref) and call.callee.path[-1:] == ("start",):
                        for thing in self.types.of(receiver_of(call), func):
                            if isinstance(thing, Object):
                                self._started |= _identities(thing)
        return self._started

    def is_started(self, thing: Object) -> bool:
        """Whether some `start()` may mean this object."""
        return bool(_identities(thing) & self.started())

    def starts_itself(self, cls: Cls) -> bool:
        """Whether making an instance may start it, or give it to somebody who does: `__init__` calls a method of its own, or hands `self` on."""
        for base in self.types.mro(cls):
            init = self.links.methods.get(base.id, {}).get("__init__") if isinstance(base, Cls) else None
            if init is None:
                continue
            own = self.types.self_name(init)
            for call in self.links.calls[init.id].values():
                receiver = receiver_of(call)
                if isinstance(call.callee, Ref) and call.callee.root == Root.SUPER and call.callee.path == ("start",):
                    return True
                this = Ref(Root.VAR, own, (), init.facts.qualname)
                if receiver == this and isinstance(call.callee, Ref):
                    return True
                handed_on = this in (*call.args, *(value for _, value in call.keywords))
                of_base = isinstance(call.callee, Ref) and (call.callee.name, *call.callee.path)[-1].endswith(
                    "__init__"
                )
                if call.callee != receiver and handed_on and not of_base:
                    return True
        return False


def _identities(thing: Object) -> set[Made | str]:
    found: set[Made | str] = set()
    if thing.frame is not None and thing.call is not None:
        found.add((thing.frame.id, thing.call.id))
    if isinstance(thing.type, Cls):
        found.add(thing.type.id)
    return found
