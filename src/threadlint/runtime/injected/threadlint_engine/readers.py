"""Reads a place again without running code of the program, where that can be done."""

from __future__ import annotations

from collections import deque
from types import MemberDescriptorType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MISSING = type("Missing", (), {"__repr__": lambda _: "nothing", "__slots__": ()})()
LOUD = type("Loud", (), {"__repr__": lambda _: "unread", "__slots__": ()})()
"""Stands for "this place cannot be read without running code"."""
PLAIN_KEYS = (str, int, bytes, bool, float, type(None))
PLAIN_VALUES = (int, float, str, bytes, bool, complex)
PLAIN_SEQUENCES = (bytearray, deque)


def quiet_reader(kind: str, base: Any, key: Any, name_reader: Callable[[], Any] | None) -> Callable[[], Any] | None:
    """A function that reads the place; None where reading would run the program's own code.

    `kind` is "name", "attribute" or "item". A property, a `__getattr__`, a `__missing__` that inserts would count.
    """
    if kind == "name":
        return _name(name_reader) if name_reader is not None else None
    if kind == "attribute":
        return attribute_reader(base, key)
    return item_reader(base, key)


def _name(read: Callable[[], Any]) -> Callable[[], Any]:
    def reader() -> Any:
        try:
            return read()
        except NameError:
            return MISSING

    return reader


def item_reader(base: Any, key: Any) -> Callable[[], Any] | None:
    """A reader of `base[key]`."""
    cls = type(base)
    simple = type(key) in PLAIN_KEYS or (type(key) is tuple and all(type(part) in PLAIN_KEYS for part in key))
    if not simple:
        return None
    if isinstance(base, dict) and cls.__getitem__ is dict.__getitem__ and cls.__setitem__ is dict.__setitem__:
        return lambda: dict.get(base, key, MISSING)
    if isinstance(base, dict) and cls.__module__ == "collections" and cls.__name__ == "OrderedDict":
        return lambda: dict.get(base, key, MISSING)
    if isinstance(base, list) and cls.__getitem__ is list.__getitem__ and isinstance(key, int):
        return lambda: list.__getitem__(base, key) if -len(base) <= key < len(base) else MISSING
    if cls in PLAIN_SEQUENCES and isinstance(key, int):
        return lambda: base[key] if -len(base) <= key < len(base) else MISSING
    return None


def attribute_reader(base: Any, name: str) -> Callable[[], Any] | None:
    """A reader of `base.name`."""
    if isinstance(base, ModuleType):
        return lambda: vars(base).get(name, MISSING)
    if isinstance(base, type):
        return lambda: _in_classes(base, name)
    return instance_reader(base, name)


def instance_reader(base: Any, name: str) -> Callable[[], Any] | None:
    """A reader of an attribute of an instance; None where the class has a say in it."""
    cls: Any = type(base)
    if cls.__getattribute__ is not object.__getattribute__ or cls.__setattr__ is not object.__setattr__:
        return None
    found = _in_classes(cls, name)
    if isinstance(found, MemberDescriptorType):
        return lambda: _slot(found, base)
    if found is not MISSING and hasattr(type(found), "__get__") and hasattr(type(found), "__set__"):
        return None
    try:
        values = object.__getattribute__(base, "__dict__")
    except AttributeError:
        return None
    return lambda: values.get(name, found)


def _slot(descriptor: Any, base: Any) -> Any:
    try:
        return descriptor.__get__(base)
    except AttributeError:
        return MISSING


def _in_classes(cls: type, name: str) -> Any:
    for one in type.__dict__["__mro__"].__get__(cls):
        if name in one.__dict__:
            return one.__dict__[name]
    return MISSING


def same(first: Any, second: Any) -> bool:
    """Whether two readings show the same: the same object, or equal plain values (some containers box anew)."""
    return first is second or (type(first) is type(second) and type(first) in PLAIN_VALUES and bool(first == second))


def shown(value: Any) -> str:
    """A short text for a value. Runs code of the program only for what is not built in, so: its type then."""
    if isinstance(value, type):
        return f"class {value.__name__}"
    if type(value) in PLAIN_VALUES or value is None or value is MISSING:
        text = repr(value)
    elif type(value) in {list, tuple, dict, set, frozenset, bytearray, deque}:
        text = f"{type(value).__name__} of {len(value)}"
    else:
        text = f"{type(value).__name__} object"
    return text if len(text) <= 60 else text[:57] + "..."
