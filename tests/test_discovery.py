"""Which files are linted: folders and files named, .gitignore, excludes, links, and what cannot be read."""

from __future__ import annotations

import os

import pytest

from threadlint.config import Config
from threadlint.discovery import discover


def names(folder, *paths, **settings):
    found = discover(paths, Config(root=folder.path, **settings))
    assert found.failures == ()
    return [file.name for file in found.files]


def test_python_files_in_folders_in_order(folder):
    folder.write({"b.py": "", "a/z.pyw": "", "a/y.py": "", "a/stub.pyi": "", "a/notes.txt": "", "c/deep/x.py": ""})
    assert names(folder, ".") == ["b.py", "a/y.py", "a/z.pyw", "c/deep/x.py"]
    assert names(folder, "a", "./b.py", "b.py", "a/y.py") == ["a/y.py", "a/z.pyw", "b.py"]


def test_a_named_file_counts_whatever_it_is_called(folder):
    folder.write({"script": "", "stub.pyi": ""})
    assert names(folder, "script", "stub.pyi") == ["script", "stub.pyi"]


def test_names_are_as_the_user_gave_them(folder):
    folder.write({"pkg/a.py": ""})
    absolute = str(folder.path / "pkg")
    assert names(folder, absolute) == [f"{absolute}{os.sep}a.py"]
    os.chdir("pkg")
    assert names(folder, "..") == [f"..{os.sep}pkg{os.sep}a.py"]


def test_folders_without_code_of_the_project_are_left_out(folder):
    kept = ["a.py", "venv_like/a.py", "src/build/__init__.py", "src/build/env.py"]
    left_out = [
        ".git/hooks/h.py",
        ".venv/lib/m.py",
        "node_modules/x/gyp.py",
        "build/lib/a.py",
        "dist/a.py",
        "__pycache__/a.py",
        "x.egg-info/a.py",
        "lib/site-packages/m.py",
        "myenv/bin/m.py",
    ]
    folder.write({**dict.fromkeys([*kept, *left_out], ""), "myenv/pyvenv.cfg": ""})
    assert sorted(names(folder, ".")) == sorted(kept)


def test_a_folder_that_is_named_is_linted_even_if_excluded(folder):
    folder.write(
        {".gitignore": "out/\n", "out/a.py": "", "site-packages/b.py": "", "site-packages/node_modules/c.py": ""}
    )
    assert names(folder, "out", "site-packages", exclude=("site-packages/",)) == ["out/a.py", "site-packages/b.py"]


def test_gitignore_files_nest_and_keep_what_they_exclude_from_exclusion(folder):
    folder.write(
        {
            ".gitignore": "*_gen.py\n/secret.py\nout/\n",
            "a_gen.py": "",
            "secret.py": "",
            "out/a.py": "",
            "inner/secret.py": "",
            "inner/.gitignore": "!wanted_gen.py\nlocal.py\n",
            "inner/wanted_gen.py": "",
            "inner/other_gen.py": "",
            "inner/local.py": "",
            "inner/deep/local.py": "",
            "local.py": "",
            ".git/info/exclude": "private.py\n",
            "inner/private.py": "",
        }
    )
    expected = ["local.py", "inner/secret.py", "inner/wanted_gen.py"]
    assert names(folder, ".") == expected
    assert names(folder, "inner") == expected[1:]
    assert len(names(folder, ".", respect_gitignore=False)) == 10


def test_a_gitignore_with_lines_that_are_no_patterns_still_works(folder):
    folder.write({".gitignore": b"!\n\xff\xfe\nout.py\n", "out.py": "", "in.py": ""})
    assert names(folder, ".") == ["in.py"]


def test_exclude_patterns_are_relative_to_the_root(folder):
    folder.write(dict.fromkeys(["vendored/a.py", "pkg/vendored/b.py", "pkg/x_pb2.py", "pkg/c.py"], ""))
    assert names(folder, ".", exclude=("/vendored/", "*_pb2.py")) == ["pkg/c.py", "pkg/vendored/b.py"]
    assert names(folder, "pkg", exclude=("pkg/c.py",)) == ["pkg/x_pb2.py", "pkg/vendored/b.py"]


def test_a_named_file_is_linted_even_if_excluded_unless_forced(folder):
    folder.write({"vendored/a.py": "", "b.py": "", "dist/c.py": ""})
    paths = ("vendored/a.py", "b.py", "dist/c.py")
    assert names(folder, *paths, exclude=("vendored/",)) == list(paths)
    assert names(folder, *paths, exclude=("vendored/",), force_exclude=True) == ["b.py"]


def test_links_to_folders_are_not_followed_and_loops_do_no_harm(folder):
    folder.write({"pkg/a.py": "", "other/b.py": ""})
    (folder.path / "pkg" / "again").symlink_to(folder.path / "pkg")
    (folder.path / "pkg" / "elsewhere").symlink_to(folder.path / "other")
    (folder.path / "pkg" / "linked.py").symlink_to(folder.path / "other" / "b.py")
    (folder.path / "pkg" / "folder.py").symlink_to(folder.path / "other")
    (folder.path / "pkg" / ".#open.py").symlink_to("user@host.1234")
    assert names(folder, "pkg") == ["pkg/a.py", "pkg/linked.py"]
    assert names(folder, "pkg/elsewhere") == ["pkg/elsewhere/b.py"]


def test_links_that_lead_nowhere_are_failures(folder):
    (folder.path / "loop.py").symlink_to("loop.py")
    (folder.path / "gone.py").symlink_to("nowhere.py")
    found = discover(["."], Config(root=folder.path))
    assert [(failure.path, failure.message) for failure in found.failures] == [
        ("gone.py", "no such file or folder"),
        ("loop.py", "a symbolic link that leads to itself"),
    ]


def test_a_path_that_does_not_exist_is_a_failure_and_the_others_are_found(folder):
    folder.write({"a.py": ""})
    found = discover(["nope.py", "a.py", "bad\0name.py"], Config(root=folder.path))
    assert [file.name for file in found.files] == ["a.py"]
    assert [failure.path for failure in found.failures] == ["nope.py", "bad\0name.py"]


def test_a_folder_that_cannot_be_listed_is_a_failure_and_the_others_are_found(folder, monkeypatch):
    folder.write({"closed/a.py": "", "open/b.py": ""})
    scandir = os.scandir

    def guarded(path):
        # The superuser may list every folder, so the refusal is played.
        if os.fspath(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    found = discover(["."], Config(root=folder.path))
    assert [file.name for file in found.files] == ["open/b.py"]
    assert [(one.path, one.message) for one in found.failures] == [("closed", "cannot be read: permission denied")]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_in_a_folder_are_passed_by(folder):
    os.mkfifo(folder.path / "pipe.py")
    assert names(folder, ".") == []
