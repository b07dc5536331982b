"""What to call a lock when there is no one place to name it from: `Cache._lock`, and where it is made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from threadlint.facts.model import Access, Kind, Ref, Root, Span, walk
from threadlint.project.names.linker import Links
from threadlint.project.names.things import Func
from threadlint.project.names.values import refs


@dataclass(frozen=True, slots=True)
class Title:
    """The name of a lock for people, and the function and span where it is made, if that is one place."""

    name: str
    func: Func | None = None
    span: Span | None = None


@dataclass(slots=True)
class Titles:
    """Answers by the key of a lock (see `threadlint.project.locks.locks.Lock`)."""

    links: Links
    _answers: dict[str, Title] = field(default_factory=dict)

    def of(self, key: str) -> Title:
        """The lock's title."""
        if key not in self._answers:
            self._answers[key] = self._find(key)
        return self._answers[key]

    def names(self, keys: Iterable[str]) -> dict[str, str]:
        """A name for each key that no other of them has: with the module in front where classes or variables share one, and a number where that is not enough."""
        titles = {key: self.of(key).name for key in sorted(keys)}
        counts = Counter(titles.values())
        found = {
            key: name if counts[name] == 1 else f"{key.partition(':')[0].partition('@')[0].rpartition('.')[2]}.{name}"
            for key, name in titles.items()
        }
        counts, used = Counter(found.values()), Counter[str]()
        for key, name in found.items():
            used[name] += 1
            if counts[name] > 1:
                found[key] = f"{name} ({used[name]})"
        return found

    def _find(self, key: str) -> Title:
        frame_id, mark, number = key.rpartition("#")
        func = self.links.funcs.get(frame_id)
        call = self.links.calls[frame_id].get(int(number)) if mark and func is not None and number.isdigit() else None
        if func is None or call is None:
            return Title(key.rpartition(":")[2].rstrip("?") or key)
        for node in walk(func.facts.body):
            if isinstance(node, Access) and node.kind == Kind.WRITE and call.result in refs(node.value):
                return Title(_stored(node.ref, func), func, call.span)
        return Title(f"a lock made at line {call.span[0]}", func, call.span)


def _stored(ref: Ref, func: Func) -> str:
    """The variable or attribute with the class or function that it belongs to."""
    params = func.facts.params
    if ref.root == Root.VAR and ref.path and params and ref.name == params[0].name and func.facts.cls:
        return ".".join((func.facts.cls.rpartition(".")[2], *ref.path))
    inside = () if ref.root != Root.VAR or ref.path else (func.name,)
    return ".".join((*inside, ref.name.rpartition(".")[2], *ref.path))
