"""`--fix`, `--unsafe-fixes` and `--diff`: what is written, what is said, and that everything else of a file stays as it was."""

from __future__ import annotations

import json
import os
import re
import stat

import libcst as cst
import pytest

from support import ROOT
from threadlint.changes import Change
from threadlint.fixes import attempt, rounds

LEAK = """\
import threading

lock = threading.Lock()
rows = []


def add(line: str) -> None:
    lock.acquire()
    rows.append(int(line))
    lock.release()
"""
FIXED = LEAK.replace("    lock.acquire()\n", "    with lock:\n").replace(
    "    rows.append(int(line))\n    lock.release()\n", "        rows.append(int(line))\n"
)
VIEW = """\
import threading


class Pool:
    def __init__(self):
        self._lock = threading.Lock()
        self._jobs = {}

    def add(self, number, job):
        with self._lock:
            self._jobs[number] = job

    def long_ones(self):
        with self._lock:
            return (job for job in self._jobs.values() if len(job) > 3)
"""
"""A program whose only fix is unsafe."""


def test_fix_changes_the_file_and_reports_what_is_left(folder):
    folder.write({"a.py": LEAK, "b.py": VIEW})
    result = folder.run("--fix", "--output-format", "concise")
    assert (folder.path / "a.py").read_text() == FIXED
    assert (folder.path / "b.py").read_text() == VIEW
    assert [line[:4] for line in result.stdout.splitlines()] == ["b.py"]
    assert result.stderr.splitlines() == [
        "Fixed 1 finding in 1 file (1 TL201)",
        "1 finding in 2 files",
        "1 fixable with `--fix --unsafe-fixes`",
    ]
    assert result.exit_code == 1


def test_a_second_run_changes_nothing(folder):
    folder.write({"a.py": LEAK})
    assert folder.run("--fix").exit_code == 0
    before = (folder.path / "a.py").stat()
    result = folder.run("--fix")
    assert (result.stdout, result.stderr, result.exit_code) == ("", "no findings in 1 file\n", 0)
    assert (folder.path / "a.py").stat().st_mtime_ns == before.st_mtime_ns


def test_unsafe_fixes_are_made_when_they_are_asked_for(folder):
    folder.write({"b.py": VIEW})
    assert folder.run("--fix", "--unsafe-fixes").exit_code == 0
    assert "[job for job in self._jobs.values() if len(job) > 3]" in (folder.path / "b.py").read_text()


def test_a_finding_says_whether_it_can_be_fixed(folder):
    folder.write({"a.py": LEAK, "b.py": VIEW})
    result = folder.run()
    assert "a.py:8:5: TL201 [*] " in result.stdout
    assert "b.py:15:13: TL109 this generator" in result.stdout
    assert "  fix: hold the lock with `with`" in result.stdout
    assert "  unsafe fix: make the list here" in result.stdout
    assert result.stderr.endswith("[*] 1 fixable with `--fix` (1 more with `--unsafe-fixes`)\n")
    assert "b.py:15:13: TL109 [*] this generator" in folder.run("--unsafe-fixes", "b.py").stdout
    leak, view = json.loads(folder.run("--output-format", "json").stdout)
    assert (leak["fix"]["change"], leak["fix"]["safe"], view["fix"]["safe"]) == ("with-lock", True, False)


def test_the_edits_in_json_and_sarif_make_the_change(folder):
    folder.write({"a.py": LEAK})
    (found,) = json.loads(folder.run("--output-format", "json").stdout)
    (edit,) = found["fix"]["edits"]
    lines = LEAK.splitlines(keepends=True)
    assert (edit["column"], edit["end_column"]) == (1, 1)
    lines[edit["line"] - 1 : edit["end_line"] - 1] = [edit["text"]]
    assert "".join(lines) == FIXED
    run = json.loads(folder.run("--output-format", "sarif").stdout)["runs"][0]
    (change,) = run["results"][0]["fixes"][0]["artifactChanges"]
    assert change["artifactLocation"]["uri"] == "a.py"
    assert change["replacements"][0]["insertedContent"]["text"] == edit["text"]


def test_diff_shows_the_change_and_writes_nothing(folder):
    folder.write({"a.py": LEAK})
    result = folder.run("--diff")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[:2] == ["--- a.py", "+++ a.py"]
    assert "-    lock.acquire()\n" in result.stdout
    assert "+    with lock:\n" in result.stdout
    assert result.stderr == "Would fix 1 finding in 1 file (1 TL201)\n"
    assert (folder.path / "a.py").read_text() == LEAK


def test_diff_exits_with_0_where_nothing_would_change(folder):
    folder.write({"b.py": VIEW})
    result = folder.run("--diff")
    assert (result.stdout, result.exit_code) == ("", 0)
    assert result.stderr == "Would fix nothing; 1 more with `--unsafe-fixes`\n"
    assert folder.run("--diff", "--unsafe-fixes").exit_code == 1


