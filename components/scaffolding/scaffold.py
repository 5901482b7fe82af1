"""The two files that a table needs: written whole into the user's folder, never over what is there unless told to."""

from dataclasses import dataclass
from pathlib import Path

from components.artefacts.errors import WorkloadError
from components.artefacts.storage import write_atomically
from components.profiling.profile import Profile
from components.scaffolding.contract_file import contract_text
from components.scaffolding.workload_file import workload_text


@dataclass(frozen=True)
class Scaffold:
    """The files of a workload."""

    contract: Path
    workload: Path


def scaffold_files(name: str, folder: Path) -> Scaffold:
    """Return where the files of a workload are written."""
    return Scaffold(folder / "data_contracts" / f"{name}.py", folder / "deployments" / f"{name}.yaml")


def refuse_existing(files: Scaffold) -> None:
    """Raise WorkloadError if a file is there already."""
    there = [file for file in (files.contract, files.workload) if file.exists()]
    if there:
        raise WorkloadError(
            f"{' and '.join(map(str, there))} {'is' if len(there) == 1 else 'are'} there already: --force writes over "
            "it, or give another name"
        )


def write_scaffold(name: str, profile: Profile, files: Scaffold, goal: str | None = None) -> None:
    """Write both files."""
    contract, workload = contract_text(name, profile), workload_text(name, profile, goal)
    for file, text in ((files.contract, contract), (files.workload, workload)):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, text.encode())
