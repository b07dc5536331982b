"""Type annotations as values: which class an annotated name holds, as far as a class is named."""

from __future__ import annotations

import ast

import libcst as cst

from threadlint.facts.model import Logic, Many, ManyKind, Ref, Value
from threadlint.facts.outline import SHORT, outline
from threadlint.facts.source import SHALLOW
from threadlint.facts.visitors.scopes import dotted
from threadlint.facts.visitors.walk import Walk

_UNION = {"Optional", "Union"}
_TRANSPARENT = {"Annotated", "ClassVar", "Final", "Required", "NotRequired", "ReadOnly", "InitVar"}
_ONE_ITEM: dict[str, ManyKind] = {
    "list": "list", "List": "list", "set": "set", "Set": "set", "frozenset": "set", "FrozenSet": "set", "Sequence": "list", "Iterable": "list",
    "Iterator": "list", "Collection": "list", "MutableSequence": "list", "deque": "list", "Deque": "list", "Generator": "list",
    "AbstractSet": "set", "MutableSet": "set", "tuple": "tuple", "Tuple": "tuple",
}  # fmt: skip
_LAST_ITEM = {
    "dict",
    "Dict",
    "Mapping",
    "MutableMapping",
    "defaultdict",
    "DefaultDict",
    "OrderedDict",
    "WeakValueDictionary",
}


def annotation(walk: Walk, node: cst.CSTNode) -> Value | None:
    """The class that an annotation names, unions as `or`, containers as `Many`; None where it names none."""
    kind: type = type(node)
    if kind is cst.Name or kind is cst.Attribute:
        return _named(walk, dotted(node))
    if kind is cst.SimpleString:
        return _quoted(walk, node)  # type: ignore[arg-type]
    if kind is cst.BinaryOperation and type(node.operator) is cst.BitOr:  # type: ignore[attr-defined]
        return _union([annotation(walk, node.left), annotation(walk, node.right)])  # type: ignore[attr-defined]
    if kind is cst.Subscript:
        return _subscript(walk, node)  # type: ignore[arg-type]
    return None


def guarded_by(node: cst.CSTNode) -> str:
    """The lock that `Annotated[int, GuardedBy("_lock")]` names; empty where the annotation names none."""
    if not isinstance(node, cst.Subscript) or dotted(node.value).rpartition(".")[2] not in _TRANSPARENT:
        return ""
    for element in node.slice:
        part = element.slice.value if isinstance(element.slice, cst.Index) else None
        if isinstance(part, cst.Call) and dotted(part.func).rpartition(".")[2] == "GuardedBy" and part.args:
            named = part.args[0].value
            return str(ast.literal_eval(named.value)) if isinstance(named, cst.SimpleString) else dotted(named)
        inner = guarded_by(part) if part is not None else ""
        if inner:
            return inner
    return ""


def _subscript(walk: Walk, node: cst.Subscript) -> Value | None:
    name = dotted(node.value).rpartition(".")[2]
    inner = [element.slice.value for element in node.slice if isinstance(element.slice, cst.Index)]
    if not inner:
        return None
    if name in _UNION:
        return _union([annotation(walk, part) for part in inner])
    if name in _TRANSPARENT:
        return annotation(walk, inner[0])
    if name in _ONE_ITEM or name in _LAST_ITEM:
        item = annotation(walk, inner[-1 if name in _LAST_ITEM else 0])
        kind: ManyKind = "dict" if name in _LAST_ITEM else _ONE_ITEM[name]
        return Many(kind, (item,) if item is not None else (), repeated=True)
    return annotation(walk, node.value) if name not in {"type", "Type", "Callable", "Literal"} else None


def _union(parts: list[Value | None]) -> Value | None:
    known = tuple(part for part in parts if part is not None)
    return Logic("or", known) if len(known) > 1 else (known[0] if known else None)


def _named(walk: Walk, name: str) -> Value | None:
    first, *rest = name.split(".")
    if not first or first in {"None", "Any"}:
        return None
    ref = walk.resolve(first)
    return Ref(ref.root, ref.name, (*ref.path, *rest), ref.owner)


def _quoted(walk: Walk, node: cst.SimpleString) -> Value | None:
    try:
        text = ast.literal_eval(node.value)
        if not isinstance(text, str) or (
            len(text) > SHORT and outline(text).depth > SHALLOW
        ):  # no annotation is nested so deeply
            return None
        return annotation(walk, cst.parse_expression(text))
    except (ValueError, SyntaxError, cst.ParserSyntaxError, cst.CSTLogicError):
        return None
