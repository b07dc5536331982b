"""TL204."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from threadlint.changes import Change
from threadlint.facts.model import Access, Assert, Kind, Logic, With, WithItem
from threadlint.findings import Fix, Problem, Severity
from threadlint.project.locks.lock_calls import called, node_refs, parts
from threadlint.project.locks.locks import text
from threadlint.project.names.things import Func
from threadlint.project.project import Project
from threadlint.rules.rule import rule


@rule("TL204", since="0.1", severity=Severity.ERROR)
def lock_expression_misuse(project: Project) -> Iterator[Problem]:
    """An expression names a lock and does not hold it.

    ## Why is this bad?

    `with a and b:` evaluates `a and b` first, which is `b`: only `b` is held. `with lock.acquire():` acquires the lock, then fails because `True` is no
    context manager, and leaves the lock held. `assert lock.acquire()` does nothing at all under `python -O`. `lock.acquire` without parentheses only names the
    method.

    ## Example

    ```python
    import threading

    credits_lock = threading.Lock()
    debits_lock = threading.Lock()
    moved = []


    def move(amount: int) -> None:
        with credits_lock and debits_lock:  # expect: TL204
            moved.append(amount)


    threads = [threading.Thread(target=move, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    ```

    ## Use instead

    ```python
    import threading

    credits_lock = threading.Lock()
    debits_lock = threading.Lock()
    moved = []


    def move(amount: int) -> None:
        with credits_lock, debits_lock:
            moved.append(amount)


    threads = [threading.Thread(target=move, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    ```

    ## Fix

    Safe: `with a and b:` becomes `with a, b:`, and `with lock.acquire():` becomes `with lock:`.

    ## Known limits

    - `with a or b:` is reported only where both are locks; `with lock or nullcontext():` is the usual way to write an optional lock.
    - `assert` is not reported in test files, nor on semaphores.
    - An empty `with lock: pass` waits until the holder is done, which can be meant, and is not reported.
    """
    naming = project.mentions.functions(["acquire", "release"])
    for func in dict.fromkeys((*project.having(With, Assert), *naming)):
        for step in project.steps(func):
            node = step.node
            if isinstance(node, With):
                for item in node.items:
                    found = _with(project, func, item)
                    if found:
                        site = project.site(func, item.span)
                        yield Problem(site, found[0], fix=Fix(found[1], (site,), safe=True))
            elif isinstance(node, Assert) and not _is_test(func.module.path):
                yield from _assert(project, func, node)
            elif (
                isinstance(node, Access)
                and node.kind == Kind.READ
                and node.ref.path[-1:] in (("acquire",), ("release",))
            ):
                yield from _not_called(project, func, node)


def _with(project: Project, func: Func, item: WithItem) -> tuple[str, Change] | None:
    value = item.value
    if isinstance(value, Logic) and value.op in ("and", "or"):
        locks = [project.locks.of(one, func) for one in value.items]
        known = [lock for lock in locks if lock is not None and lock.known]
        if known and locks[0] in known and (value.op == "and" or len(known) == len(locks)):
            held = text(value.items[-1] if value.op == "and" else value.items[0])
            other = text(value.items[0] if value.op == "and" else value.items[-1])
            return (
                f"`{value.op}` gives one of its operands, so `{held}` is held here and `{other}` is not",
                Change.SEPARATE_ITEMS,
            )
    one = called(value, func, project.locks)
    if one is not None and one.method == "acquire":
        name = one.lock.text
        return (
            f"`{name}.acquire()` returns no context manager: this `with` raises, and leaves `{name}` held",
            Change.WITHOUT_ACQUIRE,
        )
    return None


def _assert(project: Project, func: Func, node: Assert) -> Iterator[Problem]:
    for value in parts(node.test):
        one = called(value, func, project.locks)
        if (
            one is not None
            and one.method == "acquire"
            and one.lock.kind.kind != "semaphore"
            and value == one.call.result
        ):
            yield Problem(
                project.site(func, node.span),
                f"`python -O` drops `assert` and with it this `{one.lock.text}.acquire()`",
            )


def _not_called(project: Project, func: Func, node: Access) -> Iterator[Problem]:
    lock = project.locks.of(node.ref.receiver, func)
    if lock is None or not lock.known:
        return
    uses = sum(ref == node.ref for step in project.steps(func) for ref in node_refs(step.node))
    if uses == 1:
        yield Problem(
            project.site(func, node.span), f"`{text(node.ref)}` is named and not called; nothing happens here"
        )


def _is_test(path: str) -> bool:
    parts_of = PurePath(path).parts
    name = parts_of[-1] if parts_of else ""
    return (
        name.startswith(("test_", "conftest")) or name.endswith("_test.py") or bool({"tests", "test"} & set(parts_of))
    )
