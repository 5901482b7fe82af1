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
