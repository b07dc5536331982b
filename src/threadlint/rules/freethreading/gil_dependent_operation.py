"""TL803."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from threadlint.facts.model import Access, Call, Kind, Many, Ref, Root, Value
from threadlint.findings import Builds, Confidence, Problem, Related, Severity
from threadlint.knowledge.containers import BUFFER_MAKERS, FROM_ITERABLES, IN_STEPS
from threadlint.project.bodies.uses import Act, Use
from threadlint.project.names.linker import absolute
from threadlint.project.names.things import External, Func
from threadlint.project.project import Project
from threadlint.project.races.meetings import SharedUse
from threadlint.project.races.sharing import Race
from threadlint.rules.rule import rule

_READS = frozenset({"[]", "index", "count", "__getitem__"})


@rule(
    "TL803",
    since="0.1",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    default=False,
    free_threaded=True,
)
def gil_dependent_operation(project: Project) -> Iterator[Problem]:
    """A container is changed by an operation that is one step only because of the GIL, while other threads read it.

    ## Why is this bad?

    With the GIL, `rows.insert(0, row)` is over before any other thread runs. On free-threaded builds a list still cannot be corrupted, since each one has a lock of its own, but reading
    an item does not take that lock: while `insert`, `pop(0)` or `del rows[0]` shifts the items, a reader sees one twice, or misses one; while a list is sorted it looks empty. The memory
    of a `bytearray`, an array, a `memoryview` or a numpy array is not protected at all. `append`, `pop()` at the end, `d[k] = v` and `d.setdefault` stay atomic.

    ## Example

    On CPython 3.13t `best` ends with `IndexError` in nearly every run; with the GIL it never does.

    ```python
    import threading

    scores = list(range(10_000))


    def rank() -> None:
        for _ in range(5000):
            scores.sort()  # expect: TL803


    def best() -> None:
        while ranking.is_alive():
            if scores[0] != 0:
                print("not sorted")


    ranking = threading.Thread(target=rank)
    ranking.start()
    reader = threading.Thread(target=best)
    reader.start()
    reader.join()
    ```

    ## Use instead

    A lock around the change and the reads, or a new list that takes the place of the old one in one step (`scores = sorted(scores)`).

    ```python
    import threading

    scores = list(range(10_000))
    scores_lock = threading.Lock()


    def rank() -> None:
        for _ in range(5000):
            with scores_lock:
                scores.sort()


    def best() -> None:
        while ranking.is_alive():
            with scores_lock:
                if scores[0] != 0:
                    print("not sorted")


    ranking = threading.Thread(target=rank)
    ranking.start()
    reader = threading.Thread(target=best)
    reader.start()
    reader.join()
    ```

    ## Known limits

    - On only where the code is for free-threaded builds: `--free-threaded`, or `free-threaded = true` in the configuration.
    - Only the builtin types themselves are meant, and arrays that are seen to be made; a subclass, and what a C extension does with a buffer, is not looked at.
    - Loops over a container that others change fail with the GIL as well, and are [TL106](TL106.md); updates such as `rows[0] += 1` are [TL101](TL101.md).
    """
    changes: dict[str, list[Use]] = defaultdict(list)
    reads: dict[str, list[Use]] = defaultdict(list)
    for func in project.functions:
        for use in project.uses.of(func):
            name = use.ref.path[-1] if use.ref.path else use.ref.name
            if use.act.in_place or use.act is Act.UPDATE:
                changes[name].append(use)
            elif use.act is Act.READ and use.how in _READS and ":" not in use.key:
                reads[name].append(use)
    ops = [(use, op) for name, uses in changes.items() for use in uses if (op := _operation(project, use))]
    by_use = {id(use): op for use, op in ops}
    readers = project.meetings.of(
        one for name in {_name(use) for use, _ in ops} for one in (*reads[name], *changes[name])
    )
    for key, shared in project.meetings.of(use for use, _ in ops).items():
        yield from _location(project, shared, readers.get(key, []), by_use)


def _name(use: Use) -> str:
    return use.ref.path[-1] if use.ref.path else use.ref.name


def _location(
    project: Project, shared: list[SharedUse], others: list[SharedUse], ops: dict[int, tuple[str, bool]]
) -> Iterator[Problem]:
    """At most one problem for each container."""
    for one in shared:
        _, bare = ops[id(one.use)]
        for other in others:
            reading = other.use.act is Act.READ
            if not reading and not (bare and id(other.use) in ops):
                continue
            race = project.meetings.parallel(one, other)
            if race is not None:
                yield _problem(project, one, other, race, ops[id(one.use)])
                return


def _operation(project: Project, use: Use) -> tuple[str, bool] | None:
    """How the operation is written, where it is one step only because of the GIL, and whether it is on bare memory."""
    kind = project.uses.kind(use.ref, use.func)
    call = _call(project, use)
    if kind in IN_STEPS:
        if use.how in IN_STEPS[kind]:
            return f"{use.how}()", False
        if kind == "list" and use.how == "pop" and call is not None and call.args and not _is_last(call.args[0]):
            return "pop(i)", False
        if use.how == "del" and use.key != "[-1]":
            return f"del ...{use.key}", False
        if kind == "list" and use.how == "[]=" and ":" in use.key:
            return f"{use.key} =", False
        if use.how in FROM_ITERABLES and call is not None and call.args and _is_lazy(call.args[0]):
            return f"{use.how}()", False
        return None
    if use.how in ("[]=", "[]") and use.act in (Act.ADD, Act.UPDATE) and _buffer(project, use):
        return f"{use.key} =", True
    return None


def _call(project: Project, use: Use) -> Call | None:
    node = project.steps(use.func)[use.step].node
    return node if isinstance(node, Call) else None


def _is_last(value: Value) -> bool:
    return getattr(value, "value", None) == -1


def _is_lazy(value: Value) -> bool:
    """A generator: what it does between two items is Python code."""
    return isinstance(value, Many) and value.kind == "generator"


def _buffer(project: Project, use: Use) -> str:
    """The type of the buffer, where the location is only given buffers."""
    made = {_made(project, access.value, where) for where, access in _bindings(project, use)}
    return next(iter(made)) if len(made) == 1 else ""


def _made(project: Project, value: Value | None, func: Func) -> str:
    if not isinstance(value, Ref) or value.root != Root.RESULT or value.path:
        return ""
    call = project.links.calls[func.id].get(int(value.name))
    if call is None or not isinstance(call.callee, Ref):
        return ""
    names = [thing.name for thing in project.types.of(call.callee, func) if isinstance(thing, External)]
    return BUFFER_MAKERS.get(names[0], "") if len(names) == 1 else ""


def _bindings(project: Project, use: Use) -> list[tuple[Func, Access]]:
    ref, func = use.ref, use.func
    whole = absolute(project.links, func.module, ref)
    if whole.root == Root.GLOBAL and not whole.path:
        found = project.links.bindings.get((whole.owner, whole.name), ())
    elif not ref.path and ref.root == Root.VAR:
        found = project.links.bindings.get((f"{func.module.name}:{ref.owner}", ref.name), ())
    elif len(ref.path) == 1 and ref.name == project.types.self_name(func):
        found = [
            (where, access)
            for where, access in project.links.attributes.get(ref.path[0], ())
            if where.module is func.module and where.facts.cls == func.facts.cls
        ]
    else:
        found = ()
    return [(where, access) for where, access in found if access.kind == Kind.WRITE and access.form != "annotation"]


def _problem(project: Project, one: SharedUse, other: SharedUse, race: Race, op: tuple[str, bool]) -> Problem:
    use = one.use
    site, place = project.site(use.func, use.span), project.site(other.use.func, other.use.span)
    kind = _buffer(project, use) if op[1] else project.uses.kind(use.ref, use.func)
    name = one.touch.location.text
    does = "reads it" if other.use.act is Act.READ else "writes to it"
    harm = (
        f"the memory of a `{kind}` is not protected on free-threaded builds, and another thread {does} without a common lock"
        if op[1]
        else f"this is one step for a {kind} only with the GIL; on free-threaded builds a thread that {does} without a common lock sees it half done"
    )
    related = [Related(place, f"{'read' if other.use.act is Act.READ else 'written'} here, by another thread")]
    related += [Related(project.site(spawn.func, spawn.span), spawn.story) for spawn in race.roots[:2]]
    return Problem(
        site,
        f"`{op[0]}` on `{name}`: {harm}",
        tuple(related),
        builds=Builds.FREE_THREADED,
        partners=(site, place),
    )
