"""Changes of one argument of a call: `args=(x)` becomes `args=(x,)`, and `Thread("name")` becomes `Thread(name="name")`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import libcst as cst

from threadlint.changes import Change
from threadlint.findings import Fix
from threadlint.fixes.tree import Edits, Refused, Tree, bare, code

EQUAL = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))


def kinds() -> Mapping[Change, Callable[[Tree, Fix], Edits]]:
    """The kinds of change that this file makes."""
    return {Change.TUPLE: _tuple, Change.KEYWORD: _keyword, Change.NEW_SESSION: _new_session}


def _tuple(tree: Tree, fix: Fix) -> Edits:
    call = tree.at(fix.sites[0], cst.Call)
    keyword, _, position = fix.text.partition(":")
    given = next((arg for arg in call.args if arg.keyword is not None and arg.keyword.value == keyword), None)
    if given is None:
        plain = [arg for arg in call.args if arg.keyword is None]
        if any(arg.star for arg in plain) or not position.isdigit() or len(plain) <= int(position):
            raise Refused("there is no such argument")
        given = plain[int(position)]
    value = given.value
    if isinstance(value, cst.ConcatenatedString) and value.lpar:
        raise Refused("the strings stand below each other")
    made = cst.Tuple(
        [cst.Element(bare(value), comma=cst.Comma())],
        lpar=value.lpar[-1:] or [cst.LeftParen()],
        rpar=value.rpar[:1] or [cst.RightParen()],
    )
    return {id(value): (made,)}


def _keyword(tree: Tree, fix: Fix) -> Edits:
    call = tree.at(fix.sites[0], cst.Call)
    if not call.args or call.args[0].keyword is not None or call.args[0].star:
        raise Refused("there is no first argument by position")
    if len(call.args) > 1 and call.args[1].keyword is None:
        raise Refused("another argument is given by position")
    if any(arg.keyword is not None and arg.keyword.value == fix.text for arg in call.args):
        raise Refused("the argument is given by name already")
    first = call.args[0]
    return {id(first): (first.with_changes(keyword=cst.Name(fix.text), equal=EQUAL),)}


def _new_session(tree: Tree, fix: Fix) -> Edits:
    call = tree.at(fix.sites[0], cst.Call)
    given = next((arg for arg in call.args if arg.keyword is not None and arg.keyword.value == "preexec_fn"), None)
    if given is None or code(given.value) not in ("os.setsid", "setsid"):
        raise Refused("`preexec_fn` is not `os.setsid`")
    if any(arg.star == "**" or (arg.keyword and arg.keyword.value == "start_new_session") for arg in call.args):
        raise Refused("`start_new_session` may be given already")
    return {id(given): (given.with_changes(keyword=cst.Name("start_new_session"), value=cst.Name("True")),)}
