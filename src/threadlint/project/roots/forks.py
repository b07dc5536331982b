"""Where the process forks: `os.fork()`, `preexec_fn`, and `multiprocessing` where it forks.

Source: the library reference of 3.14, "os.fork" and "multiprocessing: Contexts and start methods": on Linux the default was `fork` until 3.13.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from threadlint.facts.model import Call, Const, Ref, Value, With, walk
from threadlint.knowledge.child_calls import ARGUMENTS, KERNEL_CALLS
from threadlint.knowledge.stdlib import NO_FORK_BY_DEFAULT
from threadlint.project.locks.locks import Step
from threadlint.project.names.linker import Links
from threadlint.project.names.mentions import callee_name
from threadlint.project.names.things import Cls, External, Func, FunctionThing, Object
from threadlint.project.names.types import Types

_FORKS = frozenset({"os.fork", "os.forkpty", "pty.fork", "posix.fork"})
_POOLS = frozenset({"multiprocessing.Pool", "concurrent.futures.ProcessPoolExecutor"})
_FORKING = frozenset({"fork", "forkpty", "start", "Pool", "ProcessPoolExecutor"})


@dataclass(frozen=True, slots=True)
class Fork:
    """One place where the process forks; `explicit` where the program itself runs the child's code after it.

    `instead` is what takes the place of a `preexec_fn` that only asks the kernel for something.
    """

    func: Func
    call: Call
    step: int
    what: str
    explicit: bool = False
    instead: str = ""


def forks(
    links: Links, types: Types, steps: Callable[[Func], list[Step]], version: tuple[int, int] | None
) -> Iterator[Fork]:
    """Every place where the process forks, or may fork on Linux with the oldest supported version of Python."""
    by_default = (version or (3, 0)) < NO_FORK_BY_DEFAULT and not _other_method(links)
    forking = set(links.mentions.callers(_FORKING))
    for func in links.ordered():
        if func not in forking and not any(map(_runs_first, links.calls[func.id].values())):
            continue
        for number, step in enumerate(steps(func)):
            if isinstance(step.node, Call) and _candidate(step.node):
                what = _what(types, func, step.node, by_default=by_default)
                kernel = _kernel_calls(types, func, step.node.keyword("preexec_fn")) if what else ()
                if len(kernel) == 1 and kernel[0] in ARGUMENTS:
                    yield Fork(func, step.node, number, f"`{kernel[0]}`", instead=ARGUMENTS[kernel[0]])
                elif what and not kernel:
                    yield Fork(func, step.node, number, what, explicit=what.startswith("the process forks"))


def _candidate(call: Call) -> bool:
    return callee_name(call.callee) in _FORKING or _runs_first(call)


def _runs_first(call: Call) -> bool:
    """Whether the child runs a function before its program."""
    return bool(call.keywords) and call.keyword("preexec_fn") is not None


def _what(types: Types, func: Func, call: Call, *, by_default: bool) -> str:
    for thing in types.of(call.callee, func):
        name = thing.name if isinstance(thing, External) else ""
        if name in _FORKS:
            return "the process forks here"
        if name.startswith("subprocess.") and call.keyword("preexec_fn") not in (None, Const(None)):
            return "`preexec_fn` runs Python code in a forked child"
        if by_default and name in _POOLS and call.keyword("mp_context") is None and call.keyword("context") is None:
            return f"`{name.rpartition('.')[2]}` forks on Linux until Python 3.13,"
    if by_default and isinstance(call.callee, Ref) and call.callee.path[-1:] == ("start",):
        receiver = call.callee.receiver
        found = types.of(receiver, func)
        if found and all(isinstance(thing, Object) and _is_process(types, thing) for thing in found):
            return "`start()` of a process forks on Linux until Python 3.13,"
    return ""


def _kernel_calls(types: Types, func: Func, before: Value | None) -> tuple[str, ...]:
    """What the child calls before its program, if that only asks the kernel for something: no lock that another thread held can stop it."""
    found: list[str] = []
    for thing in types.of(before, func):
        if isinstance(thing, External):
            found.append(thing.name)
        elif isinstance(thing, FunctionThing):
            inner = thing.func
            if any(type(node) is With for node in walk(inner.facts.body)):
                return ()
            for call in types.links.calls[inner.id].values():
                named = types.of(call.callee, inner)
                found += [one.name for one in named if isinstance(one, External)] or [""]
        else:
            return ()
    return tuple(dict.fromkeys(found)) if KERNEL_CALLS.issuperset(found) else ()


def _is_process(types: Types, thing: Object) -> bool:
    if isinstance(thing.type, Cls):
        return types.derives(thing.type, ("multiprocessing.Process",))
    return thing.type == "multiprocessing.Process"


def _other_method(links: Links) -> bool:
    """Whether the program chooses how processes start."""
    return bool(links.mentions.calls(["set_start_method", "get_context", "freeze_support"]))
