"""TL601."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.facts.model import Access, Const, If, Kind, Node, Ref, Root, Try, Value
from threadlint.findings import Oracle, Problem, Related, Severity
from threadlint.project.bodies.paths import catches
from threadlint.project.bodies.thread_locals import LocalUse, Storage
from threadlint.project.names.mentions import last_part
from threadlint.project.names.test_files import in_tests
from threadlint.project.names.things import Cls, Func
from threadlint.project.names.values import refs
from threadlint.project.project import Project
from threadlint.project.roots.contexts import MAIN
from threadlint.project.roots.thread_roots import Spawn
from threadlint.rules.rule import rule

_DEEP = 2


@rule("TL601", since="0.1", severity=Severity.ERROR, oracle=Oracle.NOT_SET)
def thread_local_initialised_once(project: Project) -> Iterator[Problem]:
    """An attribute of a `threading.local` is set in one thread only, and other threads read it.

    ## Why is this bad?

    A `threading.local()` has attributes of its own in every thread. What the module's body or a constructor assigns is there in the thread that imports the module or
    makes the object, and in no other: there, reading it raises `AttributeError`. Tests that use one thread never see it.

    ## Example

    ```python
    import threading

    memory = threading.local()
    memory.cache = {}


    def square(number: int) -> int:
        return memory.cache.setdefault(number, number * number)  # expect: TL601


    thread = threading.Thread(target=square, args=(3,))
    thread.start()
    thread.join()
    ```

    ## Use instead

    A subclass whose `__init__` sets the attribute: it runs again in each thread that uses the object.

    ```python
    import threading


    class Memory(threading.local):
        def __init__(self) -> None:
            self.cache = {}


    memory = Memory()


    def square(number: int) -> int:
        return memory.cache.setdefault(number, number * number)


    thread = threading.Thread(target=square, args=(3,))
    thread.start()
    thread.join()
    ```

    `getattr(memory, "cache", None)`, or a `try` with `except AttributeError` around the read, do as well.

    ## Known limits

    - An attribute that some other function assigns too is taken to be set in each thread, unless the assignments stand in the function that starts the thread, before it
      does so, or each such function reads the attribute before it assigns it.
    - Storage whose attributes are reached through `vars()`, `__dict__` or `hasattr()` is left alone, and so are reads in tests.
    """
    for storage in project.thread_locals.all():
        if storage.whole:
            continue
        for name, uses in storage.uses.items():
            writes = [use for use in uses if use.kind == Kind.WRITE and not _initialises(storage, use)]
            if not writes or name in storage.asked or _has_default(project, storage, name):
                continue
            branch = _branch(project, storage)
            early = [
                use
                for use in writes
                if _sets_up(project, use.func, storage.func)
                and (use.func is not storage.func or branch <= _context(project, use))
            ]
            late = [use for use in writes if use not in early]
            if early and all(_reads_first(project, uses, use) for use in late):
                yield from _everywhere_else(project, storage, name, uses, early, branch)
            else:
                yield from _in_threads(project, storage, name, uses, writes)


def _sets_up(project: Project, func: Func, maker: Func, depth: int = _DEEP) -> bool:
    """Whether the function runs only where the storage is made, or when a module is imported: itself, or as a private helper that nobody else calls."""
    if func is maker or func.is_module:
        return True
    name = func.facts.name
    if not depth or not name.startswith("_") or name.endswith("__"):
        return False
    calls = list(project.named_calls.of(func))
    # a call that stands for "run this in a thread" or "run this first in each worker" is none of the function's own
    return bool(calls) and all(
        project.links.calls[caller.id].get(call.id) is call and _sets_up(project, caller, maker, depth - 1)
        for caller, call, _ in calls
    )


def _context(project: Project, use: LocalUse) -> set[tuple[Node, str]]:
    """The branches, loops and blocks that the use stands in."""
    return set(project.steps(use.func)[use.step].context)


def _branch(project: Project, storage: Storage) -> set[tuple[Node, str]]:
    """The branches in which the storage is made for the first of those who ask for it: `if self._local is None: self._local = local()`."""
    steps = project.steps(storage.func)
    made = next((step for step in steps if step.node is storage.call), None)
    home = next(
        (
            step.node.ref
            for step in steps
            if isinstance(step.node, Access)
            and step.node.kind == Kind.WRITE
            and step.node.value == storage.call.result
            and (step.node.ref.path or step.node.ref.root == Root.GLOBAL)
        ),
        None,
    )
    if made is None or home is None:
        return set()
    return {
        (node, part)
        for node, part in made.context
        if isinstance(node, If) and _asks_for(project, storage.func, node.test, home)
    }


def _asks_for(project: Project, func: Func, test: Value, home: Ref) -> bool:
    """Whether the test looks whether the storage is there: by its name, or by `hasattr(self, "_local")`."""
    for ref in refs(test):
        if ref == home:
            return True
        call = project.links.calls[func.id].get(int(ref.name)) if ref.root == Root.RESULT else None
        if call is not None and last_part(call.callee) in ("hasattr", "getattr") and len(call.args) > 1:
            name = call.args[1]
            if call.args[0] == home.receiver and isinstance(name, Const) and name.value == home.path[-1]:
                return True
    return False


def _reads_first(project: Project, uses: list[LocalUse], write: LocalUse) -> bool:
    """Whether the function, whenever it comes to this assignment, has read the attribute before: where it is missing, that read raises."""
    return any(
        use.func is write.func
        and use.step < write.step
        and use.kind in (Kind.READ, Kind.UPDATE)
        and _context(project, use) <= _context(project, write)
        and not _prepared(project, use)
        for use in uses
    )


def _everywhere_else(
    project: Project,
    storage: Storage,
    name: str,
    uses: list[LocalUse],
    writes: list[LocalUse],
    branch: set[tuple[Node, str]],
) -> Iterator[Problem]:
    """Set where the storage is made or by a module's body: any other function may run in another thread."""
    setters = {use.func.id for use in writes}
    told: set[str] = set()
    for use in uses:
        if (
            use.kind not in (Kind.READ, Kind.UPDATE)
            or (use.func.id in setters and (use.func is not storage.func or branch <= _context(project, use)))
            or use.func.id in told
            or in_tests(use.func)
        ):
            continue
        if not _prepared(project, use):
            told.add(use.func.id)
            who = "imports this module" if writes[0].func.is_module else f"calls `{writes[0].func.name}`"
            yield _problem(project, use, writes[0], name, f"only in the thread that {who}", ())


