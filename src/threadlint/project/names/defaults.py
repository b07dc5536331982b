"""Methods that make the value of an attribute: `@default("x")` of traitlets, `@x.default` of attrs, `_x_default()` of older traitlets and traits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from threadlint.facts.model import Const, Ref, Root
from threadlint.project.names.things import Func

if TYPE_CHECKING:
    from threadlint.project.names.linker import Links


def default_methods(links: Links) -> dict[tuple[str, str], Func]:
    """By class id and attribute."""
    return {
        (f"{func.module.name}:{func.facts.cls}", name): func
        for func in links.ordered()
        for name in _made_by(links, func)
    }


def _made_by(links: Links, func: Func) -> Iterator[str]:
    if not func.facts.cls:
        return
    name = func.facts.name
    if name.startswith("_") and name.endswith("_default"):
        yield name.removeprefix("_").removesuffix("_default")
    for decorator in func.facts.decorators:
        if not isinstance(decorator, Ref):
            continue
        if decorator.path[-1:] == ("default",) and len(decorator.path) > 1:
            yield decorator.path[-2]
        if decorator.root == Root.RESULT:
            scope = f"{func.module.name}:{func.facts.owner}"
            call = links.calls.get(scope, {}).get(int(decorator.name))
            if call is None or not isinstance(call.callee, Ref) or not call.args:
                continue
            attribute = call.args[0]
            last = (call.callee.path or (call.callee.name.rpartition(".")[2],))[-1]
            if last == "default" and isinstance(attribute, Const) and isinstance(attribute.value, str):
                yield attribute.value
