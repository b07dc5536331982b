"""Which object a value is, seen across threads; and answers that depend on whose the objects are that a function's parameters hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Token(NamedTuple):
    """Which object a value is, seen across threads.

    `kind`: `global` (one object, `id` says which), `self` (an instance of the class `id`, whichever the program made), `var` (the object that a
    variable of the spawning function holds), `part` (something inside a shared object), `each` (every thread has its own), `own` (made here),
    `handed` (made here, and handed to a thread: shared with that one only, where it goes by the same `id`).
    """

    kind: str
    id: str = ""

    @property
    def shared(self) -> bool:
        """Whether another thread can reach the same object."""
        return self.kind in ("global", "self", "var", "part")


EACH = Token("each")
OWN = Token("own")

HANDED = "handed"

NEW = "new "
"""How the `id` of a token begins that stands for the object which one call made, or for something that this object made for itself."""

Binding = tuple[tuple[str, Token], ...]
"""Parameters of a function and whose their objects are, sorted by name; what is not listed is unknown."""

CLOSURE = "<closure>"
"""Stands in a binding where the function was handed to a thread by the function around it: that one's variables are shared then.

The token's `id` lists the variables that each turn of the spawning loop binds anew."""


def made_by(frame: str, call: int) -> str:
    """The `id` of the object that the call with this number, in the function with this id, makes."""
    return f"{NEW}{frame}|{call}"


def apart(one: Token, other: Token) -> bool:
    """Whether the two are certainly different objects: what different calls have made."""
    return one.id.startswith(NEW) and other.id.startswith(NEW) and _made(one) != _made(other)


def _made(token: Token) -> tuple[str, str]:
    frame, _, rest = token.id.rpartition("|")
    return frame, rest.partition(".")[0]


def inside(token: Token, whole: Token) -> bool:
    """Whether the first is the second, or a part of it."""
    inner, outer = token.id.removeprefix(NEW), whole.id.removeprefix(NEW)
    return inner == outer or inner.startswith(f"{outer}.")


def met(tokens: list[Token | None]) -> Token | None:
    """Whose a value is that can be any of these; not known where it can be both a shared object and one of the thread's own."""
    if len(tokens) == 1:
        return tokens[0]
    shared = [token for token in tokens if token is not None and token.shared]
    own = [token for token in tokens if token is not None and not token.shared]
    return None if shared and own else next(iter(shared or own), None)


def part(token: Token | None, step: str) -> Token | None:
    """Something inside the object: as shared as the object."""
    if token is not None and token.kind == HANDED:
        return Token(HANDED, f"{token.id}.{step}")
    if token is None or not token.shared:
        return token
    if token.kind == "part" and token.id.count(".") > 3:
        return token
    return Token("part", f"{token.id}.{step}")


class Given(dict[str, Token]):
    """A binding that notes in `asked` which parameters it is asked for."""

    __slots__ = ("asked",)

    def __init__(self, binding: Iterable[tuple[str, Token]]) -> None:
        super().__init__(binding)
        self.asked: set[str] = set()

    def of(self, name: str) -> Token | None:
        """Whose the parameter is; None where that is not known."""
        self.asked.add(name)
        return self.get(name)


class Unknown:
    """Stands for an answer that is not known yet."""


UNKNOWN = Unknown()


@dataclass(slots=True)
class ByParameters(Generic[T]):
    """An answer that depends on whose some of the parameters are: `names` says which, the others have what is known so far. Most are only asked for once."""

    names: tuple[str, ...] = ()
    _first: tuple[tuple[Token | None, ...], T] | None = None
    _others: dict[tuple[Token | None, ...], T] | None = None

    def of(self, given: Given) -> T | Unknown:
        """The answer for the binding, if it is known. The binding is asked for the parameters in any case: the whole depends on what its parts depend on."""
        given.asked.update(self.names)
        key = tuple(map(given.get, self.names))
        if self._first is not None and self._first[0] == key:
            return self._first[1]
        return self._others.get(key, UNKNOWN) if self._others is not None else UNKNOWN

    def put(self, answer: T, given: Given, asked: set[str]) -> None:
        """Keep an answer for which the binding was asked for these parameters."""
        if not asked.issubset(self.names):
            # what was found before did not ask for so many, but is not known by them
            self.names = tuple(sorted(asked.union(self.names)))
            self._first = self._others = None
        key = tuple(map(given.get, self.names))
        if self._first is None:
            self._first = (key, answer)
        elif self._others is None:
            self._others = {key: answer}
        else:
            self._others[key] = answer
