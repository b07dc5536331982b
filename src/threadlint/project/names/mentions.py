"""Where names are mentioned: one index of the whole program, so that whoever looks for a few names need not go through every function.

What it says goes by the last part of dotted names alone, and knows nothing of types: `pool.submit` and `form.submit` are both calls of `submit`. An alias
(`start = Thread; start(...)`) is mentioned under its own name only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from threadlint.facts.model import Access, Call, Node, Ref, Value, walk
from threadlint.project.names.things import Func


@dataclass(slots=True)
class Mentions:
    """Filled by `link`, which goes through all nodes anyway; `words` is made when it is first asked for."""

    funcs: dict[str, Func]
    _calls: dict[str, list[tuple[Func, Call]]] = field(default_factory=lambda: defaultdict(list))
    _nodes: dict[type | str, list[Func]] = field(default_factory=lambda: defaultdict(list))
    _words: dict[str, list[int]] | None = None
    _numbers: dict[str, int] = field(default_factory=dict)

    def add_call(self, func: Func, call: Call) -> None:
        """Note a call; calls come in the order of the program."""
        self._calls[callee_name(call.callee)].append((func, call))

    def add_nodes(self, func: Func, kinds: Iterable[type | str]) -> None:
        """Note which kinds of nodes the function has."""
        for kind in kinds:
            self._nodes[kind].append(func)

    def calls(self, names: Iterable[str]) -> Sequence[tuple[Func, Call]]:
        """The calls whose callee has one of these last names, in the order of the program.

        The name of what is no name (`handlers[0]()`, `(a or b)()`) is empty.
        """
        groups = [self._calls[name] for name in dict.fromkeys(names) if name in self._calls]
        if len(groups) == 1:
            return groups[0]
        if not self._numbers:
            self._numbers = {func_id: number for number, func_id in enumerate(self.funcs)}
        found = [one for group in groups for one in group]
        found.sort(key=lambda one: (self._numbers[one[0].id], one[1].id))
        return found

    def callers(self, names: Iterable[str]) -> list[Func]:
        """The functions with such calls, in the order of the program."""
        return list({func.id: func for func, _ in self.calls(names)}.values())

    def ending(self, name: str) -> list[str]:
        """The last names of callees that end like this: `register_at_fork`, and what a program calls its own wrapper of it."""
        return [one for one in self._calls if one.endswith(name)]

    def having(self, kind: type[Node] | str) -> Sequence[Func]:
        """The functions that have a node of this type (`With`, `Loop`, `Try`, ...), or a `Suspend` of this kind (`await`, `yield`, `yield from`), in order."""
        return self._nodes.get(kind, ())

    def functions(self, words: Iterable[str]) -> list[Func]:
        """The functions in which one of these words is used, in the order of the program.

        The words of a function are all names and attributes in its accesses and callees, without what is in brackets; of a dotted import every part,
        and the whole. Local names count only where they are bound, as parameters too, and where something is asked of them.
        """
        if self._words is None:
            self._words = self._collect()
        wanted = sorted({number for word in words for number in self._words.get(word, ())})
        if not wanted:
            return []
        everyone = list(self.funcs.values())
        return [everyone[number] for number in wanted]

    def _collect(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for number, func in enumerate(self.funcs.values()):
            for word in _words(func):
                found[word].append(number)
        return dict(found)


def last_part(value: Value) -> str:
    """The last part of a dotted name, `[0]` for an element; empty where the value is no name."""
    if type(value) is not Ref:
        return ""
    return value.path[-1] if value.path else value.name.rpartition(".")[2]


def callee_name(value: Value) -> str:
    """By which name something is called: the last part of a dotted name; empty where the value is none, or an element (`xs[0]`)."""
    last = last_part(value)
    return "" if last.startswith("[") else last


def _words(func: Func) -> set[str]:
    refs: set[Ref] = set()
    for node in walk(func.facts.body):
        kind = type(node)
        if kind is Access:
            refs.add(node.ref)
        elif kind is Call and type(node.callee) is Ref:
            refs.add(node.callee)
    found = {param.name for param in func.facts.params}
    for ref in refs:
        found.update(ref.path)
        found.add(ref.name)
        if "." in ref.name:
            found.update(ref.name.split("."))
    return {word for word in found if not word.startswith("[")}
