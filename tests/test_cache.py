"""The cache: what it saves, that it never changes what is reported, and that nothing wrong with it ends a run."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from support import RACE
from threadlint.cache import disk

FOLDER = ".threadlint_cache"
FILE = f"{FOLDER}/cache.sqlite3"
AT = ":8:9: TL101 "


@pytest.fixture
def project(folder, monkeypatch):
    """A project with a finding, whose files count as old enough to be trusted by their times."""
    monkeypatch.setattr(disk, "RACY", 0)
    folder.write(
        {
            "pyproject.toml": "[tool.threadlint]\n",
            "race.py": RACE,
            "package/__init__.py": "",
            "package/used.py": "def f():\n    return 1\n",
            "main.py": "from package.used import f\n\nf()\n",
            "broken.py": "def f(:\n",
        }
    )
    return folder


def concise(folder, *args: str):
    result = folder.run("--output-format", "concise", *args)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def never_read(monkeypatch):
    """A function after which reading a file's content fails the test."""

    def forbid() -> None:
        def fail(path):
            pytest.fail(f"{path} was read")

        monkeypatch.setattr("threadlint.loading.load.contents", fail)

    return forbid


def test_a_second_run_says_the_same_and_reads_nothing(project, never_read):
    first = concise(project, ".")
    assert AT in first[1]
    assert "broken.py:1:7: error: syntax error" in first[2]
    never_read()
    assert concise(project, ".") == first


def test_a_run_on_fewer_files_uses_what_a_larger_one_has_found(project, never_read):
    concise(project, ".")
    never_read()
    assert concise(project, "main.py")[0] == 0


def test_a_warm_run_imports_neither_the_parser_nor_the_rules(project):
    cold = project.run_process("race.py", "main.py")
    warm = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "threadlint", "race.py", "main.py"],
        cwd=project.path,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (warm.returncode, warm.stdout) == (cold.returncode, cold.stdout)
    imported = {line.rpartition(b"|")[2].strip().decode() for line in warm.stderr.splitlines()}
    assert "threadlint.engine" in imported
    dear = {"libcst", "multiprocessing", "concurrent", "pathspec", "threadlint.project"}
    assert imported & dear == set()
    assert not any(name.startswith(("threadlint.rules.races", "threadlint.facts.visitors")) for name in imported)


def test_the_version_is_told_without_the_engine():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "threadlint", "--version"],
        capture_output=True,
        check=True,
        timeout=60,
    )
    imported = {line.rpartition(b"|")[2].strip().decode() for line in done.stderr.splitlines()}
    assert imported & {"threadlint.engine", "threadlint.config", "msgspec", "sqlite3", "libcst"} == set()


def test_a_changed_file_is_seen_even_if_its_size_and_time_are_as_before(project):
    assert AT in concise(project, ".")[1]
    file = project.path / "race.py"
    before = file.stat()
    project.write({"race.py": RACE.replace("x[0] += 1", "y = [num]")})
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    assert AT not in concise(project, ".")[1]


def test_a_file_that_has_just_changed_is_not_trusted_by_its_time(project, monkeypatch, never_read):
    monkeypatch.setattr(disk, "RACY", 60 * 10**9)
    concise(project, ".")
    never_read()
    with pytest.raises(pytest.fail.Exception):
        concise(project, ".")


def test_a_change_in_one_file_changes_the_findings_in_another(project):
    project.write(
        {
            "state.py": "total = 0\n\n\ndef add():\n    global total\n    total += 1\n",
            "start.py": "import state\n",
        }
    )
    assert "state.py" not in concise(project, ".")[1]
    project.write(
        {
            "start.py": "import threading\nimport state\n\nfor _ in range(9):\n    threading.Thread(target=state.add).start()\n"
        }
    )
    changed = concise(project, ".")
    assert "state.py:6:5: TL101 " in changed[1]
    assert changed[1] == concise(project, "--no-cache", ".")[1]


@pytest.mark.parametrize(
    "args",
    [
        ["--select", "TL301"],
        ["--ignore", "TL101"],
        ["--free-threaded"],
        ["--target-version", "3.8"],
        ["--extend-select", "TL"],
    ],
)
def test_other_options_and_settings_give_other_findings(project, args):
    plain = concise(project, ".")
    assert concise(project, *args, ".") == concise(project, "--no-cache", *args, ".")
    assert concise(project, ".") == plain


def test_settings_are_part_of_what_is_remembered(project):
    project.write({"late.py": "x = 0\n\n\ndef serve():\n    global x\n    x += 1\n"})
    assert "late.py" not in concise(project, ".")[1]
    project.write({"pyproject.toml": '[tool.threadlint]\nthread-roots = ["late.serve"]\n'})
    assert "late.py:6:5: TL101 " in concise(project, ".")[1]


