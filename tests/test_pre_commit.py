"""The pre-commit hook, in a scratch repository, with the real pre-commit and a real installation."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig

import pytest

from support import RACE, RACE_LINE, ROOT

pytest.importorskip("pre_commit")
pytestmark = pytest.mark.skipif(
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")) and sys.version_info < (3, 14),
    reason="msgspec, and so threadlint, can be installed on free-threaded builds from 3.14 on",
)


@pytest.fixture
def git(tmp_path):
    """A function that runs git in a folder, as somebody, without anybody's settings."""
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    env |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(tmp_path)}
    identity = ("-c", "user.name=someone", "-c", "user.email=someone@example.org", "-c", "commit.gpgsign=false")

    def run(folder, *args):
        return subprocess.run(
            ["git", *identity, *args], cwd=folder, env=env, check=True, capture_output=True, text=True
        ).stdout

    return run


@pytest.fixture
def hook(tmp_path, git):
    """A repository that holds threadlint, and the commit to use."""
    repository = tmp_path / "threadlint"
    repository.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml"):
        shutil.copy(ROOT / name, repository / name)
    shutil.copytree(ROOT / "src", repository / "src", ignore=shutil.ignore_patterns("__pycache__"))
    git(repository, "init", "--quiet")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "all")
    return repository, git(repository, "rev-parse", "HEAD").strip()


def test_the_hook_reports_what_is_to_be_committed(tmp_path, git, hook):
    repository, commit = hook
    scratch = tmp_path / "scratch"
    (scratch / "vendored").mkdir(parents=True)
    config = f"repos:\n  - repo: {repository}\n    rev: {commit}\n    hooks:\n      - id: threadlint\n"
    (scratch / ".pre-commit-config.yaml").write_text(config)
    (scratch / "pyproject.toml").write_text('[tool.threadlint]\nexclude = ["vendored/"]\n')
    for name in ("race.py", "vendored/race.py"):
        (scratch / name).write_text(RACE)
    (scratch / "fine.py").write_text("x = 1\n")
    git(scratch, "init", "--quiet")
    git(scratch, "add", "--all")

    # The hook must use what it installed, not what this process runs.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def pre_commit(*args):
        return subprocess.run(
            [sys.executable, "-m", "pre_commit", *args],
            cwd=scratch,
            env={**environment, "PRE_COMMIT_HOME": str(tmp_path / "home"), "PRE_COMMIT_COLOR": "never"},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    installed = pre_commit("install-hooks")
    if installed.returncode and any(
        sign in installed.stdout
        for sign in ("No matching distribution", "ConnectionError", "NewConnectionError", "No module named pip")
    ):
        pytest.skip("pip cannot install here")
    assert installed.returncode == 0, installed.stdout + installed.stderr

    failed = pre_commit("run", "--all-files")
    assert failed.returncode == 1, failed.stdout + failed.stderr
    assert f"race.py:{RACE_LINE}:9: TL101 " in failed.stdout
    assert "vendored" not in failed.stdout

    git(scratch, "rm", "--quiet", "--cached", "race.py")
    passed = pre_commit("run", "--all-files")
    assert passed.returncode == 0, passed.stdout + passed.stderr
