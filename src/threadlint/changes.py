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
    # the loop or comprehension
    ITERATE_COPY = "iterate-copy", "go through a copy, made with `list()`"
    # the generator expression
    LIST_COMPREHENSION = "list-comprehension", "make the list here, instead of a generator"
    # the call that stands where the function should, and the call that it is given to; the text is that one's keywords for arguments, such
    # as `args/kwargs`, empty where they follow the function
    HAND_OVER = "hand-over", "hand over the function and its arguments, and let the thread call it"
    # the call that is given the function; the text is as above, or `-` where there can be no arguments, then `:` and the variable
    BIND_NOW = "bind-now", "bind the variable's value when the function is handed over"
    # the call; the text is the keyword
    TUPLE = "tuple", "make a tuple of the argument"
    # the call; the text is the keyword for its first argument
    KEYWORD = "keyword", "give the argument by its name"
    # the call
    NEW_SESSION = "new-session", "let `subprocess` make the session, with `start_new_session=True`"
    # the call that makes the future; the text is the method that asks for the result
    ASK_RESULT = "ask-result", "keep the future, and ask for its result"
    # the call that makes the thread, or its `run()`
    START = "start", "start it"
