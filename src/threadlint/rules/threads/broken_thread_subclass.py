"""TL307."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Access, Call, Const, Kind, Ref, Root
from threadlint.findings import Fix, Problem, Related, Severity
from threadlint.knowledge.thread_attributes import NEEDS_BASE, OWN_ATTRIBUTES, OWN_METHODS
from threadlint.project.names.things import Cls, Func
from threadlint.project.project import Project
from threadlint.rules.rule import rule

_HOME = frozenset({"threading", "multiprocessing"})
"""The modules of the library that define the bases: their own subclasses know them."""


@rule("TL307", since="0.1", severity=Severity.ERROR)
def broken_thread_subclass(project: Project) -> Iterator[Problem]:
    """A subclass of `Thread` does not call the constructor of its base, or overwrites one of the base's own attributes.

    ## Why is this bad?

    `Thread` keeps its state in attributes such as `_started`, `_target` and, until Python 3.12, calls its own method `_stop()`. A subclass that stores something else under such a name breaks
    `start()`, `join()` or `run()`: `self._stop = Event()` makes `join()` fail with `TypeError: 'Event' object is not callable`. Without the constructor of the base, `start()`
    fails with `RuntimeError: thread.__init__() not called`.

    ## Example

    ```python
    import threading


    class Poller(threading.Thread):
        def __init__(self, url: str) -> None:
            super().__init__()
            self._args = url  # expect: TL307

        def fetch(self) -> None:
            print("fetching", self._args)


    poller = Poller("https://example.org")
    poller._target = poller.fetch  # expect: TL307
    poller.start()
    poller.join()
    ```

    ## Use instead

    ```python
    import threading


    class Poller(threading.Thread):
        def __init__(self, url: str) -> None:
            super().__init__()
            self.url = url

        def run(self) -> None:
            print("fetching", self.url)


    poller = Poller("https://example.org")
    poller.start()
    poller.join()
    ```

    ## Fix

    Safe: `super().__init__()` is called at the start of `__init__` (unsafe where there are several bases), and what is set too early is set after that call.

    ## Known limits

    - A missing call of the base's constructor is reported where an instance is started somewhere and `__init__` calls nothing that could make up for it.
    - `_target`, `_args` and `_kwargs` are only used by the base's `run()`, so they are free where `run()` is overridden.
    - Which attributes matter depends on the version of Python; with a target version of 3.13 or later `_stop` is not reported.
    """
    for cls in project.links.classes.values():
        base = project.thread_classes.base(cls)
        if base and cls.module.name.partition(".")[0] not in _HOME:
            yield from _constructor(project, cls, base)
            yield from _attributes(project, cls, base)


def _constructor(project: Project, cls: Cls, base: str) -> Iterator[Problem]:
    init = project.links.methods.get(cls.id, {}).get("__init__")
    if init is None:
        return
    own = project.types.self_name(init)
    me = Ref(Root.VAR, own, (), init.facts.qualname)
    calls = list(project.links.calls[init.id].values())
    upward = [call for call in calls if _may_initialise(call, me)]
    short = base.rpartition(".")[2]
    if not upward and own and _is_started(project, cls, init):
        site = project.site(init, init.facts.span)
        yield Problem(
            site,
            f"`{cls.facts.name}.__init__` does not call the constructor of `{short}`; `start()` raises RuntimeError",
            fix=Fix(Change.SUPER_INIT, (site,), safe=len(cls.facts.bases) == 1),
        )
    first = min((call.span for call in upward), default=None)
    if first is None or base == "multiprocessing.Process":
        return
    for step in project.steps(init):
        node = step.node
        if (
            isinstance(node, Access)
            and node.kind == Kind.WRITE
            and node.ref.path in {(name,) for name in NEEDS_BASE}
            and Ref(node.ref.root, node.ref.name, (), node.ref.owner) == me
            and node.span < first
            and not step.context
            and project.types.method(cls, node.ref.path[0]) is None
        ):
            site = project.site(init, node.span)
            yield Problem(
                site,
                f"`{node.ref.path[0]}` is set before the constructor of `{short}` is called, which raises an error",
                (Related(project.site(init, first), "the constructor is called here"),),
                fix=Fix(Change.MOVE_AFTER, (site, project.site(init, first)), safe=True),
            )


def _is_started(project: Project, cls: Cls, init: Func) -> bool:
    """Whether an instance that was made by this very constructor is started somewhere."""
    return any(
        one.id in project.thread_classes.started() and project.types.method(one, "__init__") is init
        for one in (cls, *project.types.subclasses(cls))
    )


def _may_initialise(call: Call, me: Ref) -> bool:
    """Whether the call may reach the base's constructor: `super().__init__()`, `Base.__init__(self)`, or any code that is given `self`."""
    callee = call.callee
    if isinstance(callee, Ref) and (callee.root == Root.SUPER or callee.path[-1:] == ("__init__",)):
        return True
    given = (callee, *call.args, *(value for _, value in call.keywords))
    return any(
        isinstance(value, Ref)
        and (value.root, value.name, value.owner) == (me.root, me.name, me.owner)
        and len(value.path) <= 1
        for value in given
    )


def _attributes(project: Project, cls: Cls, base: str) -> Iterator[Problem]:
    short = base.rpartition(".")[2]
    table = OWN_ATTRIBUTES["process" if base == "multiprocessing.Process" else "thread"]
    runs = project.types.method(cls, "run") is not None
    seen: set[str] = set()
    for name, fact in table.items():
        if (fact.until is not None and (project.config.target_version or (3, 0)) > fact.until) or (fact.run and runs):
            continue
        for func, access in project.links.attributes.get(name, ()):
            if name in seen or not _stores(project, func, access, cls) or (fact.none and access.value == Const(None)):
                continue
            if func.facts.name == "__init__" and fact.set_by_init and _before_base(project, func, access):
                continue
            seen.add(name)
            yield Problem(
                project.site(func, access.span),
                f"`{name}` of `{cls.facts.name}` overwrites an attribute of `{short}`; {fact.effect}",
            )
    for name, (until, effect) in OWN_METHODS.items():
        method = project.links.methods.get(cls.id, {}).get(name)
        if (
            method is not None
            and base != "multiprocessing.Process"
            and (project.config.target_version or (3, 0)) <= until
        ):
            yield Problem(
                project.site(method, method.facts.span),
                f"`{cls.facts.name}.{name}` overrides a method of `{short}` that it calls itself; {effect}",
            )


def _stores(project: Project, func: Func, access: Access, cls: Cls) -> bool:
    """Whether the assignment sets the attribute of an instance of this very class."""
    if access.kind != Kind.WRITE or access.form or not access.ref.path:
        return False
    owner = project.types.owner(func)
    base = access.ref.receiver
    if not base.path and base.name == project.types.self_name(func) and base.owner == func.facts.qualname:
        return owner is cls
    objects = list(project.thread_classes.objects(base, func))
    return bool(objects) and all(one.type is cls for one in objects)


def _before_base(project: Project, init: Func, access: Access) -> bool:
    me = Ref(Root.VAR, project.types.self_name(init), (), init.facts.qualname)
    return any(access.span < call.span for call in project.links.calls[init.id].values() if _may_initialise(call, me))
