"""What a name or a value can stand for in the whole program: functions, classes, instances, containers, library names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadlint.facts.model import Call, Class, FileFacts, Function, Value


@dataclass(frozen=True, slots=True, eq=False)
class Module:
    """A linked file: the name shown to the user, its dotted name, its facts."""

    path: str
    name: str
    facts: FileFacts = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Func:
    """A function of the project; `id` is `module:qualname`."""

    module: Module
    facts: Function = field(repr=False)
    id: str

    @property
    def name(self) -> str:
        """The name as a reader knows it: `Cache.get`, or `the module` for a module's body."""
        if not self.facts.qualname:
            return f"module `{self.module.name}`"
        return self.facts.qualname.replace("<locals>.", "").split("#")[0].split("@")[0]

    @property
    def is_module(self) -> bool:
        """Whether this is the body of a module."""
        return not self.facts.qualname

    @property
    def is_method(self) -> bool:
        """Whether the first parameter is an instance (or the class)."""
        return bool(self.facts.cls)


@dataclass(frozen=True, slots=True, eq=False)
class Cls:
    """A class of the project; `id` is `module:qualname`."""

    module: Module
    facts: Class = field(repr=False)
    id: str


@dataclass(frozen=True, slots=True)
class FunctionThing:
    """A function; with `receiver` (a value in the function `frame`) where it is a bound method."""

    func: Func
    receiver: Value | None = None
    frame: Func | None = None


@dataclass(frozen=True, slots=True)
class ClassThing:
    """A class of the project itself."""

    cls: Cls


@dataclass(frozen=True, slots=True)
class External:
    """Something outside the project, by canonical dotted name."""

    name: str


@dataclass(frozen=True, slots=True)
class Object:
    """An instance; `type` is a dotted name or a class of the project.

    `call` is the constructor call and `frame` the function that it stands in, where they are known: together they are the object's identity.
    """

    type: str | Cls
    frame: Func | None = None
    call: Call | None = None


@dataclass(frozen=True, slots=True)
class Container:
    """A builtin container made by a display, a comprehension or an annotation; its items are values in `frame`."""

    kind: str
    items: tuple[Value, ...]
    frame: Func


Thing = FunctionThing | ClassThing | External | Object | Container
