"""What the methods and functions of builtin containers do to them: add, remove, copy, or go through the items one by one.

Source: the library reference, "Built-in types" and "collections", and its page "Thread safety guarantees" for what is one step.
"""

from __future__ import annotations

ADDING = frozenset(
    {"append", "appendleft", "add", "insert", "extend", "extendleft", "setdefault", "update", "__setitem__"}
)
"""Methods that can make a container larger."""

REMOVING = frozenset({"pop", "popleft", "popitem", "remove", "discard", "clear", "__delitem__"})
"""Methods that can make a container smaller."""

REORDERING = frozenset({"sort", "reverse", "rotate", "move_to_end"})

VIEWS = frozenset(
    {"keys", "values", "items", "iterkeys", "itervalues", "iteritems", "viewkeys", "viewvalues", "viewitems"}
)
"""Methods whose result is the container itself seen another way; going through it goes through the container."""

LAZY = frozenset(
    {
        "builtins.enumerate", "builtins.reversed", "builtins.iter", "builtins.zip", "builtins.map", "builtins.filter",
        "itertools.chain", "itertools.islice", "itertools.takewhile", "itertools.dropwhile", "itertools.zip_longest", "itertools.filterfalse",
        "six.iterkeys", "six.itervalues", "six.iteritems", "six.moves.map", "six.moves.filter", "six.moves.zip",
    }
)  # fmt: skip
"""Functions whose result goes through their arguments while it is gone through itself."""

CONSUMING = frozenset({"functools.reduce", "builtins.reduce"})
"""Functions that go through an argument and run Python code between two items."""

KEYED = frozenset({"builtins.min", "builtins.max"})
"""Functions that do so where they are given a `key`."""

LISTENERS = ("listener", "observer", "subscriber", "callback")
"""Parts of names of containers whose items are called when something happens."""

QUIET = frozenset({"put_nowait", "set", "set_result", "set_exception", "cancel"})
"""Methods of queues, events, futures and tasks of asyncio that run nobody's code before they return: callbacks are left to the loop."""

STARTING = frozenset({"gather", "wait", "as_completed", "create_task", "ensure_future"})
"""Functions and methods of asyncio that run several coroutines which were made before."""

POSTING = frozenset(
    {"add_callback", "call_soon_threadsafe", "run_coroutine_threadsafe", "callFromThread", "add_callback_from_signal"}
)
"""Methods that hand work to an event loop from another thread (asyncio, tornado's IOLoop, Twisted's reactor)."""

KINDS: dict[str, str] = {
    "list": "list",
    "dict": "dict",
    "set": "set",
    "deque": "deque",
    "builtins.list": "list",
    "builtins.dict": "dict",
    "builtins.set": "set",
    "collections.deque": "deque",
    "collections.OrderedDict": "dict",
    "collections.defaultdict": "dict",
    "collections.Counter": "dict",
    "weakref.WeakSet": "set",
    "weakref.WeakValueDictionary": "dict",
    "weakref.WeakKeyDictionary": "dict",
    "typing.Dict": "dict",
    "typing.List": "list",
    "typing.Set": "set",
    "typing.Deque": "deque",
    "typing.DefaultDict": "dict",
    "typing.OrderedDict": "dict",
    "typing.MutableMapping": "dict",
    "typing.MutableSet": "set",
    "typing.MutableSequence": "list",
    "collections.abc.MutableMapping": "dict",
    "collections.abc.MutableSet": "set",
}
"""By type: which of the four builtin containers it behaves like when it changes while it is gone through.

A dict, set or deque raises `RuntimeError` when its size changes (WeakSet and its like guard only against their own removals); a list skips or repeats items.
"""

IN_STEPS: dict[str, frozenset[str]] = {
    "list": frozenset({"insert", "reverse", "sort", "remove"}),
    "deque": frozenset({"insert", "rotate", "remove", "reverse"}),
}
"""Methods that are one step under the GIL (for elements whose comparisons are written in C), while readers on free-threaded builds see what is in between.

Source: the page "Thread safety guarantees" of the library reference, and PEP 703, "Container thread-safety". `append`, `pop()` at the end, `clear`, `copy` and all methods of dicts and
sets with one key are atomic on both builds.
"""

FROM_ITERABLES = frozenset({"extend", "extendleft"})
"""Methods of lists and deques that are one step only for a list, tuple, set or dict."""


BUFFER_MAKERS: dict[str, str] = {
    "builtins.bytearray": "bytearray",
    "builtins.memoryview": "memoryview",
    "array.array": "array.array",
    "mmap.mmap": "mmap.mmap",
    **{f"numpy.{name}": "numpy.ndarray" for name in ("array", "zeros", "ones", "empty", "full", "arange", "frombuffer", "zeros_like", "empty_like")},
}  # fmt: skip
"""Functions and classes that make such a buffer, and its type."""
