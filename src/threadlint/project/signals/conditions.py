"""How conditions are waited for, and notifications that nobody hears: before the wait that follows a test, or before the state has changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from threadlint.facts.model import Const, If
from threadlint.project.bodies.uses import Act, Use, Uses
from threadlint.project.locks.entry_locks import EntryLocks
from threadlint.project.locks.locks import Step
from threadlint.project.names.things import Func
from threadlint.project.signals.predicates import Predicates, State, meet
from threadlint.project.signals.signals import SignalCall, Signals
from threadlint.project.signals.waiting import Test, Waiting

NOTIFYING = ("notify", "notify_all")


@dataclass(frozen=True, slots=True)
class Lost:
    """A wait whose test is made before the lock is taken: the test, what it looks at, and who changes and announces that."""

    test: Test
    state: State
    notify: SignalCall


@dataclass(slots=True)
class Conditions:
    """Answers for calls on conditions."""

    signals: Signals
    predicates: Predicates
    uses: Uses
    entry: EntryLocks
    steps: Callable[[Func], list[Step]]

    def waiting(self, wait: SignalCall) -> Waiting:
        """What surrounds the wait."""
        return Waiting(self.predicates, self.steps, wait)

    def lost(self, call: SignalCall) -> Lost | None:
        """Who can notify between the test around the wait and the wait itself; None where the test is made under the lock, or the wait ends by itself."""
        wait = self.waiting(call)
        region, tests = wait.region, wait.tests()
        if call.type.world == "tasks":
            # unsound: between the test and a lock that is free no other task runs; one that awaits while it holds the lock is rare
            return None
        if call.method != "wait" or region is None or wait.limited or any(test.inside for test in tests):
            return None
        taken = self.own_changes(call)
        tests = [test for test in tests if not meet(test.state, taken)]  # what it takes itself it does not wait for
        for notify in self.signals.on(call.origins, "condition", *NOTIFYING):
            changed = frozenset(self._changes(notify.func))
            for test in tests:
                seen = [state for state in sorted(test.state) if meet(frozenset([state]), changed)]
                if seen and not (isinstance(test.node, If) and notify.func is call.func):
                    return Lost(test, seen[0], notify)
        return None

    def own_changes(self, call: SignalCall) -> frozenset[State]:
        """The state that the function itself changes before the call."""
        own = [use for use in self.uses.acts(call.func) if use.act.writes and use.step < call.number]
        return frozenset(self.predicates.state(use.ref, call.func) for use in own) - {()}

    def _changes(self, func: Func) -> set[State]:
        found = {self.predicates.state(use.ref, func) for use in self.uses.acts(func) if use.act.writes}
        return found - {()}

    def settled(self, call: SignalCall, state: frozenset[State]) -> bool:
        """Whether what the wait looks at is only ever announced once it is so, and stays so: a wake-up then is never for nothing.

        Every function that notifies sets one of these to a value that is not empty, and nobody else but constructors touches them.
        """
        writers: set[str] = set()
        for func in self.signals.links.functions_of(call.func.module):
            if func.id in self.entry.owned:
                continue
            for use in self.uses.acts(func):
                one = self.predicates.state(use.ref, func)
                if use.act.writes and one and meet(frozenset([one]), state):
                    empty = isinstance(use.value, Const) and not use.value.value
                    if use.act is not Act.REBIND or use.value is None or empty:
                        return False
                    writers.add(func.id)
        notifying = {one.func.id for one in self.signals.on(call.origins, "condition", *NOTIFYING)}
        return bool(notifying) and notifying <= writers

    def late(self, notify: SignalCall, key: str) -> tuple[Use, SignalCall] | None:
        """A change of what some wait looks at, in the notifying function, only after the notification and without the lock with this key."""
        func = notify.func
        others = self.signals.on(notify.origins, "condition", *NOTIFYING)
        if any(one.func is func and one.number > notify.number for one in others) or key in self.entry.always.get(
            func.id, ()
        ):
            return None
        waits = [
            (wait, self.waiting(wait).looked_for())
            for wait in self.signals.on(notify.origins, "condition", "wait", "wait_for")
            if wait.func is not func
        ]
        writes = [use for use in self.uses.acts(func) if use.act.writes]
        told = frozenset(self.predicates.state(use.ref, func) for use in writes if use.step < notify.number) - {()}
        for use in writes:
            state = frozenset([self.predicates.state(use.ref, func)]) - {()}
            if use.step < notify.number or meet(state, told) or not self._outside(func, use, notify, key):
                continue
            wait = next((wait for wait, looked in waits if meet(looked, state)), None)
            if wait is not None:
                return use, wait
        return None

    def _outside(self, func: Func, use: Use, notify: SignalCall, key: str) -> bool:
        """Whether the change comes on the same way through the function, behind the end of the lock's `with`."""
        step = self.steps(func)[use.step]
        around = notify.step.context[:-1]
        return all(one.lock.key != key for one in step.held) and step.context[: len(around)] == around
