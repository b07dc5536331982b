"""Assignments: which location gets which value, and whether that updates what was read before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libcst as cst

from threadlint.facts.comments import Annotation
from threadlint.facts.model import Access, Derived, Instance, Kind, Many, Ref, Root, Span, Value, is_inside
from threadlint.facts.visitors.annotations import annotation, guarded_by
from threadlint.facts.visitors.expressions import place, walk_flows
from threadlint.facts.visitors.walk import Frame, Walk

_VAR = Root.VAR
_WRITE, _UPDATE = Kind.WRITE, Kind.UPDATE


def store(walk: Walk, target: cst.CSTNode, value: Value, span: Span, form: str = "") -> tuple[Ref, ...]:
    """Write down that the target gets the value; returns the locations written."""
    kind: type = type(target)
    if kind is cst.Tuple or kind is cst.List:
        return _unpack(walk, target, value, span, form)  # type: ignore[arg-type]
    if kind is cst.StarredElement:
        item = Derived((value,), "item")
        return store(walk, target.value, Many("list", (item,), repeated=True), span, form)  # type: ignore[attr-defined]
    ref = place(walk, target)
    if type(ref) is not Ref:
        return ()
    _write(walk, ref, value, span, form)
    return (ref,)


def _unpack(walk: Walk, target: cst.Tuple | cst.List, value: Value, span: Span, form: str) -> tuple[Ref, ...]:
    known = (
        value.items if type(value) is Many and not value.repeated and len(value.items) == len(target.elements) else None
    )
    found: tuple[Ref, ...] = ()
    for number, element in enumerate(target.elements):
        item = known[number] if known is not None else Derived((value,), "item")
        found += store(walk, element if type(element) is cst.StarredElement else element.value, item, span, form)
    return found


def _write(walk: Walk, ref: Ref, value: Value, span: Span, form: str) -> None:
    frame = walk.frame
    flows = walk_flows(walk, value)
    local = ref.root is _VAR and not ref.path and ref.owner == frame.qualname
    kind, read, window = _WRITE, None, False
    if flows and not form and not local and ref not in (_copied(frame, value), value):
        for source, where, time in flows:
            if source == ref:
                kind, read, window = _UPDATE, where, frame.switched > time
                form = "assigned" if is_inside(where, span) else "carried"
                break
    if local:
        frame.carried[ref.name] = flows
        frame.copies.pop(ref.name, None)
        if type(value) is Ref and (value.path or value.root is not _VAR):
            frame.copies[ref.name] = value
    frame.emit(Access(span, ref, kind, value, form, read, window, "="))


def _copied(frame: Frame, value: Value) -> Ref | None:
    """The location of which the value is a plain copy."""
    return frame.copies.get(value.name) if type(value) is Ref and value.root is _VAR and not value.path else None


def targets(walk: Walk, target: cst.CSTNode, value: Value, form: str) -> tuple[Ref, ...]:
    """Bind the targets of a `for`, a `with` or a comprehension; returns the locations written."""
    return store(walk, target, value, walk.at(target), form)


def _assign(walk: Walk, node: cst.Assign) -> None:
    value = walk.value(node.value)
    span = walk.at(node)
    for target in node.targets:
        store(walk, target.target, value, span)


def _augmented(walk: Walk, node: cst.AugAssign) -> None:
    frame = walk.frame
    ref = place(walk, node.target)
    start = frame.time
    value = walk.value(node.value)
    if type(ref) is not Ref:
        return
    if ref.root is _VAR and not ref.path and ref.owner == frame.qualname:
        frame.carried[ref.name] = frame.carried.get(ref.name, ()) + walk_flows(walk, value)
        frame.copies.pop(ref.name, None)
    op = _OPERATORS.get(type(node.operator), "op=")
    frame.emit(
        Access(walk.at(node), ref, Kind.UPDATE, value, "augmented", walk.at(node.target), frame.switched > start, op)
    )


_OPERATORS = {
    cst.AddAssign: "+=", cst.SubtractAssign: "-=", cst.MultiplyAssign: "*=", cst.DivideAssign: "/=", cst.FloorDivideAssign: "//=",
    cst.ModuloAssign: "%=", cst.PowerAssign: "**=", cst.BitOrAssign: "|=", cst.BitAndAssign: "&=", cst.BitXorAssign: "^=",
    cst.LeftShiftAssign: "<<=", cst.RightShiftAssign: ">>=", cst.MatrixMultiplyAssign: "@=",
}  # fmt: skip


def _annotated(walk: Walk, node: cst.AnnAssign) -> None:
    declared = annotation(walk, node.annotation.annotation)
    span = walk.at(node)
    lock = guarded_by(node.annotation.annotation)
    if lock:
        walk.guards.append(Annotation(span[0], "guarded-by", lock))
    if node.value is not None:
        store(walk, node.target, walk.value(node.value), span)
    ref = place(walk, node.target)
    if type(ref) is Ref and declared is not None:
        walk.frame.emit(Access(span, ref, Kind.WRITE, Instance(declared), "annotation"))


def _delete(walk: Walk, node: cst.Del) -> None:
    todo: list[cst.CSTNode] = [node.target]
    while todo:
        target = todo.pop(0)
        if type(target) is cst.Tuple or type(target) is cst.List:
            todo[:0] = [element.value for element in target.elements]
            continue
        ref = place(walk, target)
        if type(ref) is Ref and (ref.path or ref.root != Root.VAR):
            walk.frame.emit(Access(walk.at(node), ref, Kind.DELETE, None, "deleted"))


def bind(walk: Walk, name: str, value: Value, span: Span, form: str) -> None:
    """Bind a plain name: by `def`, `class`, `import` or `except`."""
    _write(walk, walk.resolve(name), value, span, form)


def handlers() -> dict[type, Callable[[Walk, Any], None]]:
    """The handlers of assignments, by node type."""
    return {cst.Assign: _assign, cst.AugAssign: _augmented, cst.AnnAssign: _annotated, cst.Del: _delete}