def _in_threads(
    project: Project, storage: Storage, name: str, uses: list[LocalUse], writes: list[LocalUse]
) -> Iterator[Problem]:
    """Set in the functions that start the threads, before they do so."""
    starts = [spawn for spawn in project.spawns if not spawn.note]
    before = {spawn.func.id for spawn in starts}
    if not all(use.func.id in before or use.func is storage.func for use in writes):
        return
    if any(bits & ~MAIN for use in writes for bits in _roots(project, use.func)):
        return
    told: set[str] = set()
    for use in uses:
        if use.kind not in (Kind.READ, Kind.UPDATE) or use.func.id in told or _prepared(project, use):
            continue
        root = _thread(project, use.func)
        write = next(
            (one for one in writes if root is not None and one.func is root.func and one.step < root.begin), None
        )
        if root is not None and write is not None:
            told.add(use.func.id)
            started = Related(project.site(root.func, root.span), root.story)
            yield _problem(project, use, write, name, f"only in the thread that calls `{write.func.name}`", (started,))


def _roots(project: Project, func: Func) -> Iterator[int]:
    return (bits for _, bits in project.meetings.contexts(func))


def _thread(project: Project, func: Func) -> Spawn | None:
    """A thread that runs the function."""
    bits = 0
    for one in _roots(project, func):
        bits |= one
    return next(project.contexts.roots(bits & ~MAIN), None)


def _initialises(storage: Storage, use: LocalUse) -> bool:
    """`self.x = 0` in the `__init__` of a subclass: it runs in each thread."""
    return (
        storage.cls is not None
        and use.func.facts.cls == storage.cls.facts.qualname
        and use.func.module is storage.cls.module
    )


def _has_default(project: Project, storage: Storage, name: str) -> bool:
    """Whether the class of the storage gives the attribute a value in each thread."""
    if storage.cls is None:
        return False
    bases = [base for base in project.types.mro(storage.cls) if isinstance(base, Cls)]
    owners = {base.id for base in bases}
    if any("__getattr__" in project.links.methods.get(owner, {}) for owner in owners):
        return True
    if any(name in project.links.methods.get(owner, {}) for owner in owners):
        return True
    for where, access in project.links.attributes.get(name, ()):
        own = where.facts.cls and f"{where.module.name}:{where.facts.cls}" in owners
        named = any(
            where.module is base.module and ".".join((access.ref.name, *access.ref.path[:-1])) == base.facts.qualname
            for base in bases
        )
        if own or named:
            return True
    return False


def _prepared(project: Project, use: LocalUse) -> bool:
    """Whether the reader reckons with a missing attribute."""
    step = project.steps(use.func)[use.step]
    return any(
        isinstance(node, Try)
        and part == "body"
        and any(catches(handler, "AttributeError") for handler in node.handlers)
        for node, part in step.context
    )


def _problem(
    project: Project, use: LocalUse, write: LocalUse, name: str, where: str, more: tuple[Related, ...]
) -> Problem:
    related = (Related(project.site(write.func, write.span), f"`{write.text}.{name}` is set here"), *more)
    return Problem(
        project.site(use.func, use.span),
        f"`{use.text}.{name}` is set {where}; in every other thread this read raises `AttributeError`",
        related,
    )
