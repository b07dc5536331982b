"""`if not ready: cond.wait()` becomes `while not ready: cond.wait()`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import libcst as cst

from threadlint.changes import Change
from threadlint.findings import Fix
from threadlint.fixes.tree import Edits, Refused, Tree


def kinds() -> Mapping[Change, Callable[[Tree, Fix], Edits]]:
    """The kinds of change that this file makes."""
    return {Change.WAIT_LOOP: _wait_loop}


def _wait_loop(tree: Tree, fix: Fix) -> Edits:
    call = tree.at(fix.sites[0], cst.Call)
    test = tree.nearest(call, cst.If)
    outer = tree.parent(test)
    if test.orelse is not None or (isinstance(outer, cst.If) and outer.orelse is test):
        raise Refused("the test has an `else`")
    if len(test.body.body) != 1:
        raise Refused("the wait is not all that the test leads to")
    loop = cst.While(
        test=test.test,
        body=test.body,
        leading_lines=test.leading_lines,
        whitespace_after_while=test.whitespace_before_test,
        whitespace_before_colon=test.whitespace_after_test,
    )
    return {id(test): (loop,)}
