"""Changes of how a function is handed to a thread: `target=f(x)` and `target=lambda: f(x)` become `target=f, args=(x,)`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

import libcst as cst

from threadlint.changes import Change
from threadlint.findings import Fix
from threadlint.fixes.blocks import block_of
from threadlint.fixes.tree import Edits, Refused, Tree, code, expression

_FUNCTIONS = (cst.FunctionDef, cst.Lambda)
_LOOPS = (cst.For, cst.While)
NO_ARGUMENTS = "-"
"""Said of a call that takes a function and no arguments for it."""


def kinds() -> Mapping[Change, Callable[[Tree, Fix], Edits]]:
    """The kinds of change that this file makes."""
    return {Change.HAND_OVER: _hand_over, Change.BIND_NOW: _bind_now}


def _hand_over(tree: Tree, fix: Fix) -> Edits:
    inner = tree.at(fix.sites[0], cst.Call)
    given = tree.parent(inner)
    if not isinstance(given, cst.Arg) or tree.parent(given) is not tree.at(fix.sites[1], cst.Call):
        raise Refused("the call is no argument of the other one")
    outer = tree.at(fix.sites[1], cst.Call)
    return {id(outer): (_with_call(outer, given, inner, fix.text),)}


def _with_call(outer: cst.Call, given: cst.Arg, inner: cst.Call, how: str) -> cst.Call:
    """The outer call with the inner one's function and arguments, under the two keywords in `how`, or after the function where there are none."""
    keyword, _, for_named = how.partition("/")
    args = list(outer.args)
    place = next(number for number, arg in enumerate(args) if arg is given)
    new = [given.with_changes(value=inner.func)]
    if inner.args and not keyword:
        if given.keyword is not None or len(args) > place + 1:
            raise Refused("the function gets arguments already")
        new += inner.args
    elif inner.args:
        if any(arg.keyword is not None and arg.keyword.value in (keyword, for_named) for arg in args) or any(
            arg.keyword is None for arg in args[place + 1 :]
        ):
            raise Refused("the function gets arguments already")
        new += _packed(inner.args, keyword, for_named)
    if len(new) > 1:
        # What follows the argument's comma, such as a comment, follows the last of them.
        new[0] = new[0].with_changes(comma=cst.MaybeSentinel.DEFAULT)
        new[-1] = new[-1].with_changes(comma=given.comma)
    args[place : place + 1] = new
    return outer.with_changes(args=_separated(args))


def _packed(args: Sequence[cst.Arg], keyword: str, for_named: str) -> Iterator[cst.Arg]:
    """`args=(...)` and `kwargs={...}` for the arguments."""
    plain = [f"{arg.star}{code(arg.value)}" for arg in args if arg.keyword is None and arg.star != "**"]
    named = [
        f"**{code(arg.value)}" if arg.keyword is None else f'"{arg.keyword.value}": {code(arg.value)}'
        for arg in args
        if arg.keyword is not None or arg.star == "**"
    ]
    if plain:
        tail = "," if len(plain) == 1 else ""
        yield _named(keyword, expression(f"({', '.join(plain)}{tail})"))
    if named:
        yield _named(for_named, expression(f"{{{', '.join(named)}}}"))


def _named(keyword: str, value: cst.BaseExpression) -> cst.Arg:
    return cst.Arg(
        value, keyword=cst.Name(keyword), equal=cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
    )


def _separated(args: Iterable[cst.Arg]) -> list[cst.Arg]:
    """The arguments with a comma between each two; the last keeps what it has."""
    listed = list(args)
    space = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
    return [
        arg if isinstance(arg.comma, cst.Comma) or number == len(listed) - 1 else arg.with_changes(comma=space)
        for number, arg in enumerate(listed)
    ]


