"""Where processes start: `Process(target=f)` of the library, and what it runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from threadlint.facts.model import Call, Many, Value
from threadlint.project.names.callables import handed_over
from threadlint.project.names.linker import Links
from threadlint.project.names.things import Func, FunctionThing
from threadlint.project.names.types import Types


@dataclass(frozen=True, slots=True)
class ProcessSpawn:
    """One place that makes a process: `func` is where it stands, `args` are the target's arguments as values there."""

    func: Func
    call: Call
    target: FunctionThing
    args: tuple[Value, ...]


def processes(links: Links, types: Types) -> Iterator[ProcessSpawn]:
    """Every process whose target is a function of the project."""
    for func in links.ordered():
        for call in links.calls[func.id].values():
            if call.keyword("target") is None and len(call.args) < 2:
                continue
            for name, starter in handed_over(types, call, func):
                if name != "multiprocessing.Process":
                    continue
                given = call.argument(starter.args_at, starter.args)
                args = given.items if isinstance(given, Many) and not given.repeated else ()
                for target in types.functions(call.argument(starter.target, starter.keyword), func):
                    yield ProcessSpawn(func, call, target, args)
