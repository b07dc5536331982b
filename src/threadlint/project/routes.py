"""How a thread gets to a function: from the place that starts it through the calls, told as places for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from threadlint.findings import Related

if TYPE_CHECKING:
    from threadlint.project.names.things import Func
    from threadlint.project.project import Project
    from threadlint.project.roots.contexts import Context


def route(project: Project, context: Context, *, main: bool = False) -> Iterator[Related]:
    """The steps from a thread root (or with `main`, from an entry of the main thread) to the context, outermost first.

    Empty where no thread root reaches the context.
    """
    chain = project.contexts.chain(context, threads=not main, main=main)
    if chain[-1][1].spawn is None and not main:
        return
    for reached, origin in reversed(chain):
        if origin.spawn is not None:
            yield Related(project.site(origin.spawn.func, origin.spawn.span), origin.spawn.story)
        elif origin.context is not None and origin.span is not None:
            site = project.site(origin.context.func, origin.span)
            yield Related(site, f"{quoted(origin.context.func)} calls `{reached.func.name}`")
        else:
            site = project.site(reached.func, reached.func.facts.span)
            yield Related(site, f"the main thread runs {quoted(reached.func)}")


def quoted(func: Func) -> str:
    """The function's name as messages write it."""
    return func.name if func.is_module else f"`{func.name}`"