def test_a_setting_that_nobody_imports_counts_for_all_files(project):
    project.write({"web.py": "hits = 0\n\n\ndef app(environ, start_response):\n    global hits\n    hits += 1\n"})
    assert "web.py" not in concise(project, ".")[1]
    project.write({"gunicorn.conf.py": 'worker_class = "gthread"\n'})
    assert "web.py:6:5: TL101 " in concise(project, ".")[1]


def test_other_comments_in_the_same_code_count(project):
    assert AT in concise(project, ".")[1]
    project.write({"race.py": RACE.replace("+= 1", "+= 1  # noqa: TL101")})
    assert AT not in concise(project, ".")[1]
    project.write({"race.py": "# one line more\n" + RACE})
    assert "race.py:9:9: TL101 " in concise(project, ".")[1]


def test_comments_and_blank_lines_cost_no_analysis(project, monkeypatch):
    project.write({"uses.py": "import race\n"})
    concise(project, ".")
    changed = "# one line more\n\n" + RACE.replace("    for _", "    # and here\n    for _") + "\n\n# the end\n"
    project.write({"race.py": changed})
    good = concise(project, "--no-cache", ".")

    def fail(*_args):
        pytest.fail("linked")

    monkeypatch.setattr("threadlint.project.project.link", fail)
    assert concise(project, ".") == good
    assert "race.py:11:9: TL101 " in good[1]


# Where it is