def _bind_now(tree: Tree, fix: Fix) -> Edits:
    call = tree.at(fix.sites[0], cst.Call)
    how, _, name = fix.text.rpartition(":")
    for arg in call.args:
        made: cst.CSTNode | None = arg.value
        if isinstance(made, cst.Name):
            made = _function(tree, call, made.value)
        if not isinstance(made, _FUNCTIONS) or name not in _read(tree, made):
            continue
        inner = made.body if isinstance(made, cst.Lambda) and not made.params.children else None
        if how != NO_ARGUMENTS and isinstance(inner, cst.Call) and _is_plain(inner):
            with suppress(Refused):
                return {id(call): (_with_call(call, arg, inner, how),)}
        if name not in _bound(tree, made, assigned=True):
            raise Refused("the function is made before the loop")
        names = {name} | (_bound(tree, made, assigned=False) & _read(tree, made))
        return {id(made.params): (_with_defaults(made.params, names),)}
    raise Refused("what reads the variable is not made here")


def _is_plain(call: cst.Call) -> bool:
    """Whether the function and its arguments are names, attributes and literals: asking for them now or later comes to the same."""
    return _is_name(call.func) and all(
        _is_name(arg.value) or isinstance(arg.value, (cst.BaseString, cst.BaseNumber)) for arg in call.args
    )


def _is_name(value: cst.BaseExpression) -> bool:
    while isinstance(value, cst.Attribute):
        value = value.value
    return isinstance(value, cst.Name)


def _with_defaults(params: cst.Parameters, names: Iterable[str]) -> cst.Parameters:
    if params.star_kwarg is not None or isinstance(params.star_arg, cst.Param):
        raise Refused("the function takes any number of arguments")
    equal = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
    comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
    new = [cst.Param(cst.Name(name), default=cst.Name(name), equal=equal, star="") for name in sorted(names)]
    if params.kwonly_params:
        all_params = _joined([*params.kwonly_params, *new], comma)
        return params.with_changes(kwonly_params=all_params)
    return params.with_changes(params=_joined([*params.params, *new], comma))


def _joined(params: list[cst.Param], comma: cst.Comma) -> list[cst.Param]:
    return [
        *(one if isinstance(one.comma, cst.Comma) else one.with_changes(comma=comma) for one in params[:-1]),
        params[-1],
    ]


def _read(tree: Tree, function: cst.FunctionDef | cst.Lambda) -> set[str]:
    """The names in the body of a function, without its parameters."""
    own = {node.name.value for node in tree.inside(function.params) if isinstance(node, cst.Param)}
    return {node.value for node in tree.inside(function.body) if isinstance(node, cst.Name)} - own


def _bound(tree: Tree, node: cst.CSTNode, *, assigned: bool) -> set[str]:
    """The names that the loops around the node go through in its function, and those that they assign."""
    found: set[cst.CSTNode] = set()
    for outer in tree.around(node):
        if isinstance(outer, _FUNCTIONS):
            break
        if isinstance(outer, cst.For):
            found |= set(tree.inside(outer.target))
        elif isinstance(outer, (cst.ListComp, cst.SetComp, cst.GeneratorExp, cst.DictComp)):
            found |= set(tree.inside(outer.for_in.target))
        if isinstance(outer, _LOOPS) and assigned:
            targets = [inner.target for inner in tree.inside(outer.body) if isinstance(inner, cst.AssignTarget)]
            found |= {inner for target in targets for inner in tree.inside(target)}
    return {one.value for one in found if isinstance(one, cst.Name)}


def _function(tree: Tree, call: cst.Call, name: str) -> cst.FunctionDef | None:
    """The function of that name that is made in a block around the call, in the same turn of the loop."""
    for outer in (call, *tree.around(call)):
        if isinstance(outer, _LOOPS + _FUNCTIONS):
            return None
        if isinstance(outer, (cst.BaseSmallStatement, cst.BaseCompoundStatement)):
            stretch = block_of(tree, outer)
            for piece in stretch.pieces[: stretch.index(outer)]:
                if isinstance(piece.statement, cst.FunctionDef) and piece.statement.name.value == name:
                    return piece.statement
    return None
