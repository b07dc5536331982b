"""What is said to people: sites, problems, findings, and how sure and how bad they are.

A rule yields `Problem`s; the engine turns the ones that are selected and not suppressed into
`Finding`s; reports print them, `fixes` mends them, `runtime` tries them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from threadlint.changes import Change


class Severity(str, Enum):
    """How bad a finding is: an ERROR names a failure, a WARNING a risk, INFO a remark."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Confidence(str, Enum):
    """How sure the analysis is: HIGH when root, location and lockset are all resolved."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Builds(str, Enum):
    """On which CPython builds a finding can fail (the switch-point law of `threadlint explain TL101`)."""

    EVERY = "every"
    FREE_THREADED = "free-threaded"


class Oracle(str, Enum):
    """What a run must show before a finding counts as confirmed. The companion has one judge for each."""

    LOST_UPDATE = "race"
    SELF_DEADLOCK = "self-deadlock"
    LOCK_ORDER = "lock-order-deadlock"
    SWALLOWED_ERROR = "swallowed-exception"
    QUEUE_JOIN = "queue-join-never-returns"
    BARRIER = "barrier-never-filled"
    SEMAPHORE = "semaphore-exhausted"
    EVENT = "event-wait-never-woken"
    CONDITION_LOCK = "condition-lock-not-held"
    WOKEN = "woken-for-nothing"
    BUSY_WAIT = "busy-wait"
    LOCK_LEAK = "lock-never-released"
    POOL_DEADLOCK = "pool-self-deadlock"
    LOOP_BLOCKED = "event-loop-blocked"
    NEVER_AWAITED = "never-awaited"
    AWAIT_RACE = "rmw-across-await"
    SHARED_ITERATOR = "generator-already-executing"
    FOREIGN_LOOP = "loop-used-from-thread"
    PROCESS_RACE = "process-race"
    CHANGE_LOST = "change-lost-in-process"
    NOT_SET = "not-set-in-thread"
    UNSENDABLE = "cannot-be-sent"
    SPAWN_IMPORT = "spawn-import-fails"
    ITEM_SKIPPED = "item-skipped"
    NEGATIVE_TIMEOUT = "negative-timeout"
    CANCELLATION = "cancellation-swallowed"


@dataclass(frozen=True, slots=True, order=True)
class Site:
    """A stretch of source text.

    `path` is as the user named it; lines and columns count from 1, columns in characters;
    `end_column` is the column after the last character.
    """

    path: str
    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Related:
    """Another place that a problem needs to be understood, and what happens there."""

    site: Site
    message: str


@dataclass(frozen=True, slots=True)
class Fix:
    """A change that mends a problem, as plain data; `fixes` makes it.

    `sites` are the places that the kind of change needs, all in one file; `text` is an expression that it needs, such as the
    name of a lock. A `safe` one cannot change what a correct run does.
    """

    change: Change
    sites: tuple[Site, ...]
    safe: bool = False
    text: str = ""
    otherwise: Fix | None = None
    """what to try where the code is not of the shape that this change needs"""

    @property
    def path(self) -> str:
        """The file that is changed."""
        return self.sites[0].path

    @property
    def alternatives(self) -> Iterator[Fix]:
        """This fix, and those to try after it."""
        one: Fix | None = self
        while one is not None:
            yield one
            one = one.otherwise


@dataclass(frozen=True, slots=True)
class Edit:
    """New text for a stretch of a file; an empty stretch stands before its first character."""

    site: Site
    text: str


@dataclass(frozen=True, slots=True)
class Problem:
    """What a rule has to say about one place.

    `partners` are the other ends that a run must drive together with `site` (the second access of
    a race, the first acquire of a lock); `why` holds the steps of the argument, from thread root to access, for `--why`.
    """

    site: Site
    message: str
    related: tuple[Related, ...] = ()
    confidence: Confidence | None = None
    severity: Severity | None = None
    builds: Builds = Builds.EVERY
    partners: tuple[Site, ...] = ()
    why: tuple[Related, ...] = ()
    provable: bool = True
    """whether the rule's oracle can judge this form of the mistake"""
    fix: Fix | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem with the rule that found it: one line of every report."""

    code: str
    name: str
    message: str
    site: Site
    severity: Severity
    confidence: Confidence
    url: str
    related: tuple[Related, ...] = ()
    builds: Builds = Builds.EVERY
    oracle: Oracle | None = None
    partners: tuple[Site, ...] = ()
    why: tuple[Related, ...] = ()
    verdict: str | None = None
    """what a run showed, None where none was made"""
    confirmed: bool = False
    fix: Fix | None = None
    edits: tuple[Edit, ...] = ()
    """what the fix changes, where it has been tried on the text"""

    @property
    def sort_key(self) -> tuple[Site, str, str]:
        """By path, line and column, then code: the order of every report."""
        return (self.site, self.code, self.message)


@dataclass(frozen=True, slots=True, order=True)
class Failure:
    """Something that could not be done (an unreadable file, a syntax error): printed on stderr, exit code 2."""

    path: str
    line: int
    column: int
    message: str


@dataclass(frozen=True, slots=True)
class Report:
    """All that one run of the linter has to say."""

    findings: tuple[Finding, ...] = ()
    failures: tuple[Failure, ...] = ()
    files: int = 0
    sources: dict[str, str] = field(default_factory=dict)
    """Text of the files that findings point into, by path as in `Site.path`."""
