"""Two threads on one instance: calls the flagged function from a signature alone, when no program does.

What comes out is a verdict of its own kind. It says what happens *if* two threads share an instance, not that any
program lets them.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from .start import Engine

DEEPEST = 3
"""How many constructors may stand in each other's arguments."""
PATIENCE = 5.0
"""Seconds until the calls count as stuck."""
BY_TYPE: dict[str, Any] = {
    "int": 1, "float": 1.0, "str": "a", "bytes": b"a", "bool": True, "complex": 1j, "object": None, "Any": None, "None": None,
}  # fmt: skip
MADE: dict[str, Callable[[], Any]] = {"list": list, "dict": dict, "set": set, "tuple": tuple, "Callable": lambda: do_nothing,
                                      "Iterable": list, "Sequence": list, "Mapping": dict, "Iterator": lambda: iter(())}  # fmt: skip


class CannotBuildError(Exception):
    """The signature does not say enough."""


def do_nothing(*_: object, **__: object) -> None:
    """Stands in for a callable argument."""


def run(engine: Engine) -> None:
    """Load the flagged file, build an instance, and call the flagged function from two threads."""
    place = engine.job.flagged
    module = load(place.path)
    names = owner_of(place.path, place.line)
    try:
        function, text = resolve(module, names)
    except CannotBuildError as error:
        engine.events.send("refused", line=place.line, reason=f"no harness: {error}")
        return
    engine.events.send("harness", text=text, owner=".".join(names[:-1]) or names[-1])
    failures: list[str] = []

    def call() -> None:
        try:
            function()
        except Exception as error:  # noqa: BLE001  # the arguments are guessed; what they lead to is told
            failures.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=call, name=f"harness-{number}") for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    if failures:
        engine.events.send("harness-failed", error=failures[0])


def load(path: str) -> ModuleType:
    """Import the file, as a part of its package if it is in one, and not as `__main__`."""
    folder, name = os.path.split(path)
    parts = [name.removesuffix(".py")]
    while os.path.exists(os.path.join(folder, "__init__.py")):
        folder, package = os.path.split(folder)
        parts.insert(0, package)
    if parts[-1] == "__init__":
        parts.pop()
    sys.path.insert(0, folder)
    return importlib.import_module(".".join(parts))


def owner_of(path: str, line: int) -> list[str]:
    """The names that lead to the function around a line: `["Account", "deposit"]`."""
    with open(path, "rb") as file:
        tree = ast.parse(file.read())
    names: list[str] = []
    body: list[ast.stmt] = tree.body
    while True:
        inner = next(
            (
                node
                for node in body
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.lineno <= line <= (node.end_lineno or 0)
            ),
            None,
        )
        if inner is None:
            return names
        names.append(inner.name)
        if isinstance(inner, ast.FunctionDef):
            return names
        body = inner.body


def resolve(module: ModuleType, names: list[str]) -> tuple[Callable[[], Any], str]:
    """A call without arguments of the function, and how it was put together."""
    if not names:
        raise CannotBuildError("the line is not in a function")
    owner: Any = module
    for name in names[:-1]:
        owner = getattr(owner, name)
    if isinstance(owner, type):
        made, how = instance(owner, module, 0)
        function = getattr(made, names[-1], None)
        text = f"{how}, "
    else:
        function, text = getattr(owner, names[-1], None), ""
    if not callable(function):
        raise CannotBuildError(f"`{'.'.join(names)}` cannot be called")
    values, shown = arguments(function, module, 0)
    return (lambda: function(*values)), f"{text}{names[-1]}({', '.join(shown)})"


def instance(cls: type, module: ModuleType, depth: int) -> tuple[Any, str]:
    """An instance of a class, and the text of the call that made it."""
    if depth > DEEPEST:
        raise CannotBuildError(f"`{cls.__name__}` needs too many other objects")
    values, shown = arguments(cls, module, depth)
    try:
        return cls(*values), f"{cls.__name__}({', '.join(shown)})"
    except Exception as error:
        raise CannotBuildError(f"`{cls.__name__}({', '.join(shown)})` raises {type(error).__name__}") from error


def arguments(function: Any, module: ModuleType, depth: int) -> tuple[list[Any], list[str]]:
    """A value for each parameter that needs one, by its annotation; 1 where there is none."""
    values: list[Any] = []
    shown: list[str] = []
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise CannotBuildError(f"`{function!r}` has no signature") from error
    for parameter in parameters:
        if parameter.default is not parameter.empty or parameter.kind in {
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        }:
            continue
        if parameter.kind is parameter.KEYWORD_ONLY:
            raise CannotBuildError(f"`{parameter.name}` is needed by keyword")
        value, text = value_for(parameter.annotation, module, depth)
        values.append(value)
        shown.append(text)
    return values, shown


def value_for(annotation: Any, module: ModuleType, depth: int) -> tuple[Any, str]:
    """A value of an annotated type, and its text."""
    if annotation is inspect.Parameter.empty:
        return 1, "1"
    name = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    name = name.replace("typing.", "").partition("[")[0].partition("|")[0].strip().rpartition(".")[2]
    if name in BY_TYPE:
        return BY_TYPE[name], repr(BY_TYPE[name])
    if name in MADE:
        made = MADE[name]()
        return made, f"{name}()" if name not in {"Callable", "Iterator"} else f"a {name.lower()}"
    cls = annotation if isinstance(annotation, type) else getattr(module, name, None)
    if isinstance(cls, type):
        return instance(cls, module, depth + 1)
    raise CannotBuildError(f"no value for a parameter of type `{name}`")
