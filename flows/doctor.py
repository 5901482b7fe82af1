"""What ``slipway doctor`` checks: whether this machine and its environment can do the work."""

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from components.artefacts.errors import HostError, SlipwayError
from components.artefacts.storage import sweep
from components.declaration.loading import known_workloads
from components.provenance import dependency_graph, environment_differences, how_to_pin, machine
from components.result import Result
from components.run_ledger import SWEPT, close_killed
from components.settings import Home, Settings
from flows.killed_runs import crash_ended
from flows.opening import checked_workload
from flows.orchestrator import check_reachable

FREE_BYTES = 5_000_000_000
MEMORY_BYTES = 4_000_000_000


class Finding(Result):
    """One check: what was looked at, how it stands, what was found and what to do."""

    check: str
    state: Literal["passed", "warning", "failed"]
    found: str


def examine(home: Home, workloads: Sequence[str] = ()) -> tuple[Finding, ...]:
    """Run every check; none changes anything but what killed runs have left, which is mended or cleared away.

    ``workloads`` are names or files; all that are known if there are none.
    """
    machine = (_python(), _packages(), _memory(), _disk(home), _writable(home))
    found = _workloads(workloads or tuple(known_workloads()))
    return (*machine, _leftovers(home), _registry(home), *found, _orchestrator())


def _finding(check: str, passed: bool, found: str, *, otherwise: Literal["warning", "failed"]) -> Finding:
    return Finding(check=check, state="passed" if passed else otherwise, found=found)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    supported = (3, 11) <= sys.version_info[:2] < (3, 13)
    return _finding("Python", supported, f"{version}; 3.11 and 3.12 are supported", otherwise="failed")


def _packages() -> Finding:
    differences = environment_differences(dependency_graph())
    if not differences:
        return Finding(check="packages", state="passed", found="as pinned in constraints.txt")
    told = "; ".join(differences[:3]) + (f"; {len(differences) - 3} more" if len(differences) > 3 else "")
    return Finding(
        check="packages",
        state="warning",
        found=f"{told}: a build made here will not be promoted without --accept environment; "
        f"{how_to_pin()} puts it right",
    )


def _memory() -> Finding:
    found = machine()
    memory = int(found["memory_bytes"])
    text = f"{found['cores']} cores, {memory / 1e9:.1f} GB; {MEMORY_BYTES / 1e9:.0f} GB are enough for flights"
    return _finding("machine", memory >= MEMORY_BYTES, text, otherwise="warning")


def _disk(home: Home) -> Finding:
    place = next(path for path in (home.root, *home.root.parents) if path.exists())
    free = shutil.disk_usage(place).free
    return _finding("disk", free >= FREE_BYTES, f"{free / 1e9:.0f} GB free at {place}", otherwise="warning")


def _writable(home: Home) -> Finding:
    place = next(path for path in (home.root, *home.root.parents) if path.exists())
    return _finding("SLIPWAY_HOME", os.access(place, os.W_OK), str(home.root), otherwise="failed")


def _workloads(names: Sequence[str]) -> tuple[Finding, ...]:
    found = []
    for name in names:
        try:
            port = checked_workload(name).serving.port
        except SlipwayError as error:
            found.append(Finding(check=f"workload {name}", state="failed", found=str(error)))
            continue
        text = f"its file is sound; port {port} is {'free' if _is_free(port) else 'in use: serve with --port'}"
        found.append(_finding(f"workload {name}", _is_free(port), text, otherwise="warning"))
    return tuple(found)


def _leftovers(home: Home) -> Finding:
    """Clear away what runs and services left behind whose process was killed."""
    # Counts of a service's workers, and what was packed as a Bento.
    swept = list(sweep(Path(tempfile.gettempdir()), below=False))
    closed = close_killed(home) if home.root.is_dir() else ()
    swept += [path for room in SWEPT for path in sweep(home.room(room)) if home.root.is_dir()]
    sent = home.store.sweep()
    told = [f"{record.workload} of {record.started}: {record.error}" for record in closed]
    if closed and os.environ.get("PREFECT_API_URL"):
        told.append(_tell_prefect(home))
    if swept:
        told.append(f"{len(swept)} unfinished files and folders deleted")
    if sent:
        told.append(f"{sent} files deleted that no entry of the store names")
    return Finding(check="killed runs", state="passed", found="; ".join(told) or "none")


def _registry(home: Home) -> Finding:
    """Have the registry's alias agree with the rollout document: a promotion may be killed between the two."""
    from components.promotion.agreement import agree_with_registry

    mended = []
    try:
        for name in home.store.documents("rollouts"):
            mended += agree_with_registry(name.removesuffix(".json"), home, Settings())
    except SlipwayError as error:
        return Finding(check="registry", state="warning", found=str(error))
    return Finding(check="registry", state="passed", found="; ".join(mended) or "names the builds that serve")


def _tell_prefect(home: Home) -> str:
    """Have the server that the environment names know of killed runs; the next run tells a temporary one."""
    try:
        check_reachable(os.environ["PREFECT_API_URL"])
    except HostError as error:
        return f"Prefect could not be told: {error}"
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        crash_ended(home, client)
    return "Prefect was told"


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _orchestrator() -> Finding:
    url = os.environ.get("PREFECT_API_URL")
    text = f"the server at {url}" if url else "a temporary server for each command (PREFECT_API_URL is not set)"
    return Finding(check="Prefect", state="passed", found=text)
