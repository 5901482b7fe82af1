"""Provenance: the dependency graph, what differs from the pinned set, the uncommitted diff."""

import subprocess
from pathlib import Path

import pytest

from components import provenance
from components.provenance import (
    Package,
    code_version,
    constraints_file,
    dependency_graph,
    environment_differences,
    how_to_pin,
)


def test_the_graph_holds_direct_and_indirect_dependencies_with_versions() -> None:
    graph = dependency_graph()
    assert "torch" in graph["slipway"].requires
    assert "sqlalchemy" in graph
    # Asked for as an extra: granian[uvloop].
    assert "uvloop" in graph["granian"].requires
    assert all(name in graph for package in graph.values() for name in package.requires)


def test_an_extra_that_a_requirement_names_is_followed() -> None:
    # Slipway needs granian[uvloop].
    granian = dependency_graph("granian")
    assert "uvloop" not in granian
    assert {"granian", "uvloop"} <= dependency_graph().keys()


def test_a_package_that_differs_from_the_pinned_set_is_named(tmp_path: Path) -> None:
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("# pinned\npolars==1.0\nTorch==2.13.0\n")
    graph = {
        "polars": Package("2.1.0", ()),
        "torch": Package("2.13.0+cpu", ()),
        "stray": Package("0.1", ()),
    }
    assert environment_differences(graph, constraints) == (
        "polars is 2.1.0, constraints.txt says 1.0",
        "stray 0.1 is not in constraints.txt",
    )


def test_a_missing_constraints_file_is_itself_a_difference(tmp_path: Path) -> None:
    assert "no constraints file" in environment_differences({}, tmp_path / "gone.txt")[0]


def test_of_a_checkout_its_own_list_counts() -> None:
    assert constraints_file() == provenance.ROOT / "constraints.txt"
    assert how_to_pin() == "pip install -c constraints.txt -e ."


def test_the_pyproject_of_another_package_beside_an_installation_is_not_taken_for_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    for text in ('[project]\nname = "other"\ndependencies = ["nothing-of-ours"]\n', "no TOML at all", "\0"):
        (tmp_path / "pyproject.toml").write_text(text)
        assert "torch" in dependency_graph()["slipway"].requires
        assert "-e ." not in how_to_pin()


def test_the_code_version_holds_the_uncommitted_diff(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    git("init")
    (tmp_path / "code.py").write_text("a = 1\n")
    git("add", ".")
    git("commit", "-m", "first")
    clean = code_version(tmp_path)
    assert clean.commit
    assert clean.diff == ""
    (tmp_path / "code.py").write_text("a = 2\n")
    (tmp_path / "new.py").write_text("")
    dirty = code_version(tmp_path)
    assert dirty.commit == clean.commit
    assert "+a = 2" in dirty.diff
    assert dirty.untracked == ("new.py",)
    assert dirty.digest != clean.digest
