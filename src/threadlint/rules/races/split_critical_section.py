"""TL108."""

from __future__ import annotations

from collections.abc import Iterator

from threadlint.facts.model import Access, Assert, Call, If, Kind, Loop, Ref, Root, Span, Value
from threadlint.findings import Oracle, Problem, Related, Severity
from threadlint.project.locks.accessors import Accessor
from threadlint.project.locks.entry_locks import OWNED_METHODS
from threadlint.project.locks.locks import Held, Step, text
from threadlint.project.names.things import Func, FunctionThing
from threadlint.project.names.values import mentions
from threadlint.project.project import Project
from threadlint.project.races.guards import default_binding
from threadlint.project.races.sharing import Location
from threadlint.rules.rule import rule


@rule("TL108", since="0.1", severity=Severity.ERROR, oracle=Oracle.LOST_UPDATE)
def split_critical_section(project: Project) -> Iterator[Problem]:
    """A value read under a lock is written back under the same lock after the lock was free in between.

    ## Why is this bad?

    Each of the two blocks is safe by itself, and the pair is not. Between them another thread can take the lock and change the value; the second block
    then overwrites that change with a result that was computed from the old value. No access is unlocked, so nothing looks wrong.

    ## Example

    ```python
    import threading


    class Purse:
        def __init__(self) -> None:
            self._lock = threading.Lock()
            self.credits = 100

        def pay(self, item: str) -> None:
            with self._lock:
                left = self.credits
            left -= len(item)
            with self._lock:
                self.credits = left  # expect: TL108


    purse = Purse()
    threads = [threading.Thread(target=purse.pay, args=("tea",)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(purse.credits)
    ```

    ## Use instead

    Compute what does not need the shared value outside, then read and write in one block. Where that takes too long, compare in the second block and begin
    again if the value has changed.

    ```python
    import threading


    class Purse:
        def __init__(self) -> None:
            self._lock = threading.Lock()
            self.credits = 100

        def pay(self, item: str) -> None:
            cost = len(item)
            with self._lock:
                self.credits -= cost


    purse = Purse()
    threads = [threading.Thread(target=purse.pay, args=("tea",)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(purse.credits)
    ```

    ## Known limits

    - The value must reach the write through local variables of one function, which reads and writes itself or through methods that do no more than that.
    - A test in the second block that reads shared state, or another read of the value there, counts as a check that the value is still good.
    - A location that only one thread ever writes is left alone where all its writers are seen.
    """
    writers = [func for func in project.having(Held) if _is_writer(project, func)]
    updating = project.having(Kind.UPDATE) if writers else ()
    for func in dict.fromkeys((*project.having(Held), *updating, *project.callers_of(writers))):
        if func.is_module or func.facts.name in OWNED_METHODS or project.assumes_lock(func):
            continue
        steps = project.steps(func)
        for number, step in enumerate(steps):
            node = step.node
            if isinstance(node, Access) and node.kind == Kind.UPDATE:
                if node.form == "carried" and step.held:
                    yield from _check(project, func, steps, number, node)
                elif node.ref.path:
                    yield from _property(project, func, step, node)
            elif isinstance(node, Call) and node.args:
                yield from _pair(project, func, steps, number, node)


def _is_writer(project: Project, func: Func) -> bool:
    accessor = project.accessors.of(func)
    return accessor is not None and bool(accessor.param)


def _check(project: Project, func: Func, steps: list[Step], number: int, write: Access) -> Iterator[Problem]:
    read = next((n for n in range(number - 1, -1, -1) if _span(steps[n]) == write.read), None)
    if read is None:
        return
    split = _split(project, func, steps, read, number)
    if split is None:
        return
    first, second, begin = split
    if (
        _checked_again(func, steps, begin, number, write)
        or _callers_hold(project, func, second)
        or _one_writer(project, func, write)
    ):
        return
    name, lock = text(write.ref), second.lock.text
    site = project.site(func, write.span)
    old = project.site(func, steps[read].node.span)
    related = [Related(old, f"`{name}` is read here, under `{lock}`")]
    if first.span != second.span:
        message = (
            f"`{name}` gets a value here that was computed from what it was in an earlier block of `{lock}`;"
            " the lock was free in between, so an update by another thread is lost"
        )
    else:
        wait = steps[begin - 1].node.span
        related.append(Related(project.site(func, wait), f"`{lock}` is free during this wait"))
        message = (
            f"`{name}` gets a value here that was computed from what it was before the wait;"
            f" `{lock}` was free meanwhile, so an update by another thread is lost"
        )
    yield Problem(site, message, tuple(related), partners=(site, old))


