"""The glance at a file before facts are computed: it never hides a finding, and spares code without concurrency the analysis."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap

import pytest

from support import ROOT
from threadlint import engine
from threadlint.checking.everywhere import OFF, TESTS
from threadlint.checking.glance import Glance
from threadlint.config import Config
from threadlint.rules.rule import all_rules

FOLDERS = sorted(path for path in (ROOT / "fixtures").glob("TL*") if path.is_dir())


def nothing_to_say(path, config):
    data = path.read_bytes()
    return Glance(config).nothing_to_say(path, data, ast.parse(data))


def test_every_rule_that_runs_everywhere_has_its_test():
    everywhere = [rule for rule in all_rules().values() if rule.everywhere]
    assert {rule.code for rule in everywhere} == TESTS.keys()
    assert {rule.code for rule in everywhere if not rule.default} == OFF


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_no_file_with_a_finding_is_passed_over(folder):
    config = Config(root=ROOT, select=("ALL",))
    report = engine.lint([str(folder)], config)
    for name in {finding.site.path for finding in report.findings}:
        data = (ROOT / name).read_bytes()
        try:
            tree = ast.parse(data)
        except SyntaxError:
            continue
        if Glance(config).nothing_to_say(ROOT / name, data, tree):
            # unless another file brings it about that imports this one, which is not asked for here
            assert engine.lint([name], config).findings == ()


def test_what_the_file_imports_counts(tmp_path):
    (tmp_path / "a.py").write_text("def f():\n    from b import rows\n    rows.append(1)\n")
    (tmp_path / "b.py").write_text("from c import *\n")
    (tmp_path / "c.py").write_text("rows = []\n")
    config = Config(root=tmp_path)
    assert nothing_to_say(tmp_path / "a.py", config)
    assert not nothing_to_say(tmp_path / "a.py", Config(root=tmp_path, thread_roots=("a.f",)))
    for text in ("import threading\n", "import time\nnap = time.sleep\n", "import os\nprint 'two'\n", "# caf\xe9\n"):
        (tmp_path / "c.py").write_bytes(text.encode("latin-1"))
        assert not nothing_to_say(tmp_path / "a.py", config)


def test_comments_that_may_silence_nothing_are_looked_at(tmp_path):
    (tmp_path / "a.py").write_text("import os  # noqa: E501, TL101\n")
    (tmp_path / "b.py").write_text("import os  # noqa: F401\n")
    assert not nothing_to_say(tmp_path / "a.py", Config(root=tmp_path))
    assert nothing_to_say(tmp_path / "b.py", Config(root=tmp_path))


def test_code_without_concurrency_loads_neither_libcst_nor_the_rules(tmp_path):
    pytest.importorskip("flake8")
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text("")
    (tmp_path / "pkg" / "a.py").write_text("from pkg import b\n\nprint([one for one in b.rows])\n")
    (tmp_path / "pkg" / "b.py").write_text("rows = []\nfor one in range(3):\n    rows.append(one)\n")
    script = """
        import sys
        from flake8.main.cli import main
        assert main(["--isolated", "--jobs=1", "--select=TL", "pkg"]) == 0
        print("threadlint.checking.glance" in sys.modules)
        print(sorted({"libcst", "threadlint.rules.rule", "threadlint.project.project", "threadlint.engine"} & sys.modules.keys()))
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.stdout.splitlines(), result.stderr) == (["True", "[]"], "")
