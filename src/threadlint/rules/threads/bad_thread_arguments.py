"""TL305."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Call, Const, Derived, Many, Ref, Root, Value
from threadlint.findings import Fix, Problem, Severity
from threadlint.project.locks.locks import text
from threadlint.project.names.callables import HANDING, handed_over
from threadlint.project.names.things import ClassThing, Container, Func, FunctionThing, Object
from threadlint.project.project import Project
from threadlint.rules.rule import rule

_SCALARS = frozenset({"builtins.str", "builtins.bytes", "builtins.int", "builtins.float", "builtins.bool"})
_SEQUENCES = frozenset({"builtins.tuple", "builtins.list", "typing.Tuple", "typing.List", "typing.Sequence", "collections.abc.Sequence", "typing.Iterable",
                        "collections.abc.Iterable"})  # fmt: skip
_ALL_ARGUMENTS = frozenset({"args", "arguments", "params", "parameters", "arg", "thread_args", "argv"})
_THREADS = frozenset({"threading.Thread", "multiprocessing.Process"})


@rule("TL305", since="0.1", severity=Severity.ERROR)
def bad_thread_arguments(project: Project) -> Iterator[Problem]:
    """The arguments of a thread are not a tuple, or the first positional argument of `Thread` is not `group`.

    ## Why is this bad?

    `args=("bob")` is not a tuple but the string `"bob"`; it is unpacked, and the function is called with three arguments, `"b"`, `"o"` and `"b"`. The `TypeError` comes up in the
    new thread, long after the line that is wrong. The first parameter of `Thread` and `Process` is `group`, which must be `None`: a function or a name given there raises
    `AssertionError`, or is silently dropped under `python -O`.

    ## Example

    ```python
    import threading


    def greet(name: str) -> None:
        print("hello", name)


    thread = threading.Thread(target=greet, args=("bob"))  # expect: TL305
    thread.start()
    thread.join()
    ```

    ## Use instead

    ```python
    import threading


    def greet(name: str) -> None:
        print("hello", name)


    thread = threading.Thread(target=greet, args=("bob",))
    thread.start()
    thread.join()
    ```

    ## Fix

    Safe: `args=(x)` becomes `args=(x,)`; a function given first becomes `target=`, a string `name=`. Unsafe where `args` is a variable, whose value may be a tuple after all.

    ## Known limits

    - `args=value`, where it is not known whether `value` is a tuple, is not reported; `args=(value)` is, and so are strings and numbers.
    - Whether the function takes as many arguments as it is given is not checked.
    """
    for func in project.callers_of(HANDING):
        for call in project.links.calls[func.id].values():
            for name, starter in handed_over(project.types, call, func):
                if starter.args or starter.args_at >= 0:
                    value = call.argument(starter.args_at, starter.args)
                    if value is not None and _is_scalar(project, value, func):
                        site = project.site(func, call.span)
                        yield Problem(
                            site,
                            f"`{starter.args or 'the second argument'}` of `{name.rpartition('.')[2]}` is {_what(value)}, not a tuple; "
                            f"it is unpacked into one argument for each {_piece(value)}",
                            fix=Fix(
                                Change.TUPLE,
                                (site,),
                                safe=not isinstance(value, Ref),
                                text=f"{starter.args}:{starter.args_at}",
                            ),
                        )
                if name in _THREADS and call.args and not call.starred:
                    yield from _group(project, func, call, name)
                break


def _group(project: Project, func: Func, call: Call, name: str) -> Iterator[Problem]:
    first = call.args[0]
    callable_ = any(isinstance(thing, (FunctionThing, ClassThing)) for thing in project.types.of(first, func))
    if (isinstance(first, Const) and first.value is not None) or callable_ or _is_string(first):
        given = "a function" if callable_ else "a name"
        site = project.site(func, call.span)
        yield Problem(
            site,
            f"the first positional argument of `{name.rpartition('.')[2]}` is `group`, which must be `None`; {given} is given here",
            fix=Fix(Change.KEYWORD, (site,), safe=True, text="target" if callable_ else "name"),
        )


def _is_string(value: Value) -> bool:
    return isinstance(value, Derived) and value.op == "f-string"


def _is_scalar(project: Project, value: Value, func: Func) -> bool:
    if isinstance(value, Const):
        return value.value is not None and value.value != ""
    if _is_string(value):
        return True
    if isinstance(value, Derived) and value.op == "()":
        return not _may_be_tuple(project, value.parts[0], func)
    if not isinstance(value, Ref) or value.path or value.root not in (Root.VAR, Root.GLOBAL):
        return False
    things = project.types.of(value, func)
    if things:
        return all(isinstance(thing, Object) and thing.type in _SCALARS for thing in things) and not any(
            isinstance(thing, Container) for thing in things
        )
    owner = f"{func.module.name}:{value.owner}" if value.root == Root.VAR else func.module.name
    bound = project.links.bindings.get((owner, value.name), [])
    scope = project.links.funcs.get(owner)
    if scope is not None and any(param.name == value.name for param in scope.facts.params):
        return False
    return bool(bound) and all(
        isinstance(access.value, Const) and access.value.value is not None for _, access in bound
    )


def _may_be_tuple(project: Project, value: Value, func: Func) -> bool:
    """Whether a name that stands in parentheses may hold all the arguments after all: by its type, or by what it is called."""
    if not isinstance(value, Ref) or (value.name, *value.path)[-1].strip("_") in _ALL_ARGUMENTS:
        return True
    owner = f"{func.module.name}:{value.owner}" if value.root == Root.VAR else func.module.name
    if any(isinstance(access.value, Many) for _, access in project.links.bindings.get((owner, value.name), [])):
        return True
    return any(
        isinstance(thing, Container) or (isinstance(thing, Object) and thing.type in _SEQUENCES)
        for thing in project.types.of(value, func)
    )


def _what(value: Value) -> str:
    if isinstance(value, Const):
        return "a string" if isinstance(value.value, str) else "a number"
    named = value.parts[0] if isinstance(value, Derived) and value.op == "()" else value
    return f"`{text(named)}`" if isinstance(named, Ref) else "a string"


def _piece(value: Value) -> str:
    return "character" if _is_string(value) or (isinstance(value, Const) and isinstance(value.value, str)) else "item"
