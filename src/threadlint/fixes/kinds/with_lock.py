"""`lock.acquire()` ... `lock.release()` becomes `with lock:`, where what is between them is one straight stretch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import libcst as cst

from threadlint.changes import Change
from threadlint.findings import Fix
from threadlint.fixes.blocks import Piece, Statement, Stretch, block_of, indented, opened, pieces, remarks, trailing
from threadlint.fixes.calls import calls, is_call, receiver_of
from threadlint.fixes.leaving import without_call
from threadlint.fixes.tree import Edits, Refused, Tree, same


def kinds() -> Mapping[Change, Callable[[Tree, Fix], Edits]]:
    """The kinds of change that this file makes."""
    return {Change.WITH_LOCK: _with_lock}


@dataclass(frozen=True)
class _Held:
    """A lock and the statement that acquires it, which is number `first` of its block."""

    tree: Tree
    lock: cst.BaseExpression
    is_async: bool
    stretch: Stretch
    first: int

    @property
    def acquire(self) -> Piece:
        """The statement that acquires it."""
        return self.stretch.pieces[self.first]

    def is_release(self, piece: Piece) -> bool:
        """Whether the statement does nothing but release it."""
        return calls(piece.small, self.lock, "release")


def _with_lock(tree: Tree, fix: Fix) -> Edits:
    call = tree.at(fix.sites[0], cst.Call)
    lock = receiver_of(call, "acquire")
    value: cst.CSTNode = tree.parent(call)
    is_async = isinstance(value, cst.Await)
    statement = tree.parent(value) if is_async else value
    if not isinstance(statement, cst.Expr):
        raise Refused("the answer of `acquire()` is used")
    stretch = block_of(tree, statement)
    held = _Held(tree, lock, is_async, stretch, stretch.index(statement))
    for number in range(held.first + 1, len(stretch.pieces)):
        piece = stretch.pieces[number]
        if held.is_release(piece):
            return _straight(held, number)
        if isinstance(piece.statement, cst.Try) and _last_of_finally(held, piece.statement):
            return _try_after(held, number)
    holder = tree.parent(stretch.block)
    if isinstance(holder, cst.Try) and holder.body is stretch.block and _last_of_finally(held, holder):
        return _inside_try(held, holder)
    raise Refused("the lock is released in another block")


def _straight(held: _Held, end: int) -> Edits:
    """`acquire(); ...; release()`."""
    _not_elsewhere(held, [piece.node for piece in held.stretch.pieces[held.first : end + 1]])
    release = held.stretch.pieces[end].statement
    body = _region(held, held.stretch.pieces[held.first + 1 : end])
    footer = remarks(release.leading_lines, trailing(release))
    return held.stretch.replace(held.first, end + 1, [_with(held, body, footer)])


def _try_after(held: _Held, end: int) -> Edits:
    """`acquire(); ...; try: ... finally: release()`."""
    _not_elsewhere(held, [piece.node for piece in held.stretch.pieces[held.first : end + 1]])
    body = _region(held, held.stretch.pieces[held.first + 1 : end])
    node = held.stretch.pieces[end].statement
    if not isinstance(node, cst.Try):
        raise Refused("there is no `try`")
    inner, footer = _without_release(held, node)
    return held.stretch.replace(held.first, end + 1, [_with(held, [*body, *inner], footer)])


def _inside_try(held: _Held, node: cst.Try) -> Edits:
    """`try: ...; acquire(); ... finally: release()`."""
    _not_elsewhere(held, [node])
    around = block_of(held.tree, node)
    place = around.index(node)
    if held.first == 0:
        rest = pieces(node.body).pieces[1:]
        body = _region(held, rest)
        if _is_bare(node):
            inner, footer = _plain(held, node, body)
        else:
            block = indented(held.stretch, body, header=_block(node).header)
            inner, footer = _without_release(held, node.with_changes(body=block, leading_lines=()))
        with_ = _with(held, inner, footer)
        return around.replace(place, place + 1, [opened(with_, remarks(node.leading_lines), blank=node.leading_lines)])
    if not _is_bare(node):
        raise Refused("what comes before `acquire()` is handled or cleaned up by the same `try`")
    before = [held.tree.replaced(piece.statement, {}) for piece in held.stretch.pieces[: held.first]]
    inner, footer = _plain(held, node, _region(held, held.stretch.pieces[held.first + 1 :]))
    before[0] = opened(before[0], remarks(node.leading_lines, _block(node).header), blank=node.leading_lines)
    return around.replace(place, place + 1, [*before, _with(held, inner, footer)])


def _not_elsewhere(held: _Held, changed: list[cst.CSTNode]) -> None:
    """Refuse where the function also releases the lock without acquiring it: then it may be meant to stay held at a `return`."""
    inside = {id(node) for part in changed for node in held.tree.inside(part)}
    functions = [outer for outer in held.tree.around(held.acquire.node) if isinstance(outer, cst.FunctionDef)]
    others = [
        node for node in held.tree.inside(functions[0] if functions else held.tree.module) if id(node) not in inside
    ]
    if any(is_call(node, held.lock, "release") for node in others) and not any(
        is_call(node, held.lock, "acquire") for node in others
    ):
        raise Refused("the lock is released elsewhere in the function too")


def _with(held: _Held, body: list[Statement], footer: list[cst.EmptyLine]) -> cst.With:
    acquire = held.acquire.statement
    if body:
        lines = list(body[0].leading_lines)
        while lines and lines[0].comment is None:
            lines.pop(0)
        body = [body[0].with_changes(leading_lines=lines), *body[1:]]
    return cst.With(
        items=[cst.WithItem(held.lock)],
        body=indented(held.stretch, body, header=trailing(acquire), footer=footer),
        leading_lines=acquire.leading_lines,
        asynchronous=cst.Asynchronous() if held.is_async else None,
    )


def _region(held: _Held, region: tuple[Piece, ...]) -> list[Statement]:
    """The statements, without the releases right before a jump out of them."""
    edits: Edits = {}
    for piece in region:
        for node in held.tree.inside(piece.node):
            if is_call(node, held.lock, "acquire"):
                raise Refused("the lock is acquired again before it is released")
            if is_call(node, held.lock, "release"):
                edits |= without_call(held.tree, node, piece)
            if _rebinds(node, held.lock):
                raise Refused("the name of the lock is bound anew before it is released")
    return [held.tree.replaced(piece.statement, edits) for piece in region]


def _rebinds(node: cst.CSTNode, lock: cst.BaseExpression) -> bool:
    """Whether the node binds or deletes the lock's name or what stands before it."""
    if isinstance(node, (cst.AssignTarget, cst.AnnAssign, cst.AugAssign, cst.NamedExpr, cst.For, cst.CompFor, cst.Del)):
        target = node.target
    elif isinstance(node, cst.AsName):
        target = node.name
    else:
        return False
    targets = [one.value for one in target.elements] if isinstance(target, (cst.Tuple, cst.List)) else [target]
    prefix: cst.BaseExpression = lock
    while True:
        if any(same(one, prefix) for one in targets):
            return True
        if not isinstance(prefix, (cst.Attribute, cst.Subscript)):
            return False
        prefix = prefix.value


