"""The modules that answer requests, without the rest of Slipway: what a Bento or a lean environment takes along."""

import ast
import importlib.util
import re
import shutil
from pathlib import Path

from components.artefacts.errors import HostError
from components.artefacts.storage import digest_json

# Whole rooms, a kind's inference, and the contract's plain description.
SOURCES = (
    "deployments/**/*.py",
    "components/__init__.py",
    "components/artefacts/*.py",
    "components/kinds/__init__.py",
    "components/kinds/*/__init__.py",
    "components/kinds/*/inference.py",
    "data_contracts/__init__.py",
    "data_contracts/description/**/*.py",
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


def copy_package(folder: Path, public_key: Path | None = None) -> str:
    """Copy the files, and the key to ask for, below a folder as one package; its name follows from what is in it.

    Where a user's own code and other models are imported beside it, ``components`` would meet another package of that
    name, and the code of one model would answer for another.
    """
    texts = {place: source.read_text(encoding="utf-8") for place, source in source_files().items()}
    key = public_key.read_text(encoding="ascii") if public_key else None
    package = f"slipway_{digest_json([texts, key])[:12]}"
    names = "|".join({place.partition("/")[0] for place in texts})
    for place, text in {**texts, "__init__.py": ""}.items():
        moved = re.sub(rf"^(\s*)from ({names})(?=[. ])", rf"\1from {package}.\2", text, flags=re.MULTILINE)
        for node in ast.walk(ast.parse(moved)):
            named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if any(re.match(rf"({names})(\.|$)", name) for name in named):
                raise HostError(f"{place} imports {named[0]} in a form that cannot be packed: write 'from ... import'")
        target = folder / package / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(moved, encoding="utf-8")
    if key is not None:
        (folder / package / "signing.pub").write_text(key, encoding="ascii")
    return package
