"""Fixtures that several tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import Folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """An empty project folder, which is the current folder during the test."""
    project = tmp_path / "project"
    project.mkdir()
    (project / ".git").mkdir()
    monkeypatch.chdir(project)
    for name in ("NO_COLOR", "FORCE_COLOR", "THREADLINT_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    return Folder(project)
