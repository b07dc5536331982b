"""What the parent asks of one run: the sites to drive and the oracle to judge by, read from a JSON file."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

JOB_VARIABLE = "THREADLINT_JOB"
RUN_VARIABLE = "THREADLINT_RUN"


@dataclass(frozen=True)
class Place:
    """Lines of one file, by its resolved path; the first place of a job is the flagged one."""

    path: str
    line: int
    end_line: int
    column: int


@dataclass(frozen=True)
class Job:
    """One run. `inject` asks for a failure where none happens by itself; `budget` is the pause budget in seconds.

    `companion` is the process that started the run: when it has ended, so must this one.
    """

    oracle: str
    places: tuple[Place, ...]
    events: str
    inject: bool
    budget: float
    harness: bool
    companion: int

    @property
    def flagged(self) -> Place:
        """The place that the verdict is about."""
        return self.places[0]

    @property
    def files(self) -> frozenset[str]:
        """The files that hold a place."""
        return frozenset(place.path for place in self.places)


def read_job() -> Job | None:
    """The job that the environment names; None when this process is not part of a run."""
    path = os.environ.get(JOB_VARIABLE)
    if not path:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            raw = json.load(file)
    except OSError:
        # The run is over and its folder gone; a process that outlived it runs undisturbed.
        return None
    places = tuple(Place(p["path"], p["line"], p["end_line"], p["column"]) for p in raw["places"])
    return Job(raw["oracle"], places, raw["events"], raw["inject"], raw["budget"], raw["harness"], raw["companion"])


def flagged_files() -> frozenset[str]:
    """The files that the environment's job is about; empty when this process is not part of a run."""
    job = read_job()
    return job.files if job is not None else frozenset()
