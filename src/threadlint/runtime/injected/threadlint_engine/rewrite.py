"""Splits the flagged statements and their partners, so that a thread can pause between "computed" and "stored".

`T op= R` becomes `o = T; v = o; v op= R; before(...); T = v; after(...)`; `T = R` and `if TEST: BODY` likewise.
Every other statement of the file stays as it is and costs nothing.
"""

from __future__ import annotations

import ast
import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import feasible
from .acts import act_of, acts_on, asked_about, is_early_exit, rest_of_block, tested_place
from .source import (
    STORES,
    TESTS,
    Surroundings,
    innermost,
    is_quiet,
    is_repeatable,
    same_target,
    target_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .job import Place

BASE, KEY, OLD, NEW = ("__threadlint_b__", "__threadlint_k__", "__threadlint_o__", "__threadlint_v__")
MOST_PARTNERS = 20


@dataclass
class Split:
    """One statement that was split. `kind` is "name", "attribute", "item" or "test"."""

    index: int
    path: str
    line: int
    text: str
    kind: str
    node: ast.stmt
    name: str = ""
    reads: bool = True
    quiet: bool = True
    withs: tuple[int, ...] = ()
    window: list[ast.AST] = field(default_factory=list)
    fall_through: bool = False
    body: list[ast.stmt] = field(default_factory=list)
    """What the test guards, as it was before anything was split."""
    act: ast.stmt | None = None
    """The statement that relies on the answer of the test; None if it is not in this function."""
    region: ast.stmt | None = None
    """The second of two `with` blocks, where the place was read in the first: the pause comes before it."""

    @property
    def act_line(self) -> int:
        """Where the thread acts: of a test the statement that relies on it, else the statement itself."""
        return self.act.lineno if self.act is not None else self.line

    def tier(self, base: Any, key: Any, old: Any) -> str:
        """Whether this interpreter can switch threads inside the window by itself."""
        # Between two regions the lock itself is released and taken, which are calls.
        if self.region is not None or feasible.free_threaded() or feasible.runs_python(self.kind, base, key, old):
            return feasible.HERE
        node = self.node
        if isinstance(node, TESTS):
            about = asked_about(node.test)
            found = feasible.switches(node.test) or feasible.between(self.body, ast.unparse(about) if about else "")
        elif isinstance(node, ast.AugAssign):
            found = feasible.switches(node.value)
        else:
            found = self.assigned(node)
        return feasible.HERE if found else feasible.ELSEWHERE

    def assigned(self, node: ast.stmt) -> bool:
        """The same for `T = R`: from the reading, in R or in a statement before, to the end of R."""
        value: ast.expr = node.value  # type: ignore[attr-defined]
        inside = set(ast.walk(value))
        if self.window and all(one in inside for one in self.window):
            return any(feasible.switches(value, one) for one in self.window)
        before = [one for one in self.window if isinstance(one, STORES) and one.value is not None]
        # unsound: of the statements between reading and storing only those that carry the value are looked at.
        return feasible.switches(value) or any(feasible.switches(one.value) for one in before if one.value is not None)

    def reread(self, base: Any, key: Any) -> Any:
        """Read the place the ordinary way."""
        return getattr(base, key) if self.kind == "attribute" else base[key]


@dataclass(frozen=True)
class Refusal:
    """Why the flagged statement cannot be split."""

    line: int
    reason: str


def choose(
    tree: ast.Module, text: str, path: str, places: Sequence[Place], flagged: Place, first: int
) -> tuple[list[Split], list[Refusal]]:
    """The statements of one file to split. The flagged one has index 0, the others count from `first`."""
    around = Surroundings(tree)
    lines = text.splitlines()
    chosen: dict[ast.stmt, Split] = {}
    refusals: list[Refusal] = []
    count = first
    for place in places:
        is_flagged = place == flagged
        node = around.statement(place.line, place.end_line, place.column)
        act = None
        if node is None:
            act = innermost(tree, place.line)
            node = deciding_test(act, around) if act is not None else None
        split = describe(node, around, path, lines) if node is not None else None
        if act is not None and isinstance(split, Split):
            split.act = act
        if node is None or split is None:
            if is_flagged:
                refusals.append(Refusal(place.line, "there is no update, store or test at this line that can be split"))
            continue
        if isinstance(split, Refusal):
            if is_flagged:
                refusals.append(split)
            continue
        if node in chosen and not is_flagged:
            continue
        split.index = 0 if is_flagged else count
        count += not is_flagged
        chosen[node] = split
    mine = next((split for split in chosen.values() if split.index == 0), None)
    if mine is not None:
        for node in partners(tree, mine.node):
            split = describe(node, around, path, lines)
            if node not in chosen and isinstance(split, Split) and len(chosen) < MOST_PARTNERS:
                split.index = count
                count += 1
                chosen[node] = split
    return sorted(chosen.values(), key=lambda split: split.index), refusals


def deciding_test(act: ast.stmt, around: Surroundings) -> ast.stmt | None:
    """The nearest test that decides whether a statement runs and asks about what the statement acts on."""
    found = None
    for node in ast.walk(around.tree):
        if isinstance(node, TESTS) and node.lineno <= act.lineno and around.decides(node, act):
            about = asked_about(node.test)
            if about is not None and acts_on(act, ast.unparse(about)) and (found is None or node.lineno > found.lineno):
                found = node
    return found


def partners(tree: ast.Module, node: ast.stmt) -> list[ast.stmt]:
    """Other statements of the file that store into what is written like the same place."""
    target = target_of(node)
    if target is None:
        return []
    found: list[ast.stmt] = []
    for other in ast.walk(tree):
        if isinstance(other, STORES) and other is not node:
            theirs = target_of(other)
            if theirs is not None and same_target(theirs, target) and getattr(other, "value", None) is not None:
                found.append(other)
    return found


def describe(node: ast.stmt | None, around: Surroundings, path: str, lines: list[str]) -> Split | Refusal | None:
    """What is to be known of a statement before it is split; a refusal where it cannot be."""
    if node is None:
        return None
    text = lines[node.lineno - 1].strip() if node.lineno <= len(lines) else ""
    text = text.partition("#")[0].rstrip() if "'" not in text and '"' not in text else text
    if isinstance(node, TESTS):
        if isinstance(around.function(node), ast.ClassDef):
            return Refusal(node.lineno, "a test in a class body runs once, when the class is made")
        if not is_repeatable(node.test):
            return Refusal(
                node.lineno, "the test calls what cannot be called a second time without changing the program"
            )
        split = Split(0, path, node.lineno, text, "test", node, quiet=is_quiet(node.test), withs=around.withs(node))
        split.body = list(node.body)
        if is_early_exit(node):
            rest = rest_of_block(node, around.parents[node])
            split.fall_through = bool(rest)
            split.body = rest or split.body
        about = asked_about(node.test)
        split.act = act_of(split.body, about) if about is not None else None
        return split
    target = target_of(node)
    if target is None:
        return Refusal(node.lineno, "the statement stores into several places, or into a slice")
    return describe_store(node, target, around, path, text)


def describe_store(node: ast.stmt, target: ast.expr, around: Surroundings, path: str, text: str) -> Split | Refusal:
    """The same for a statement that stores."""
    scope = around.function(node)
    kind = {ast.Name: "name", ast.Attribute: "attribute", ast.Subscript: "item"}[type(target)]
    if kind == "name" and isinstance(scope, ast.ClassDef):
        return Refusal(node.lineno, "a name in a class body is bound once, when the class is made")
    window = around.window(node)
    simple = all(
        isinstance(n, (ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.expr_context))
        for n in ast.walk(target)
    )
    return Split(
        0, path, node.lineno, text, kind, node, name=getattr(target, "id", ""), withs=around.withs(node),
        reads=bool(window) or isinstance(node, ast.AugAssign), window=window,
        region=around.second_region(node, window) if simple else None,
    )  # fmt: skip


class Splitter(ast.NodeTransformer):
    """Puts the hooks into the chosen statements."""

    def __init__(self, splits: Sequence[Split]) -> None:
        self.splits = {split.node: split for split in splits}
        self.acts = {split.act: split for split in splits if split.act is not None}
        self.regions = {split.region: split for split in splits if split.region is not None}

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Visit as always, with hooks before acts, then wrap what follows an early exit."""
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                setattr(node, name, self.announce_acts(block))
        super().generic_visit(node)
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                setattr(node, name, self.wrap_rest(block))
        return node

    def announce_acts(self, block: list[ast.stmt]) -> list[ast.stmt]:
        """Put "doing" before the statement that relies on a test."""
        out: list[ast.stmt] = []
        for statement in block:
            split = self.acts.get(statement)
            if split is not None:
                out += placed([call("doing", split.index)], statement)
            split = self.regions.get(statement)
            if split is not None:
                out += self.gap(split, statement)
            out.append(statement)
        return out

    def gap(self, split: Split, near: ast.stmt) -> list[ast.stmt]:
        """A pause between two regions, at the place that the second will store into."""
        target = target_of(split.node)
        if target is None:
            return []
        out: list[ast.stmt] = []
        _, _, base, key = parts(split, target, out)
        return placed([*out, call("gap", split.index, base, key, reader(target))], near)

    def wrap_rest(self, block: list[ast.stmt]) -> list[ast.stmt]:
        """Put what follows an early exit of a block between "act" and "acted"."""
        for position, statement in enumerate(block):
            split = self.splits.get(statement)
            if split is not None and split.fall_through and isinstance(statement, ast.If):
                test = ast.UnaryOp(op=ast.Not(), operand=without_walrus(statement.test))
                rest = guarded_body(split, test, block[position + 1 :], statement)
                return [*block[: position + 1], *rest]
        return block

    def visit_If(self, node: ast.If) -> ast.AST:  # ast's name
        """A test."""
        return self.visit_test(node)

    def visit_While(self, node: ast.While) -> ast.AST:  # ast's name
        """A test."""
        return self.visit_test(node)

    def visit_test(self, node: ast.If | ast.While) -> ast.AST:
        """Put a pause between a test and its body."""
        test = copy.deepcopy(node.test)
        self.generic_visit(node)
        split = self.splits.get(node)
        if split is not None and not split.fall_through:
            node.body = guarded_body(split, without_walrus(test), node.body, node)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:  # ast's name
        """Split `T op= R`."""
        split = self.splits.get(node)
        if split is None:
            return node
        out: list[ast.stmt] = []
        load, store, base, key = parts(split, node.target, out)
        out += [
            assign(OLD, load),
            assign(NEW, name(OLD)),
            ast.AugAssign(target=ast.Name(id=NEW, ctx=ast.Store()), op=node.op, value=node.value),
            call("before", split.index, base, key, name(OLD), name(NEW), reader(node.target)),
            ast.Assign(targets=[store], value=name(NEW)),
            call("after", split.index),
        ]
        return placed(out, node)

    def visit_Assign(self, node: ast.Assign) -> Any:  # ast's name
        """Split `T = R`."""
        target = target_of(node)
        return self.stored(node, target) if node in self.splits and target is not None else node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:  # ast's name
        """Split `T: A = R`."""
        return self.stored(node, node.target) if node in self.splits else node

    def stored(self, node: ast.Assign | ast.AnnAssign, target: ast.expr) -> list[ast.stmt]:
        """What takes the place of an assignment."""
        split = self.splits[node]
        out: list[ast.stmt] = [assign(NEW, node.value or ast.Constant(value=None))]
        _, store, base, key = parts(split, target, out)
        others = [one for one in node.targets if one is not target] if isinstance(node, ast.Assign) else []
        out += [
            call("store", split.index, base, key, name(NEW), reader(target)),
            ast.Assign(targets=[store, *others], value=name(NEW)),
            call("after", split.index),
        ]
        return placed(out, node)


def parts(split: Split, target: ast.expr, out: list[ast.stmt]) -> tuple[ast.expr, ast.expr, ast.expr, ast.expr]:
    """Evaluate base and key of a target once, and return: load, store, base, key."""
    none = ast.Constant(value=None)
    if isinstance(target, ast.Attribute):
        out.append(assign(BASE, target.value))
        return (
            ast.Attribute(value=name(BASE), attr=target.attr, ctx=ast.Load()),
            ast.Attribute(value=name(BASE), attr=target.attr, ctx=ast.Store()),
            name(BASE),
            ast.Constant(value=target.attr),
        )
    if isinstance(target, ast.Subscript):
        out.append(assign(BASE, target.value))
        out.append(assign(KEY, target.slice))
        return (
            ast.Subscript(value=name(BASE), slice=name(KEY), ctx=ast.Load()),
            ast.Subscript(value=name(BASE), slice=name(KEY), ctx=ast.Store()),
            name(BASE),
            name(KEY),
        )
    return name(split.name), ast.Name(id=split.name, ctx=ast.Store()), none, none


def reader(target: ast.expr) -> ast.expr:
    """`lambda: name`, by which the pausing thread reads a variable again."""
    if isinstance(target, ast.Name):
        return thunk(name(target.id))
    return ast.Constant(value=None)


def guarded_body(split: Split, test: ast.expr, body: list[ast.stmt], near: ast.stmt) -> list[ast.stmt]:
    """A body that begins with a pause and ends with "acted"."""
    wrapped = ast.Try(body=body, handlers=[], orelse=[], finalbody=[call("acted", split.index)])
    place = tested_place(split.node.test) if split.act is None and isinstance(split.node, TESTS) else None
    look: ast.expr = thunk(without_walrus(place)) if place is not None else ast.Constant(value=None)
    return placed([call("act", split.index, thunk(test), look), wrapped], near)


def without_walrus(test: ast.expr) -> ast.expr:
    """The test with `(n := value)` replaced by `value`, for a lambda."""

    class Plain(ast.NodeTransformer):
        def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.AST:  # ast's name
            self.generic_visit(node)
            return node.value

    return Plain().visit(copy.deepcopy(test))  # type: ignore[no-any-return]


def thunk(body: ast.expr) -> ast.Lambda:
    """A lambda without parameters."""
    nothing = ast.arguments(
        posonlyargs=[], args=[], vararg=None, kwonlyargs=[], kw_defaults=[], kwarg=None, defaults=[]
    )
    return ast.Lambda(args=nothing, body=body)


def name(text: str) -> ast.Name:
    """A name that is loaded."""
    return ast.Name(id=text, ctx=ast.Load())


def assign(text: str, value: ast.expr) -> ast.Assign:
    """A plain assignment to a name."""
    return ast.Assign(targets=[ast.Name(id=text, ctx=ast.Store())], value=value)


def call(hook: str, index: int, *args: ast.expr) -> ast.Expr:
    """A call of one of the engine's hooks, which live among the builtins."""
    return ast.Expr(ast.Call(func=name(f"__threadlint_{hook}__"), args=[ast.Constant(value=index), *args], keywords=[]))


def placed(nodes: list[ast.stmt], near: ast.stmt) -> list[ast.stmt]:
    """Give new nodes the position of the statement they came from; what came from the program keeps its own."""
    for node in nodes:
        ast.copy_location(node, near)
        for child in ast.walk(node):
            if isinstance(child, (ast.expr, ast.stmt)) and not hasattr(child, "lineno"):
                ast.copy_location(child, near)
    return nodes


def split_tree(tree: ast.Module, splits: Sequence[Split]) -> ast.Module:
    """The tree with the chosen statements split. The tree given is changed."""
    Splitter(splits).visit(tree)
    return ast.fix_missing_locations(tree)
