"""Which names a scope binds: collected from its statements before the scope is walked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from functools import cache

import libcst as cst


@dataclass(slots=True)
class Bindings:
    """Names that a scope binds, the ones that it imports with the dotted names behind them, and its `global` and `nonlocal`."""

    names: set[str] = field(default_factory=set)
    imports: dict[str, str] = field(default_factory=dict)
    globals: set[str] = field(default_factory=set)
    nonlocals: set[str] = field(default_factory=set)
    modules: list[str] = field(default_factory=list)
    stars: list[str] = field(default_factory=list)
    walrus: bool = False


def bindings(body: Iterable[cst.CSTNode], *, walrus: bool) -> Bindings:
    """The names bound by these statements, not looking into nested functions and classes.

    `walrus` says that the file has assignment expressions, so that expressions must be searched too.
    """
    found = Bindings(walrus=walrus)
    _body(found, body)
    return found


def dotted(node: cst.CSTNode | None) -> str:
    """`a.b.c` of a name or attribute chain; empty for anything else."""
    parts: list[str] = []
    while type(node) is cst.Attribute:
        parts.append(node.attr.value)
        node = node.value
    if type(node) is not cst.Name:
        return ""
    parts.append(node.value)
    return ".".join(reversed(parts))


def target_names(node: cst.CSTNode) -> Iterable[str]:
    """The plain names in an assignment target."""
    kind = type(node)
    if kind is cst.Name:
        return (node.value,)  # type: ignore[attr-defined]
    if kind is cst.Tuple or kind is cst.List:
        return [name for element in node.elements for name in target_names(element.value)]  # type: ignore[attr-defined]
    return target_names(node.value) if kind is cst.StarredElement else ()  # type: ignore[attr-defined]


_DEFINITIONS = frozenset({cst.FunctionDef, cst.ClassDef})
_CLOSED = _DEFINITIONS | {cst.Lambda, cst.IndentedBlock}


def _body(found: Bindings, body: Iterable[cst.CSTNode]) -> None:
    handlers = _HANDLERS
    for node in body:
        kind = type(node)
        if kind is cst.SimpleStatementLine:
            for small in node.body:  # type: ignore[attr-defined]
                handler = handlers.get(type(small))
                if handler is not None:
                    handler(found, small)
        else:
            handler = handlers.get(kind)
            if handler is not None:
                handler(found, node)
        if found.walrus and kind not in _DEFINITIONS:
            _search_walrus(found, node)


def _search_walrus(found: Bindings, node: cst.CSTNode) -> None:
    todo: list[cst.CSTNode] = [node]
    while todo:
        node = todo.pop()
        kind = type(node)
        if kind in _CLOSED:
            continue
        if kind is cst.NamedExpr:
            found.names.update(target_names(node.target))  # type: ignore[attr-defined]
        todo.extend(parts(node))


def parts(node: cst.CSTNode) -> list[cst.CSTNode]:
    """The nodes inside a node, for the fields that are set; LibCST's `children` visits each of them, which takes far longer."""
    found: list[cst.CSTNode] = []
    for name in _fields(type(node)):
        value = getattr(node, name, None)
        if isinstance(value, cst.CSTNode):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found.extend(value)
    return found


@cache
def _fields(kind: type[cst.CSTNode]) -> tuple[str, ...]:
    return tuple(one.name for one in fields(kind))


def _block(found: Bindings, node: cst.BaseSuite) -> None:
    _body(found, node.body)


def _assign(found: Bindings, node: cst.Assign) -> None:
    for one in node.targets:
        target = one.target
        if type(target) is cst.Name:
            found.names.add(target.value)
        else:
            found.names.update(target_names(target))


def _one_target(found: Bindings, node: cst.AugAssign | cst.AnnAssign) -> None:
    found.names.update(target_names(node.target))


def _for(found: Bindings, node: cst.For) -> None:
    found.names.update(target_names(node.target))
    _block(found, node.body)
    if node.orelse is not None:
        _block(found, node.orelse.body)


def _while(found: Bindings, node: cst.While) -> None:
    _block(found, node.body)
    if node.orelse is not None:
        _block(found, node.orelse.body)


def _if(found: Bindings, node: cst.If) -> None:
    branch: cst.If | cst.Else | None = node
    while branch is not None:
        _block(found, branch.body)
        branch = branch.orelse if type(branch) is cst.If else None


