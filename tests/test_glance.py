"""The glance at files before facts are computed: it never hides a finding, and spares code without concurrency the analysis."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap

import pytest

from support import ROOT
from threadlint import engine
from threadlint.checking.everywhere import OFF, TESTS
from threadlint.checking.glance import Glance, imported
from threadlint.config import Config
from threadlint.rules.rule import all_rules

FOLDERS = sorted(path for path in (ROOT / "fixtures").glob("TL*") if path.is_dir())


def telling(config, *paths):
    """The names of those of the files that may have findings."""
    glance = Glance(config)
    glance.look(map(str, paths))
    return {path.name for path in paths if str(path) in glance.telling}


def test_every_rule_that_runs_everywhere_has_its_test():
    everywhere = [rule for rule in all_rules().values() if rule.everywhere]
    assert {rule.code for rule in everywhere} == TESTS.keys()
    assert {rule.code for rule in everywhere if not rule.default} == OFF


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_no_file_with_a_finding_is_passed_over(folder):
    config = Config(root=ROOT, select=("ALL",))
    report = engine.lint([str(folder)], config)
    named = [str(path) for path in folder.rglob("*.py")]
    glance = Glance(config)
    glance.look(named)
    assert {str(ROOT / finding.site.path) for finding in report.findings} <= glance.telling
    alone = [str(ROOT / name) for name in {finding.site.path for finding in report.findings}]
    for path in alone:
        glance = Glance(config)
        glance.look([path])
        if path not in glance.telling:
            # unless another file brings it about that imports this one, which is not asked for here
            assert engine.lint([path], config).findings == ()


def test_what_is_connected_with_the_file_counts(tmp_path):
    (tmp_path / "a.py").write_text("def f():\n    from b import rows\n    rows.append(1)\n")
    (tmp_path / "b.py").write_text("from c import *\n")
    (tmp_path / "c.py").write_text("rows = []\n")
    (tmp_path / "d.py").write_text("import a\n")
    (tmp_path / "e.py").write_text("import os\n")
    config = Config(root=tmp_path)
    files = [tmp_path / f"{name}.py" for name in "abcde"]
    assert telling(config, *files) == set()
    assert telling(Config(root=tmp_path, thread_roots=("a.f",)), files[0], files[4]) == {"a.py", "e.py"}
    for text in ("import threading\n", "import time\nnap = time.sleep\n", "async def f(): pass\n"):
        (tmp_path / "c.py").write_text(text)
        assert telling(config, files[0], files[4]) == {"a.py"}
        assert telling(config, *files) == {"a.py", "b.py", "c.py", "d.py"}
    (tmp_path / "c.py").write_text("")
    (tmp_path / "d.py").write_text("import a, threading\n")
    assert telling(config, files[0]) == set(), "who imports the file counts where it is named"
    assert telling(config, *files) == {"a.py", "b.py", "c.py", "d.py"}


def test_a_setting_for_the_whole_program_counts_for_every_file(tmp_path):
    (tmp_path / "a.py").write_text("rows = []\n")
    (tmp_path / "gunicorn.conf.py").write_text("worker_class = 'gthread'\n")
    config = Config(root=tmp_path)
    assert telling(config, tmp_path / "a.py") == set()
    both = tmp_path / "a.py", tmp_path / "gunicorn.conf.py"
    assert telling(config, *both) == {"a.py", "gunicorn.conf.py"}


def test_what_cannot_be_read_is_told_of_files_that_are_named(tmp_path):
    (tmp_path / "a.py").write_text("import b\n")
    (tmp_path / "b.py").write_bytes(b"# caf\xe9\n")
    config = Config(root=tmp_path)
    assert telling(config, tmp_path / "a.py") == set()
    assert telling(config, tmp_path / "a.py", tmp_path / "b.py") == {"b.py"}


TASKS = "class C:\n    def f(self):\n        for task in self.{name}:\n            {body}\n"


@pytest.mark.parametrize(
    ("name", "body", "other", "may"),
    [
        ("tasks", "self.tasks.remove(task)", "", True),
        ("tasks", "del self.tasks[0]", "", True),
        ("rows", "self.rows.remove(task)", "", False),
        ("rows", "task.send(None); self.rows.remove(task)", "", True),
        ("rows", "task(); self.rows.remove(task)", "", True),
        ("tasks", "print(task)", "def drop(rows, row): rows.remove(row)\n", False),
        ("tasks", "drop(self.tasks, task)", "def drop(rows, row): rows.remove(row)\n", True),
        ("tasks", "drop(task)", "def drop(rows, row): rows.remove(row)\n", False),
        ("tasks", "drop(self.tasks, task)", "def drop(rows, row): rows.index(row)\n", False),
        ("tasks", "self.drop(task)", "class B:\n    def drop(self, row):\n        self.tasks.remove(row)\n", True),
        ("tasks", "self.drop(task)", "class B:\n    drop = lambda self, row: self.tasks.remove(row)\n", True),
        ("tasks", "self.drop(task)", "class B:\n    def drop(self, row):\n        self.rows.remove(row)\n", False),
        ("tasks", "self.drop(task)", "def g(o, f):\n    o.drop = f\n", False),
        ("tasks", "self.drop(task)", "def g(o, f):\n    o.drop = f\n\ndef h(o):\n    o.tasks.pop()\n", True),
        ("tasks", "self.drops[0](task)", "", False),
        ("tasks", "self.drops[0](task)", "def h(o):\n    o.tasks.pop()\n", True),
        ("tasks", "self.drops[0](self.tasks)", "", True),
        ("tasks", "self.show(task)", "# show: and tell\n", False),
        ("tasks", "self.show(task)", "# how to show a row\n", False),
    ],
)
def test_removing_from_tasks_may_be_done_by_a_function_elsewhere(tmp_path, name, body, other, may):
    (tmp_path / "a.py").write_text("from b import *\n\n\n" + TASKS.format(name=name, body=body))
    (tmp_path / "b.py").write_text(other)
    assert telling(Config(root=tmp_path), tmp_path / "a.py") == ({"a.py"} if may else set())


@pytest.mark.parametrize(
    ("value", "may"),
    [
        ("tasks", True),
        ("list(tasks)", False),
        ("enumerate(tasks)", True),
        ("iter(self.tasks.values())", True),
        ("[tasks, rows]", False),
        ("range(len(tasks))", False),
        ("(tasks)", True),
        ("others", True),
        ("tasks if rows else []", False),
    ],
)
def test_only_a_loop_over_the_container_itself_skips_what_is_removed(tmp_path, value, may):
    text = f"def f(self, tasks, rows):\n    others = tasks\n    for one in {value}:\n        rows.remove(one)\n"
    (tmp_path / "a.py").write_text(text)
    assert telling(Config(root=tmp_path), tmp_path / "a.py") == ({"a.py"} if may else set())


@pytest.mark.parametrize(
    ("other", "may"),
    [
        ("import time\n", False),
        ("from time import strftime\n", False),
        ("import time as t\nnow = t . time\n", True),
        ("from time import time as now\n", True),
        ("from time import (\n    time as now,\n)\n", True),
        ("from time import *\n", True),
        ("def left(clock):\n    return 3 - clock.perf_counter()\n", True),
    ],
)
def test_a_wait_is_looked_at_where_a_clock_is_read(tmp_path, other, may):
    (tmp_path / "a.py").write_text("import time\nfrom b import *\n\n\ndef f():\n    time.sleep(left())\n")
    (tmp_path / "b.py").write_text(other)
    assert telling(Config(root=tmp_path), tmp_path / "a.py") == ({"a.py"} if may else set())


def test_comments_that_may_silence_nothing_are_looked_at(tmp_path):
    (tmp_path / "a.py").write_text("import os  # noqa: E501, TL101\n")
    (tmp_path / "b.py").write_text("import os  # noqa: F401\n")
    assert telling(Config(root=tmp_path), tmp_path / "a.py", tmp_path / "b.py") == {"a.py"}


@pytest.mark.parametrize(
    "text",
    [
        "import a . b as c , d\n",
        "from .import x\nfrom . . y import(z)\nfrom ...w import v as u\n",
        "from a import (b, # c)\n  d as e, # f\n)\n",
        "from a \\\n import \\\n b, \\\n c\n",
        "if x: import a; from b import c\nelse:import d\n",
        "try:\n\timport a\nexcept E: from b import*\n",
        "'''\nfrom a import (prose\n'''\nimport b\n",
        "# : from a import (prose\nimport b\n",
    ],
)
def test_no_import_is_overlooked(text):
    real = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            real |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            real |= {module, *(f"{module}{'' if node.module is None else '.'}{alias.name}" for alias in node.names)}
    assert real - {"b.*"} <= set(imported(text))


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
        dear = {"libcst", "msgspec", "sqlite3", "threadlint.rules.rule", "threadlint.project.project", "threadlint.engine"}
        print(sorted(dear & sys.modules.keys()))
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
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pkg"], "nothing is written where nothing is linted"
