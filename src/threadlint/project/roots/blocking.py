"""Which calls block the thread that makes them, and what they wait for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from threadlint.facts.model import Call, Const, If, Loop, Ref, Root, Value, With
from threadlint.knowledge.blocking import RUFF, WAITS, Block
from threadlint.knowledge.stdlib import EXECUTORS
from threadlint.project.locks.locks import Step, text
from threadlint.project.names.things import External, Func, Object
from threadlint.project.names.types import Types
from threadlint.project.names.values import refs

_DONE = frozenset({"done", "is_set", "is_alive", "empty", "qsize", "poll", "wrap_future", "isfuture", "exitcode"})

_MOMENT = 0.001
"""Seconds."""
_GIVING_RESULTS = frozenset({"result", "exception"})


@dataclass(frozen=True, slots=True)
class Blocking:
    """A call that blocks: `text` is how the program names it, `known` that ruff's and flake8-async's rules know it by its name."""

    call: Call
    text: str
    waits: str
    known: bool

    @property
    def method(self) -> str:
        """The last name of what is called."""
        return self.text.rpartition(".")[2]


@dataclass(slots=True)
class BlockingCalls:
    """Answers by function."""

    types: Types
    steps: Callable[[Func], list[Step]]

    def of(self, func: Func) -> Iterator[tuple[Step, Blocking]]:
        """The blocking calls that stand in the function itself."""
        for step in self.steps(func):
            if isinstance(step.node, Call) and not step.node.use.startswith("awaited"):
                found = self._call(func, step.node)
                if found is not None and not self._asked(func, step) and not self._is_moment(func, step, found):
                    yield step, found
            elif isinstance(step.node, With) and not step.node.is_async:
                yield from self._executors(func, step, step.node)

    def _call(self, func: Func, call: Call) -> Blocking | None:
        things = self.types.of(call.callee, func)
        names = [canonical(thing.name) if isinstance(thing, External) else "" for thing in things]
        if not names or not all(name in RUFF or name in WAITS for name in names):
            return None
        block = RUFF.get(names[0]) or WAITS[names[0]]
        if _does_not_wait(call, block) or (names[0] == "time.sleep" and call.args == (Const(0),)):
            return None
        if self._at_hand(func, call, names[0]) or self._only_raises(func, call, names[0]):
            return None
        named = isinstance(call.callee, Ref) and call.callee.root != Root.RESULT
        shown = text(call.callee) if named else ".".join(names[0].rsplit(".", 2)[-2:])
        return Blocking(call, shown, block.waits, names[0] in RUFF)

    def _is_moment(self, func: Func, step: Step, found: Blocking) -> bool:
        """`time.sleep(0.0001)`, once: no longer than other work that a task does in one go."""
        if found.method != "sleep" or step.loops or len(found.call.args) != 1:
            return False
        value = found.call.args[0]
        values: list[Value | None] = [value]
        if isinstance(value, Ref) and value.root == Root.GLOBAL and not value.path:
            bound = self.types.links.bindings.get((func.module.name, value.name), ())
            values = [access.value for _, access in bound if access.form != "annotation"]
        return bool(values) and all(
            isinstance(one, Const) and isinstance(one.value, (int, float)) and one.value <= _MOMENT for one in values
        )

    def _at_hand(self, func: Func, call: Call, name: str) -> bool:
        """What is there at once: an item that the function has just put, a thread that it has just started and that only says it is ready, the end of a killed process."""
        wait = name.rpartition(".")[2]
        before = {
            "get": ("put", "put_nowait"),
            "wait": ("start", "kill"),
            "result": ("start",),
            "exception": ("start",),
        }.get(wait, ())
        for other in self.types.links.calls[func.id].values():
            callee = other.callee
            if (
                isinstance(callee, Ref)
                and callee.path[-1:] != ()
                and callee.path[-1] in before
                and other.id < call.id
                and (
                    callee.path[-1] == "start"
                    or (isinstance(call.callee, Ref) and callee.receiver == call.callee.receiver)
                )
            ):
                return True
        return False

    def _only_raises(self, func: Func, call: Call, name: str) -> bool:
        """`future.result()` as a statement, for a future made elsewhere: it is done, and what is wanted is its exception."""
        return (
            name.endswith(".result")
            and call.use == "discarded"
            and isinstance(call.callee, Ref)
            and all(
                isinstance(thing, Object) and thing.frame is not func
                for thing in self.types.of(call.callee.receiver, func)
            )
        )

    def _asked(self, func: Func, step: Step) -> bool:
        """`if future.done(): future.result()`, or the function has awaited it in another form before."""
        call = step.node
        if not isinstance(call, Call) or not isinstance(call.callee, Ref) or not call.callee.path:
            return False
        receiver = call.callee.receiver
        calls = self.types.links.calls[func.id]
        if call.callee.path[-1] in _GIVING_RESULTS and (
            self._awaited_before(func, call, receiver) or self._asked_for_end(func, call, receiver)
        ):
            return True
        for other in calls.values():
            callee = other.callee
            if not isinstance(callee, Ref):
                continue
            last = (callee.path[-1:] or (callee.name.rpartition(".")[2],))[0]
            if last == "poll" and call.callee.path[-1:] == ("wait",):
                return True  # of a process that has ended
            if last in _DONE and (receiver in other.args or (callee.path and callee.receiver == receiver)):
                return True
        tests = [
            node.test if isinstance(node, If) else node.value
            for node, _ in step.context
            if isinstance(node, (If, Loop))
        ]
        return any(
            ref.path[-1:] != () and ref.path[-1] in _DONE and ref.receiver == receiver
            for test in tests
            for ref in refs(test)
        )

    def _awaited_before(self, func: Func, call: Call, receiver: Ref) -> bool:
        """`await ended(future)`, and then `future.result()`: a coroutine that is given the future, in another or by itself, has waited for its end."""
        calls = self.types.links.calls[func.id]
        todo = [other for other in calls.values() if other.id < call.id and other.use.startswith("awaited")]
        for other in todo:  # grows meanwhile
            if receiver in other.args:
                return True
            inner = (calls.get(int(ref.name)) for ref in other.args if isinstance(ref, Ref) and ref.root == Root.RESULT)
            todo += [one for one in inner if one is not None]
        return False

    def _asked_for_end(self, func: Func, call: Call, receiver: Ref) -> bool:
        """`if future.cancelled(): ...` before: one asks how a future ended that has ended."""
        return any(
            other.id < call.id
            and isinstance(other.callee, Ref)
            and other.callee.path[-1:] == ("cancelled",)
            and other.callee.receiver == receiver
            for other in self.types.links.calls[func.id].values()
        )

    def _executors(self, func: Func, step: Step, node: With) -> Iterator[tuple[Step, Blocking]]:
        """The end of `with ThreadPoolExecutor()` waits for what was submitted; what went there by `run_in_executor` has been awaited."""
        for item in node.items:
            pools = [t for t in self.types.of(item.value, func) if isinstance(t, Object) and t.type in EXECUTORS]
            if not pools or item.target is None:
                continue
            calls = [
                other
                for other in self.types.links.calls[func.id].values()
                if isinstance(other.callee, Ref)
                and other.callee.path in (("submit",), ("map",))
                and (other.callee.root, other.callee.name) == (item.target.root, item.target.name)
            ]
            if calls and not any(
                isinstance(other.callee, Ref)
                and (other.callee.path or (other.callee.name,))[-1].endswith("wrap_future")
                for other in self.types.links.calls[func.id].values()
            ):
                made = self._made(item.value, func)
                if made is not None:
                    yield (
                        step,
                        Blocking(made, "the end of the executor's `with`", "for all submitted work", known=False),
                    )

    def _made(self, value: Value, func: Func) -> Call | None:
        if isinstance(value, Ref) and value.root == Root.RESULT and not value.path:
            return self.types.links.calls[func.id].get(int(value.name))
        return None


def canonical(name: str) -> str:
    """The name without the part that only says where a class is defined."""
    return (
        name.replace("requests.sessions.", "requests.")
        .replace("httpx._client.", "httpx.")
        .replace("httpx._api.", "httpx.")
    )


def _does_not_wait(call: Call, block: Block) -> bool:
    """Whether the call says that it does not wait: `block=False`, `timeout=0`."""
    if call.starred or any(key == "**" for key, _ in call.keywords):
        return True
    flag = call.argument(block.flag_at, block.flag) if block.flag else None
    limit = call.argument(block.limit_at, block.limit) if block.limit else None
    if block.limit == "flags":
        return limit is not None
    return _is_zero(limit) or (flag is not None and not (isinstance(flag, Const) and flag.value is True))


def _is_zero(value: Value | None) -> bool:
    return isinstance(value, Const) and value.value is not None and not value.value
