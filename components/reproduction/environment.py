"""The packages a build was made with: what is different here, and a virtual environment that has them again."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from components.errors import HostError
from components.provenance import Package
from components.reproduction.recorded import Recorded, RecordedMachine

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

    HostError if a package cannot be installed, or if this is another Python than the recorded one.
    """
    wanted = recorded.machine.python.rpartition(".")[0]
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if wanted != here:
        raise HostError(
            f"build {recorded.build.build_id} was made with Python {recorded.machine.python}, this is {here}: run "
            f"'slipway reproduce' with Python {wanted}"
        )
    report("new environment")
    _run([sys.executable, "-m", "venv", str(folder)])
    python = folder / "bin" / "python"
    # A local label such as +cpu names a build of the release that the index may not know by it.
    pins = [f"{name}=={p.version.split('+')[0]}" for name, p in recorded.packages.items() if name != "slipway"]
    listed = folder / "packages.txt"
    listed.write_text("\n".join(pins) + "\n", encoding="utf-8")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    # Complete by construction: the list holds every package that any of them needs.
    _run([*pip, "-r", str(listed)])
    _run([*pip, "-e", str(code)])
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "ERROR" in line] or done.stderr.splitlines()[-1:]
        raise HostError(f"the recorded environment cannot be made: {' '.join(lines)[:500]}")