def _with(found: Bindings, node: cst.With) -> None:
    for item in node.items:
        if item.asname is not None:
            found.names.update(target_names(item.asname.name))
    _block(found, node.body)


def _try(found: Bindings, node: cst.Try | cst.TryStar) -> None:
    _block(found, node.body)
    for handler in node.handlers:
        if handler.name is not None:
            found.names.update(target_names(handler.name.name))
        _block(found, handler.body)
    if node.orelse is not None:
        _block(found, node.orelse.body)
    if node.finalbody is not None:
        _block(found, node.finalbody.body)


def _match(found: Bindings, node: cst.Match) -> None:
    for case in node.cases:
        found.names.update(pattern_names(case.pattern))
        _block(found, case.body)


def pattern_names(pattern: cst.CSTNode) -> Iterable[str]:
    """The names that a `case` pattern captures."""
    todo: list[cst.CSTNode] = [pattern]
    while todo:
        node = todo.pop()
        kind: type = type(node)
        if kind is cst.MatchAs or kind is cst.MatchStar:
            if node.name is not None:  # type: ignore[attr-defined]
                yield node.name.value  # type: ignore[attr-defined]
        elif kind is cst.MatchMapping and node.rest is not None:  # type: ignore[attr-defined]
            yield node.rest.value  # type: ignore[attr-defined]
        todo.extend(parts(node))


def _definition(found: Bindings, node: cst.FunctionDef | cst.ClassDef) -> None:
    found.names.add(node.name.value)


def _import(found: Bindings, node: cst.Import) -> None:
    for alias in node.names:
        name = dotted(alias.name)
        found.modules.append(name)
        if alias.asname is not None:
            for bound in target_names(alias.asname.name):
                _imported(found, bound, name)
        else:
            first = name.partition(".")[0]
            _imported(found, first, first)


def _import_from(found: Bindings, node: cst.ImportFrom) -> None:
    module = "." * len(node.relative) + dotted(node.module)
    found.modules.append(module)
    if isinstance(node.names, cst.ImportStar):
        found.stars.append(module)
        return
    for alias in node.names:
        full = f"{module}{'' if module.endswith('.') else '.'}{dotted(alias.name)}"
        found.modules.append(full)
        for bound in target_names(alias.asname.name) if alias.asname is not None else (dotted(alias.name),):
            _imported(found, bound, full)


def _imported(found: Bindings, name: str, full: str) -> None:
    # the first import wins: in `try: import fast except ImportError: import slow as fast` it is the one meant
    found.imports.setdefault(name, full)
    found.names.add(name)


def _global(found: Bindings, node: cst.Global) -> None:
    found.globals.update(item.name.value for item in node.names)


def _nonlocal(found: Bindings, node: cst.Nonlocal) -> None:
    found.nonlocals.update(item.name.value for item in node.names)


def _type_alias(found: Bindings, node: cst.TypeAlias) -> None:
    found.names.add(node.name.value)


_HANDLERS: dict[type, Callable[[Bindings, object], None]] = {
    cst.Assign: _assign,  # type: ignore[dict-item]
    cst.AugAssign: _one_target,  # type: ignore[dict-item]
    cst.AnnAssign: _one_target,  # type: ignore[dict-item]
    cst.For: _for,  # type: ignore[dict-item]
    cst.While: _while,  # type: ignore[dict-item]
    cst.If: _if,  # type: ignore[dict-item]
    cst.With: _with,  # type: ignore[dict-item]
    cst.Try: _try,  # type: ignore[dict-item]
    cst.TryStar: _try,  # type: ignore[dict-item]
    cst.Match: _match,  # type: ignore[dict-item]
    cst.FunctionDef: _definition,  # type: ignore[dict-item]
    cst.ClassDef: _definition,  # type: ignore[dict-item]
    cst.Import: _import,  # type: ignore[dict-item]
    cst.ImportFrom: _import_from,  # type: ignore[dict-item]
    cst.Global: _global,  # type: ignore[dict-item]
    cst.Nonlocal: _nonlocal,  # type: ignore[dict-item]
    cst.TypeAlias: _type_alias,  # type: ignore[dict-item]
}


def suite(body: cst.BaseSuite) -> Sequence[cst.CSTNode]:
    """The statements of a block, also of one on the line of its header."""
    return body.body
