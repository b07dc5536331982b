"""What runs only in a process that has just been forked: the branch of `if self.pid != os.getpid():`. It has one thread, and memory of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from threadlint.facts.model import Access, Call, Compare, If, Logic, Ref, Root, Value, walk
from threadlint.project.locks.locks import Step
from threadlint.project.names.linker import Links
from threadlint.project.names.things import External, Func
from threadlint.project.names.types import Types


@dataclass(slots=True)
class ChildOnly:
    """Answers by step."""

    links: Links
    types: Types
    steps: Callable[[Func], list[Step]]
    _branches: dict[str, dict[int, tuple[str, str]]] = field(default_factory=dict)
    """by function id and the identity of an `if`: its branch for a forked child, and that for the process remembered"""

    def calls(self) -> set[tuple[str, int]]:
        """All calls that only a forked child makes: the ids of their functions, and their numbers there."""
        return {
            (func.id, step.node.id)
            for func in callers(self.links, "getpid")
            for step in self.steps(func)
            if isinstance(step.node, Call) and self.at(func, step)
        }

    def at(self, func: Func, step: Step) -> bool:
        """Whether only a forked child comes to the step."""
        return self._inside(func, step, 0)

    def never(self, func: Func, step: Step) -> bool:
        """Whether no forked child comes to the step."""
        return self._inside(func, step, 1)

    def _inside(self, func: Func, step: Step, which: int) -> bool:
        branches = self._branches.get(func.id)
        if branches is None:
            branches = self._branches[func.id] = dict(self._find(func))
        return bool(branches) and any(branches.get(id(node), ("", ""))[which] == part for node, part in step.context)

    def _find(self, func: Func) -> Iterator[tuple[int, tuple[str, str]]]:
        numbers = process_numbers(func, self.links, self.types)
        for node in walk(func.facts.body) if numbers else ():
            if isinstance(node, If):
                whole = isinstance(node.test, Compare)
                tests = node.test.items if isinstance(node.test, Logic) and node.test.op == "and" else (node.test,)
                for test in tests:
                    if isinstance(test, Compare) and {test.left, test.right} & numbers:
                        if test.op in ("!=", "is not"):
                            yield id(node), ("body", "orelse" if whole else "")
                        elif test.op in ("==", "is"):
                            yield id(node), ("orelse" if whole else "", "body")


def process_numbers(func: Func, links: Links, types: Types) -> set[Value]:
    """The values in the function that are the number of its process: results of `os.getpid()`, and variables that hold one."""
    results: set[Value] = {call.result for call in links.calls[func.id].values() if _is_getpid(call, func, types)}
    if not results:
        return results
    return results | {
        node.ref
        for node in walk(func.facts.body)
        if isinstance(node, Access) and node.ref.root == Root.VAR and not node.ref.path and node.value in results
    }


def callers(links: Links, name: str) -> list[Func]:
    """The functions that call something whose name ends like this."""
    return links.mentions.callers(links.mentions.ending(name))


def _is_getpid(call: Call, func: Func, types: Types) -> bool:
    return (
        isinstance(call.callee, Ref)
        and (call.callee.name, *call.callee.path)[-1].endswith("getpid")
        and any(isinstance(thing, External) and thing.name == "os.getpid" for thing in types.of(call.callee, func))
    )
