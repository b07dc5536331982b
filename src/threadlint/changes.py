"""The kinds of change that mend a problem: what a rule may ask for, and what is said of each to people."""

from __future__ import annotations

from enum import Enum


class Change(Enum):
    """A kind of change. A rule names it, with the places that it needs; `fixes` knows how it is made.

    The comment above each says which places, in which order.
    """

    title: str
    """what the change does, as it is offered"""

    def __new__(cls, value: str, title: str) -> Change:  # noqa: PYI034 typing.Self is new in 3.11
        """A member is written as its name and its title."""
        member = object.__new__(cls)
        member._value_ = value
        member.title = title
        return member

    # the call of acquire()
    WITH_LOCK = "with-lock", "hold the lock with `with`, which releases it however the block is left"
    # the expression after `with`
    SEPARATE_ITEMS = "separate-items", "hold each of them, with a comma between"
    # the expression after `with`
    WITHOUT_ACQUIRE = "without-acquire", "leave `.acquire()` to `with`"
    # the expression
    SNAPSHOT = "snapshot", "make a list of it, which is a copy"
    # the generator expression
    LIST_COMPREHENSION = "list-comprehension", "make the list here, instead of a generator"
