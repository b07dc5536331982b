"""What expressions do and what is known of their values: names, attributes, elements, calls, tests, displays."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import libcst as cst

from threadlint.facts.model import (
    UNKNOWN,
    Call,
    CallUse,
    Compare,
    Comparison,
    Const,
    Derived,
    Logic,
    Many,
    ManyKind,
    Operate,
    Ref,
    Root,
    Span,
    Suspend,
    Value,
)
from threadlint.facts.visitors.walk import Walk

_VAR, _RESULT, _BUILTIN = Root.VAR, Root.RESULT, Root.BUILTIN
_CONSTANTS = {name: Const(value) for name, value in (("True", True), ("False", False), ("None", None))}
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def extend(base: Value, step: str) -> Value:
    """The value one attribute or element further: only a `Ref` has one that can be named."""
    if type(base) is Ref:
        return Ref(base.root, base.name, (*base.path, step), base.owner)
    return Derived((base,), step)


def place(walk: Walk, node: cst.CSTNode) -> Value:
    """The value of the expression, without writing down the read of its last step: for callees, receivers and targets."""
    kind = type(node)
    if kind is cst.Name:
        return walk.resolve(node.value)  # type: ignore[attr-defined]
    if kind is cst.Attribute:
        base = place(walk, node.value)  # type: ignore[attr-defined]
        step = node.attr.value  # type: ignore[attr-defined]
        return (
            Ref(base.root, base.name, (*base.path, step), base.owner) if type(base) is Ref else Derived((base,), step)
        )
    if kind is cst.Subscript:
        base = place(walk, node.value)  # type: ignore[attr-defined]
        return extend(base, index(walk, node.slice))  # type: ignore[attr-defined]
    return walk.value(node)


def index(walk: Walk, slices: Sequence[cst.SubscriptElement]) -> str:
    """The step of a subscript, such as `[0]` or `[key]`; what the index itself does is written down."""
    texts: list[str] = []
    for element in slices:
        part = element.slice
        if type(part) is cst.Slice:
            for bound in (part.lower, part.upper, part.step):
                if bound is not None:
                    walk.value(bound)
            ends = (part.lower, part.upper)
            texts.append(":".join("" if bound is None else key_text(bound) for bound in ends))
        elif type(part) is cst.Index:
            walk.value(part.value)
            texts.append(key_text(part.value))
    return f"[{', '.join(texts)}]"


def key_text(node: cst.CSTNode) -> str:
    """The text of a simple index, `...` for anything longer."""
    kind = type(node)
    if kind is cst.Name or kind is cst.SimpleString or kind is cst.Integer:
        return node.value  # type: ignore[attr-defined, no-any-return]
    if kind is cst.Attribute:
        inner = key_text(node.value)  # type: ignore[attr-defined]
        return f"{inner}.{node.attr.value}" if inner != "..." else inner  # type: ignore[attr-defined]
    return "..."


def _name(walk: Walk, node: cst.Name) -> Value:
    ref = walk.resolve(node.value)
    if ref.root is _BUILTIN:
        return _CONSTANTS.get(ref.name, ref)
    walk.read(ref, node)
    return ref


def _reading(walk: Walk, node: cst.Attribute | cst.Subscript) -> Value:
    value = place(walk, node)
    if type(value) is Ref:
        walk.read(value, node)
    return value


def _call(walk: Walk, node: cst.Call, use: CallUse = "used") -> Value:
    frame = walk.frame
    if frame.cls and type(node.func) is cst.Name and node.func.value == "super":
        for arg in node.args:
            walk.value(arg.value)
        return Ref(Root.SUPER, "super", (), frame.cls)
    callee = place(walk, node.func)
    args: list[Value] = []
    keywords: list[tuple[str, Value]] = []
    starred = False
    for arg in node.args:
        value = walk.value(arg.value)
        if arg.keyword is not None:
            keyword = arg.keyword.value
            keywords.append((keyword, _grouped(arg.value, value) if keyword == "args" else value))
        elif not arg.star:
            args.append(value)
        elif arg.star == "**":
            keywords.append(("**", value))
        else:
            starred = True
            args.append(Many("star", (value,), repeated=True))
    frame.calls += 1
    frame.switch_point()
    span = walk.at(node)
    frame.emit(Call(frame.calls, span, callee, tuple(args), tuple(keywords), use, starred))
    sources = _receiver_flow(walk, callee, node, span) if type(callee) is Ref and callee.path else ()
    for value in args:
        if type(value) is not Const:
            sources += walk_flows(walk, value)
    for _, value in keywords:
        if type(value) is not Const:
            sources += walk_flows(walk, value)
    number = str(frame.calls)
    frame.results[number] = sources
    return Ref(_RESULT, number)


def _grouped(node: cst.BaseExpression, value: Value) -> Value:
    """`args=(name)`: a name in parentheses, which looks like a tuple and is none."""
    return Derived((value,), "()") if type(node) in (cst.Name, cst.Attribute) and node.lpar else value


def _receiver_flow(walk: Walk, callee: Ref, node: cst.Call, span: Span) -> tuple[Any, ...]:
    """What the receiver of a method call puts into the result: `d.get(k)` reads the element `d[k]`, `x.strip()` the value of `x`."""
    method = callee.path[-1]
    if method == "acquire" or method[0] == "[":
        return ()
    time = walk.frame.switched - 1
    if method == "get" and any(arg.keyword is None and arg.star != "**" for arg in node.args):
        key = (*callee.path[:-1], f"[{key_text(node.args[0].value)}]")
        return ((Ref(callee.root, callee.name, key, callee.owner), span, time),)
    receiver = callee.receiver
    return ((receiver, span, time), *walk_flows(walk, receiver))


def walk_flows(walk: Walk, value: Value | None) -> tuple[Any, ...]:
    """The locations whose values go into this one, each with the place and the time of its last read."""
    kind = type(value)
    frame = walk.frame
    if kind is Ref:
        if not value.path:  # type: ignore[union-attr]
            root = value.root  # type: ignore[union-attr]
            if root is _RESULT:
                return frame.results.get(value.name, ())  # type: ignore[union-attr]
            if root is _VAR and value.owner == frame.qualname:  # type: ignore[union-attr]
                return frame.carried.get(value.name, ())  # type: ignore[union-attr]
        seen = frame.read_at.get(value)  # type: ignore[arg-type]
        return ((value, *seen),) if seen else ()
    if kind is Derived:
        parts: Iterable[Value] = value.parts  # type: ignore[union-attr]
    elif kind is Many:
        parts = value.items  # type: ignore[union-attr]
    elif kind is Logic and value.op == "if":  # type: ignore[union-attr]
        parts = value.items[:1]  # type: ignore[union-attr]
    else:
        return ()
    found: tuple[Any, ...] = ()
    for part in parts:
        found += walk_flows(walk, part)
    return found


def discarded(walk: Walk, node: cst.BaseExpression) -> None:
    """An expression as a statement: its value is thrown away."""
    kind = type(node)
    if kind is cst.Call:
        _call(walk, node, "discarded")  # type: ignore[arg-type]
    elif kind is cst.Await:
        _await(walk, node, "discarded")  # type: ignore[arg-type]
    elif kind is not cst.SimpleString:
        walk.value(node)


def returned(walk: Walk, node: cst.BaseExpression) -> Value:
    """The expression of a `return`."""
    return _call(walk, node, "returned") if type(node) is cst.Call else walk.value(node)


def _await(walk: Walk, node: cst.Await, use: str = "awaited") -> Value:
    inner = node.expression
    value = (
        _call(walk, inner, "awaited" if use != "discarded" else "awaited-discarded")
        if type(inner) is cst.Call
        else walk.value(inner)
    )
    walk.frame.switch_point()
    walk.frame.emit(Suspend("await", walk.at(node), value))
    return Derived((value,), "await")


def _yield(walk: Walk, node: cst.Yield) -> Value:
    walk.frame.is_generator = True
    kind, value = "yield", None
    if type(node.value) is cst.From:
        kind, value = "yield from", walk.value(node.value.item)
    elif node.value is not None:
        value = walk.value(node.value)
    walk.frame.switch_point()
    walk.frame.emit(Suspend(kind, walk.at(node), value))
    return Derived((value,) if value is not None else (), kind)


def _binary(walk: Walk, node: cst.BinaryOperation) -> Value:
    # long sums nest to the left: a loop, not a recursion, walks down the spine
    spine: list[cst.BinaryOperation] = []
    left: cst.CSTNode = node
    while type(left) is cst.BinaryOperation:
        spine.append(left)
        left = left.left
    parts = [walk.value(left)]
    parts.extend([walk.value(operation.right) for operation in reversed(spine)])
    open_parts = tuple([part for part in parts if type(part) is not Const])
    kinds = {type(part.value) for part in parts if type(part) is Const} if len(open_parts) < len(parts) else ()
    if open_parts and str not in kinds:
        walk.frame.emit(Operate(walk.at(node)))
    counted = len(spine) == 1 and int in kinds
    return Derived(tuple(parts) if counted else open_parts, type(node.operator).__name__)


def _boolean(walk: Walk, node: cst.BooleanOperation) -> Value:
    operator = type(node.operator)
    spine: list[cst.CSTNode] = []
    left: cst.CSTNode = node
    while type(left) is cst.BooleanOperation and type(left.operator) is operator and (left is node or not left.lpar):
        spine.append(left.right)
        left = left.left
    items = [walk.value(left)]
    items.extend([walk.value(right) for right in reversed(spine)])
    return Logic("and" if operator is cst.And else "or", tuple(items))


def _unary(walk: Walk, node: cst.UnaryOperation) -> Value:
    value = walk.value(node.expression)
    operator = type(node.operator)
    if operator is cst.Not:
        return Logic("not", (value,))
    if operator is cst.Minus and type(value) is Const and isinstance(value.value, (int, float)):
        return Const(-value.value)
    return Derived((value,), "unary")


def _comparison(walk: Walk, node: cst.Comparison) -> Value:
    left = walk.value(node.left)
    tests: list[Value] = []
    for item in node.comparisons:
        right = walk.value(item.comparator)
        tests.append(Compare(_OPERATORS[type(item.operator)], left, right))
        left = right
    return tests[0] if len(tests) == 1 else Logic("and", tuple(tests))


_OPERATORS: dict[type, Comparison] = {
    cst.In: "in", cst.NotIn: "not in", cst.Is: "is", cst.IsNot: "is not", cst.Equal: "==", cst.NotEqual: "!=",
    cst.LessThan: "<", cst.LessThanEqual: "<=", cst.GreaterThan: ">", cst.GreaterThanEqual: ">=",
}  # fmt: skip


def _conditional(walk: Walk, node: cst.IfExp) -> Value:
    test = walk.value(node.test)
    return Logic("if", (walk.value(node.body), walk.value(node.orelse), test))


def _display(kind: ManyKind) -> Callable[[Walk, Any], Value]:
    def display(walk: Walk, node: cst.Tuple | cst.List | cst.Set) -> Value:
        return Many(kind, tuple([walk.value(element.value) for element in node.elements]))

    return display


def _dict(walk: Walk, node: cst.Dict) -> Value:
    items: list[Value] = []
    keys: list[Value] = []
    for element in node.elements:
        if type(element) is cst.DictElement:
            keys += made(walk.value(element.key))
        items.append(walk.value(element.value))
    return Many("dict", tuple(items), keys=tuple(keys))


def made(key: Value | None) -> tuple[Value, ...]:
    """The key of a dict where a call makes it: an object, such as a future, that lives on as a key."""
    return (key,) if type(key) is Ref and key.root is _RESULT and not key.path else ()


def _number(walk: Walk, node: cst.Integer | cst.Float) -> Value:
    value = walk.positions.literal(node) if len(node.value) < 40 else 0
    # Facts are stored with integers of 64 bits.
    return UNKNOWN if isinstance(value, int) and value >= 2**63 else Const(value)


def _string(walk: Walk, node: cst.SimpleString) -> Value:
    if len(node.value) > 200:
        return UNKNOWN
    try:
        text = walk.positions.literal(node)
    except (ValueError, SyntaxError):
        return UNKNOWN
    # half of a surrogate pair is no character: facts could not be stored with it
    return Const(text) if type(text) is str and (text.isascii() or not _LONE_SURROGATE.search(text)) else UNKNOWN


def _concatenated(walk: Walk, node: cst.ConcatenatedString) -> Value:
    """Strings side by side: one f-string where one of them is, else a string of which nothing is known."""
    found: list[Value] = []
    formatted = False
    right: cst.CSTNode = node
    while type(right) is cst.ConcatenatedString:
        formatted |= _fields(walk, right.left, found)
        right = right.right
    formatted |= _fields(walk, right, found)
    return Derived(tuple(found), "f-string") if formatted else UNKNOWN


def _formatted(walk: Walk, node: Any) -> Value:
    found: list[Value] = []
    _fields(walk, node, found)
    return Derived(tuple(found), "f-string")


def _fields(walk: Walk, node: Any, found: list[Value]) -> bool:
    """Add the values in the fields of a string; gives whether it may have any."""
    if type(node) is cst.SimpleString:
        return False
    todo = list(node.parts)
    while todo:
        part = todo.pop(0)
        if hasattr(part, "expression"):
            found.append(walk.value(part.expression))
            todo[:0] = part.format_spec or ()
    return True


def _starred(walk: Walk, node: cst.StarredElement) -> Value:
    return Many("star", (walk.value(node.value),), repeated=True)


def handlers() -> dict[type, Callable[[Walk, Any], Value]]:
    """The handlers of expressions, by node type."""
    table: dict[type, Callable[[Walk, Any], Value]] = {
        cst.Name: _name,
        cst.Attribute: _reading,
        cst.Subscript: _reading,
        cst.Call: _call,
        cst.Await: _await,
        cst.Yield: _yield,
        cst.BinaryOperation: _binary,
        cst.BooleanOperation: _boolean,
        cst.UnaryOperation: _unary,
        cst.Comparison: _comparison,
        cst.IfExp: _conditional,
        cst.Tuple: _display("tuple"),
        cst.List: _display("list"),
        cst.Set: _display("set"),
        cst.Dict: _dict,
        cst.Integer: _number,
        cst.Float: _number,
        cst.SimpleString: _string,
        cst.ConcatenatedString: _concatenated,
        cst.FormattedString: _formatted,
        cst.StarredElement: _starred,
    }
    template = getattr(cst, "TemplatedString", None)
    if template is not None:
        table[template] = _formatted
    return table
