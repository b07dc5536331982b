"""The programs of fixtures/confirm: those with a mistake are confirmed, those without never are.

A sample here; `benchmarks/confirm_matrix.py` runs all of them, many times, on several interpreters.
"""

from __future__ import annotations

import json

import pytest
from confirm_bench import CASES, flagged

from threadlint.runtime.confirm import attempt
from threadlint.runtime.trial import Options, Program
from threadlint.runtime.verdict import Tier

EXPECTED = json.loads((CASES / "expected.json").read_text(encoding="utf-8"))
SAMPLE = [
    "a01_seed",
    "a06_check_then_act",
    "a08_indirect_method",
    "a09_assign_form",
    "a10_two_statement_rmw",
    "a21_early_return",
    "d01_self_deadlock",
    "d02_abba",
    "d04_philosophers3",
    "d05_condition_self",
    "d06_event_never_set",
    "e01_barrier",
    "e02_semaphore_leak",
    "e08_pulse",
    "e09_pulse_again_ok",
    "e10_notify_bare",
    "e11_notify_by_caller_ok",
    "e12_wait_if",
    "e13_wait_while_ok",
    "e14_wait_looks_again_ok",
    "e15_spin",
    "e16_poll_ok",
    "f01_discarded_fails",
    "f02_discarded_inject",
    "l01_leak_raise",
    "l02_leak_inject",
    "m01_value_pool",
    "m02_value_other_lock",
    "m03_value_one_process",
    "m04_local_loop",
    "m05_local_other_error",
    "m06_context_executor",
    "m07_context_to_thread",
    "m08_lock_to_pool",
    "m09_lambda_to_executor",
    "m10_manager_lock_to_pool",
    "m11_guard_missing",
    "m12_guard_ok",
    "m13_global_in_child",
    "m14_global_in_thread",
    "n01_gate_lock",
    "n03_timeout",
    "n05_lock_as_signal",
    "n12_pool_ok",
    "n20_result_checked",
    "n21_callback_checks",
    "n30_async_lock_ok",
    "p01_pool_self",
    "q01_missing_task_done",
    "q03_inject",
    "q04_finally_ok",
    "s06_one_worker",
    "s08_thread_local",
    "s09_per_instance",
    "s10_semaphore_mutex",
    "s24_double_checked_outer",
    "t01_skipped_task",
    "t02_copied_tasks",
    "t03_dict_of_tasks",
    "t04_left_after_removal",
    "t05_negative_sleep",
    "t06_clamped_sleep",
    "t07_negative_get",
    "t08_other_error",
    "y01_time_sleep_in_async",
    "y02_never_awaited",
    "y03_rmw_across_await",
    "y13_cancellation_swallowed",
    "y14_cancellation_raised",
    "y15_cancellation_suppressed",
    "y16_cancellation_swallowed_inside",
]


@pytest.mark.parametrize("name", SAMPLE)
def test_case(name, bench):
    path = CASES / f"{name}.py"
    verdict = attempt(Program(path), flagged(path, EXPECTED[name]["code"]), Options(bench.python, runs=2))
    assert verdict.kind == EXPECTED[name]["kind"], verdict
    assert not verdict.tier.is_failure, verdict
    assert bool(verdict.evidence) == verdict.tier.is_confirmed


def test_every_program_is_listed_and_every_kind_has_both_sides():
    assert {path.stem for path in CASES.glob("*.py")} == set(EXPECTED)
    tried = {case["code"] for case in EXPECTED.values()}
    for code in tried - {"TL209", "TL501", "TL701"}:
        kinds = {case["kind"] is None for case in EXPECTED.values() if case["code"] == code}
        assert kinds == {True, False}, code


def test_the_sentence_about_a_guard(bench):
    path = CASES / "s01_seed_locked.py"
    verdict = attempt(Program(path), flagged(path, "TL101"), Options(bench.python))
    assert verdict.tier is Tier.NOT_CONFIRMED
    count = len([note for note in verdict.notes if "80000 executions" in note])
    assert count == 1
    assert verdict.verdict.startswith("not confirmed: guarded by `with lock:` at line 10 in ")
    assert verdict.verdict.endswith(" forced attempts")
    given, _, wanted = verdict.verdict.partition(" in ")[2].removesuffix(" forced attempts").partition(" of ")
    assert int(given) == int(wanted) >= 3


def test_what_was_seen_is_told_step_by_step(bench):
    path = CASES / "a03_attr_once.py"
    verdict = attempt(Program(path), flagged(path, "TL101"), Options(bench.python))
    first, second, third = verdict.evidence
    assert (first.action, second.action, third.action) == ("read", "stored", "overwrote")
    assert first.thread == third.thread != second.thread
    assert dict(first.values) == {"read": "0"}
    assert dict(third.values) == {"stored": "1", "lost": "1"}
    assert first.text == "self.hits += 1"
    assert first.stack[0][1:] == (6, "hit")
