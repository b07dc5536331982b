"""TL207."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.changes import Change
from threadlint.facts.model import Access, Compare, Kind, Node, Ref, Root, Value, With
from threadlint.findings import Fix, Oracle, Problem, Related, Severity
from threadlint.project.locks.acquires import Acquire
from threadlint.project.locks.lock_calls import node_refs, parts, values
from threadlint.project.locks.locks import Held, Step, text
from threadlint.project.names.things import Cls, Func, Object
from threadlint.project.names.values import refs
from threadlint.project.project import Project
from threadlint.rules.rule import rule

_ORDERING = frozenset({"sorted", "min", "max", "sort", "id", "hash"})
_HIERARCHY = frozenset({"parent", "child", "owner", "root", "master", "base", "children"})


@rule("TL207", since="0.1", severity=Severity.ERROR, oracle=Oracle.LOCK_ORDER)
def unordered_same_class_locks(project: Project) -> Iterator[Problem]:
    """The locks of two objects of one kind are taken in the order of the arguments.

    ## Why is this bad?

    `transfer(a, b)` in one thread and `transfer(b, a)` in another take the same two locks in opposite orders, and each waits for the lock that the other
    holds. With a plain `Lock`, `transfer(a, a)` even waits for itself.

    ## Example

    ```python
    import threading


    class Account:
        def __init__(self, credits: int) -> None:
            self.lock = threading.Lock()
            self.credits = credits


    def transfer(source: Account, target: Account, amount: int) -> None:
        with source.lock:
            with target.lock:  # expect: TL207
                source.credits -= amount
                target.credits += amount


    ada, bob = Account(100), Account(100)
    threads = [threading.Thread(target=transfer, args=pair) for pair in ((ada, bob, 1), (bob, ada, 2))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ```

    ## Use instead

    Take them in an order that does not depend on who is first: by a number of the account, or by `id`.

    ```python
    import threading


    class Account:
        def __init__(self, credits: int) -> None:
            self.lock = threading.Lock()
            self.credits = credits


    def transfer(source: Account, target: Account, amount: int) -> None:
        if source is target:
            return
        first, second = sorted((source, target), key=id)
        with first.lock, second.lock:
            source.credits -= amount
            target.credits += amount


    ada, bob = Account(100), Account(100)
    threads = [threading.Thread(target=transfer, args=pair) for pair in ((ada, bob, 1), (bob, ada, 2))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ```

    ## Fix

    Unsafe, since every place must use the same order: the two are sorted by `id()` before they are acquired. Only where one `with` takes both, or one inside the other.

    ## Known limits

    - Two parameters, `self` and a parameter of the same class, or two elements of one container of locks. Two objects found in other ways often form a
      hierarchy (a parent before its child), which is an order.
    - A function that compares the two with `<`, or uses `sorted`, `min`, `max` or `id`, is taken to put them in order.
    """
    for func in project.having(With, Held):
        if len(func.facts.params) < 1:
            continue
        for step in project.steps(func):
            if step.held or isinstance(step.node, With):
                found = next(_unordered(project, func, step), None)
                if found is not None and not _ordered(project, func, *found):
                    yield _problem(project, func, *found)
                    break


def _unordered(project: Project, func: Func, step: Step) -> Iterator[tuple[Held, Acquire]]:
    holding = list(step.held)
    for acquire in project.acquires.own(func, step):
        yield from ((held, acquire) for held in holding if _pair(project, func, held, acquire))
        if acquire.value is not None:
            holding.append(Held(acquire.lock, acquire.value, func, acquire.span))
    for acquire in project.acquires.called(func, step) if step.held else ():
        yield from ((held, acquire) for held in step.held if _pair(project, func, held, acquire))


def _pair(project: Project, func: Func, held: Held, acquire: Acquire) -> bool:
    first, second = held.value, acquire.value
    if held.func is not func or not isinstance(first, Ref) or not isinstance(second, Ref) or first == second:
        return False
    if held.lock.kind.world != "threads" or not (held.lock.excludes and acquire.lock.excludes):
        return False
    if held.lock.each and held.lock.key == acquire.lock.key and held.lock.known:
        return _elements(project, func, first, second)
    if first.path != second.path or len(first.path) != 1 or first.root != Root.VAR or second.root != Root.VAR:
        return False
    names = [param.name for param in func.facts.params if param.kind in ("pos", "kw")]
    if not {first.name, second.name} <= set(names) or {first.name, second.name} & _HIERARCHY:
        return False
    if (
        first.owner != func.facts.qualname
        or second.owner != func.facts.qualname
        or _rebound(project, func, first, second)
    ):
        return False
    own = project.types.self_name(func)
    if own in (first.name, second.name):
        return _same_class(project, func, first, second)
    return held.lock.key == acquire.lock.key or not (held.lock.known and acquire.lock.known)


def _elements(project: Project, func: Func, first: Ref, second: Ref) -> bool:
    """`locks[i]` and `locks[j]` of one container, directly or by local names."""
    one, other = (_home(project, func, ref) for ref in (first, second))
    return (
        one.receiver == other.receiver
        and one != other
        and all(ref.path and ref.path[-1].startswith("[") and not ref.path[-1][1:-1].isdigit() for ref in (one, other))
    )


def _home(project: Project, func: Func, ref: Ref) -> Ref:
    return project.uses.home(ref, func)


def _same_class(project: Project, func: Func, first: Ref, second: Ref) -> bool:
    kinds = [
        {
            thing.type.id
            for thing in project.types.of(ref.receiver, func)
            if isinstance(thing, Object) and isinstance(thing.type, Cls)
        }
        for ref in (first, second)
    ]
    return bool(kinds[0] & kinds[1])


def _rebound(project: Project, func: Func, *names: Ref) -> bool:
    """`if a > b: a, b = b, a`: the parameters may be put in order."""
    wanted = {ref.name for ref in names}
    return any(
        isinstance(step.node, Access)
        and step.node.kind == Kind.WRITE
        and not step.node.ref.path
        and step.node.ref.name in wanted
        for step in project.steps(func)
    )


def _ordered(project: Project, func: Func, held: Held, acquire: Acquire) -> bool:
    names = {value.name for value in (held.value, acquire.value) if isinstance(value, Ref)}
    if held.lock.each:
        # the indices have names of their own, so any ordering counts
        names = set()
    return any(_orders(step.node, names) for step in project.steps(func))


def _orders(node: Node, names: set[str]) -> bool:
    for value in values(node):
        for part in parts(value):
            if isinstance(part, Compare) and part.op in ("<", "<=", ">", ">=") and _mentions(part, names):
                return True
    callee = getattr(node, "callee", None)
    return (
        isinstance(callee, Ref)
        and (callee.name, *callee.path)[-1] in _ORDERING
        and any(not names or ref.name in names for ref in node_refs(node))
    )


def _mentions(value: Value, names: set[str]) -> bool:
    return any(not names or ref.name in names or ref.root == Root.RESULT for ref in refs(value))


def _problem(project: Project, func: Func, held: Held, acquire: Acquire) -> Problem:
    first = text(held.value)
    second = text(acquire.value) if acquire.value is not None else acquire.lock.text
    span = acquire.chain[0][1] if acquire.chain else acquire.span
    site = project.site(func, span)
    related = [Related(project.site(func, held.span), f"`{first}` is acquired here")]
    if acquire.chain:
        related.append(
            Related(project.site(acquire.func, acquire.span), f"`{second}` is acquired here, in `{acquire.func.name}`")
        )
    message = (
        f"`{first}` and then `{second}` are acquired in the order in which the caller names them;"
        " another thread that names them the other way round waits for this one, and this one for it"
    )
    inner = project.site(acquire.func, acquire.span)
    sorts = Fix(Change.SORT_LOCKS, (related[0].site, site))
    fix = None if acquire.chain else sorts
    return Problem(site, message, tuple(related), partners=(inner, project.site(func, held.span)), fix=fix)