def test_diff_of_a_last_line_without_an_end(folder):
    folder.write({"a.py": LEAK.rstrip("\n")})
    assert "\\ No newline at end of file" in folder.run("--diff").stdout


def test_standard_input_is_fixed_onto_standard_output(folder):
    result = folder.run("--fix", "-", stdin=LEAK)
    assert (result.stdout, result.exit_code) == (FIXED, 0)
    result = folder.run("--fix", "-", stdin=VIEW)
    assert result.stdout == VIEW
    assert "TL109" in result.stderr
    assert result.exit_code == 1
    assert folder.run("--diff", "--stdin-filename", "x.py", "-", stdin=LEAK).stdout.startswith("--- x.py\n")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: text.replace("\n", "\r\n").encode(), id="CRLF"),
        pytest.param(lambda text: b"\xef\xbb\xbf" + text.encode(), id="byte order mark"),
        pytest.param(lambda text: f"# coding: latin-1\n# \xe4\n{text}".encode("latin-1"), id="latin-1"),
        pytest.param(lambda text: f"# -*- coding: cp1251 -*-\n# \u0436\n{text}".encode("cp1251"), id="cp1251"),
        pytest.param(lambda text: text.replace("    ", "\t").encode(), id="tabs"),
        pytest.param(lambda text: text.replace("    ", "  ").encode(), id="two spaces"),
        pytest.param(lambda text: text.rstrip("\n").encode(), id="no last line end"),
        pytest.param(lambda text: f"\x0c\n{text}# \u2028 \x0c end\n".encode(), id="form feed"),
    ],
)
def test_all_else_of_a_file_is_kept(folder, change):
    folder.write({"a.py": change(LEAK)})
    assert folder.run("--fix").exit_code == 0
    assert (folder.path / "a.py").read_bytes() == change(FIXED)


def test_a_file_that_would_not_stay_as_it_is_otherwise_is_not_fixed(folder):
    old = LEAK.replace("\n", "\r").encode()  # LibCST loses the last carriage return
    folder.write({"a.py": old})
    assert "[*]" not in folder.run("--fix").stdout
    assert (folder.path / "a.py").read_bytes() == old


def test_mixed_line_ends_are_kept(folder):
    head, middle, tail = LEAK.partition("\n\n\n")
    crlf = head.replace("\n", "\r\n")
    folder.write({"a.py": crlf + middle + tail})
    folder.run("--fix")
    data = (folder.path / "a.py").read_bytes().decode()
    assert data.startswith(crlf)
    assert data.replace("\r\n", "\n") == FIXED


@pytest.mark.skipif(os.name == "nt", reason="modes and links are those of POSIX")
def test_the_mode_is_kept_and_links_stay_links(folder):
    folder.write({"real/a.py": LEAK, "other/keep.txt": ""})
    target = folder.path / "real/a.py"
    target.chmod(0o750)
    (folder.path / "link.py").symlink_to(target)
    assert folder.run("--fix", "link.py").exit_code == 0
    assert (folder.path / "link.py").is_symlink()
    assert target.read_text() == FIXED
    assert stat.S_IMODE(target.stat().st_mode) == 0o750
    assert [path.name for path in (folder.path / "real").iterdir()] == ["a.py"]


def test_silenced_findings_are_not_fixed(folder):
    text = LEAK.replace("acquire()", "acquire()  # noqa: TL201")
    folder.write({"a.py": text})
    assert folder.run("--fix").exit_code == 0
    assert (folder.path / "a.py").read_text() == text


def test_rules_that_do_not_run_fix_nothing(folder):
    folder.write({"a.py": LEAK})
    folder.run("--fix", "--ignore", "TL201")
    assert (folder.path / "a.py").read_text() == LEAK


def test_files_that_are_only_imported_are_not_changed(folder):
    folder.write({"a.py": LEAK, "b.py": "import a\n"})
    assert folder.run("--fix", "b.py").exit_code == 0
    assert (folder.path / "a.py").read_text() == LEAK


def test_a_file_that_cannot_be_read_stops_no_other(folder):
    folder.write({"a.py": LEAK, "bad.py": "def\n"})
    assert folder.run("--fix").exit_code == 2
    assert (folder.path / "a.py").read_text() == FIXED
    assert folder.run("--diff").exit_code == 2


def test_a_file_that_changes_while_it_is_fixed_is_left_alone(folder, monkeypatch):
    folder.write({"a.py": LEAK})
    fix = rounds.fix

    def late(*args, **kwargs):
        fixed = fix(*args, **kwargs)
        (folder.path / "a.py").write_text("x = 1\n")
        return fixed

    monkeypatch.setattr(rounds, "fix", late)
    result = folder.run("--fix")
    assert "a.py: error: cannot be written, so its findings are not fixed: the file has changed" in result.stderr
    assert result.exit_code == 2
    assert (folder.path / "a.py").read_text() == "x = 1\n"


