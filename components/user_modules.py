"""Contracts and sources of the user's own are found in the working directory, then beside the workload file.

Nothing there takes the place of ours, or of an installed package.

A folder with one of our names there (``deployments/``, ``tasks/``) would be taken for a part of our package where this
one is installed as a checkout, whose packages Python's own search does not know.
"""

import importlib
import os
import sys
from pathlib import Path

import data_contracts
from components.provenance import ROOT


def find_user_modules(folder: Path) -> None:
    """Have imports look into ``folder`` after everything else.

    Contracts are found in its ``data_contracts/``, and in that of any folder that imports look into already: a process
    that was begun elsewhere is told of the user's folder by PYTHONPATH.
    """
    ours, theirs = str(ROOT), str(folder)
    known = [path for path in sys.path if path not in ("", theirs)]
    first = [] if ours in known else [ours]
    sys.path[:] = [*first, *known, *([] if theirs == ours else [theirs])]
    for place in sys.path:
        contracts = str(Path(place) / "data_contracts")
        if Path(contracts).is_dir() and contracts not in data_contracts.__path__:
            data_contracts.__path__.append(contracts)


def forget_contracts() -> None:
    """Have every contract imported anew: in a program that lives long, as a notebook, its file is edited meanwhile."""
    # What a contract is made with takes a third of a second to import; the command line starts with this module.
    from data_contracts.contract import Contract

    known = [Contract]
    for contract in known:
        known += contract.__subclasses__()
    for name in {contract.__module__ for contract in known[1:]} - {"__main__"}:
        sys.modules.pop(name, None)
    importlib.invalidate_caches()


def find_modules_beside(workload: str, file: Path) -> None:
    """Have imports look beside a workload file that was given by its path, after the working directory.

    One in a folder ``deployments/`` has its contract in the folder above.
    """
    if not workload.endswith((".yaml", ".yml")):
        return
    above = [file.parent.parent] if file.parent.name == "deployments" else []
    for folder in (file.parent, *above):
        # Ours are found by their own names.
        if folder not in (Path.cwd(), ROOT) and not folder.is_relative_to(ROOT / "deployments"):
            find_user_modules(folder)


def child_environment() -> dict[str, str]:
    """Return the variables of a process that is to find the same modules."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
