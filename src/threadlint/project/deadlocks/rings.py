"""Simple cycles of a graph, short ones first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence


def rings(after: Mapping[str, Sequence[str]], most: int) -> Iterator[tuple[str, ...]]:
    """Simple cycles, each once and from its smallest name on; from each name at most `most` paths are tried, the short ones first."""
    reach = {name: _reachable(after, name) for name in after}
    for start in sorted(after):
        todo: deque[tuple[str, ...]] = deque([(start,)])
        for _ in range(most):
            if not todo:
                break
            path = todo.popleft()
            for name in after.get(path[-1], ()):
                if name == start and len(path) > 1:
                    yield path
                elif name > start and name not in path and start in reach.get(name, ()):
                    todo.append((*path, name))


def _reachable(after: Mapping[str, Sequence[str]], start: str) -> set[str]:
    found: set[str] = set()
    todo = [start]
    while todo:
        for name in after.get(todo.pop(), ()):
            if name not in found:
                found.add(name)
                todo.append(name)
    return found
