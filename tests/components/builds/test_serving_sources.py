"""The modules that answer, as one package that meets no other of their names."""

import subprocess
import sys
from pathlib import Path

from components.builds.serving_sources import copy_package, source_files

LOOK = """
import importlib, sys
importlib.import_module(sys.argv[1])
print(*sorted({"components", "data_contracts", "deployments"} & {name.partition(".")[0] for name in sys.modules}))
"""


def test_the_package_imports_nothing_from_outside_of_itself(tmp_path: Path) -> None:
    package = copy_package(tmp_path, "tabular")
    assert {str(path.relative_to(tmp_path / package)) for path in (tmp_path / package).rglob("*.py")} == {
        *source_files("tabular"),
        "__init__.py",
    }
    module = f"{package}.deployments.mlflow_model"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOOK, module], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_the_name_follows_from_what_is_in_it(tmp_path: Path) -> None:
    assert copy_package(tmp_path / "one", "tabular") == copy_package(tmp_path / "two", "tabular")


def test_a_users_own_folder_of_the_same_name_is_not_taken_for_ours(tmp_path: Path) -> None:
    # As it is for a run that a worker starts in a folder with contracts of its own.
    for package in ("data_contracts", "deployments"):
        (tmp_path / package).mkdir()
    code = f"""
import data_contracts, deployments
data_contracts.__path__.insert(0, {str(tmp_path / "data_contracts")!r})
deployments.__path__.insert(0, {str(tmp_path / "deployments")!r})
from components.builds.serving_sources import source_files
found = source_files("tabular")
assert all(path.is_file() for path in found.values())
assert "data_contracts/description/spec.py" in found and "deployments/data_plane/server.py" in found
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
