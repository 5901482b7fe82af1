"""The packages a build was made with: what is different here, and a virtual environment that has them again."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from components.artefacts.errors import HostError
from components.provenance import Package
from components.reproduction.recorded import Recorded, RecordedMachine
from components.virtual_environment import make_virtual_environment, pins_of

Report = Callable[[str], None]


def environment_changes(recorded: Recorded, packages: Mapping[str, Package], machine: RecordedMachine) -> list[str]:
    """Name every package, and of the machine what matters, that is not as recorded."""
    found = []
    for name in sorted(recorded.packages.keys() | packages.keys()):
        then, now = recorded.packages.get(name), packages.get(name)
        if name == "slipway" or (then and now and then.version == now.version):
            continue
        found.append(f"{name} was {then.version if then else 'not there'}, is {now.version if now else 'not there'}")
    for what in ("python", "processor", "cores"):
        then, now = getattr(recorded.machine, what), getattr(machine, what)
        if then != now:
            found.append(f"{what}: was {then}, is {now}")
    return found


def make_environment(recorded: Recorded, code: Path, folder: Path, report: Report) -> Path:
    """Make a virtual environment with exactly the recorded packages and return its Python.

    HostError if a package cannot be installed, if this is another Python than the recorded one, or no checkout.
    """
    wanted = recorded.machine.python.rpartition(".")[0]
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if wanted != here:
        raise HostError(
            f"build {recorded.build.build_id} was made with Python {recorded.machine.python}, this is {here}: run "
            f"'slipway reproduce' with Python {wanted}"
        )
    if not (code / "pyproject.toml").is_file():
        raise HostError(
            f"a new environment is made with the recorded code, and what is installed at {code} is no checkout that "
            "pip could install from: run it in a clone of Slipway, or leave --fresh-environment out"
        )
    report("new environment")
    listed = folder.with_name("packages.txt")
    listed.write_text("\n".join(pins_of(recorded.packages)) + "\n", encoding="utf-8")
    return make_virtual_environment(folder, listed, "-e", str(code), what="the recorded environment")