def _last_of_finally(held: _Held, node: cst.Try) -> bool:
    return node.finalbody is not None and held.is_release(pieces(node.finalbody.body).pieces[-1])


def _is_bare(node: cst.Try) -> bool:
    """Whether the `try` has nothing but its body and the release."""
    if node.finalbody is None or node.handlers or node.orelse:
        return False
    return len(pieces(node.finalbody.body).pieces) == 1


def _without_release(held: _Held, node: cst.Try) -> tuple[list[Statement], list[cst.EmptyLine]]:
    """What is left of the `try` without the release in its `finally`, and the comments that stood by it."""
    _no_others(held, node)
    if node.finalbody is None:
        raise Refused("there is no `finally`")
    final = pieces(node.finalbody.body)
    release = final.pieces[-1].statement
    said = remarks(release.leading_lines, trailing(release))
    if len(final.pieces) > 1:
        kept = indented(final, [piece.statement for piece in final.pieces[:-1]], header=_header(node.finalbody.body))
        return [node.with_changes(finalbody=node.finalbody.with_changes(body=kept))], said
    if node.handlers:
        return [node.with_changes(finalbody=None)], [*remarks(_final_lines(node)), *said]
    body = [piece.statement for piece in pieces(node.body).pieces]
    body[0] = opened(body[0], remarks(node.leading_lines, _header(node.body)), blank=node.leading_lines)
    return body, [*_footer(node.body), *remarks(_final_lines(node)), *said]


def _plain(held: _Held, node: cst.Try, body: list[Statement]) -> tuple[list[Statement], list[cst.EmptyLine]]:
    """`body` and the comments of a `try` that is nothing but its body and the release."""
    _no_others(held, node, body=False)
    if node.finalbody is None:
        raise Refused("there is no `finally`")
    release = pieces(node.finalbody.body).pieces[-1].statement
    lines = remarks(_final_lines(node), release.leading_lines, trailing(release))
    return body, [*_footer(node.body), *lines]


def _no_others(held: _Held, node: cst.Try, *, body: bool = True) -> None:
    """Refuse a `try` that uses the lock anywhere but at the end of its `finally`."""
    parts: list[cst.CSTNode] = [node.body] if body else []
    parts += [*node.handlers, *([node.orelse] if node.orelse else [])]
    if node.finalbody is not None:
        parts += [piece.statement for piece in pieces(node.finalbody.body).pieces[:-1]]
    for part in parts:
        for inner in held.tree.inside(part):
            if is_call(inner, held.lock, "acquire") or is_call(inner, held.lock, "release"):
                raise Refused("the lock is released more than once")
            if _rebinds(inner, held.lock):
                raise Refused("the name of the lock is bound anew before it is released")


def _final_lines(node: cst.Try) -> list[cst.EmptyLine]:
    if node.finalbody is None:
        return []
    return [*node.finalbody.leading_lines, *remarks(_header(node.finalbody.body))]


def _block(node: cst.Try) -> cst.IndentedBlock:
    if not isinstance(node.body, cst.IndentedBlock):
        raise Refused("the `try` stands on one line")
    return node.body


def _header(block: cst.BaseSuite) -> cst.TrailingWhitespace:
    return block.header if isinstance(block, cst.IndentedBlock) else cst.TrailingWhitespace()


def _footer(block: cst.BaseSuite) -> list[cst.EmptyLine]:
    return remarks(block.footer) if isinstance(block, cst.IndentedBlock) else []