def _pair(project: Project, func: Func, steps: list[Step], number: int, call: Call) -> Iterator[Problem]:
    """`self.set(self.get() + 1)`: both methods take the lock, and it is free between them."""
    writer = _accessor(project, func, call, call.callee)
    if writer is None or not writer.param:
        return
    position = next(n for n, param in enumerate(writer.func.facts.params) if param.name == writer.param) - _filled(
        writer
    )
    value = call.argument(position, writer.param)
    if value is None:
        return
    for earlier in steps[:number]:
        node = earlier.node
        if not isinstance(node, Call) or node.args or node.keywords or _receiver(node.callee) != _receiver(call.callee):
            continue
        reader = _accessor(project, func, node, node.callee)
        if reader is None or reader.param or not _same_place(reader, writer):
            continue
        if project.accessors.carries(value, node.result, func) and not _held_across(earlier, steps[number]):
            yield from _between(project, func, reader, writer, call.span, node.span)
            return


def _property(project: Project, func: Func, step: Step, write: Access) -> Iterator[Problem]:
    """`purse.credits -= 1` where `credits` is a property: the getter takes the lock, then the setter."""
    found = [
        project.accessors.of(thing.func) for thing, _ in project.calls(func, step) if isinstance(thing, FunctionThing)
    ]
    reader = next((one for one in found if one is not None and not one.param), None)
    writer = next((one for one in found if one is not None and one.param), None)
    if reader is not None and writer is not None and _same_place(reader, writer) and not _held_across(step, step):
        yield from _between(project, func, reader, writer, write.span, write.span)


def _between(
    project: Project, func: Func, reader: Accessor, writer: Accessor, site: Span, read: Span
) -> Iterator[Problem]:
    ref = next(
        (
            step.node.ref
            for step in project.steps(writer.func)
            if isinstance(step.node, Access) and step.node.ref == writer.place
        ),
        writer.place,
    )
    if (
        _callers_hold(project, func, writer.held)
        or _private_to(project, func, site)
        or _sole_writer(project, writer.func, ref)
    ):
        return
    name, lock = text(writer.place), writer.held.lock.text
    related = (
        Related(
            project.site(reader.func, reader.held.span), f"`{reader.func.facts.name}` reads `{name}` under `{lock}`"
        ),
        Related(project.site(writer.func, writer.held.span), f"`{writer.func.facts.name}` writes it under `{lock}`"),
    )
    message = (
        f"`{name}` is read and written back here in two steps that each take `{lock}`;"
        " the lock is free in between, so an update by another thread is lost"
    )
    places = (project.site(func, site), project.site(func, read))
    yield Problem(places[0], message, related, partners=tuple(dict.fromkeys(places)))


def _accessor(project: Project, func: Func, call: Call, callee: Value) -> Accessor | None:
    targets = project.callees(func, call)
    if len(targets) != 1 or not isinstance(targets[0], FunctionThing) or not isinstance(callee, Ref):
        return None
    return project.accessors.of(targets[0].func)


def _filled(accessor: Accessor) -> int:
    return 1 if accessor.func.facts.cls else 0


def _receiver(callee: Value) -> Ref | None:
    """The object whose method is called; the module's own name for a plain function."""
    if not isinstance(callee, Ref):
        return None
    return callee.receiver if callee.path else Ref(Root.GLOBAL, "")


def _same_place(reader: Accessor, writer: Accessor) -> bool:
    one, other = reader.place, writer.place
    same_owner = reader.func.facts.cls == writer.func.facts.cls and reader.func.module is writer.func.module
    return (
        same_owner
        and one.path == other.path
        and (one.root == Root.VAR) == (other.root == Root.VAR)
        and (one.root == Root.VAR or one.name == other.name)
    )


def _held_across(one: Step, other: Step) -> bool:
    return any(held.lock.excludes and any(held.span == later.span for later in other.held) for held in one.held)


