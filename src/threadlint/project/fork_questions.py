"""What is asked of processes and forks: `project.forks`, each answer computed when it is first asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from threadlint.project.roots.child_only import ChildOnly
from threadlint.project.roots.fork_aware import Inherited, inherited_locks
from threadlint.project.roots.processes import ProcessSpawn, Reached, processes, reached

if TYPE_CHECKING:
    from collections.abc import Iterator

    from threadlint.project.project import Project


@dataclass(slots=False)
class ForkQuestions:
    """The questions."""

    project: Project

    @cached_property
    def processes(self) -> tuple[ProcessSpawn, ...]:
        """Every place that makes a process of a function of the project."""
        return tuple(processes(self.project.links, self.project.types, self.project.contents))

    @cached_property
    def reached(self) -> dict[str, Reached]:
        """By function id: which processes reach the function."""
        return reached(self.processes, self.project.steps, self.project.calls)

    @cached_property
    def child_only(self) -> ChildOnly:
        """What runs only in a process that has just been forked, which has one thread."""
        return ChildOnly(self.project.links, self.project.types, self.project.steps)

    def inherited_locks(self) -> Iterator[Inherited]:
        """Locks that a forked child waits for, and that may be held at the fork."""
        project = self.project
        return inherited_locks(project.links, project.types, project.acquires, project.steps, self.child_only)
