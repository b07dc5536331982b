"""`--write-test`: the file fails while the mistake is there, and passes once it is mended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from confirm_bench import CASES, flagged

from threadlint.runtime.confirm import attempt
from threadlint.runtime.regression import regression_test
from threadlint.runtime.trial import Options, Program

MENDED = {
    ("a01_seed", "TL101"): ("        x[0] += 1", "        with lock:\n            x[0] += 1"),
    ("a06_check_then_act", "TL103"): (
        "    if k not in cache:  # FLAG\n        cache[k] = compute(k)",
        "    with lock:\n        if k not in cache:\n            cache[k] = compute(k)",
    ),
    ("a21_early_return", "TL104"): (
        "        if cls.inst is not None:  # FLAG\n            return cls.inst\n        cls.inst = cls()\n        return cls.inst",
        (
            "        with lock:\n            if cls.inst is not None:\n                return cls.inst\n"
            "            cls.inst = cls()\n            return cls.inst"
        ),
    ),
    ("f01_discarded_fails", "TL301"): ("        ex.submit(work, i)", "        ex.submit(work, i).result()"),
    ("f02_discarded_inject", "TL301"): ("        ex.submit(work, i)", "        ex.submit(work, i).result()"),
    ("y01_time_sleep_in_async", "TL703"): ("    time.sleep(0.4)", "    await asyncio.sleep(0.4)"),
    ("y02_never_awaited", "TL707"): ("    save()", "    await save()"),
}


def pytest_run(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", ".", "."],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def written(folder: Path, name: str, code: str) -> tuple[Path, Path]:
    """The program in its folder, and the test that was written for it."""
    program, file = folder / f"{name}.py", folder / f"test_{name}.py"
    program.write_text((CASES / f"{name}.py").read_text(encoding="utf-8"), encoding="utf-8")
    trial = flagged(program, code)
    verdict = attempt(Program(program), trial, Options(sys.executable))
    assert verdict.tier.is_confirmed
    text = regression_test(program, [(trial, verdict)], file, 10)
    assert text is not None
    file.write_text(text, encoding="utf-8")
    return program, file


@pytest.mark.parametrize(("name", "code"), MENDED)
def test_it_fails_before_the_fix_and_passes_after(tmp_path, name, code):
    program, _ = written(tmp_path, name, code)
    before = pytest_run(tmp_path)
    assert before.returncode == 1, before.stdout
    old, new = MENDED[name, code]
    text = program.read_text(encoding="utf-8")
    assert old in text
    program.write_text("import threading\nlock = threading.RLock()\n" + text.replace(old, new), encoding="utf-8")
    after = pytest_run(tmp_path)
    assert after.returncode == 0, after.stdout


@pytest.mark.parametrize(
    ("name", "code", "old", "new"),
    [
        ("d01_self_deadlock", "TL205", "threading.Lock()", "threading.RLock()"),
        ("d02_abba", "TL206", "    with b:\n        with a:", "    with a:\n        with b:"),
        (
            "q03_inject",
            "TL401",
            "        handle(item)\n        q.task_done()",
            "        try:\n            handle(item)\n        finally:\n            q.task_done()",
        ),
    ],
)
def test_one_about_a_hang_passes_when_the_program_ends(tmp_path, name, code, old, new):
    program, file = written(tmp_path, name, code)
    compile(file.read_text(encoding="utf-8"), str(file), "exec")
    text = program.read_text(encoding="utf-8")
    assert old in text
    program.write_text(text.replace(old, new), encoding="utf-8")
    assert pytest_run(tmp_path).returncode == 0


def test_it_names_no_path_of_this_machine(tmp_path):
    _, file = written(tmp_path, "a03_attr_once", "TL101")
    assert str(tmp_path) not in file.read_text(encoding="utf-8")
