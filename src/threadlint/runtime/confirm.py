"""Tries findings: runs each up to three times under the engine, and yields a verdict for each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from threadlint.findings import Oracle
from threadlint.runtime import child
from threadlint.runtime.judge import judge
from threadlint.runtime.verdict import Tier, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from threadlint.runtime.child import Run
    from threadlint.runtime.trial import Options, Program, Trial

INJECTABLE = frozenset({Oracle.SWALLOWED_ERROR, Oracle.QUEUE_JOIN, Oracle.LOCK_LEAK, Oracle.SEMAPHORE})
"""Where the program may have to be made to fail before it shows the mistake."""
FORCED = frozenset(
    {
        Oracle.LOST_UPDATE,
        Oracle.LOCK_ORDER,
        Oracle.POOL_DEADLOCK,
        Oracle.LOOP_BLOCKED,
        Oracle.AWAIT_RACE,
        Oracle.PROCESS_RACE,
    }
)
"""Where time decides whether a pause or a measurement succeeds; the others show the same in every run."""
ENOUGH = 3
"""So many forced attempts that all ended at a lock say what a further run would say."""


def confirm(program: Program, trials: Sequence[Trial], options: Options) -> Iterator[Verdict]:
    """Try each, `options.jobs` at the same time; the verdicts come in the order of the trials."""
    if options.jobs < 2 or len(trials) < 2:
        for trial in trials:
            yield attempt(program, trial, options)
        return
    with ThreadPoolExecutor(options.jobs) as pool:
        yield from pool.map(lambda trial: attempt(program, trial, options), trials)


def attempt(program: Program, trial: Trial, options: Options) -> Verdict:
    """Run until a witness is seen, until a further run would show nothing new, or three times."""
    runs: list[Run] = []
    while True:
        inject = bool(runs) and trial.oracle in INJECTABLE
        runs.append(child.run(program, trial, options, inject=inject))
        verdict = judge(trial, runs)
        if verdict.tier.is_confirmed or len(runs) >= options.runs or is_settled(trial, verdict, runs):
            return verdict


def is_settled(trial: Trial, verdict: Verdict, runs: Sequence[Run]) -> bool:
    """Whether another run would only repeat the last one."""
    if verdict.tier in {Tier.CANNOT_RUN, Tier.TIMED_OUT}:
        return True
    if verdict.tier is Tier.ENGINE_ERROR:
        return len(runs) > 1
    if trial.oracle in INJECTABLE:
        return len(runs) > 1
    pauses = runs[-1].of("pause")
    if len(pauses) >= ENOUGH and all(one["end"] == "guarded" for one in pauses):
        return True
    return len(runs) > 1 and (trial.oracle not in FORCED or verdict.tier is Tier.NOT_EXERCISED)