def test_the_folder_is_marked_and_can_be_cleared(project):
    concise(project, ".")
    assert (project.path / FOLDER / ".gitignore").read_text().splitlines()[-1] == "*"
    assert (
        (project.path / FOLDER / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")
    )
    assert " MiB" in project.run("cache", "info").stdout
    assert "removed" in project.run("cache", "clear").stdout
    assert not (project.path / FOLDER).exists()
    assert "nothing to remove" in project.run("cache", "clear").stdout
    assert "empty" in project.run("cache", "info").stdout


def test_options_before_the_environment_before_the_configuration(project):
    project.write({"pyproject.toml": '[tool.threadlint]\ncache-dir = "configured"\n'})
    concise(project, "main.py")
    project.run("main.py", env={"THREADLINT_CACHE_DIR": "from_environment"})
    project.run("main.py", "--cache-dir", "option", env={"THREADLINT_CACHE_DIR": "not_this"})
    made = {path.name for path in project.path.iterdir() if (path / "CACHEDIR.TAG").exists()}
    assert made == {"configured", "from_environment", "option"}


def test_without_a_cache_nothing_is_written(project):
    concise(project, "--no-cache", ".")
    assert not (project.path / FOLDER).exists()


def test_a_folder_that_holds_other_things_is_neither_marked_nor_removed(project):
    concise(project, "--cache-dir", "package", ".")
    assert not (project.path / "package/.gitignore").exists()
    assert project.run("cache", "clear", "--cache-dir", "package").exit_code == 0
    assert {path.name for path in (project.path / "package").iterdir()} == {"__init__.py", "used.py"}


# What can be wrong with it


def warnings(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if "warning" in line]


def test_any_damage_is_mended(project):
    good = concise(project, ".")
    file = project.path / FILE
    data = file.read_bytes()
    picked = random.Random(1)
    damages = [b"", b"no database", data[:5000], data[:-3000], b"\0" * len(data)]
    for _ in range(12):
        broken = bytearray(data)
        for _ in range(200):
            broken[picked.randrange(len(data))] ^= 1 << picked.randrange(8)
        damages.append(bytes(broken))
    for damage in damages:
        file.write_bytes(damage)
        for _ in range(2):
            result = concise(project, ".")
            assert result[:2] == good[:2]
            assert len(warnings(result[2])) <= 1
        assert concise(project, ".") == good


def statement(project, *statements: str) -> None:
    with sqlite3.connect(project.path / FILE) as connection:
        for one in statements:
            connection.execute(one)
    connection.close()


@pytest.mark.parametrize(
    "change",
    [
        ["PRAGMA user_version = 99"],
        ["PRAGMA application_id = 1"],
        ["DROP TABLE files"],
        ["CREATE TRIGGER t AFTER INSERT ON entries BEGIN DELETE FROM entries; END"],
        ["ALTER TABLE files RENAME TO old", "CREATE VIEW files AS SELECT * FROM old"],
    ],
)
def test_a_file_of_another_form_is_made_anew_in_silence(project, change):
    good = concise(project, ".")
    statement(project, *change)
    assert concise(project, ".") == good
    with sqlite3.connect(project.path / FILE) as connection:
        assert {row[0] for row in connection.execute("SELECT type FROM sqlite_master")} == {"table", "index"}
    connection.close()


def test_values_of_the_wrong_kind_are_as_good_as_none(project):
    good = concise(project, ".")
    file = project.path / FILE
    for value in (b"", b"\x93\x01\x02\x03", b"\xc1", b"\x91" * 100_000, "text", 7):
        with sqlite3.connect(file) as connection:
            rows = connection.execute("SELECT key FROM entries").fetchall()
            for (key,) in rows:
                sealed = disk._seal(key, value) + value if isinstance(value, bytes) else value
                connection.execute("UPDATE entries SET value = ? WHERE key = ?", (sealed, key))
        connection.close()
        assert concise(project, ".") == good


def test_what_was_stored_for_one_file_does_not_stand_for_another(project):
    good = concise(project, ".")
    with sqlite3.connect(project.path / FILE) as connection:
        ((value,),) = connection.execute("SELECT value FROM entries ORDER BY length(value) DESC LIMIT 1")
        connection.execute("UPDATE entries SET value = ?", (value,))
    connection.close()
    assert concise(project, ".") == good


def test_a_place_that_cannot_be_used_costs_one_warning(project):
    good = concise(project, "--no-cache", ".")
    project.write({"in_the_way": ""})
    for place in ("in_the_way", "in_the_way/inside", "/proc/nothing/here"):
        result = concise(project, "--cache-dir", place, ".")
        if place == "in_the_way":  # no folder, which the option says itself
            assert result[0] == 2
            continue
        assert result[:2] == good[:2]
        assert len(warnings(result[2])) == 1
        assert "cannot be" in result[2]


def test_a_cache_that_cannot_be_written_is_still_read(project, monkeypatch, never_read):
    good = concise(project, ".")
    connect = sqlite3.connect
    monkeypatch.setattr(
        disk.sqlite3, "connect", lambda file, **options: connect(f"file:{file}?mode=ro", uri=True, **options)
    )
    project.write({"new.py": "x = 1\n"})
    result = concise(project, ".")
    assert result[:2] == good[:2]
    assert len(warnings(result[2])) == 1
    (project.path / "new.py").unlink()
    never_read()
    assert concise(project, ".") == good


def test_old_values_go(project):
    concise(project, ".")
    statement(project, "UPDATE entries SET used = used - 31", "UPDATE files SET used = used - 31")
    (project.path / "race.py").unlink()
    project.write({"new.py": "x = 1\n"})
    concise(project, ".")
    with sqlite3.connect(project.path / FILE) as connection:
        ((files,),) = connection.execute("SELECT count(*) FROM files")
    connection.close()
    assert files == 5


def test_a_cache_that_is_too_large_shrinks(project, monkeypatch):
    good = concise(project, ".")
    monkeypatch.setattr(disk, "LARGEST", 1)
    project.write({"new.py": "x = 1\n"})
    before = (project.path / FILE).stat().st_size
    for number in range(30):
        project.write({"new.py": f"x = {number}\n"})
        assert concise(project, ".")[:2] == good[:2]
    assert (project.path / FILE).stat().st_size <= before


# Several runs


def many() -> dict[str, str]:
    """Enough files that a run takes a while, and findings in some."""
    return {f"m{number}.py": RACE if number % 10 == 0 else f"x = {number}\n" * 50 for number in range(60)}


def spawn(folder) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "threadlint", "--output-format", "concise", "."],
        cwd=folder.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_runs_at_the_same_time_do_not_disturb_each_other(folder):
    folder.write({"pyproject.toml": "[tool.threadlint]\n", **many()})
    good = folder.run("--output-format", "concise", "--no-cache", ".")
    for run in [spawn(folder) for _ in range(2)]:
        out, err = run.communicate(timeout=120)
        assert (run.returncode, out.decode()) == (good.exit_code, good.stdout)
        assert b"warning" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_run_that_is_killed_leaves_nothing_bad(folder):
    folder.write({"pyproject.toml": "[tool.threadlint]\n", **many()})
    good = folder.run("--output-format", "concise", "--no-cache", ".")
    for sign in (FILE, f"{FILE}-journal", FILE):
        run = spawn(folder)
        while run.poll() is None and not (folder.path / sign).exists():
            pass
        run.send_signal(signal.SIGKILL)
        run.communicate(timeout=60)
        if random.Random(sign).random() < 0.5:
            shutil.rmtree(folder.path / FOLDER, ignore_errors=True)
    for _ in range(2):
        result = folder.run("--output-format", "concise", ".")
        assert (result.exit_code, result.stdout) == (good.exit_code, good.stdout)
        assert warnings(result.stderr) == []
    assert Path(folder.path / FILE).exists()
