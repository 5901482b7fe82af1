"""The modules that answer requests, without the rest of Slipway: what a Bento or a lean environment takes along."""

import importlib.util
import shutil
from pathlib import Path

from components.errors import HostError

SOURCES = (
    "deployments/__init__.py",
    "deployments/bento_service.py",
    "deployments/data_plane/**/*.py",
    "components/__init__.py",
    "components/answer_shape.py",
    "components/errors.py",
    "components/lifetime.py",
    "components/machine.py",
    "components/storage.py",
    "components/delivery/__init__.py",
    "components/builds/build.py",
    "components/builds/sealed_files.py",
    "components/builds/signature.py",
    "components/delivery/rollout.py",
    "components/workloads/__init__.py",
    "components/workloads/*/__init__.py",
    "components/workloads/*/inference.py",
    "data_contracts/__init__.py",
    "data_contracts/field_types.py",
    "data_contracts/patterns.py",
    "data_contracts/spec.py",
)


def source_files() -> dict[str, Path]:
    """Return every file by its place below the folder that holds the packages."""
    found = {}
    for pattern in SOURCES:
        package, _, rest = pattern.partition("/")
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise HostError(f"the package {package} is not installed, so it cannot be packed")
        root = Path(next(iter(spec.submodule_search_locations)))
        found.update({f"{package}/{source.relative_to(root)}": source for source in sorted(root.glob(rest))})
    return found


def copy_sources(folder: Path) -> None:
    """Copy the files below a folder."""
    for place, source in source_files().items():
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
