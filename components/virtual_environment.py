"""Virtual environments made from exact lists of packages, with pip and nothing else."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from components.artefacts.errors import HostError
from components.artefacts.lifetime import bound
from components.provenance import Package

# Complete lists: nothing is to be resolved.
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps")


def pins_of(packages: Mapping[str, Package]) -> list[str]:
    """Return ``name==version`` of every package but Slipway itself.

    A local label such as +cpu names a build of the release that the index may not know by it.
    """
    return [f"{name}=={one.version.split('+')[0]}" for name, one in sorted(packages.items()) if name != "slipway"]


def make_virtual_environment(folder: Path, requirements: Path, *more: str, what: str) -> Path:
    """Make an environment with exactly the listed packages and return its Python; HostError if pip cannot.

    ``more`` are further things to install, ``what`` names the environment in messages.
    """
    _run([sys.executable, "-m", "venv", str(folder)], what)
    python = folder / "bin" / "python"
    _run([str(python), *PIP, "-r", str(requirements)], what)
    if more:
        _run([str(python), *PIP, *more], what)
    return python


def _run(command: list[str], what: str) -> None:
    done = subprocess.run(bound(command), capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "ERROR" in line] or done.stderr.splitlines()[-1:]
        raise HostError(f"{what} cannot be made: {' '.join(lines)[:500]}")