def test_several_fixes_in_one_place_are_made_one_after_the_other(folder):
    text = LEAK.replace("    rows", "    lock2.acquire()\n    rows").replace(
        "line))\n", "line))\n    lock2.release()\n"
    )
    folder.write({"a.py": text.replace("rows = []", "lock2 = threading.Lock()\nrows = []")})
    result = folder.run("--fix")
    assert "Fixed 2 findings in 1 file (2 TL201)" in result.stderr
    assert "    with lock:\n        with lock2:\n            rows.append" in (folder.path / "a.py").read_text()


def test_findings_that_are_said_one_at_a_time_are_all_fixed(folder):
    more = "    lock.acquire()\n    rows.append(int(line))\n    lock.release()\n"
    folder.write({"a.py": LEAK + more})
    assert folder.run("--fix").exit_code == 0
    assert (folder.path / "a.py").read_text().count("with lock:") == 2


def harmful(monkeypatch, text):
    """Make the change of TL201 put `text` in the place of the file's first statement."""

    def change(tree, _fix):
        return {id(tree.module.body[0]): tuple(cst.parse_module(text).body)}

    monkeypatch.setattr(attempt, "kinds", lambda: {Change.WITH_LOCK: change})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("return\n", "the changed file would not compile"),
        ("import threading\nx = 1\n", "TL201 would still be found"),
        ("import threading as t\nx = 1  # noqa: TL201\n", "TL001 would be found instead"),
    ],
)
def test_a_fix_that_does_harm_is_not_made(folder, monkeypatch, text, reason):
    harmful(monkeypatch, text)
    folder.write({"a.py": LEAK})
    result = folder.run("--fix")
    assert (folder.path / "a.py").read_text() == LEAK
    assert f"a.py:8:5: warning: TL201 is not fixed: {reason}\n" in result.stderr
    assert result.exit_code == 1


def test_a_fix_that_does_harm_stops_no_other(folder, monkeypatch):
    made = attempt.kinds()[Change.WITH_LOCK]

    def change(tree, fix):
        if fix.sites[0].line == 8:
            return {id(tree.module.body[1]): tuple(cst.parse_module("return\n").body)}
        return made(tree, fix)

    monkeypatch.setattr(attempt, "kinds", lambda: {Change.WITH_LOCK: change})
    other = LEAK.partition("\n\n\n")[2]
    folder.write({"a.py": LEAK + other.replace("add", "put") + other.replace("add", "set")})
    result = folder.run("--fix")
    assert (folder.path / "a.py").read_text().count("with lock:") == 2
    assert "Fixed 2 findings in 1 file (2 TL201)" in result.stderr
    assert "a.py:8:5: warning: TL201 is not fixed: the changed file would not compile" in result.stderr


def test_a_rule_that_has_fixes_is_marked_in_the_list(folder):
    lines = {line[:5]: line for line in folder.run("rules").stdout.splitlines()}
    assert "[safe fix]" in lines["TL201"]
    assert "[safe fix, unsafe fix]" in lines["TL109"]
    assert "fix]" not in lines["TL303"]
    listed = {rule["code"]: rule["fix"] for rule in json.loads(folder.run("rules", "--output-format", "json").stdout)}
    assert (listed["TL201"], listed["TL303"]) == (["safe"], [])


def test_the_output_in_the_usage_is_real(folder):
    usage = (ROOT / "docs" / "usage.md").read_text(encoding="utf-8")
    folder.write({"app.py": re.search(r"<!-- file: app.py -->\n```python\n([\s\S]*?)```", usage)[1]})
    blocks = re.findall(r"```console\n\$ threadlint (.* app\.py)\n([\s\S]*?)```", usage.partition("## Fixing")[2])
    assert [args for args, _ in blocks] == [
        "--output-format concise app.py",
        "--diff app.py",
        "--fix --unsafe-fixes app.py",
    ]
    for args, shown in blocks:
        assert folder.run(*args.split()).output.strip() == shown.strip()


def test_a_fix_in_another_file_is_made_where_that_file_is_named_too(folder):
    locks = "import threading\n\nlock = threading.Lock()\n"
    uses = "from locks import lock\n\n\ndef twice():\n    with lock:\n        with lock:\n            print('never')\n"
    folder.write({"locks.py": locks, "uses.py": uses})
    args = ("--fix", "--unsafe-fixes", "--select", "TL205")
    result = folder.run(*args, "uses.py")
    assert ("[*]" in result.stdout, result.exit_code) == (False, 1)
    assert (folder.path / "locks.py").read_text() == locks
    assert folder.run(*args, "uses.py", "locks.py").exit_code == 0
    assert (folder.path / "locks.py").read_text() == locks.replace("Lock()", "RLock()")
    assert (folder.path / "uses.py").read_text() == uses
