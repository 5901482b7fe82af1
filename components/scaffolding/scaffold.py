"""The two files that a table needs: written whole into the user's folder, never over what is there unless told to."""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from components.artefacts.errors import WorkloadError
from components.artefacts.storage import write_atomically
from components.profiling.profile import Choose, Profile, profile_table
from components.scaffolding.contract_file import contract_text
from components.scaffolding.names import workload_name
from components.scaffolding.workload_file import workload_text
from data_contracts.language.compilation import taken_names

_NAME = re.compile(r"^[a-z][a-z0-9_]{0,62}$")


@dataclass(frozen=True)
class Scaffold:
    """The files of a workload."""

    name: str
    contract: Path
    workload: Path


@dataclass(frozen=True)
class Wanted:
    """What a person says of a table; what is None is found in the data, or asked."""

    label: str | None = None
    time: str | None = None
    group: str | None = None
    goal: str | None = None


def check_new(name: str, folder: Path, *, force: bool = False) -> Scaffold:
    """Return where the files of a workload are to be written below a folder.

    WorkloadError if it cannot be called so, or if there is one of them already, unless ``force`` writes over it.
    """
    if not _NAME.match(name):
        raise WorkloadError(
            f"'{name}' is no name of a workload: small letters, digits and underscores, such as {workload_name(name)}"
        )
    files = Scaffold(name, folder / "data_contracts" / f"{name}.py", folder / "deployments" / f"{name}.yaml")
    there = [file for file in (files.contract, files.workload) if file.exists()]
    if there and not force:
        raise WorkloadError(
            f"{' and '.join(map(str, there))} {'is' if len(there) == 1 else 'are'} there already: --force writes over "
            "it, or give another name"
        )
    return files


def scaffold(data: str, files: Scaffold, wanted: Wanted, ask: Choose = lambda _: None) -> Profile:
    """Look at the data (a file, a folder or a pattern of them, or s3://bucket/key) and write both files.

    ``ask`` returns the label's column where it could be several; None if nobody can be asked.
    """
    with tempfile.TemporaryDirectory(prefix="slipway-new-") as scratch:
        profile = profile_table(
            data,
            Path(scratch),
            label=wanted.label,
            time=wanted.time,
            group=wanted.group,
            choose_label=ask,
            taken=taken_names(),
        )
    texts = {
        files.contract: contract_text(files.name, profile),
        files.workload: workload_text(files.name, profile, wanted.goal),
    }
    for file, text in texts.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, text.encode())
    return profile
