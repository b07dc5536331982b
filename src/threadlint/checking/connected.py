"""Which files are connected, in whichever direction one leads to the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def connected(leads_to: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """The groups of connected files, each in the order of the mapping, by their first file; what is not in the mapping connects nothing."""
    leader = {path: path for path in leads_to}

    def lead(path: str) -> str:
        while leader[path] is not path:
            leader[path] = path = leader[leader[path]]
        return path

    for path, others in leads_to.items():
        first = lead(path)
        for other in others:
            if other in leader:
                leader[lead(other)] = first
    groups: dict[str, list[str]] = {}
    for path in leads_to:
        groups.setdefault(lead(path), []).append(path)
    return list(groups.values())
