"""How a thread gets to a function: from the place that starts it through the calls, told as places for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from threadlint.findings import Related

if TYPE_CHECKING:
    from threadlint.project.contexts import Context
    from threadlint.project.project import Project


def route(project: Project, context: Context) -> Iterator[Related]:
    """The steps from the thread root to the context, outermost first; empty where the context was first reached by the main thread."""
    chain = project.contexts.chain(context)
    if chain[-1][1].spawn is None:
        return
    for reached, origin in reversed(chain):
        if origin.spawn is not None:
            yield Related(project.site(origin.spawn.func, origin.spawn.span), origin.spawn.story)
        elif origin.context is not None and origin.span is not None:
            yield Related(project.site(origin.context.func, origin.span), f"calls `{reached.func.name}`")
