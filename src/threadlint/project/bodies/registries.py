"""Loops over live containers that other code changes meanwhile although no thread is seen: registries of callbacks, and posts to an event loop.

A callback may add or remove a callback, on the same thread or on another; and who posts each item to an event loop stands outside the loop's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from threadlint.facts.model import Call, Loop, Ref, Root, walk
from threadlint.knowledge.containers import LISTENERS, POSTING, QUIET, STARTING
from threadlint.project.bodies.uses import Act, Use, Uses
from threadlint.project.locks.locks import Step
from threadlint.project.names.mentions import last_part
from threadlint.project.names.things import Cls, Func, Object
from threadlint.project.names.types import Types


@dataclass(frozen=True, slots=True)
class LiveLoop:
    """A loop over a container of an object or class, and a change of it in another function; `posts` where the loop posts to an event loop."""

    loop: Use
    change: Use
    posts: str = ""


@dataclass(slots=True)
class Registries:
    """Finds such loops."""

    types: Types
    uses: Uses
    steps: Callable[[Func], list[Step]]

    def loops(self, uses: dict[str, list[Use]]) -> Iterator[LiveLoop]:
        """Those among the uses, which come by the name of the attribute."""
        for found in uses.values():
            for use in found:
                posts = self._calls_items(use, found) if use.act is Act.ITERATE and self._unlocked(use) else None
                if posts is None:
                    continue
                owner = self._owner(use)
                if owner is None or self.uses.kind(use.ref, use.func) not in {"dict", "set", "deque"}:
                    continue
                others = [
                    one
                    for one in found
                    if one.func is not use.func
                    and one.act.in_place
                    and self._owner(one) is owner
                    and self._public(one.func)
                ]
                adds = [one for one in others if one.act is Act.ADD]
                removes = [one for one in others if one.act is Act.REMOVE and one.how != "clear"]
                if adds and removes:
                    yield LiveLoop(use, removes[0], posts)

    def _calls_items(self, use: Use, uses: list[Use]) -> str | None:
        """Empty where the loop calls its items; the name of the method where it posts to an event loop; None where it does neither."""
        loop = self.steps(use.func)[use.step].node
        if not isinstance(loop, Loop) or loop.kind not in {"for", "comprehension", "generator"}:
            return None
        names = {target.name for target in loop.targets}
        listed = any(part in (use.ref.path or (use.ref.name,))[-1].lower() for part in LISTENERS)
        for node in walk(loop.body):
            if isinstance(node, Call) and isinstance(node.callee, Ref):
                callee = node.callee
                if callee.path and callee.path[-1] in POSTING:
                    return callee.path[-1]
                if (
                    callee.root == Root.VAR
                    and callee.name in names
                    and (not callee.path or (listed and len(callee.path) == 1))
                    and not (use.func.facts.is_async and self._is_quiet(node, callee, use.func, uses))
                ):
                    return ""
        return None

    def _is_quiet(self, call: Call, item: Ref, func: Func, uses: list[Use]) -> bool:
        """Whether the call of an item, or of its method, in a coroutine neither waits nor runs what changes the container."""
        if call.use.startswith("awaited"):
            return False
        if not item.path:
            # coroutines that are made here, and run together later
            names = {last_part(one.callee) for one in self.types.links.calls[func.id].values()}
            return call.use == "used" and not names.isdisjoint(STARTING)
        # unsound: what is not known to be another object is taken for one of asyncio
        known = [thing.type for thing in self.types.of(item.receiver, func) if isinstance(thing, Object)]
        if item.path[-1] in QUIET and all(isinstance(kind, str) and kind.startswith("asyncio.") for kind in known):
            return True
        return self._only_own(item.path[-1], {use.func.facts.name for use in uses if use.act.in_place})

    def _only_own(self, method: str, changing: set[str]) -> bool:
        """Whether the project has methods of this name, none of which calls anything named like the functions that change the container."""
        links = self.types.links
        if method not in links.method_names:
            return False
        found = [func for methods in links.methods.values() for name, func in methods.items() if name == method]
        called = {last_part(call.callee) for func in found for call in links.calls[func.id].values()}
        return bool(found) and changing.isdisjoint(called)

    def _unlocked(self, use: Use) -> bool:
        return not self.steps(use.func)[use.step].held

    def _owner(self, use: Use) -> Cls | None:
        """The class of the object, or the class itself, whose attribute it is."""
        if len(use.ref.path) != 1 or use.ref.root != Root.VAR:
            return None
        where = self.types.links.funcs.get(f"{use.func.module.name}:{use.ref.owner}")
        if where is None or not where.facts.params or where.facts.params[0].name != use.ref.name:
            return None
        return self.types.owner(where)

    def _public(self, func: Func) -> bool:
        return not func.is_module and not func.facts.name.startswith("__")
