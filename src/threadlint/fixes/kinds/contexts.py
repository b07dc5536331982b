"""Changes of where code runs: in the context of whoever hands it over, or only where the module is the program."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import libcst as cst

from threadlint.changes import Change
from threadlint.findings import Fix
from threadlint.fixes.blocks import block_of, indented, statement_of
from threadlint.fixes.names import reach
from threadlint.fixes.tree import Edits, Refused, Tree, code, expression

_DEFINES = (cst.FunctionDef, cst.ClassDef)


def kinds() -> Mapping[Change, Callable[[Tree, Fix], Edits]]:
    """The kinds of change that this file makes."""
    return {Change.COPY_CONTEXT: _copy_context, Change.MAIN_GUARD: _main_guard}


def _copy_context(tree: Tree, fix: Fix) -> Edits:
    """`submit(f, x)` becomes `submit(contextvars.copy_context().run, f, x)`; the text is the keyword for the function, empty where it comes first."""
    call = tree.at(fix.sites[0], cst.Call)
    if any(arg.star for arg in call.args):
        raise Refused("some arguments are unpacked")
    name, edits = reach(tree, "contextvars", "copy_context")
    run = expression(f"{name}().run")
    by_name = next((arg for arg in call.args if arg.keyword is not None and arg.keyword.value == fix.text), None)
    if by_name is None:
        if fix.text or not call.args or call.args[0].keyword is not None:
            raise Refused("the function is not where it is expected")
        first = call.args[0]
        comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
        return {**edits, id(first): (cst.Arg(run, comma=comma), first)}
    given = next((arg for arg in call.args if arg.keyword is not None and arg.keyword.value == "args"), None)
    target = by_name.value
    if given is None:
        args = cst.Arg(
            expression(f"({code(target)},)"),
            keyword=cst.Name("args"),
            equal=by_name.equal,
            comma=by_name.comma,
        )
        comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
        return {**edits, id(by_name): (by_name.with_changes(value=run, comma=comma), args)}
    if not isinstance(given.value, cst.Tuple):
        raise Refused("the arguments are made elsewhere")
    comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
    elements = [cst.Element(target, comma=comma), *given.value.elements]
    edits[id(target)] = (run,)
    edits[id(given.value)] = (given.value.with_changes(elements=elements),)
    return edits


def _main_guard(tree: Tree, fix: Fix) -> Edits:
    """Put the statement and all that follows it below `if __name__ == "__main__":`."""
    small = statement_of(tree, tree.expression_or_statement_at(fix.sites[0]))
    for outer in tree.around(small):
        if isinstance(outer, cst.BaseCompoundStatement):
            small = outer
    stretch = block_of(tree, small)
    number = stretch.index(small)
    rest = stretch.pieces[number:]
    if not isinstance(stretch.block, cst.Module) or any(isinstance(piece.statement, _DEFINES) for piece in rest):
        raise Refused("functions or classes are defined after it")
    lines = rest[0].statement.leading_lines
    body = [rest[0].statement.with_changes(leading_lines=()), *(piece.statement for piece in rest[1:])]
    guard = cst.If(test=expression('__name__ == "__main__"'), body=indented(stretch, body), leading_lines=lines)
    return stretch.replace(number, len(stretch.pieces), [guard])
