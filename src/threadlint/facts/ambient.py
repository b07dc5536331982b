"""Settings that nobody imports and that count for the whole program: they make a framework use threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from threadlint.knowledge.frameworks import SWITCHES

if TYPE_CHECKING:
    from threadlint.facts.model import FileFacts


def is_ambient(text: str) -> bool:
    """Whether the text may hold one of the settings."""
    return any(name in text and any(value in text for value in values) for name, (values, _runner) in SWITCHES.items())


def switches(facts: FileFacts) -> tuple[str, ...]:
    """Which of the settings the file turns on, by name: `worker_class = "gthread"`, `app.conf.worker_pool = "threads"`."""
    from threadlint.facts.model import Access, Const, walk  # noqa: PLC0415 who asks only for the text need not have it

    found: set[str] = set()
    for func in facts.functions:
        for node in walk(func.body):
            if type(node) is Access and type(node.value) is Const:
                name = node.ref.path[-1] if node.ref.path else node.ref.name
                if name in SWITCHES and node.value.value in SWITCHES[name][0]:
                    found.add(name)
    return tuple(sorted(found))
