"""Questions about the text around a flagged line: which statement is it, what does it read, may its test be repeated."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

STORES = (ast.AugAssign, ast.Assign, ast.AnnAssign)
TESTS = (ast.If, ast.While)
QUIET_CALLS = frozenset({"len", "isinstance", "issubclass", "id", "type", "callable"})
REPEATABLE_CALLS = QUIET_CALLS | {
    "get", "exists", "is_file", "is_dir", "isfile", "isdir", "empty", "full", "qsize", "is_set", "keys", "values", "items",
    "hasattr", "getattr", "any", "all", "min", "max", "sum", "sorted", "list", "tuple", "set", "dict", "str", "int", "bool",
    "startswith", "endswith", "lower", "upper", "strip", "locked", "is_alive", "monotonic", "time", "perf_counter", "now",
    "current_thread", "get_ident", "count", "index", "done", "cancelled", "running", "poll", "join",
}  # fmt: skip
"""Calls that a test may repeat without doing anything twice."""


class Surroundings:
    """Parents of every node of one file, and what follows from them."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.parents: dict[ast.AST, ast.AST] = {
            child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)
        }

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes around a node, innermost first."""
        while node in self.parents:
            node = self.parents[node]
            yield node

    def function(self, node: ast.AST) -> ast.AST:
        """The function (or class, or module) whose body runs the node."""
        return next(
            (
                one
                for one in self.above(node)
                if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda))
            ),
            self.tree,
        )

    def withs(self, node: ast.AST) -> tuple[int, ...]:
        """Lines of the `with` statements around a statement in its function, outermost first."""
        found = []
        for one in self.above(node):
            if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                break
            if isinstance(one, (ast.With, ast.AsyncWith)):
                found.append(one.lineno)
        return tuple(reversed(found))

    def statement(self, line: int, end_line: int, column: int) -> ast.stmt | None:
        """The statement to drive at a line: an update before a test, a test before a plain store."""
        best: tuple[int, int, ast.stmt] | None = None
        for node in ast.walk(self.tree):
            if not isinstance(node, (*STORES, *TESTS)):
                continue
            last = node.test.end_lineno if isinstance(node, TESTS) else node.end_lineno
            if not (node.lineno <= end_line and line <= (last or node.lineno)):
                continue
            rank = 0 if isinstance(node, TESTS) else 2
            if isinstance(node, ast.AugAssign) or (not isinstance(node, TESTS) and self.reads(node)):
                rank = -2
            if isinstance(node, ast.AugAssign):
                rank -= 1
            inside = column and node.lineno == line and node.col_offset < column <= (node.end_col_offset or 0)
            key = (0 if node.lineno == line else 10) + rank - (20 if inside and rank != 2 else 0)
            if best is None or (key, -node.lineno) < best[:2]:
                best = (key, -node.lineno, node)
        return best[2] if best else None

    def reads(self, node: ast.stmt) -> bool:
        """Whether what a store writes depends on what its function has read at the same place, by data or by a test."""
        return bool(self.window(node))

    def window(self, node: ast.stmt) -> list[ast.AST]:
        """The expressions through which a store depends on an earlier reading of its target; empty if it does not."""
        target = target_of(node)
        value = getattr(node, "value", None)
        if isinstance(node, ast.AugAssign) and target is not None:
            return [node.value]
        if target is None or value is None:
            return []
        found: list[ast.AST] = [one for one in ast.walk(value) if reads_place(one, target)]
        if found:
            return found
        return self.dependence(node, target, value)

    def dependence(self, node: ast.stmt, target: ast.expr, value: ast.expr) -> list[ast.AST]:
        """The statements before a store that carry what was read at its target to it, the reading one first.

        Without one, the tests about the target that decide whether the store runs.
        """
        carried: dict[str, list[ast.AST]] = {}
        tests: list[ast.AST] = []
        for one in sorted(
            (
                n
                for n in ast.walk(self.function(node))
                if isinstance(n, ast.stmt) and n is not node and n.lineno <= node.lineno
            ),
            key=lambda n: (n.lineno, n.col_offset),
        ):
            if isinstance(one, STORES) and one.value is not None:
                self.carry(one, target, carried)
            elif isinstance(one, TESTS) and self.decides(one, node):
                through = [step for n in ast.walk(one.test) if is_name(n, carried) for step in carried[n.id]]  # type: ignore[attr-defined]
                if through or any(tests_place(n, target) for n in ast.walk(one.test)):
                    tests += [*through, one.test]
            elif isinstance(one, ast.Try) and any(node in ast.walk(h) for h in one.handlers):
                tests.extend(n for part in one.body for n in ast.walk(part) if reads_place(n, target))
        return [step for n in ast.walk(value) if is_name(n, carried) for step in carried[n.id]] or tests  # type: ignore[attr-defined]

    @staticmethod
    def carry(
        one: ast.Assign | ast.AugAssign | ast.AnnAssign, target: ast.expr, carried: dict[str, list[ast.AST]]
    ) -> None:
        """Follow what was read at the target through an assignment to a plain name."""
        parts = list(ast.walk(one.value)) if one.value is not None else []
        before = next((carried[n.id] for n in parts if is_name(n, carried)), None)  # type: ignore[attr-defined]
        reads = any(tests_place(n, target) for n in parts)
        for name in names_stored(one):
            if reads:
                carried[name] = [one]
            elif before is not None:
                carried[name] = [*before, one]
            elif not isinstance(one, ast.AugAssign):
                carried.pop(name, None)

    def second_region(self, node: ast.stmt, window: list[ast.AST]) -> ast.stmt | None:
        """The outermost `with` around a store that is not around the reading or the test on which the store depends.

        The lock was free in between, so a thread that pauses at the store itself would look guarded, and is not.
        """
        tests = [one for one in window if isinstance(one, ast.expr)]
        carriers = [one for one in window if isinstance(one, STORES) and one is not node]
        # A test made again in the region counts, not the first one: that is double-checked locking.
        anchor = carriers[0] if carriers and not tests else tests[-1] if tests else None
        if anchor is None or node in self.above(anchor):
            return None
        around = set(self.above(anchor))
        own = [one for one in self.above(node) if isinstance(one, (ast.With, ast.AsyncWith)) and one not in around]
        return own[-1] if own else None

    def decides(self, test: ast.stmt, node: ast.stmt) -> bool:
        """Whether a statement runs only if a test has come out one way: it is inside, or the test leaves before it."""
        above = list(self.above(node))
        if test in above:
            return True
        leaves = isinstance(getattr(test, "body", [None])[-1], (ast.Return, ast.Raise, ast.Continue, ast.Break))
        return leaves and self.parents.get(test) in above


def target_of(node: ast.stmt) -> ast.expr | None:
    """The one place that a statement stores into; None for several, for slices and for what is no store."""
    if isinstance(node, ast.Assign):
        # Of `value = cache[key] = make()` only the second can be shared.
        places = node.targets if len(node.targets) == 1 else [t for t in node.targets if not isinstance(t, ast.Name)]
        target = places[0] if len(places) == 1 else None
    else:
        target = getattr(node, "target", None) if isinstance(node, (ast.AugAssign, ast.AnnAssign)) else None
    if isinstance(target, ast.Subscript) and any(
        isinstance(n, (ast.Slice, ast.Starred)) for n in ast.walk(target.slice)
    ):
        return None
    return target if isinstance(target, (ast.Name, ast.Attribute, ast.Subscript)) else None


def names_stored(node: ast.stmt) -> list[str]:
    """The plain names that a statement binds."""
    return [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]


def is_name(node: ast.AST, names: Container[str]) -> bool:
    """Whether the node loads one of the names."""
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names


def text_of(node: ast.AST) -> str:
    """The source text of a node, the same for a load and a store."""
    return ast.unparse(node)


def reads_place(node: ast.AST, target: ast.expr) -> bool:
    """Whether a node reads the target: written the same way, or by `.get(key)` or `getattr`."""
    if (
        isinstance(node, ast.Call)
        and node.args
        and isinstance(target, ast.Subscript)
        and isinstance(node.func, ast.Attribute)
    ):
        return (
            node.func.attr in {"get", "setdefault", "__getitem__"}
            and text_of(node.func.value) == text_of(target.value)
            and text_of(node.args[0]) == text_of(target.slice)
        )
    if isinstance(node, ast.Call) and isinstance(target, ast.Attribute) and is_name(node.func, {"getattr"}):
        return len(node.args) > 1 and text_of(node.args[0]) == text_of(target.value)
    if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)) and isinstance(node.ctx, ast.Load):
        return type(node) is type(target) and text_of(node) == text_of(target)
    return False


def tests_place(node: ast.AST, target: ast.expr) -> bool:
    """Whether a node of a test asks about the target: reads it, or asks whether its key is there."""
    if reads_place(node, target):
        return True
    return (
        isinstance(node, ast.Compare)
        and isinstance(target, ast.Subscript)
        and isinstance(node.ops[0], (ast.In, ast.NotIn))
        and text_of(node.comparators[0]) == text_of(target.value)
    )


def same_target(first: ast.expr, second: ast.expr) -> bool:
    """Whether two targets may be the same place going by how they are written; the objects decide when it runs."""
    if type(first) is not type(second):
        return False
    if isinstance(first, ast.Attribute) and isinstance(second, ast.Attribute):
        return first.attr == second.attr
    if isinstance(first, ast.Subscript) and isinstance(second, ast.Subscript):
        return last_name(first.value) == last_name(second.value)
    return text_of(first) == text_of(second)


def last_name(node: ast.expr) -> str:
    """The last part of a dotted name."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else text_of(node)


def call_name(node: ast.Call) -> str:
    """The last part of the name of what is called."""
    return last_name(node.func)


def is_quiet(test: ast.expr) -> bool:
    """Whether a test may be evaluated again and again: no calls but those that look only."""
    return all(
        not isinstance(n, (ast.Await, ast.Yield, ast.YieldFrom))
        and (not isinstance(n, ast.Call) or call_name(n) in QUIET_CALLS)
        for n in ast.walk(test)
    )


def is_repeatable(test: ast.expr) -> bool:
    """Whether a test may be evaluated once more."""
    return all(
        not isinstance(n, (ast.Await, ast.Yield, ast.YieldFrom))
        and (not isinstance(n, ast.Call) or call_name(n) in REPEATABLE_CALLS)
        for n in ast.walk(test)
    )


def innermost(tree: ast.Module, line: int) -> ast.stmt | None:
    """The smallest statement that begins at a line, or spans it."""
    found: ast.stmt | None = None
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                continue
            if found is None or node.lineno >= found.lineno:
                found = node
    return found
