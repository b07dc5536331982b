"""What is asked of locks and waits that stand in each other's way: `project.deadlocks`, each answer computed when it is first asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from threadlint.project.deadlocks.lock_graph import LockGraph, lock_graph
from threadlint.project.deadlocks.lock_order import LockOrder
from threadlint.project.deadlocks.waits import Waits
from threadlint.project.locks.titles import Titles
from threadlint.project.roots.task_overlap import TaskOverlap

if TYPE_CHECKING:
    from threadlint.project.project import Project


@dataclass(slots=False)
class DeadlockQuestions:
    """The questions."""

    project: Project

    @cached_property
    def lock_order(self) -> LockOrder:
        """In which order locks are taken."""
        project = self.project
        tasks = TaskOverlap(tuple(project.functions), project.tasks, project.steps, project.calls)
        return LockOrder(
            project.links, project.acquires, project.steps, project.entry, project.overlap, tasks, project.handed_over
        )

    @cached_property
    def titles(self) -> Titles:
        """What to call a lock."""
        return Titles(self.project.links)

    @property
    def lock_graph(self) -> LockGraph:
        """The lock-order graph, for people."""
        return lock_graph(self.lock_order, self.titles, self.project.site)

    @cached_property
    def waits(self) -> Waits:
        """Which calls wait for another thread, and what that thread needs."""
        project = self.project
        return Waits(
            project.links,
            project.locks,
            project.acquires,
            project.queues,
            project.entry,
            project.spawns,
            project.tasks,
            project.steps,
            project.calls,
        )
