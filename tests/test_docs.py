"""The documentation says what the program does: generated parts, options, keys, links, and the output shown."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from support import RACE, ROOT
from threadlint.cli.check import check
from threadlint.cli.dev import dev
from threadlint.cli.main import COMMANDS, HIDDEN, threadlint
from threadlint.config import KEYS
from threadlint.discovery import DEFAULT_EXCLUDE

README = (ROOT / "README.md").read_text(encoding="utf-8")
USAGE = (ROOT / "docs" / "usage.md").read_text(encoding="utf-8")
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")


def test_rule_pages_and_the_table_of_rules_are_current():
    result = CliRunner().invoke(dev, ["docs", "--check", "--root", str(ROOT)])
    assert (result.output, result.exit_code) == ("", 0), "run `threadlint dev docs`"


def test_docs_are_written_where_they_differ(folder):
    folder.write({"README.md": (ROOT / "README.md").read_bytes(), "docs/rules/TL000.md": "gone"})
    assert folder.run("dev", "docs", "--check").exit_code == 1
    assert folder.run("dev", "docs").exit_code == 0
    assert folder.run("dev", "docs", "--check").exit_code == 0
    assert not (folder.path / "docs/rules/TL000.md").exists()
    folder.write({"README.md": "no marks"})
    result = folder.run("dev", "docs")
    assert (result.exit_code, "are missing" in result.stderr) == (2, True)


def test_every_option_of_check_is_described():
    options = [name for parameter in check.params for name in parameter.opts if name.startswith("--")]
    assert [name for name in options if f"`{name}`" not in USAGE] == []
    described = set(re.findall(r"^\| `(--[a-z-]+)`", USAGE, re.MULTILINE))
    assert described <= set(options)


def test_every_command_is_described():
    assert [name for name in COMMANDS if name not in HIDDEN and f"threadlint {name}" not in USAGE] == []


def test_the_help_lists_what_the_commands_say():
    context = click.Context(threadlint)
    assert set(threadlint.list_commands(context)) == set(COMMANDS) - HIDDEN
    assert all(isinstance(threadlint.get_command(context, name), click.Command) for name in COMMANDS)


def test_every_key_of_the_configuration_is_described():
    assert set(re.findall(r"^\| `([a-z-]+)`", CONFIGURATION, re.MULTILINE)) == set(KEYS)


def test_folders_left_out_by_default_are_described():
    unnamed = {".mypy_cache/", ".pytest_cache/", ".ruff_cache/", ".threadlint_cache/"}
    assert [
        name for name in DEFAULT_EXCLUDE if name not in unnamed and f"`{name.rstrip('/')}`" not in CONFIGURATION
    ] == []


def test_the_keys_of_json_are_described(folder):
    folder.write({"race.py": RACE})
    (found,) = json.loads(folder.run("--output-format", "json", "--select", "TL101", "race.py").stdout)
    assert [key for key in found if f"`{key}`" not in USAGE] == []


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda path: path.name
)
def test_links_lead_somewhere(path: Path):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (path.parent / link).exists()] == []


@pytest.mark.parametrize("page", ["README.md", "docs/free-threading.md"])
def test_the_output_in_a_page_is_real(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    text = (ROOT / page).read_text(encoding="utf-8")
    block = re.search(r"<!-- output: check -->\n```console\n\$ (.+)\n([\s\S]*?)```", text)
    program, *args = shlex.split(block[1])
    assert program == "threadlint"
    result = CliRunner().invoke(threadlint, args)
    assert result.output.rstrip() == block[2].rstrip()
    assert result.exit_code == 1


def test_the_confirmation_in_the_readme_is_real(monkeypatch):
    monkeypatch.chdir(ROOT)
    block = re.search(r"<!-- output: confirm -->\n```console\n\$ threadlint (.+)\n(.+)\n", README)
    result = CliRunner().invoke(threadlint, shlex.split(block[1]))
    assert result.exit_code == 1
    # Which values are lost differs from run to run, and where it can happen from interpreter to interpreter.
    assert result.output.partition("(")[0] == block[2].partition("(")[0]


def test_the_two_commands_are_there_to_run():
    commands = dict(re.findall(r"<!-- command: (\w+) -->\n```sh\n(.+)\n```", README))
    assert set(commands) == {"install", "test"}
    assert all(command.startswith("python3 -m venv .venv && ") for command in commands.values())
