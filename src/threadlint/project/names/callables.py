"""Calls that hand a callable to a thread, a process or a pool: which argument it is, and where its own arguments stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from threadlint.facts.model import Call, Ref, Root
from threadlint.knowledge.primitives import INTERPRETER
from threadlint.knowledge.stdlib import (
    CONSTRUCTORS,
    EXECUTOR_METHODS,
    EXECUTORS,
    FUNCTIONS,
    LOOP_TYPES,
    POOL_METHODS,
    POOLS,
    Starter,
)
from threadlint.project.names.things import External, Func
from threadlint.project.names.types import Types

_ANY_ARGUMENTS = ("submit", "asyncio.to_thread")
"""What takes the arguments of the function, by position and by name, after the function."""
_PROCESS = Starter(1, "target", "args", 3, "kwargs")
_INTERPRETER_CALL = Starter(0, "callable")
_RUN_IN_EXECUTOR = Starter(1, "func")
_HANDING = (
    *CONSTRUCTORS,
    *FUNCTIONS,
    "multiprocessing.Process",
    *(f"{owner}.{method}" for owner in EXECUTORS for method in EXECUTOR_METHODS),
    *(f"{owner}.{method}" for owner in POOLS for method in POOL_METHODS),
    *(f"{INTERPRETER}.{method}" for method in ("call", "call_in_thread")),
    *(f"{loop}.run_in_executor" for loop in LOOP_TYPES),
)
HANDING = frozenset({*_HANDING, *(f"{name}.__init__" for name in _HANDING)})
"""All that `handed_over` knows: functions that call none of these hand no callable over."""


def handed_over(types: Types, call: Call, func: Func) -> Iterator[tuple[str, Starter]]:
    """For each thing of the library that the call can mean: its dotted name (a class without `__init__`), and where the callable is."""
    for thing in types.of(call.callee, func):
        if not isinstance(thing, External):
            continue
        name = thing.name.removesuffix(".__init__")
        owner, _, method = name.rpartition(".")
        if name in CONSTRUCTORS:
            yield name, _placed(CONSTRUCTORS[name], call)
        elif name in FUNCTIONS:
            yield name, FUNCTIONS[name]
        elif name == "multiprocessing.Process":
            yield name, _PROCESS
        elif owner in EXECUTORS and method in EXECUTOR_METHODS:
            yield name, EXECUTOR_METHODS[method]
        elif owner in POOLS and method in POOL_METHODS:
            yield name, POOL_METHODS[method]
        elif owner == INTERPRETER and method in ("call", "call_in_thread"):
            yield name, _INTERPRETER_CALL
        elif owner in LOOP_TYPES and method == "run_in_executor":
            yield name, _RUN_IN_EXECUTOR


def _placed(starter: Starter, call: Call) -> Starter:
    """Where the callable is: one further on in `Thread.__init__(self, ...)`, which is given the object first."""
    callee = call.callee
    if not isinstance(callee, Ref) or callee.path[-1:] != ("__init__",) or callee.root is not Root.IMPORT:
        return starter
    return replace(starter, target=starter.target + 1, args_at=starter.args_at + 1)


def arguments(name: str, starter: Starter) -> str | None:
    """Where the function's arguments go, as fixes are told it: the keywords for them as `args/kwargs`, empty after the function, None nowhere."""
    if starter.args and starter.kwargs:
        return f"{starter.args}/{starter.kwargs}"
    return "" if name.endswith(_ANY_ARGUMENTS) else None
