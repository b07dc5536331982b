"""Tells when a child process changes a module's variable that the parent keeps as it was."""

from __future__ import annotations

import ast
import builtins
import os
import sys
from typing import TYPE_CHECKING, Any

from .processes import prefer
from .readers import shown
from .source import innermost

if TYPE_CHECKING:
    from .job import Job
    from .start import Engine


class Following(ast.NodeTransformer):
    """Puts a note after one statement."""

    def __init__(self, statement: ast.stmt) -> None:
        self.statement = statement

    def visit(self, node: ast.AST) -> Any:
        """The statement with the note after it; everything else unchanged."""
        if node is not self.statement:
            return self.generic_visit(node)
        notes = ast.parse("__threadlint_here__(0)\n__threadlint_changed__(globals())").body
        for one in (inner for note in notes for inner in ast.walk(note) if hasattr(inner, "lineno")):
            ast.copy_location(one, self.statement)
        return [notes[0], self.statement, notes[1]]


def rewrite(engine: Engine, tree: ast.Module, job: Job) -> None:
    """Watch the variable that the flagged statement changes. The tree is changed."""
    statement = innermost(tree, job.flagged.line)
    if statement is None or isinstance(statement, ast.Return):
        return
    engine.copies.name = variable(statement)
    Following(statement).visit(tree)
    ast.fix_missing_locations(tree)


def variable(statement: ast.stmt) -> str:
    """The name at the left of what is assigned, or of the method that is called."""
    node: ast.AST | None = None
    if isinstance(statement, (ast.AugAssign, ast.AnnAssign)):
        node = statement.target
    elif isinstance(statement, ast.Assign):
        node = statement.targets[0]
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        node = statement.value.func
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


class Copies:
    """The variable in this process and in its children."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.parent = os.getpid()
        self.name = ""
        self.told = False
        self.here = False

    def changed(self, namespace: dict[str, Any]) -> None:
        """After the statement."""
        if os.getpid() == self.parent:
            self.here = True
        elif not self.told and self.name in namespace:
            self.told = True
            self.engine.events.send(
                "copy-changed", name=self.name, value=shown(namespace[self.name]), process=os.getpid()
            )

    def finish(self) -> None:
        """At the end of the parent: what it has."""
        if os.getpid() != self.parent or self.here or not self.name:
            return
        path = self.engine.job.flagged.path
        for module in list(sys.modules.values()):
            if (
                self.name in getattr(module, "__dict__", {})
                and os.path.realpath(getattr(module, "__file__", None) or "") == path
            ):
                self.engine.events.send("copy-kept", name=self.name, value=shown(module.__dict__[self.name]))
                return

    def forked(self) -> None:
        """A new process: it has told nothing yet."""
        self.told = False


def install(engine: Engine) -> None:
    """Put in the hook."""
    from .start import guarded

    prefer("fork", engine.events)
    engine.copies = engine.shared = Copies(engine)
    engine.at_end.append(engine.copies.finish)
    builtins.__threadlint_changed__ = guarded(engine.copies.changed, engine.events)  # type: ignore[attr-defined]
