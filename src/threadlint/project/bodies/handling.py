"""Which functions deal with all their own errors, and which only ever raise one."""

from __future__ import annotations

from threadlint.facts.model import Call, Handler, If, Jump, Node, Ref, Root, Try, Value, With, WithItem, walk
from threadlint.facts.screen import lockish
from threadlint.knowledge.quiet import QUIET
from threadlint.project.bodies.paths import Paths, catches_all
from threadlint.project.names.things import Func
from threadlint.project.names.types import Types


def handles_errors(func: Func, types: Types) -> bool:
    """Whether nothing is expected to raise but one `try`, whose handlers take every exception and do something with it; or a decorator's do."""
    body = [node for node in func.facts.body if not _plain(node)]
    if len(body) == 1 and isinstance(body[0], Try) and _handled(body[0]):
        return True
    if not body and all(isinstance(node, Call) or _is_return(node) for node in func.facts.body):
        return True
    scope = types.scope(func)
    return any(
        _wraps(thing.func, types)
        for decorator in func.facts.decorators
        for thing in types.functions(_named(decorator, scope, types), scope)
    )


def always_raises(func: Func) -> bool:
    """Whether every way through the function ends in a `raise`: whoever calls it does not go on."""
    if func.facts.is_generator:
        return False
    ways = Paths(lambda _, state: state, lambda _: False, catches_all).run(func.facts.body, "").ways
    return {way for way, marks in ways.items() if marks} == {"raise"}


def _named(decorator: Value, scope: Func, types: Types) -> Value:
    """`@logged(...)` is known by `logged`."""
    made = isinstance(decorator, Ref) and decorator.root == Root.RESULT and not decorator.path
    call = types.links.calls[scope.id].get(int(decorator.name)) if isinstance(decorator, Ref) and made else None
    return call.callee if call is not None else decorator


def _wraps(decorator: Func, types: Types) -> bool:
    """Whether a function inside the decorator calls the decorated one in such a `try`."""
    inner = [*types.links.inner.get(decorator.id, ())]
    inner += [deeper for one in inner for deeper in types.links.inner.get(one.id, ())]
    params = {param.name for one in (decorator, *inner) for param in one.facts.params}
    return any(
        isinstance(node, Try)
        and _handled(node)
        and any(isinstance(call, Call) and _is_param(call.callee, params) for call in walk(node.body))
        for one in inner
        for node in walk(one.facts.body)
    )


def _is_param(callee: object, params: set[str]) -> bool:
    return isinstance(callee, Ref) and not callee.path and callee.name in params


def _is_return(node: Node) -> bool:
    return isinstance(node, Jump) and node.kind == "return"


def _handled(node: Try) -> bool:
    return any(catches_all(handler) and _does_something(handler) for handler in node.handlers)


def _plain(node: Node) -> bool:
    if isinstance(node, Call):
        callee = node.callee
        return isinstance(callee, Ref) and (callee.name, *callee.path)[-1].rpartition(".")[2] in QUIET
    if isinstance(node, With):
        # a lock around what is plain
        return all(map(_is_lock, node.items)) and all(map(_plain, node.body))
    if isinstance(node, If):
        return all(map(_plain, (*node.body, *node.orelse)))
    return not hasattr(node, "body")


def _is_lock(item: WithItem) -> bool:
    value = item.value
    return isinstance(value, Ref) and value.root != Root.RESULT and lockish((value.name, *value.path)[-1])


def _does_something(handler: Handler) -> bool:
    return any(isinstance(node, Call) or hasattr(node, "body") for node in handler.body) or bool(
        handler.name and handler.body[1:]
    )
