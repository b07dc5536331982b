"""Expressions that have parts."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

import libcst as cst

from threadlint.facts.building.base import Builder, Handler, make_1, make_2, make_3, maker, setter
from threadlint.facts.pairing import Mismatch

_attribute = make_3(cst.Attribute, "value", "attr", "lpar")
_call = make_2(cst.Call, "func", "args")
_arg = make_3(cst.Arg, "value", "keyword", "star")
_subscript = make_2(cst.Subscript, "value", "slice")
_element_of_subscript = make_1(cst.SubscriptElement, "slice")
_index = make_2(cst.Index, "value", "star")
_slice = make_3(cst.Slice, "lower", "upper", "step")
_element = make_1(cst.Element, "value")
_starred = make_2(cst.StarredElement, "value", "lpar")
_dict_element = make_2(cst.DictElement, "key", "value")
_starred_dict_element = make_1(cst.StarredDictElement, "value")
_sequences = {
    ast.Tuple: make_2(cst.Tuple, "elements", "lpar"),
    ast.List: make_2(cst.List, "elements", "lpar"),
    ast.Set: make_2(cst.Set, "elements", "lpar"),
}
_dict = make_1(cst.Dict, "elements")
_binary = make_3(cst.BinaryOperation, "left", "operator", "right")
_boolean = maker(cst.BooleanOperation, "left", "operator", "right", "lpar")
_unary = make_2(cst.UnaryOperation, "operator", "expression")
_comparison = make_2(cst.Comparison, "left", "comparisons")
_comparison_target = make_2(cst.ComparisonTarget, "operator", "comparator")
_if = make_3(cst.IfExp, "test", "body", "orelse")
_named = make_2(cst.NamedExpr, "target", "value")
_await = make_1(cst.Await, "expression")
_yield = make_1(cst.Yield, "value")
_from = make_1(cst.From, "item")
_comprehensions = {
    ast.ListComp: make_2(cst.ListComp, "elt", "for_in"),
    ast.SetComp: make_2(cst.SetComp, "elt", "for_in"),
    ast.GeneratorExp: make_2(cst.GeneratorExp, "elt", "for_in"),
}
_dict_comprehension = make_3(cst.DictComp, "key", "value", "for_in")
_for_in = maker(cst.CompFor, "target", "iter", "ifs", "inner_for_in", "asynchronous")
_condition = make_1(cst.CompIf, "test")
ASYNC = cst.Asynchronous()
_PARENTHESIS = (cst.LeftParen(),)

_OPERATORS = {
    ast.Add: cst.Add(), ast.Sub: cst.Subtract(), ast.Mult: cst.Multiply(), ast.MatMult: cst.MatrixMultiply(), ast.Div: cst.Divide(),
    ast.Mod: cst.Modulo(), ast.Pow: cst.Power(), ast.LShift: cst.LeftShift(), ast.RShift: cst.RightShift(), ast.BitOr: cst.BitOr(),
    ast.BitXor: cst.BitXor(), ast.BitAnd: cst.BitAnd(), ast.FloorDiv: cst.FloorDivide(),
    ast.And: cst.And(), ast.Or: cst.Or(),
    ast.Invert: cst.BitInvert(), ast.Not: cst.Not(), ast.UAdd: cst.Plus(), ast.USub: cst.Minus(),
    ast.Eq: cst.Equal(), ast.NotEq: cst.NotEqual(), ast.Lt: cst.LessThan(), ast.LtE: cst.LessThanEqual(), ast.Gt: cst.GreaterThan(),
    ast.GtE: cst.GreaterThanEqual(), ast.Is: cst.Is(), ast.IsNot: cst.IsNot(), ast.In: cst.In(), ast.NotIn: cst.NotIn(),
}  # fmt: skip


def _of_attribute(builder: Builder, twin: ast.Attribute) -> Any:
    return _attribute(builder.make(twin.value), builder.names[twin.attr], ())


def _of_call(builder: Builder, twin: ast.Call) -> Any:
    func = builder.make(twin.func)
    return _call(func, arguments(builder, twin.args, twin.keywords))


def arguments(builder: Builder, plain: Sequence[ast.expr], named: Sequence[ast.keyword]) -> list[Any]:
    """Arguments in the order in which they are written: Python keeps those with a name apart."""
    found = [
        _arg(builder.make(twin.value), None, "*") if type(twin) is ast.Starred else _arg(builder.make(twin), None, "")
        for twin in plain
    ]
    if not named:
        return found
    more = [_keyword(builder, twin) for twin in named]
    if plain and _place(named[0].value) < _place(plain[-1]):
        order = [*plain, *(twin.value for twin in named)]
        both = found + more
        return [both[number] for number in sorted(range(len(both)), key=lambda number: _place(order[number]))]
    return found + more


def _keyword(builder: Builder, twin: ast.keyword) -> Any:
    value = builder.make(twin.value)
    if twin.arg is None:
        return _arg(value, None, "**")
    if twin.arg == "args" and type(twin.value) in (ast.Name, ast.Attribute) and _in_parentheses(builder, twin):
        setter(type(value), "lpar")(value, _PARENTHESIS)
    return _arg(value, builder.names[twin.arg], "")


def _in_parentheses(builder: Builder, twin: ast.keyword) -> bool:
    if builder.vague:
        raise Mismatch
    return "(" in builder.between((twin.lineno, twin.col_offset), _place(twin.value))


def _place(twin: Any) -> tuple[int, int]:
    return twin.lineno, twin.col_offset


def _of_subscript(builder: Builder, twin: ast.Subscript) -> Any:
    value = builder.make(twin.value)
    inner = twin.slice
    if type(inner) is ast.Tuple and inner.elts and not _is_parenthesised(builder, inner):
        return _subscript(value, [_element_of_subscript(_part(builder, part)) for part in inner.elts])
    return _subscript(value, [_element_of_subscript(_part(builder, inner))])


def _part(builder: Builder, twin: ast.expr) -> Any:
    if type(twin) is ast.Slice:
        node = _slice(builder.optional(twin.lower), builder.optional(twin.upper), builder.optional(twin.step))
        builder.pairs[id(node)] = twin
        return node
    if type(twin) is ast.Starred:
        return _index(builder.make(twin.value), "*")
    return _index(builder.make(twin), None)


def _is_parenthesised(builder: Builder, twin: ast.Tuple) -> bool:
    """`d[(a, b)]`, not `d[a, b]` or `d[(a), (b)]`."""
    if builder.vague:
        raise Mismatch
    if _place(twin) == _place(twin.elts[0]):
        return False
    written = builder.written(twin)
    depth = 0
    for number, letter in enumerate(written):
        if letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
            if depth == 0:
                return number == len(written) - 1
        elif letter in "\"'#":
            raise Mismatch
    raise Mismatch


def _of_sequence(builder: Builder, twin: Any) -> Any:
    elements = [
        builder.make(element) if type(element) is ast.Starred else _element(builder.make(element))
        for element in twin.elts
    ]
    return _sequences[type(twin)](elements, ())


def _of_starred(builder: Builder, twin: ast.Starred) -> Any:
    return _starred(builder.make(twin.value), ())


def _of_dict(builder: Builder, twin: ast.Dict) -> Any:
    return _dict(
        [
            _starred_dict_element(builder.make(value))
            if key is None
            else _dict_element(builder.make(key), builder.make(value))
            for key, value in zip(twin.keys, twin.values, strict=True)
        ]
    )


def _of_binary(builder: Builder, twin: ast.BinOp) -> Any:
    # long sums nest to the left: a loop, not a recursion, walks down the spine
    spine: list[ast.BinOp] = []
    left: ast.expr = twin
    while type(left) is ast.BinOp:
        spine.append(left)
        left = left.left
    node = builder.make(left)
    for operation in reversed(spine):
        node = _binary(node, _OPERATORS[type(operation.op)], builder.make(operation.right))
        builder.pairs[id(node)] = operation
    return node


def _of_boolean(builder: Builder, twin: ast.BoolOp) -> Any:
    """`a and b and c`: LibCST has (a and b) and c, Python one node with three values."""
    operator = _OPERATORS[type(twin.op)]
    first = twin.values[0]
    node = builder.make(first)
    if type(first) is ast.BoolOp and type(first.op) is type(twin.op):
        setter(cst.BooleanOperation, "lpar")(node, _PARENTHESIS)
    for value in twin.values[1:]:
        node = _boolean(node, operator, builder.make(value), ())
    return node


def _of_unary(builder: Builder, twin: ast.UnaryOp) -> Any:
    return _unary(_OPERATORS[type(twin.op)], builder.make(twin.operand))


def _of_comparison(builder: Builder, twin: ast.Compare) -> Any:
    return _comparison(
        builder.make(twin.left),
        [
            _comparison_target(_OPERATORS[type(operator)], builder.make(right))
            for operator, right in zip(twin.ops, twin.comparators, strict=True)
        ],
    )


def _of_if(builder: Builder, twin: ast.IfExp) -> Any:
    return _if(builder.make(twin.test), builder.make(twin.body), builder.make(twin.orelse))


def _of_named(builder: Builder, twin: ast.NamedExpr) -> Any:
    return _named(builder.make(twin.target), builder.make(twin.value))


def _of_await(builder: Builder, twin: ast.Await) -> Any:
    return _await(builder.make(twin.value))


def _of_yield(builder: Builder, twin: ast.Yield) -> Any:
    return _yield(builder.optional(twin.value))


def _of_yield_from(builder: Builder, twin: ast.YieldFrom) -> Any:
    return _yield(_from(builder.make(twin.value)))


def _clauses(builder: Builder, twins: Sequence[ast.comprehension]) -> Any:
    node = None
    for twin in reversed(twins):
        node = _for_in(
            builder.make(twin.target),
            builder.make(twin.iter),
            [_condition(builder.make(test)) for test in twin.ifs],
            node,
            ASYNC if twin.is_async else None,
        )
    return node


def _of_comprehension(builder: Builder, twin: Any) -> Any:
    return _comprehensions[type(twin)](builder.make(twin.elt), _clauses(builder, twin.generators))


def _of_dict_comprehension(builder: Builder, twin: ast.DictComp) -> Any:
    key = twin.key
    if twin.value is None:  # `{**d for d in ds}` of Python 3.15
        raise Mismatch
    return _dict_comprehension(builder.make(key), builder.make(twin.value), _clauses(builder, twin.generators))


def handlers() -> dict[type, Handler]:
    """The handlers of these expressions."""
    return {
        ast.Attribute: _of_attribute,
        ast.Call: _of_call,
        ast.Subscript: _of_subscript,
        ast.Tuple: _of_sequence,
        ast.List: _of_sequence,
        ast.Set: _of_sequence,
        ast.Dict: _of_dict,
        ast.Starred: _of_starred,
        ast.BinOp: _of_binary,
        ast.BoolOp: _of_boolean,
        ast.UnaryOp: _of_unary,
        ast.Compare: _of_comparison,
        ast.IfExp: _of_if,
        ast.NamedExpr: _of_named,
        ast.Await: _of_await,
        ast.Yield: _of_yield,
        ast.YieldFrom: _of_yield_from,
        ast.ListComp: _of_comprehension,
        ast.SetComp: _of_comprehension,
        ast.GeneratorExp: _of_comprehension,
        ast.DictComp: _of_dict_comprehension,
    }
