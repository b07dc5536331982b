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
    # the loop or comprehension; the text is the kind of container where the loop itself removes from it
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
    # the call that gets the item, and the call of `task_done()`
    FINALLY = "finally", "call `task_done()` in a `finally`"
    # the first and the last place to hold it; the text is the lock
    HOLD = "hold", "hold the lock that guards this elsewhere"
    # the test, and the lock after `with`; the text is what is tested
    RECHECK = "recheck", "test again once the lock is held"
    # the test; the text is the kind of container
    ONE_STEP = "one-step", "do it in one step"
    # the call of `get()`
    GET_NOWAIT = "get-nowait", "try `get_nowait()`, which raises `Empty`"
    # the statement, or what it consists of, and that behind which it goes
    MOVE_AFTER = "move-after", "do it later"
    # what the statement consists of
    MOVE_OUT = "move-out", "do it after the lock is released"
    # the `yield`
    YIELD_OUTSIDE = "yield-outside", "copy with the lock held, and yield afterwards"
    # the call of `acquire()`
    RAISE = "raise", "raise an error where the lock was not obtained"
    # the handler; the text is the name of what failed
    LOG = "log", "log the exception"
    # the constructor
    SUPER_INIT = "super-init", "call the constructor of the base class"
    # the call that makes the lock
    REENTRANT = "reentrant", "make it a lock that its holder can acquire again"
    # the call of `wait()`
    WAIT_LOOP = "wait-loop", "wait in a loop, which tests again after each wake-up"
    # the two locks after `with`
    SORT_LOCKS = "sort-locks", "acquire the two in the order of their `id()`"
    # the call that makes the coroutine
    AWAIT = "await", "await it"
    # the call of `time.sleep()`
    AWAIT_SLEEP = "await-sleep", "sleep with `await asyncio.sleep()`"
    # the call that waits for the coroutine
    AWAIT_COROUTINE = "await-coroutine", "await the coroutine itself"
    # the call that makes the task
    KEEP_TASK = "keep-task", "keep the task in a set until it is done"
    # the call of a method of the loop
    THROUGH_LOOP = "through-loop", "let the loop do it, in its own thread"
    # the statement that updates, or its target
    HOIST_AWAIT = "hoist-await", "await first, and update afterwards"
    # the call; a text says that the time may be None, for all that one sees
    NOT_NEGATIVE = "not-negative", "wait for 0 seconds where the time is over, with `max()`"
    # the assignment of the deadline
    MONOTONIC = "monotonic", "ask `time.monotonic()`, which never jumps"
    # the handler
    LET_CANCEL = "let-cancel", "let the cancellation through, with a handler before this one"
    # the call; the text is the keyword for the function, empty where that comes first
    COPY_CONTEXT = "copy-context", "run it in a copy of the context"
    # the call that starts something
    MAIN_GUARD = "main-guard", "do it only where the module is the program"
