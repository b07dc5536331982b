"""Module names: which files an import means, and what a file is called."""

from __future__ import annotations

import pytest

from threadlint.config import Config
from threadlint.modules import Modules


@pytest.fixture
def lookup(folder):
    """A function from an import and the file it stands in to the files it means, relative to the project."""

    def files(imported, importer, **settings):
        modules = Modules(Config(root=folder.path, **settings))
        found = modules.files(imported, folder.path / importer)
        return [path.relative_to(folder.path).as_posix() for path in found]

    return files


def test_absolute_imports_run_the_packages_on_the_way(folder, lookup):
    folder.write(dict.fromkeys(["pkg/__init__.py", "pkg/sub/__init__.py", "pkg/sub/mod.py", "main.py"], ""))
    assert lookup("pkg.sub.mod", "main.py") == ["pkg/__init__.py", "pkg/sub/__init__.py", "pkg/sub/mod.py"]
    assert lookup("pkg.sub.name", "main.py") == ["pkg/__init__.py", "pkg/sub/__init__.py"]
    assert lookup("os.path", "main.py") == []


def test_relative_imports(folder, lookup):
    folder.write(dict.fromkeys(["pkg/__init__.py", "pkg/a.py", "pkg/sub/__init__.py", "pkg/sub/b.py"], ""))
    assert lookup(".b", "pkg/sub/__init__.py") == ["pkg/sub/__init__.py", "pkg/sub/b.py"]
    assert lookup("..a", "pkg/sub/b.py") == ["pkg/__init__.py", "pkg/a.py"]
    assert lookup(".", "pkg/a.py") == ["pkg/__init__.py"]
    assert lookup("." * 90, "pkg/a.py") == []


def test_a_package_comes_before_a_module_of_its_name(folder, lookup):
    folder.write(dict.fromkeys(["x/__init__.py", "x.py", "main.py"], ""))
    assert lookup("x", "main.py") == ["x/__init__.py"]


def test_src_layouts_configured_folders_and_neighbours_of_a_script(folder, lookup):
    folder.write(dict.fromkeys(["src/pkg/__init__.py", "lib/extra.py", "scripts/helper.py", "tests/t.py"], ""))
    assert lookup("pkg", "tests/t.py") == ["src/pkg/__init__.py"]
    assert lookup("extra", "tests/t.py") == []
    assert lookup("extra", "tests/t.py", src=("lib",)) == ["lib/extra.py"]
    assert lookup("helper", "scripts/run.py") == ["scripts/helper.py"]


def test_neighbours_of_an_installed_package_are_not_first_party(folder, lookup):
    installed = "env/lib/site-packages"
    folder.write(dict.fromkeys([f"{installed}/{name}" for name in ("a/__init__.py", "a/x.py", "b.py")], ""))
    assert lookup("a.x", f"{installed}/a/__init__.py") == [f"{installed}/a/__init__.py", f"{installed}/a/x.py"]
    assert lookup("b", f"{installed}/a/__init__.py") == []
    inner = Modules(Config(root=folder.path / installed / "a"))
    assert inner.files("b", folder.path / installed / "a/__init__.py") == []


def test_names_follow_packages_and_source_folders(folder):
    folder.write(dict.fromkeys(["src/pkg/__init__.py", "src/pkg/a.py", "src/ns/b.py", "scripts/run.py", "top.py"], ""))
    modules = Modules(Config(root=folder.path))
    named = {path: modules.name(folder.path / path) for path in ("src/pkg/__init__.py", "src/pkg/a.py", "src/ns/b.py")}
    assert named == {"src/pkg/__init__.py": "pkg", "src/pkg/a.py": "pkg.a", "src/ns/b.py": "ns.b"}
    assert modules.name(folder.path / "scripts/run.py") == "run"
    assert modules.name(folder.path / "top.py") == "top"


def test_a_namespace_package_is_called_as_it_was_imported(folder):
    folder.write(dict.fromkeys(["main.py", "ns/inner/__init__.py", "ns/inner/a.py"], ""))
    modules = Modules(Config(root=folder.path))
    inner = folder.path / "ns" / "inner"
    assert modules.name(inner / "a.py") == "inner.a"
    assert modules.files("ns.inner", folder.path / "main.py") == [inner / "__init__.py"]
    assert modules.name(inner / "a.py") == "ns.inner.a"


def test_an_init_file_outside_any_package_keeps_its_name(folder):
    folder.write({"__init__.py": ""})
    assert Modules(Config(root=folder.path)).name(folder.path / "__init__.py") == folder.path.name
