"""Changes that keep what a call returns and use it: the result of a future is asked for, a thread is started."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import libcst as cst

from threadlint.changes import Change
from threadlint.findings import Fix
from threadlint.fixes.blocks import Statement, Stretch, block_of, statement, statement_of
from threadlint.fixes.names import fresh, is_bound
from threadlint.fixes.tree import Edits, Refused, Tree, code, method_of

_JUMPS = (cst.Return, cst.Raise, cst.Break, cst.Continue)


def kinds() -> Mapping[Change, Callable[[Tree, Fix], Edits]]:
    """The kinds of change that this file makes."""
    return {Change.ASK_RESULT: _ask, Change.START: _start}


def _ask(tree: Tree, fix: Fix) -> Edits:
    """Ask for the result where the function is done with starting tasks: after the outermost loop, or at the end of the block."""
    call = tree.at(fix.sites[0], cst.Call)
    holder = tree.parent(call)
    if fix.text == "list":
        if is_bound(tree, "list"):
            raise Refused("`list` is not the built-in here")
        return {id(call): (cst.Call(cst.Name("list"), [cst.Arg(call)]),)}
    if any(isinstance(outer, cst.FunctionDef) and outer.asynchronous for outer in tree.around(call)):
        raise Refused("a coroutine must not wait for it")
    if isinstance(holder, cst.Expr):
        loops = _loops(tree, call)
        return _in_loops(tree, call, loops, fix.text) if loops else _kept(tree, call, fix.text)
    if isinstance(holder, cst.Assign) and len(holder.targets) == 1 and isinstance(holder.targets[0].target, cst.Name):
        if _loops(tree, call):
            raise Refused("a loop makes several, of which it keeps the last")
        return _at_end(
            block_of(tree, holder), tree, [statement(tree, f"{holder.targets[0].target.value}.{fix.text}()")]
        )
    return _listed(tree, call, fix.text)


def _kept(tree: Tree, call: cst.Call, method: str) -> Edits:
    """`pool.submit(f)` by itself."""
    holder = tree.parent(call)
    stretch = block_of(tree, holder)
    number = stretch.index(holder)
    later = _before_jump(stretch)
    if later <= number + 1:
        return {id(call): (method_of(call, method),)}
    name = fresh(tree, "future", call)
    kept = cst.Assign([cst.AssignTarget(cst.Name(name))], call)
    line = stretch.pieces[number].statement
    if not isinstance(line, cst.SimpleStatementLine):
        raise Refused("this is no simple statement")
    rest = [piece.statement for piece in stretch.pieces[number + 1 : later]]
    new = [line.with_changes(body=[kept]), *rest, statement(tree, f"{name}.{method}()")]
    return stretch.replace(number, later, new)


def _in_loops(tree: Tree, call: cst.Call, loops: Sequence[cst.For | cst.While], method: str) -> Edits:
    """`for x in xs: pool.submit(f, x)`."""
    outermost = loops[-1]
    names = fresh(tree, "futures", call)
    appended = cst.Call(cst.Attribute(cst.Name(names), cst.Name("append")), [cst.Arg(call)])
    loop = tree.replaced(outermost, {id(call): (appended,)})
    stretch = block_of(tree, outermost)
    number = stretch.index(outermost)
    first = statement(tree, f"{names} = []").with_changes(leading_lines=stretch.pieces[number].statement.leading_lines)
    new: list[Statement] = [first, loop.with_changes(leading_lines=()), _ask_each(tree, call, names, method)]
    return stretch.replace(number, number + 1, new)


def _listed(tree: Tree, call: cst.Call, method: str) -> Edits:
    """`futures = [pool.submit(f, x) for x in xs]`, or `futures.append(pool.submit(f, x))`."""
    holder = tree.parent(call)
    small = statement_of(tree, call)
    if isinstance(holder, (cst.ListComp, cst.Element)) and isinstance(small, cst.Assign) and len(small.targets) == 1:
        target = small.targets[0].target
        whole = holder if isinstance(holder, cst.ListComp) else tree.parent(holder)
        if isinstance(target, cst.Name) and small.value is whole and not _loops(tree, small):
            return _at_end(block_of(tree, small), tree, [_ask_each(tree, call, target.value, method)])
    if isinstance(holder, cst.Arg) and isinstance(tree.parent(holder), cst.Call):
        append = tree.parent(holder)
        func = getattr(append, "func", None)
        if isinstance(func, cst.Attribute) and func.attr.value == "append" and isinstance(func.value, cst.Name):
            made = _made_before(tree, small, func.value.value)
            return _at_end(made, tree, [_ask_each(tree, call, func.value.value, method)])
    raise Refused("the future is kept in another way")


def _made_before(tree: Tree, small: cst.CSTNode, name: str) -> Stretch:
    """The block around the statement in which the list is made, such as `futures = []`."""
    for outer in (small, *tree.around(small)):
        if isinstance(outer, (cst.FunctionDef, cst.Lambda)):
            break
        if isinstance(outer, (cst.BaseSmallStatement, cst.BaseCompoundStatement)):
            stretch = block_of(tree, outer)
            if any(
                (isinstance(piece.small, cst.Assign) and any(code(one.target) == name for one in piece.small.targets))
                or (isinstance(piece.small, cst.AnnAssign) and code(piece.small.target) == name)
                for piece in stretch.pieces[: stretch.index(outer)]
            ):
                return stretch
    raise Refused("the list of futures is made elsewhere")


def _ask_each(tree: Tree, near: cst.CSTNode, names: str, method: str) -> Statement:
    one = fresh(tree, "future", near)
    return statement(tree, f"for {one} in {names}:\n    {one}.{method}()\n")


def _at_end(stretch: Stretch, tree: Tree, new: Sequence[Statement]) -> Edits:
    """The edits that put statements at the end of a block, before the jump that ends it."""
    end = _before_jump(stretch)
    last = stretch.pieces[end - 1].statement
    return stretch.replace(end - 1, end, [tree.replaced(last, {}), *new])


def _before_jump(stretch: Stretch) -> int:
    last = len(stretch.pieces)
    return last - 1 if isinstance(stretch.pieces[-1].small, _JUMPS) and last > 1 else last


def _loops(tree: Tree, node: cst.CSTNode) -> list[cst.For | cst.While]:
    """The loops around the node, up to the function or the `with` of the pool, the innermost first."""
    found: list[cst.For | cst.While] = []
    pool = node.func.value if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) else None
    for outer in tree.around(node):
        if isinstance(outer, (cst.FunctionDef, cst.Lambda)):
            break
        if isinstance(outer, cst.With) and pool is not None:
            names = [item.asname.name for item in outer.items if item.asname is not None]
            if any(code(name) == code(pool) for name in names):
                break
        if isinstance(outer, cst.While) and code(outer.test) in ("True", "1"):
            raise Refused("the loop does not end by itself")
        if isinstance(outer, (cst.For, cst.While)):
            if outer.orelse is not None or (isinstance(outer, cst.For) and outer.asynchronous):
                raise Refused("the loop is an unusual one")
            found.append(outer)
    return found


def _start(tree: Tree, fix: Fix) -> Edits:
    call = tree.at(fix.sites[0], cst.Call)
    if isinstance(call.func, cst.Attribute) and call.func.attr.value == "run":
        return {id(call.func.attr): (cst.Name("start"),)}
    holder = tree.parent(call)
    if isinstance(holder, cst.Expr):
        return {id(call): (method_of(call, "start"),)}
    if isinstance(holder, cst.Assign) and len(holder.targets) == 1:
        stretch = block_of(tree, holder)
        number = stretch.index(holder)
        started = statement(tree, f"{code(holder.targets[0].target)}.start()")
        return stretch.replace(number, number + 1, [stretch.pieces[number].statement, started])
    raise Refused("the thread is kept in another way")
