"""`[tool.threadlint]`: what is read, where from, and what is said about mistakes in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from threadlint.config import KEYS, Config, ConfigError, discover, load, locate

FULL = """\
[tool.threadlint]
select = ["TL1", "TL301"]
extend-select = ["TL2"]
ignore = ["TL102"]
exclude = ["vendored/"]
target-version = "py310"
free-threaded = true
src = ["lib"]
thread-roots = ["app.handlers.*"]
force-exclude = true
respect-gitignore = false
cache-dir = ".cache/threadlint"

[tool.threadlint.per-file-ignores]
"tests/*" = ["TL301"]
"""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_every_key_is_read(tmp_path):
    file = write(tmp_path / "pyproject.toml", FULL)
    assert load(file) == Config(
        root=tmp_path,
        select=("TL1", "TL301"),
        extend_select=("TL2",),
        ignore=("TL102",),
        exclude=("vendored/",),
        per_file_ignores=(("tests/*", ("TL301",)),),
        target_version=(3, 10),
        free_threaded=True,
        src=("lib",),
        thread_roots=("app.handlers.*",),
        force_exclude=True,
        respect_gitignore=False,
        cache_dir=".cache/threadlint",
        source=file,
    )
    assert all(key in FULL for key in KEYS)


def test_nearest_table_wins_over_nearer_files_without_one(tmp_path):
    write(tmp_path / "pyproject.toml", '[tool.threadlint]\nignore = ["TL301"]\n')
    write(tmp_path / "inner" / "pyproject.toml", "[tool.other]\n")
    (tmp_path / "inner" / "deep").mkdir()
    config = discover(tmp_path / "inner" / "deep")
    assert (config.root, config.ignore) == (tmp_path, ("TL301",))


def test_without_a_table_the_root_is_where_the_project_begins(tmp_path):
    write(tmp_path / "project" / "setup.py", "")
    (tmp_path / "project" / "src").mkdir()
    config = discover(tmp_path / "project" / "src")
    assert (config.root, config.source) == (tmp_path / "project", None)


@pytest.mark.parametrize(
    ("wanted", "version"),
    [(">=3.9", (3, 9)), (">=3.8,<4", (3, 8)), ("~=3.11.2", (3, 11)), ("==3.12.*", (3, 12)), ("<4", None)],
)
def test_target_version_comes_from_requires_python(tmp_path, wanted, version):
    write(tmp_path / "pyproject.toml", f'[project]\nrequires-python = "{wanted}"\n')
    assert discover(tmp_path).target_version == version


def test_target_version_of_the_table_wins_over_requires_python(tmp_path):
    text = '[project]\nrequires-python = ">=3.8"\n[tool.threadlint]\ntarget-version = "3.13"\n'
    assert load(write(tmp_path / "pyproject.toml", text)).target_version == (3, 13)


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("[tool.threadlint]\nselct = []\n", 2, 1, "unknown key `selct` in [tool.threadlint]: did you mean `select`?"),
        ("[project]\nselect = 1\n[tool.threadlint]\nselect = 'TL1'\n", 4, 1, "`select`: expected an array of strings"),
        ("[tool.threadlint]\nselect = [1]\n", 2, 1, "`select`: expected an array of strings"),
        ("[tool.threadlint]\nfree-threaded = 'yes'\n", 2, 1, "`free-threaded`: expected true or false"),
        ("[tool.threadlint]\n\n  target-version = 3.10\n", 3, 3, "`target-version`: expected a string"),
        ("[tool.threadlint]\ntarget-version = '2.7'\n", 2, 1, "`target-version`: `2.7` is not a version of Python 3"),
        ("[tool.threadlint]\nexclude = ['!a']\n", 2, 1, "`exclude`: `!a` begins with `!`"),
        ("[tool.threadlint.per-file-ignores]\na = 'TL1'\n", 1, 18, "`per-file-ignores`: expected an array of strings"),
        ("[tool]\nthreadlint = 3\n", 2, 1, "`tool.threadlint` must be a table"),
        ("[tool.threadlint]\nselect = [\n", 3, 1, "not TOML: "),
        ("[tool.threadlint]\nselect = = 1\n", 2, 10, "not TOML: invalid value"),
        ("[tool.other]\n", 0, 1, "there is no [tool.threadlint] here"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path, text, line, column, message):
    file = write(tmp_path / "pyproject.toml", text)
    with pytest.raises(ConfigError) as raised:
        load(file)
    assert message in raised.value.message
    assert (raised.value.path, raised.value.line, raised.value.column) == (file, line, column)


def test_a_file_that_is_not_utf8_is_told_with_its_line(tmp_path):
    file = tmp_path / "pyproject.toml"
    file.write_bytes(b"[tool.threadlint]\n# caf\xe9\n")
    with pytest.raises(ConfigError, match="not UTF-8") as raised:
        discover(tmp_path)
    assert raised.value.line == 2


def test_locate_finds_a_code_after_its_key(tmp_path):
    file = write(tmp_path / "pyproject.toml", '[tool.threadlint]\nselect = ["TL1"]\nignore = [\n  "TL9",\n]\n')
    assert locate(file, "ignore", "TL9") == (4, 4)
