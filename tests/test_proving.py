"""`check --confirm`, `--only-confirmed`, and the pytest plugin, as a user runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support import ROOT

RACE = (ROOT / "fixtures/material/race.py").read_text(encoding="utf-8")
MUTEX = (ROOT / "fixtures/material/mutex.py").read_text(encoding="utf-8")


def run(*args: str, folder: Path) -> subprocess.CompletedProcess[str]:
    # the plugin is named in the call, whether threadlint is installed here or not
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        [sys.executable, *args], cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False
    )


def test_findings_carry_their_verdict(tmp_path):
    (tmp_path / "race.py").write_text(RACE)
    done = run("-m", "threadlint", "check", "--confirm", "--output-format", "json", "race.py", folder=tmp_path)
    found = {finding["code"]: finding for finding in json.loads(done.stdout)}
    assert found["TL101"]["confirmed"]
    assert found["TL101"]["verdict"].startswith("confirmed (")
    assert done.returncode == 1


def test_only_what_a_run_has_shown_is_left(tmp_path):
    (tmp_path / "idle.py").write_text(
        "import threading\n\nlock = threading.Lock()\n\n\ndef inner():\n    with lock:\n        print(1)\n\n\n"
        "def outer():\n    with lock:\n        inner()\n"
    )
    seen = run("-m", "threadlint", "check", "--output-format", "concise", "idle.py", folder=tmp_path)
    assert "TL205" in seen.stdout
    proved = run("-m", "threadlint", "check", "--only-confirmed", "idle.py", folder=tmp_path)
    assert proved.stdout == ""
    assert proved.returncode == 0


def test_a_command_for_the_run_needs_confirm(tmp_path):
    done = run("-m", "threadlint", "check", "--run", "python x.py", ".", folder=tmp_path)
    assert done.returncode == 2
    assert "--confirm" in done.stderr


@pytest.fixture
def suite(tmp_path):
    (tmp_path / "counting.py").write_text(
        "from concurrent.futures import ThreadPoolExecutor\n\ntotals = {}\n\n\ndef count(word):\n"
        "    totals[word] = totals.get(word, 0) + 1\n\n\ndef count_all(words):\n"
        "    with ThreadPoolExecutor() as pool:\n        list(pool.map(count, words))\n"
    )
    (tmp_path / "test_counting.py").write_text(
        "from counting import count_all\n\n\ndef test_it_counts():\n    count_all(['a'] * 50)\n"
    )
    return tmp_path


def test_the_plugin_shows_what_happens_in_the_suite(suite):
    done = run("-m", "pytest", "-q", "-p", "threadlint.pytest_plugin", "--threadlint-confirm", folder=suite)
    assert "1 passed" in done.stdout
    assert "counting.py:7: TL101 confirmed (happens on this interpreter)" in done.stdout
    assert "1 findings, 1 tried, 1 confirmed" in done.stdout
    assert done.returncode == 0


def test_the_plugin_does_nothing_unless_asked(suite):
    done = run("-m", "pytest", "-q", "-p", "threadlint.pytest_plugin", folder=suite)
    assert "TL101" not in done.stdout
    assert done.returncode == 0


def test_the_user_s_own_run_is_never_patched(suite):
    """Only the runs of the trials are: locks that exist already could not be watched."""
    (suite / "test_locks.py").write_text(
        "import threading\n\n\ndef test_locks_are_real():\n    assert type(threading.Lock()).__module__ == '_thread'\n"
    )
    done = run("-m", "pytest", "-q", "-p", "threadlint.pytest_plugin", "--threadlint-confirm", folder=suite)
    assert "2 passed" in done.stdout
    assert "1 confirmed" in done.stdout
