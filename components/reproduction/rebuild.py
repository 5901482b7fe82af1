"""Make a build again: the recorded code builds from the recorded snapshot in a home of its own, and is compared.

    reproduce(open_build(path, key), home, Rebuilding(fresh_environment=True))

The recorded code runs as ``slipway build WORKLOAD --data DIGEST --json`` in another process: the public command is all
that this version and the recorded one need to have in common.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

from pydantic import Field

from components.artefacts.build import Build, open_build
from components.artefacts.errors import BuildError, DataError
from components.builds.kept_builds import sealings, workload_document
from components.builds.signing import public_key_path
from components.data.versions import find_version
from components.provenance import machine
from components.reproduction.asking import asked_metrics
from components.reproduction.code import restore_code
from components.reproduction.comparison import Reproduction, compare
from components.reproduction.environment import Report, environment_changes, make_environment
from components.reproduction.recorded import Recorded, RecordedMachine, read_recorded
from components.result import Result
from components.settings import Home

# A build that its gates refused is a build all the same.
BUILT = (0, 5)


class Rebuilding(Result):
    """How a build is made again."""

    fresh_environment: bool = Field(False, description="Install the recorded packages into an environment of its own.")
    tolerance: float = Field(0.005, ge=0, lt=1, description="Relative difference of a metric that is still equal.")
    keep: bool = Field(False, description="Keep the folder with code, environment and the second build.")


def find_build(name_or_path: str, home: Home, public_key: Path) -> Build:
    """Open a build given by its id, the first characters of it, or its folder; BuildError says which are known.

    Of a build that was sealed more than once, its id means the latest; the others are found by their folders' names.
    """
    folder = Path(name_or_path)
    if folder.is_dir():
        return open_build(folder.resolve(), public_key)
    builds = sealings(home.store)
    named = {name: (build_id, name) for build_id, some in builds.items() for name in some}
    found = {build_id: some[-1] for build_id, some in builds.items() if build_id.startswith(name_or_path)}
    if name_or_path in named and name_or_path not in builds:
        found = dict([named[name_or_path]])
    if len(found) != 1:
        known = ", ".join(builds) or "none"
        what = f"{len(found)} builds start with" if found else "there is no build"
        raise BuildError(f"{what} '{name_or_path}' in {home.store.where('builds')}; known: {known}")
    (build_id, name), *_ = found.items()
    return open_build(home.store.local("builds", name), public_key, build_id=build_id)


def reproduce(build: Build, home: Home, wanted: Rebuilding, report: Report) -> Reproduction:
    """Rebuild from recorded code, data and environment and compare.

    BuildError if the recorded code cannot be reached or does not build, DataError if the snapshot is gone, HostError if
    the environment cannot be made. A difference is a result, not an error.
    """
    started = time.monotonic()
    recorded = read_recorded(build)
    snapshot = _snapshot(recorded, home)
    scratch = Path(tempfile.mkdtemp(prefix=f"slipway-reproduce-{build.build_id}-"))
    try:
        report("recorded code")
        code, where = restore_code(recorded, scratch / "code")
        here = machine()
        now = RecordedMachine(processor=str(here["processor"]), cores=int(here["cores"]), python=str(here["python"]))
        python = Path(sys.executable)
        if wanted.fresh_environment:
            python = make_environment(recorded, code, scratch / "environment", report)
        again = read_recorded(_rebuild(recorded, snapshot, code, python, scratch, report))
        report("comparison")
        return compare(
            recorded,
            again,
            (asked_metrics(build, again.build), asked_metrics(again.build, again.build)),
            code=where,
            # What the second build itself says it was made with.
            environment=environment_changes(recorded, again.packages, now),
            tolerance=wanted.tolerance,
            seconds=time.monotonic() - started,
            kept=again.build.path if wanted.keep else None,
        )
    finally:
        if not wanted.keep:
            shutil.rmtree(scratch, ignore_errors=True)


def _snapshot(recorded: Recorded, home: Home) -> Path:
    digest = recorded.data.snapshot
    try:
        found = find_version(digest, home)
    except DataError:
        raise DataError(
            f"build {recorded.build.build_id} was made from the data version {digest[:12]}, which is not in "
            f"{home.store.where('snapshots')}: it was deleted, or lies in another home; bring it back, or set "
            "SLIPWAY_HOME"
        ) from None
    if not found.stored.exists():
        raise DataError(f"data version {digest[:12]} has no rows any more: {found.stored} is missing")
    return home.store.local("snapshots", digest)


def _rebuild(recorded: Recorded, snapshot: Path, code: Path, python: Path, scratch: Path, report: Report) -> Build:
    home = Home(scratch / "home")
    home.room("snapshots").mkdir(parents=True)
    home.room("snapshots", snapshot.name).symlink_to(snapshot)
    # As it was signed, whatever becomes of the folder meanwhile.
    declared = scratch / "workload.yaml"
    declared.write_bytes(recorded.build.read("workload.yaml"))
    report("rebuild")
    done = subprocess.Popen(
        [
            str(python),
            "-c",
            "from flows.command_line import main; main()",
            "build",
            str(declared),
            "--data",
            recorded.data.snapshot,
            "--json",
        ],
        cwd=code,
        env=_environment(home, recorded),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Ctrl-C reaches this process alone, which then ends the other.
        start_new_session=True,
    )
    try:
        out, errors = done.communicate()
    except BaseException:
        done.terminate()
        done.wait()
        raise
    last = deque(errors.splitlines(), maxlen=1)
    try:
        document = json.loads(out)
    except ValueError:
        document = {}
    if done.returncode not in BUILT or "registered" not in document:
        told = document.get("message") or (last[0] if last else "it said nothing")
        raise BuildError(
            f"build {recorded.build.build_id} cannot be made again: its code ended with exit code {done.returncode}, "
            f"saying: {told}"
        )
    # Signed with the key of its own home.
    folder = home.room("builds", document["registered"]["build_id"])
    return open_build(folder, public_key_path(home.room("keys", "signing.pem")))


def _environment(home: Home, recorded: Recorded) -> dict[str, str]:
    """Return the variables of the repetition: nothing that would let it write into the user's home or registry."""
    foreign = ("SLIPWAY_", "PREFECT_", "MLFLOW_", "BENTOML_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    # A contract of the user's own lies in the working directory, or beside the workload file that a build was made
    # with; the recorded code comes before it.
    paths = [str(Path.cwd()), *_folders_of_contract(recorded), *filter(None, [os.environ.get("PYTHONPATH")])]
    return kept | {
        "SLIPWAY_HOME": str(home.root),
        "SLIPWAY_THREADS": str(recorded.training.hardware.threads),
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _folders_of_contract(recorded: Recorded) -> list[str]:
    """Return the folder in which imports found the module of a build's contract, if that is the user's own."""
    module = str(workload_document(recorded.build)["contract"]).partition(":")[0]
    end = f"/{module.replace('.', '/')}.py"
    return [name.removesuffix(end) for name in recorded.code.files if Path(name).is_absolute() and name.endswith(end)]
