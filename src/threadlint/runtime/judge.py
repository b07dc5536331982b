"""From what the runs showed to a verdict. Says only what was seen; never "safe"."""

from __future__ import annotations

import linecache
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

from threadlint.findings import Oracle
from threadlint.runtime.verdict import Step, Tier, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from threadlint.runtime.child import Run
    from threadlint.runtime.trial import Trial

HERE = "happens on this interpreter"
ELSEWHERE = "free-threaded builds; no switch point there on this one"


def judge(trial: Trial, runs: Sequence[Run]) -> Verdict:
    """The verdict on a trial after some runs; a witness in any of them confirms."""
    for run in runs:
        found = confirmed(trial, run)
        if found is not None:
            return finish(trial, runs, *found)
    for run in runs:
        broken = failed(run)
        if broken is not None:
            return finish(trial, runs, *broken)
    return finish(trial, runs, *unconfirmed(trial, runs))


Outcome = tuple[Tier, str, tuple[Step, ...], tuple[str, ...]]


def finish(
    trial: Trial, runs: Sequence[Run], tier: Tier, text: str, evidence: tuple[Step, ...], notes: tuple[str, ...]
) -> Verdict:
    """Put a verdict together."""
    failure = runs[-1].first("injected") if runs and tier.is_confirmed else None
    return Verdict(
        path=trial.site.path,
        line=trial.site.line,
        code=trial.code,
        tier=tier,
        verdict=text,
        kind=trial.oracle.value if tier.is_confirmed else None,
        evidence=evidence,
        notes=notes,
        runs=len(runs),
        seconds=round(sum(run.seconds for run in runs), 3),
        injected=failure is not None,
        injected_line=(failure or {}).get("line", 0),
    )


def confirmed(trial: Trial, run: Run) -> Outcome | None:
    """The witness of a run, if it has one."""
    witness = run.first("witness")
    if witness is not None:
        where = HERE if witness.get("tier", "here") == "here" else ELSEWHERE
        harness = run.first("harness")
        if harness is not None:
            return Tier.HARNESS, harness_text(trial, harness, where), steps_of(witness), ()
        return Tier.CONFIRMED, f"confirmed ({where})", steps_of(witness), (*injected_notes(run), *start_notes(run))
    if trial.oracle is Oracle.SWALLOWED_ERROR:
        return swallowed(run)
    if trial.oracle is Oracle.LOCK_LEAK:
        return leaked(trial, run)
    if trial.oracle is Oracle.CHANGE_LOST:
        return change_lost(trial, run)
    return None


def harness_text(trial: Trial, harness: dict[str, Any], where: str) -> str:
    """What a harness shows: what happens if two threads share an instance, not that they do."""
    what = "loses updates" if trial.oracle is Oracle.LOST_UPDATE else f"shows {trial.oracle.value}"
    return (
        f"confirmed-in-harness: if two threads share one instance of {harness['owner']}, "
        f"this line {what} (harness: {harness['text']}; {where})"
    )


def swallowed(run: Run) -> Outcome | None:
    """A future failed, nobody asked for its error, and the program ended well without a word."""
    asked = {one["number"] for one in run.of("retrieved")}
    lost = [one for one in run.of("failed") if one["number"] not in asked]
    if run.code != 0 or not lost or run.first("end") is None:
        return None
    heard = [one for one in lost if one["error"] in run.output or (one["text"] and one["text"] in run.output)]
    if len(heard) == len(lost):
        return None
    first = next(one for one in lost if one not in heard)
    made = next((one for one in run.of("submitted") if one["number"] == first["number"]), None) or run.first(
        "submitted"
    )
    stack = made["stack"] if made else []
    path, line = (stack[0]["path"], stack[0]["line"]) if stack else ("", 0)
    name = made["callable"] if made else "the callable"
    thread = made["thread"] if made else "MainThread"
    by_us = run.first("injected") is not None
    raised = Step(
        "a worker",
        "raised the injected error" if by_us else f"raised {first['error']}",
        first["path"],
        0 if by_us else first["line"],
        text_at(first["path"], first["line"]),
        () if by_us else (("message", first["text"]),),
    )
    steps = (
        Step(thread, f"submitted `{name}`", path, line, text_at(path, line)),
        raised,
        Step(thread, "ended with exit code 0: nobody asked, no output about the error", path, 0),
    )
    notes: tuple[str, ...] = (
        f"{len(lost)} of the futures made at this line failed and were never asked for their result",
    )
    if run.first("injected"):
        notes += ("the failure was injected: the program does not fail by itself",)
    return Tier.CONFIRMED, f"confirmed ({HERE})", steps, notes


