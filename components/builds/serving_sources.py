"""The modules that answer requests, without the rest of Slipway: what a Bento or a lean environment takes along."""

import ast
import importlib.util
import re
import shutil
from pathlib import Path

import components
from components.artefacts.errors import HostError
from components.artefacts.storage import digest_json
from components.imported_code import code_of

# Whole rooms: the service, what it shares with the pipeline, and the contract's plain description. A package is found
# by what is ours alone: a user's own folder of its name may come first.
ROOMS = {"deployments": "data_plane", "components/artefacts": "artefacts", "data_contracts/description": "description"}


def source_files(kind: str) -> dict[str, Path]:
    """Return every file by its place below the folder that holds the packages: the rooms, and by what a kind answers.

    Of the kind that is ``inference.py`` and the modules of its own folder that it imports.
    """
    found = {}
    for room, ours in ROOMS.items():
        package, _, rest = room.partition("/")
        spec = importlib.util.find_spec(f"{package}.{ours}")
        if spec is None or not spec.submodule_search_locations:
            raise HostError(f"the package {package} is not installed, so it cannot be packed")
        root = Path(next(iter(spec.submodule_search_locations))).parent
        files = [root / "__init__.py", *sorted((root / rest).rglob("*.py"))]
        found.update({f"{package}/{source.relative_to(root)}": source for source in files})
    place = f"components/kinds/{kind}/"
    reached = code_of([f"components.kinds.{kind}.inference"]).files
    found.update({name: source for name, source in reached.items() if name.startswith(place)})
    for name in ("components/kinds/__init__.py", f"{place}__init__.py"):
        found[name] = Path(components.__file__ or "")
    return found


def copy_sources(folder: Path, kind: str) -> None:
    """Copy the files below a folder."""
    for place, source in source_files(kind).items():
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def copy_package(folder: Path, kind: str, public_key: Path | None = None) -> str:
    """Copy the files, and the key to ask for, below a folder as one package; its name follows from what is in it.

    Where a user's own code and other models are imported beside it, ``components`` would meet another package of that
    name, and the code of one model would answer for another.
    """
    texts = {place: source.read_text(encoding="utf-8") for place, source in source_files(kind).items()}
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
