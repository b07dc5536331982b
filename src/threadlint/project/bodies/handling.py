"""Which functions deal with all their own errors, and which handlers drop them."""

from __future__ import annotations

from threadlint.facts.model import Call, Handler, Node, Try
from threadlint.project.bodies.paths import catches_all
from threadlint.project.names.things import Func


def handles_errors(func: Func) -> bool:
    """Whether the body is one `try` (after plain assignments) whose handlers take every exception and do something with it."""
    body = [node for node in func.facts.body if not _plain(node)]
    if len(body) != 1 or not isinstance(body[0], Try):
        return False
    return any(catches_all(handler) and _does_something(handler) for handler in body[0].handlers)


def _plain(node: Node) -> bool:
    return not isinstance(node, Call) and not hasattr(node, "body")


def _does_something(handler: Handler) -> bool:
    return any(isinstance(node, Call) or hasattr(node, "body") for node in handler.body) or bool(
        handler.name and handler.body[1:]
    )