def leaked(trial: Trial, run: Run) -> Outcome | None:
    """A thread ended, or the program did, with a lock that it took at the flagged line."""
    for one in (lock for end in run.of("end") for lock in end["dead"]):
        if one["what"] in {"Lock", "RLock"} and trial.site.line <= one["line"] <= max(
            trial.site.end_line, trial.site.line
        ):
            step = Step(one["thread"], "took the lock and ended without releasing it", one["path"], one["line"],
                        text_at(one["path"], one["line"]))  # fmt: skip
            return Tier.CONFIRMED, f"confirmed ({HERE})", (step,), injected_notes(run)
    return None


def change_lost(trial: Trial, run: Run) -> Outcome | None:
    """A child changed the variable, and the parent ended with another value, without having come to the line."""
    kept = run.first("copy-kept")
    changed = next((one for one in run.of("copy-changed") if kept is not None and one["value"] != kept["value"]), None)
    if kept is None or changed is None:
        return None
    path, line = trial.site.path, trial.site.line
    steps = (
        Step(
            f"process {changed['process']}",
            f"changed `{changed['name']}`",
            path,
            line,
            text_at(path, line),
            (("now", changed["value"]),),
        ),
        Step("the parent", f"ended with its own `{kept['name']}`", path, 0, "", (("value", kept["value"]),)),
    )
    return Tier.CONFIRMED, f"confirmed ({HERE})", steps, start_notes(run)


def injected_notes(run: Run) -> tuple[str, ...]:
    """Says so if the failure is ours."""
    one = run.first("injected")
    if one is None:
        return ()
    where = f" at line {one['line']}" if "line" in one else ""
    return (f"a failure was injected{where}: the program does not fail by itself",)


def start_notes(run: Run) -> tuple[str, ...]:
    """Says so if processes were started in a way that is not the default on this machine."""
    one = run.first("start-method")
    if one is None:
        return ()
    return (
        f"processes were started by `{one['method']}` where the program does not say how; the default here is `{one['default']}`",
    )


def failed(run: Run) -> Outcome | None:
    """What went wrong with a run itself, if anything did; the gravest first."""
    for check in (engine_failed, cannot_run, hung, ended_early):
        found = check(run)
        if found is not None:
            return found
    return None


def engine_failed(run: Run) -> Outcome | None:
    """Our own part did not work."""
    if run.failure:
        return Tier.CANNOT_RUN, f"cannot run: {run.failure}", (), ()
    error = run.first("error")
    if error is not None:
        return Tier.ENGINE_ERROR, f"engine error: in {error['where']}", (), (error["text"].strip(),)
    if run.first("hello") is None and not run.timed_out:
        return Tier.ENGINE_ERROR, "engine error: the engine did not start", (), tail(run)
    return None


def cannot_run(run: Run) -> Outcome | None:
    """The statement cannot be driven, or the program crashes."""
    refused = run.first("refused")
    if refused is not None:
        return Tier.CANNOT_RUN, f"cannot run: {refused['reason']}", (), ()
    if run.code is not None and run.code < 0:
        return Tier.CANNOT_RUN, f"cannot run: the program was killed by {signal_name(-run.code)}", (), tail(run)
    return None