def _private_to(project: Project, func: Func, span: Span) -> bool:
    """Whether the object was made in this function, which has it for itself."""
    for number, step in enumerate(project.steps(func)):
        node = step.node
        if getattr(node, "span", None) != span:
            continue
        base = (
            _receiver(node.callee)
            if isinstance(node, Call)
            else _receiver(node.ref)
            if isinstance(node, Access)
            else None
        )
        if base is None or (base.root == Root.GLOBAL and not base.name):
            return False
        bindings = [
            default_binding(func, project.types),
            *(dict(context.binding) for context, _ in project.meetings.contexts(func)),
        ]
        tokens = [project.ownership.of(base, func, binding) for binding in bindings]
        return number >= 0 and not any(token is not None and token.shared for token in tokens)
    return True


def _span(step: Step) -> Span | None:
    return step.node.span if isinstance(step.node, (Access, Call)) else None


def _split(project: Project, func: Func, steps: list[Step], read: int, write: int) -> tuple[Held, Held, int] | None:
    """The lock as held at the read and at the write, and the number of the step with which the second block begins."""
    before = [held for held in steps[read].held if held.lock.excludes]
    after = [held for held in steps[write].held if held.lock.excludes]
    for one in before:
        for other in after:
            if one.lock.key != other.lock.key or one.value != other.value:
                continue
            if one.span == other.span:
                waits = [n for n in range(read + 1, write) if _waits_on(project, func, steps[n], one)]
                return (one, other, waits[-1] + 1) if waits else None
    if any(one.span == other.span for one in before for other in after):
        return None
    for one in before:
        for other in after:
            if one.lock.key == other.lock.key and one.value == other.value:
                begin = next(
                    n for n in range(read + 1, write + 1) if any(held.span == other.span for held in steps[n].held)
                )
                return one, other, begin
    return None


def _waits_on(project: Project, func: Func, step: Step, held: Held) -> bool:
    """`condition.wait()` lets the lock go."""
    node = step.node
    if (
        not isinstance(node, Call)
        or not isinstance(node.callee, Ref)
        or node.callee.path[-1:] not in (("wait",), ("wait_for",))
    ):
        return False
    callee = node.callee
    lock = project.locks.of(callee.receiver, func)
    return lock is not None and lock.kind.kind == "condition" and lock.key == held.lock.key


def _checked_again(func: Func, steps: list[Step], begin: int, number: int, write: Access) -> bool:
    """Whether the second block reads the location again, or tests shared state, before it writes."""
    places = {write.ref}
    if write.ref.path and write.ref.path[-1].startswith("["):
        places.add(write.ref.receiver)
    for step in steps[begin:number]:
        node = step.node
        if isinstance(node, Access) and node.kind in (Kind.READ, Kind.UPDATE) and node.ref in places:
            return True
        if isinstance(node, (If, Assert)) and _reads_shared(node.test, func):
            return True
        if isinstance(node, Loop) and node.kind == "while" and _reads_shared(node.value, func):
            return True
    return False


def _reads_shared(test: Value, func: Func) -> bool:
    return mentions(
        test,
        lambda ref: (
            bool(ref.path) or ref.root in (Root.GLOBAL, Root.RESULT, Root.IMPORT) or ref.owner != func.facts.qualname
        ),
    )


def _callers_hold(project: Project, func: Func, held: Held) -> bool:
    """A re-entrant lock that every caller holds is never free in between."""
    return held.lock.key in project.entry.always.get(func.id, frozenset())


def _one_writer(project: Project, func: Func, write: Access) -> bool:
    """Whether the location belongs to this function alone, or all its writers run in one thread."""
    bindings = [
        default_binding(func, project.types),
        *(dict(context.binding) for context, _ in project.meetings.contexts(func)),
    ]
    locations = (project.sharing.location(write.ref, func, binding) for binding in bindings)
    location = next((found for found in locations if found is not None), None)
    return location is None or _alone(project, location)


def _sole_writer(project: Project, func: Func, ref: Ref) -> bool:
    location = project.sharing.location(ref, func, default_binding(func, project.types))
    return location is None or _alone(project, location)


def _alone(project: Project, location: Location) -> bool:
    """Whether all writers of the location run in one thread that is not the main one."""
    touches = project.sharing.touches().get(location.key, [])
    bits = 0
    for touch in touches:
        bits |= touch.roots
    roots = list(project.contexts.roots(bits))
    return bool(touches) and not bits & 1 and len(roots) == 1 and not roots[0].many
