"""What a user has: the installed command, a folder that is not the checkout, a home. Nothing here imports Slipway.

The wheel is installed once into an empty environment. To write tests faster, name an environment that has it already:
``SLIPWAY_OUTSIDE=.venv pytest tests/outside -m outside``.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.outside.places import Command, Place, end_all

# A run of tests that was put into the background ignores Ctrl-C, and so would the commands that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parents[2]
CASES = Path(__file__).resolve().parent / "cases"


@pytest.fixture(scope="session")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this test run share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


@pytest.fixture(scope="session")
def command(together: Path) -> Command:
    """The commands of an environment that holds the wheel and what it needs, nothing of the checkout."""
    if named := os.environ.get("SLIPWAY_OUTSIDE"):
        return Command(Path(named).absolute() / "bin")
    return Command(made_once(together / "installed", lambda folder: _install(folder, together)) / "bin")


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return a folder that the first process of this test run to ask for it makes; the others wait."""
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").is_file():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            (folder / "ready").touch()
    return folder


def _install(folder: Path, together: Path) -> None:
    """Build the wheel from what git knows or would, and install it as a stranger does: with the constraints."""
    sources = together / "sources"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for name in listed:
        if (REPOSITORY / name).is_file():
            (sources / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, sources / name)
    constraints = ["-c", str(REPOSITORY / "constraints.txt")]
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    pip = [python, "-m", "pip", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(together / "wheels"), str(sources)], check=True)
    wheel = next((together / "wheels").glob("slipway-*.whl"))
    # PyTorch by pip, which takes a build for processors where one is offered; the rest by uv, which takes seconds.
    subprocess.run([*pip, "install", *constraints, "torch", "uv"], check=True)
    subprocess.run(
        [str(folder / "bin" / "uv"), "pip", "install", "--quiet", "--python", python, *constraints, str(wheel)],
        check=True,
    )
    shutil.rmtree(sources)


@pytest.fixture(scope="session")
def triton(together: Path) -> Path:
    """The Python of an environment that holds tritonclient: what it needs of protobuf is not what Slipway does."""

    def make(folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "tritonclient[http,grpc]>=2.73"], check=True)

    return made_once(together / "triton", make) / "bin" / "python"


@pytest.fixture
def place(tmp_path: Path, command: Command) -> Iterator[Place]:
    """An empty folder with an empty home beside it, from which commands are run; what was started is stopped."""
    found = Place(command, tmp_path / "work", tmp_path / "home")
    found.folder.mkdir()
    try:
        yield found
    finally:
        end_all(found)


@pytest.fixture
def shop(place: Place) -> Place:
    """The place with the workload shop.yaml of a small shop: 3,000 orders, built in under a minute."""
    shutil.copytree(CASES / "shop", place.folder, dirs_exist_ok=True)
    return place


@pytest.fixture(scope="session")
def built_shop(command: Command, together: Path) -> Path:
    """A folder ``work`` with the shop and a folder ``home`` in which its build is the champion; copy, never change."""

    def make(folder: Path) -> None:
        shutil.copytree(CASES / "shop", folder / "work")
        _build_and_promote(folder, command)

    return made_once(together / "built-shop", make)


@pytest.fixture(scope="session")
def replaced_shop(built_shop: Path, command: Command, together: Path) -> Path:
    """Like ``built_shop``, but its champion was replaced by a second build, which has another port; copy it."""

    def make(folder: Path) -> None:
        shutil.copytree(built_shop, folder, ignore=shutil.ignore_patterns("ready"))
        file = folder / "work" / "shop.yaml"
        file.write_text(file.read_text().replace("port: 18080", "port: 18081"))
        _build_and_promote(folder, command)

    return made_once(together / "replaced-shop", make)


def _build_and_promote(folder: Path, command: Command) -> None:
    made = Place(command, folder / "work", folder / "home")
    try:
        made.run("slipway", "build", "shop.yaml", expect=0)
        made.run("slipway", "promote", "shop.yaml", expect=0)
    finally:
        end_all(made)


@pytest.fixture
def champion(tmp_path: Path, built_shop: Path, command: Command) -> Iterator[Place]:
    """A copy of the shop with a champion, in a folder of its own: homes can be moved."""
    yield from _copied(built_shop, tmp_path, command)


@pytest.fixture
def replaced(tmp_path: Path, replaced_shop: Path, command: Command) -> Iterator[Place]:
    """A copy of the shop with a champion and the one before it, in a folder of its own."""
    yield from _copied(replaced_shop, tmp_path, command)


def _copied(made: Path, folder: Path, command: Command) -> Iterator[Place]:
    for name in ("work", "home"):
        shutil.copytree(made / name, folder / name)
    found = Place(command, folder / "work", folder / "home")
    try:
        yield found
    finally:
        end_all(found)