def hung(run: Run) -> Outcome | None:
    """The program did not end."""
    hang = run.first("hang")
    if hang is not None:
        rows = tuple(f"{row['thread']} at line {row['line']} waits: {row['waits_for']}" for row in hang["table"])
        return Tier.TIMED_OUT, "timed out: every thread of the program waits for ever, elsewhere", (), rows
    if run.timed_out:
        return Tier.TIMED_OUT, f"timed out after {run.seconds:.0f} s", (), tail(run)
    return None


def ended_early(run: Run) -> Outcome | None:
    """The program failed before it came to the line."""
    wrong = run.first("harness-failed")
    if wrong is not None and not run.of("pause"):
        return Tier.CANNOT_RUN, f"cannot run: in the harness the call raised {wrong['error']}", (), ()
    if run.code not in {0, None} and not run.of("reached"):
        text = f"cannot run: the program ended with exit code {run.code} before this line"
        return Tier.CANNOT_RUN, text, (), tail(run)
    return None


def tail(run: Run) -> tuple[str, ...]:
    """The last lines of the output."""
    return tuple(run.output.strip().splitlines()[-3:])


def signal_name(number: int) -> str:
    """SIGSEGV for 11."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def unconfirmed(trial: Trial, runs: Sequence[Run]) -> Outcome:
    """Why nothing was seen, from the counts of all runs."""
    pauses = [one for run in runs for one in run.of("pause")]
    ends = [end for run in runs for end in run.of("end")]
    sites = [site for end in ends for site in end.get("sites", ()) if site["site"] == 0]
    executions = sum(site["executions"] for site in sites)
    threads = max((site["threads"] for site in sites), default=0)
    notes: tuple[str, ...] = ()
    if sites:
        counts = (
            (executions, "execution"),
            (threads, "thread"),
            (len(runs), "run"),
            (len(pauses), "forced pause"),
        )
        times, by, during, held = (f"{number} {word}{'s' * (number != 1)}" for number, word in counts)
        notes = (f"{times} by {by} in {during}, {held}",)
    if trial.oracle is Oracle.LOST_UPDATE:
        return (*race_text(trial, runs, pauses, executions, threads), (), notes)
    if trial.oracle is Oracle.PROCESS_RACE:
        return (*process_text(trial, runs, pauses), (), ())
    if not any(run.of("reached") for run in runs):
        return Tier.NOT_EXERCISED, f"not exercised: line {trial.site.line} never ran", (), notes
    if trial.oracle is Oracle.LOCK_ORDER and pauses:
        guarded = [one for one in pauses if one["end"] == "guarded" and one.get("guard")]
        if guarded:
            return Tier.NOT_CONFIRMED, guard_text(guarded, len(pauses)), (), notes
        return (
            Tier.NOT_CONFIRMED,
            f"not confirmed: no other thread wanted these locks in {len(pauses)} forced attempts",
            (),
            notes,
        )
    if trial.oracle is Oracle.SWALLOWED_ERROR:
        return (*future_text(runs), (), notes)
    looked = [one["how"] for run in runs for one in run.of("looked")]
    if looked:
        text = f"not confirmed: woken for nothing, it looked again ({looked[0]})"
        return Tier.NOT_CONFIRMED, text, (), notes
    if any(run.of("injected") for run in runs):
        line = next(run.first("injected") or {} for run in runs if run.of("injected")).get("line", trial.site.line)
        text = f"not confirmed: a failure injected at line {line} left nothing behind"
        return Tier.NOT_CONFIRMED, text, (), notes
    return Tier.NOT_CONFIRMED, "not confirmed: the program ended, and it did not happen", (), notes


def process_text(trial: Trial, runs: Sequence[Run], pauses: list[dict[str, Any]]) -> tuple[Tier, str]:
    """Why no update was lost between processes."""
    names = {one["thread"] for one in runs[0].of("reached")}
    if not names:
        return Tier.NOT_EXERCISED, f"not exercised: line {trial.site.line} never ran"
    if len(names) < 2:
        return Tier.NOT_EXERCISED, "not exercised: one process"
    return (
        Tier.NOT_CONFIRMED,
        f"not confirmed: {len(names)} processes ran it, and no other could store in between in {len(pauses)} forced attempts",
    )


def race_text(
    trial: Trial, runs: Sequence[Run], pauses: list[dict[str, Any]], executions: int, threads: int
) -> tuple[Tier, str]:
    """Why no update was lost."""
    if not executions:
        return Tier.NOT_EXERCISED, f"not exercised: line {trial.site.line} never ran"
    guarded = [one for one in pauses if one.get("guard")]
    if guarded:
        tried = [one for one in pauses if one["end"] not in {"alone", "blocked"} or one.get("guard")]
        return Tier.NOT_CONFIRMED, guard_text(guarded, len(tried))
    names = {one["thread"] for one in (*runs[0].of("reached"), *pauses) if one["site"] == 0}
    if threads < 2 and len(names) < 2:
        return Tier.NOT_EXERCISED, "not exercised: one thread"
    everywhere = {one["thread"] for one in (*runs[0].of("reached"), *pauses)}
    return Tier.NOT_CONFIRMED, f"not confirmed: {unguarded_text(pauses, max(threads, len(everywhere)))}"


def unguarded_text(pauses: list[dict[str, Any]], threads: int) -> str:
    """Why no update was lost although several threads came and no lock was in the way."""
    passed = {one.get("passed") for one in pauses}
    asked = sum(1 for one in pauses if one["end"] == "no-act")
    if asked:
        return (
            f"another thread came in between in {asked} of {len(pauses)} forced attempts, "
            "and this one then did not act on what it had seen before"
        )
    if "unchanged" in passed:
        return f"{threads} threads stored there, and the waiting one saw no change"
    if "elsewhere" in passed:
        return "reached by several threads, never the same object"
    if not pauses:
        return f"{threads} threads ran it, one after the other"
    late = sum(1 for one in pauses if one["end"] in {"alone", "blocked"})
    return f"{threads} threads ran it, and no other could come in {late} of {len(pauses)} forced attempts"


def guard_text(guarded: list[dict[str, Any]], attempts: int) -> str:
    """`guarded by `with lock:` at line 10 in n of n forced attempts`."""
    (path, line, kind), count = Counter(
        (g["guard"]["path"], g["guard"]["line"], g["guard"]["kind"]) for g in guarded
    ).most_common(1)[0]
    text = text_at(path, line).strip()
    code = text.partition("#")[0].strip() or kind
    more = " (a lock of `_thread`, by its text)" if kind == "raw" else ""
    return f"not confirmed: guarded by `{code}` at line {line}{more} in {count} of {attempts} forced attempts"


def future_text(runs: Sequence[Run]) -> tuple[Tier, str]:
    """Why no error was swallowed."""
    if not any(run.of("submitted") for run in runs):
        return Tier.NOT_EXERCISED, "not exercised: nothing was submitted at this line"
    failures = [one for run in runs for one in run.of("failed")]
    if not failures:
        return Tier.NOT_CONFIRMED, "not confirmed: nothing that was submitted here failed"
    if any(run.of("retrieved") for run in runs):
        return Tier.NOT_CONFIRMED, "not confirmed: the error was asked for"
    code = next((run.code for run in runs if run.of("failed")), None)
    if code != 0:
        return Tier.NOT_CONFIRMED, f"not confirmed: the program ended with exit code {code}"
    return Tier.NOT_CONFIRMED, "not confirmed: the error was printed or logged"


def steps_of(witness: dict[str, Any]) -> tuple[Step, ...]:
    """The steps of a witness as the engine sent them."""
    return tuple(
        Step(
            thread=one["thread"],
            action=one["action"],
            path=one["path"],
            line=one["line"],
            text=one.get("text") or text_at(one["path"], one["line"]),
            values=tuple((key, str(value)) for key, value in one.get("values", {}).items()),
            stack=tuple((frame["path"], frame["line"], frame["function"]) for frame in one.get("stack", ())),
        )
        for one in witness["steps"]
    )


def text_at(path: str, line: int) -> str:
    """The source line, empty if there is none."""
    return linecache.getline(path, line).strip() if line else ""
