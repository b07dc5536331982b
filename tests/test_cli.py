"""The command line: paths, options, exit codes, and what is said where."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import pytest
from click import BadParameter

from support import RACE, RACE_LINE, ROOT
from threadlint import __version__, engine
from threadlint.cli import main
from threadlint.cli.progress import progress
from threadlint.report import Format

AT = f":{RACE_LINE}:9: TL101 "
"""Where and as what the mistake in `RACE` is reported."""
FINE = "x = 1\n"


def test_findings_exit_with_1_and_come_with_their_line(folder):
    folder.write({"race.py": RACE})
    result = folder.run("race.py")
    assert result.exit_code == 1
    assert result.stdout.startswith("race.py" + AT)
    assert "\n     8 |         x[0] += 1\n       |         ^^^^^^^^^\n" in result.stdout
    assert result.stderr == "1 finding in 1 file\n"


def test_no_findings_exit_with_0(folder):
    folder.write({"fine.py": FINE})
    result = folder.run("fine.py")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no findings in 1 file\n")


@pytest.mark.parametrize("args", [(), (".",), ("check",), ("check", "pkg", "race.py"), ("--select", "TL101")])
def test_check_is_the_default_command_and_here_the_default_path(folder, args):
    folder.write({"race.py": RACE, "pkg/more.py": RACE})
    assert folder.run("--output-format=concise", *args[1:] if args[:1] == ("check",) else args).stdout.count(AT) == 2
    assert folder.run(*args).stdout.count(AT) == 2


def test_one_bad_file_never_stops_the_others(folder):
    folder.write(
        {
            "race.py": RACE,
            "syntax.py": "def f(:\n",
            "bytes.py": b"x = '\xff'\n",
            "nul.py": b"x = 1\0\n",
            "codec.py": "# coding: no-such-codec\n",
        }
    )
    result = folder.run(".", "vanished.py")
    assert result.exit_code == 2
    assert "race.py" + AT in result.stdout
    assert "syntax.py:1:7: error: " in result.stderr
    for name in ("bytes.py:1:", "nul.py:1:", "codec.py:1:", "vanished.py: error: no such file or folder"):
        assert name in result.stderr
    assert "Traceback" not in result.stderr


def test_odd_files_are_linted_like_any_other(folder):
    crlf = RACE.replace("\n", "\r\n").encode()
    folder.write(
        {
            "bom.py": b"\xef\xbb\xbf" + RACE.encode(),
            "crlf.py": crlf,
            "latin.py": b"# coding: latin-1\n# caf\xe9\n" + RACE.encode(),
            "empty.py": "",
            "no_newline.py": RACE.rstrip(),
        }
    )
    result = folder.run("--output-format", "concise", ".")
    places = [line.partition(" ")[0] for line in result.stdout.splitlines()]
    assert places == ["bom.py:8:9:", "crlf.py:8:9:", "latin.py:10:9:", "no_newline.py:8:9:"]
    assert result.exit_code == 1


@pytest.mark.parametrize("expression", ["+".join(["a"] * 3000), "[" * 3000 + "]" * 3000, "not " * 3000 + "a"])
def test_deep_expressions_do_no_harm(folder, expression):
    folder.write({"deep.py": f"a = 1\nx = {expression}\n", "race.py": RACE})
    result = folder.run_process("--output-format", "concise", "deep.py", "race.py")
    assert result.returncode in {1, 2}
    assert b"race.py" + AT.encode() in result.stdout
    assert b"Traceback" not in result.stderr
    assert result.returncode == 1 or b"deep.py:" in result.stderr


def test_standard_input_is_linted_under_its_name(folder):
    folder.write({"pkg/a.py": FINE})
    result = folder.run("-", "--stdin-filename", "pkg/a.py", stdin=RACE)
    assert result.stdout.startswith("pkg/a.py" + AT)
    assert folder.run("-", stdin=RACE).stdout.startswith("stdin.py" + AT)
    assert folder.run("-", stdin="def f(:\n").stderr.startswith("stdin.py:1:7: error: ")


def test_a_name_for_standard_input_needs_standard_input(folder):
    result = folder.run("--stdin-filename", "a.py")
    assert (result.exit_code, "the path `-`" in result.stderr) == (2, True)


def test_findings_are_reported_for_the_named_files_in_the_context_of_their_imports(folder):
    folder.write(
        {
            "pkg/__init__.py": "",
            "pkg/state.py": "total = [0]\n",
            "pkg/work.py": "from pkg import state\n\n\ndef work():\n    state.total[0] += 1\n",
            "main.py": (
                "import threading\n\nfrom pkg.work import work\n\n"
                "threads = [threading.Thread(target=work) for _ in range(4)]\n"
                "for thread in threads:\n    thread.start()\nfor thread in threads:\n    thread.join()\n"
            ),
        }
    )
    everything = folder.run("--select", "TL101", "--output-format", "concise", ".")
    assert everything.stdout.startswith("pkg/work.py:5:5: TL101 ")
    assert folder.run("--select", "TL101", "main.py").stdout == ""
    both = folder.run("--select", "TL101", "--output-format", "concise", "main.py", "pkg/work.py")
    assert both.stdout == everything.stdout


def test_an_import_that_cannot_be_read_is_no_failure(folder):
    folder.write({"race.py": "import broken\n" + RACE, "broken.py": "def f(:\n"})
    result = folder.run("race.py")
    assert (result.exit_code, result.stderr) == (1, "1 finding in 1 file\n")


def test_selection(folder):
    folder.write({"race.py": RACE})
    assert folder.run("--select", "TL3,TL2", ".").exit_code == 0
    assert folder.run("--ignore", "TL101", ".").exit_code == 0
    assert folder.run("--ignore", "TL1", "--extend-select", "TL101", ".").exit_code == 1
    folder.write({"pyproject.toml": '[tool.threadlint]\nignore = ["TL101"]\n'})
    assert folder.run(".").exit_code == 0
    assert folder.run("--select", "TL1", ".").exit_code == 1
    assert folder.run("--extend-select", "TL101", ".").exit_code == 1


def test_per_file_ignores(folder):
    folder.write({"race.py": RACE, "tests/race.py": RACE})
    folder.write({"pyproject.toml": '[tool.threadlint.per-file-ignores]\n"tests/*" = ["TL1"]\n'})
    shown = folder.run("--output-format", "concise", ".").stdout
    assert shown.startswith("race.py" + AT)
    assert "tests/" not in shown


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--select", "TL999"), "--select: unknown code `TL999`"),
        (("--ignore", "tl101"), "--ignore: unknown code `tl101`: did you mean TL101?"),
        (("--no-such-option",), "No such option"),
        (("--output-format", "xml"), "'xml' is not one of"),
        (("--target-version", "2.7"), "`2.7` is not a version of Python 3"),
        (("--config", "missing.toml"), "does not exist"),
        (("--exclude", "!a"), "begins with `!`"),
        (("--statistics", "--output-format", "sarif"), "sarif has no statistics"),
        (("explain", "TL999"), "unknown code `TL999`"),
        (("explane",), "the command `explain` has a similar name"),
    ],
)
def test_a_bad_option_exits_with_2_and_says_why(folder, args, said):
    result = folder.run(*args)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[tool.threadlint]\nselect = ["TL10!"]\n', "pyproject.toml:2:12: error: unknown code `TL10!`"),
        ("[tool.threadlint]\nselekt = []\n", "pyproject.toml:2:1: error: unknown key `selekt`"),
        ("[tool.threadlint\n", "pyproject.toml:1:17: error: not TOML"),
    ],
)
def test_a_bad_configuration_exits_with_2_and_names_file_and_line(folder, text, said):
    folder.write({"pyproject.toml": text, "race.py": RACE})
    result = folder.run("race.py")
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_another_configuration_can_be_named(folder):
    folder.write({"race.py": RACE, "other.toml": '[tool.threadlint]\nignore = ["TL1"]\n', "empty.toml": ""})
    assert folder.run("--config", "other.toml", "race.py").exit_code == 0
    assert "there is no [tool.threadlint] here" in folder.run("--config", "empty.toml", "race.py").stderr


def test_exit_zero_covers_findings_but_not_failures(folder):
    folder.write({"race.py": RACE})
    assert folder.run("--exit-zero", "race.py").exit_code == 0
    assert folder.run("--exit-zero", "race.py", "gone.py").exit_code == 2


@pytest.mark.parametrize("kind", list(Format))
def test_every_format_goes_to_a_file_unchanged(folder, kind):
    folder.write({"race.py": RACE})
    direct = folder.run("--output-format", kind.value, "--color", "never", "race.py")
    result = folder.run("--output-format", kind.value, "--color", "always", "--output-file", "out", "race.py")
    assert (result.exit_code, result.stdout) == (1, "")
    assert (folder.path / "out").read_text() == direct.stdout
    assert "TL101" in direct.stdout


def test_an_output_file_that_cannot_be_written_is_said(folder):
    folder.write({"race.py": RACE})
    result = folder.run("--output-file", "no/such/folder/out", "race.py")
    assert (result.exit_code, "cannot be written" in result.stderr) == (2, True)


def test_json_is_alone_on_stdout(folder):
    folder.write({"race.py": RACE, "broken.py": "def f(:\n"})
    result = folder.run("--output-format", "json", ".")
    assert [found["code"] for found in json.loads(result.stdout)] == ["TL101"]
    assert result.stderr.startswith("broken.py:1:7: error: ")


def test_statistics_count(folder):
    folder.write({"a.py": RACE, "b.py": RACE})
    result = folder.run("--statistics", ".")
    assert result.stdout.split()[:2] == ["2", "TL101"]
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("option", "env", "coloured"),
    [
        ("auto", {}, False),
        ("auto", {"FORCE_COLOR": "1"}, True),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ("always", {"NO_COLOR": "1"}, True),
        ("never", {"FORCE_COLOR": "1"}, False),
    ],
)
def test_colour_is_used_when_it_is_wanted(folder, option, env, coloured):
    folder.write({"race.py": RACE})
    assert ("\x1b[" in folder.run("--color", option, "race.py", env=env).stdout) == coloured


def test_nothing_to_lint_is_said(folder):
    folder.write({"notes.txt": ""})
    result = folder.run(".")
    assert (result.exit_code, result.stderr) == (0, "threadlint: warning: no Python files found\n")


def test_excludes_on_the_command_line(folder):
    folder.write({"race.py": RACE, "vendored/race.py": RACE})
    assert "vendored" not in folder.run("--exclude", "vendored/", ".").stdout
    assert "vendored" in folder.run("--exclude", "vendored/", "vendored/race.py").stdout
    assert folder.run("--exclude", "vendored/", "--force-exclude", "vendored/race.py").exit_code == 0


def test_version_and_help_are_quick_to_load(folder):
    assert folder.run("--version").stdout == f"threadlint {__version__}\n"
    assert "confirm" in folder.run("--help").stdout
    loaded = (
        "import sys; from threadlint.cli import main; sys.argv = ['threadlint', '--help']\n"
        "try: main()\n"
        "finally: assert not {'libcst', 'msgspec', 'pathspec', 'threadlint.rules.rule'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", loaded], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "threadlint: interrupted\n"),
        (
            ZeroDivisionError("by zero"),
            2,
            "threadlint: error: internal error: ZeroDivisionError: by zero; please report it",
        ),
        (BadParameter("no"), 2, "Error: Invalid value: no\n"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_whatever_ends_a_run_early_is_said_in_one_line(monkeypatch, capsys, raised, code, said):
    def fail(*_args, **_options):
        raise raised

    monkeypatch.setattr(engine, "lint", fail)
    monkeypatch.setattr(sys, "argv", ["threadlint", "."])
    monkeypatch.setattr("os._exit", sys.exit)  # else the tests would end here, too
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code
    stderr = capsys.readouterr().err
    assert said in stderr
    assert "Traceback" not in stderr


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


@pytest.mark.parametrize(("patience", "shown"), [(0.0, True), (3600.0, False)])
def test_progress_is_shown_on_a_terminal_when_a_run_takes_long_and_is_wiped_out(monkeypatch, patience, shown):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr("threadlint.cli.progress.PATIENCE", patience)
    with progress() as tell:
        tell(3, 9)
    assert ("reading files: 3 of 9" in terminal.getvalue()) == shown
    assert terminal.getvalue() == "" or terminal.getvalue().endswith("\r\x1b[K")


def test_progress_is_not_shown_elsewhere(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress() as tell:
        assert tell is None


def test_explain_prints_the_page_in_the_docs(folder):
    page = (ROOT / "docs" / "rules" / "TL101.md").read_text(encoding="utf-8")
    assert folder.run("explain", "TL101").stdout == page
    assert folder.run("explain", "tl101").stdout == page
    assert folder.run("explain", page.split()[2]).stdout == page


def test_rules_are_listed(folder):
    listed = json.loads(folder.run("rules", "--output-format", "json").stdout)
    lines = folder.run("rules").stdout.splitlines()
    assert [line[:5] for line in lines] == [rule["code"] for rule in listed]
    assert {"TL001", "TL101", "TL205", "TL301", "TL401"} <= {rule["code"] for rule in listed}


def test_the_scoreboard_counts_marks(folder):
    folder.write({"f/TL101/a.py": "x  # expect: TL101, TL301\ny  # missed: TL101\nz  # false-alarm: TL101\n"})
    scores = json.loads(folder.run("dev", "scoreboard", "f", "--output-format", "json").stdout)
    assert scores[0] == {"code": "TL101", "expect": 1, "missed": 1, "false-alarm": 1}
    assert folder.run("dev", "scoreboard", "f").stdout.splitlines()[-1].split() == ["all", "2", "1", "1"]


def test_no_cache_changes_nothing(folder):
    folder.write({"race.py": RACE})
    assert folder.run("--no-cache", "race.py").stdout == folder.run("race.py").stdout


def test_output_that_the_terminal_cannot_show_is_escaped(folder):
    folder.write({"日.py": RACE.replace("x[0]", "本[0]").replace("x =", "本 =")})
    result = folder.run_process(".", env={"PYTHONIOENCODING": "latin-1"})
    assert result.returncode == 1
    assert result.stdout.startswith(b"\\u65e5.py:8:9: ")
    assert b"\\u672c[0] += 1" in result.stdout


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything")
def test_a_folder_without_permission_is_a_failure(folder):
    folder.write({"race.py": RACE, "closed/a.py": FINE})
    (folder.path / "closed").chmod(0)
    try:
        result = folder.run(".")
    finally:
        (folder.path / "closed").chmod(0o755)
    assert "closed: error: cannot be read: permission denied" in result.stderr
    assert (result.exit_code, "race.py" + AT in result.stdout) == (2, True)
