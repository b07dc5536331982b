"""What calls return, and what `with` gives: instances, the values of `return` and `yield`, and what is known of the library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from threadlint.facts.model import Call, Derived, Ref, Root, Suspend, walk
from threadlint.knowledge.stdlib import KNOWN, RESULTS, SAME_ON_ENTER
from threadlint.project.names.things import ClassThing, Cls, Container, External, Func, FunctionThing, Object, Thing

if TYPE_CHECKING:
    from threadlint.project.names.types import Types


def call_result(types: Types, call: Call, func: Func) -> Iterator[Thing]:
    """What the call can return."""
    for thing in types.of(call.callee, func):
        if isinstance(thing, ClassThing):
            yield Object(thing.cls, func, call)
        elif isinstance(thing, FunctionThing):
            yield from _returned_things(types, thing.func, call)
        elif isinstance(thing, External):
            yield from _external_result(types, thing.name, call, func)
    callee = call.callee
    if (
        isinstance(callee, Ref)
        and callee.path
        and callee.path[-1] in ("get", "setdefault", "pop", "popleft", "popitem")
    ):
        yield from types.items(callee.receiver, func)
        if len(call.args) > 1:
            yield from types.of(call.args[1], func)


def _returned_things(types: Types, target: Func, call: Call) -> Iterator[Thing]:
    facts = target.facts
    if facts.is_generator:
        names = {
            thing.name
            for d in facts.decorators
            for thing in types.of(d, types.scope(target))
            if isinstance(thing, External)
        }
        managed = names & {"contextlib.contextmanager", "contextlib.asynccontextmanager"}
        yield Object("contextlib.contextmanager" if managed else "generator", target, call)
        return
    known = False
    for value in types.returned(target):
        for thing in types.of(value, target):
            known = True
            yield thing
    if not known and facts.returns is not None:
        yield from types.instances(facts.returns, types.scope(target))


def _external_result(types: Types, name: str, call: Call, func: Func) -> Iterator[Thing]:
    if name in RESULTS:
        yield Object(RESULTS[name], func, call)
    elif name in (
        "functools.partial",
        "functools.wraps",
        "typing.cast",
        "builtins.iter",
        "builtins.reversed",
        "weakref.proxy",
    ):
        yield from types.of(call.argument(1 if name == "typing.cast" else 0), func)
    elif name == "builtins.type" and len(call.args) == 1:
        for thing in types.of(call.args[0], func):
            if isinstance(thing, Object) and isinstance(thing.type, Cls):
                yield ClassThing(thing.type)
    elif name in (
        "builtins.list",
        "builtins.tuple",
        "builtins.set",
        "builtins.sorted",
        "builtins.dict",
        "collections.deque",
    ):
        kind = name.rpartition(".")[2].replace("sorted", "list")
        yield Container(kind, (Derived((call.args[0],), "item"),) if call.args else (), func)
    elif name.rpartition(".")[2].lstrip("_")[:1].isupper() or name in KNOWN:
        yield Object(name, func, call)


def entered(types: Types, thing: Thing) -> Iterator[Thing]:
    """What `with thing as x` gives."""
    if not isinstance(thing, Object):
        return
    if isinstance(thing.type, str):
        if thing.type in SAME_ON_ENTER:
            yield thing
        elif thing.type == "contextlib.closing" and thing.call is not None and thing.frame is not None:
            yield from types.of(thing.call.argument(0, "thing"), thing.frame)
        elif thing.type == "contextlib.contextmanager" and thing.frame is not None:
            for node in walk(thing.frame.facts.body):
                if type(node) is Suspend and node.kind == "yield":
                    yield from types.of(node.value, thing.frame)
        return
    if types.derives(thing.type, SAME_ON_ENTER):
        yield thing
    method = types.method(thing.type, "__enter__") or types.method(thing.type, "__aenter__")
    if method is not None:
        own = types.self_name(method)
        for returned in types.returned(method):
            if isinstance(returned, Ref) and returned.root == Root.VAR and returned.name == own and not returned.path:
                yield thing
            else:
                yield from types.of(returned, method)
