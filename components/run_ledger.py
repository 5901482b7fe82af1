"""What a run did, stage by stage, written as it happens, so that also a killed run can say how far it came.

One JSON file a run under ``runs/``; the newest of a workload is what ``slipway status`` shows.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from components.artefacts.errors import SlipwayError
from components.artefacts.storage import is_running, sweep, this_process, write_json
from components.settings import Home
from components.stage_keys import StageKey
from components.store.store import Room, StoreError

# The rooms with folders and files of ours; MLflow, Prefect and BentoML look after their own.
SWEPT: tuple[Room, ...] = (
    "snapshots",
    "validated",
    "quarantine",
    "prepared",
    "training",
    "evaluations",
    "builds",
    "rollouts",
    "reports",
    "runs",
    "keys",
    "bentoml",
    "cache",
)
State = Literal["running", "ran", "cached", "failed", "interrupted"]


class StageRecord(msgspec.Struct, kw_only=True):
    """One stage of a run: what came of it, how long it took, and the key that decided whether it had to run.

    ``detail`` is how it failed, ``note`` what is worth knowing of a stage that ran.
    """

    stage: str
    state: State
    seconds: float = 0.0
    key: StageKey | None = None
    detail: str = ""
    note: str = ""


class RunRecord(msgspec.Struct, kw_only=True):
    """One run of a flow.

    ``process`` is the one that makes it (``storage.this_process``).
    """

    run_id: str
    workload: str
    flow: str
    started: str
    process: str = ""
    state: State = "running"
    seconds: float = 0.0
    error: str = ""
    stages: list[StageRecord] = msgspec.field(default_factory=list)

    @property
    def is_live(self) -> bool:
        """Whether it has not ended, and its process is still there to end it."""
        return self.state == "running" and is_running(self.process)

    def told(self, state: State) -> str:
        """Return the state of the run, or of one of its stages, in words: a run that was killed wrote no end."""
        return "interrupted" if state == "running" and not self.is_live else state


class Ledger:
    """The record of the current run and the file it is kept in."""

    def __init__(self, path: Path, record: RunRecord) -> None:
        self.path = path
        self.record = record
        self.save()

    def save(self) -> None:
        write_json(self.path, self.record)

    def stage(self, name: str) -> StageRecord:
        """Return the record of a stage, made if it is not there yet."""
        for stage in self.record.stages:
            if stage.stage == name:
                return stage
        stage = StageRecord(stage=name, state="running")
        self.record.stages.append(stage)
        return stage


_current: ContextVar[Ledger | None] = ContextVar("slipway_ledger", default=None)


def current_ledger() -> Ledger | None:
    """Return the ledger of the run that this code belongs to, if any."""
    return _current.get()


@contextmanager
def recorded_run(home: Home, workload: str, flow: str) -> Iterator[Ledger]:
    """Record what happens in the block as one run; inside another recorded run, record into that one.

    What killed runs left unfinished in the home is cleared away first, and their end is written down.
    """
    outer = _current.get()
    if outer is not None:
        yield outer
        return
    for room in SWEPT:
        sweep(home.room(room))
    close_killed(home)
    now = datetime.now(UTC)
    run_id = f"{workload}-{now:%Y%m%dT%H%M%S%f}"
    started = now.isoformat(timespec="seconds")
    record = RunRecord(run_id=run_id, workload=workload, flow=flow, started=started, process=this_process())
    ledger = Ledger(home.room("runs", f"{run_id}.json"), record)
    token = _current.set(ledger)
    _open.append(ledger)
    try:
        yield ledger
        record.state = "ran"
    except BaseException as error:
        record.state, record.error = "failed", reason_of(error)
        for stage in record.stages:
            if stage.state == "running":
                stage.state, stage.detail = "failed", record.error
        raise
    finally:
        _current.reset(token)
        _open.remove(ledger)
        record.seconds = (datetime.now(UTC) - now).total_seconds()
        ledger.save()
        _send(home, ledger.path)


def _send(home: Home, path: Path) -> None:
    """Give the record of a run that has ended to the other machines; what the run came to does not hang on that."""
    try:
        if home.store.elsewhere:
            found = home.store.read_document("runs", path.name)
            home.store.write_document("runs", path.name, path.read_bytes(), found.version if found else None)
    except StoreError as error:
        sys.stderr.write(f"slipway: other machines do not see the run {path.stem}: {error}\n")


def reason_of(error: BaseException) -> str:
    """Return in words why a run ended that ended with this."""
    if isinstance(error, SystemExit):
        return f"its process was told to end, with exit code {error.code}"
    said = str(error)
    if isinstance(error, KeyboardInterrupt):
        return said or "stopped by Ctrl-C"
    if not isinstance(error, Exception):
        return f"its process was told to end ({type(error).__name__})"
    if isinstance(error, SlipwayError):
        return said
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def leave_word(reason: str) -> None:
    """Write down why the runs of this process end, which is about to be ended from outside of them."""
    for ledger in _open:
        ledger.record.error = reason
        ledger.save()


# Of this process; leave_word comes from another thread, which has no context of its own.
_open: list[Ledger] = []


def close_killed(home: Home) -> tuple[RunRecord, ...]:
    """Write the end of every run that could not, because its process was killed; return these runs."""
    closed = []
    for path in sorted(home.room("runs").glob("*.json")):
        record = _read(path)
        if record is None:
            continue
        if record.state == "interrupted" and _decode(path.read_bytes()).state == "running":
            write_json(path, record)
            _send(home, path)
            closed.append(record)
    return tuple(closed)


def reasons_of_ends(home: Home) -> dict[str, str]:
    """Return why runs ended that did not end well, by the process (``storage.this_process``) that made them."""
    records = (_read(path) for path in sorted(home.room("runs").glob("*.json")))
    return {record.process: record.error for record in records if record and record.error}


_decode = msgspec.json.Decoder(RunRecord).decode


def _read(path: Path) -> RunRecord | None:
    """Read a record; a run that is written down as running although its process has ended was killed.

    A record of another version of Slipway that cannot be read is None: what ran once must not stop what runs now.
    """
    try:
        record = _decode(path.read_bytes())
    except msgspec.DecodeError:
        return None
    if record.state != "running" or record.is_live:
        return record
    running = [stage for stage in record.stages if stage.state == "running"]
    where = f" in {running[-1].stage}" if running else ""
    record.state = "interrupted"
    if not record.error:
        record.error = ended_without_a_word(where)
    for stage in running:
        stage.state, stage.detail = "interrupted", record.error
    record.seconds = max(path.stat().st_mtime - datetime.fromisoformat(record.started).timestamp(), 0.0)
    return record


def ended_without_a_word(where: str = "") -> str:
    """Return the reason of an end that nothing is known of; ``where`` is such as " in train"."""
    return f"its process ended without a word{where}: it was killed, or the machine went down"


def runs_of(home: Home, workload: str) -> list[RunRecord]:
    """Return the runs of a workload, newest first; those of other machines once they have ended."""
    if home.store.elsewhere:
        for name in home.store.documents("runs"):
            if name.startswith(f"{workload}-") and not home.room("runs", name).exists():
                home.store.local("runs", name)
    records = [_read(path) for path in home.room("runs").glob(f"{workload}-*.json")]
    return sorted((r for r in records if r and r.workload == workload), key=lambda r: r.run_id, reverse=True)


def own_run(home: Home, workload: str) -> RunRecord | None:
    """Return the latest run of a workload that this process made: others may run on the same home at once."""
    own = this_process()
    return next((run for run in runs_of(home, workload) if run.process == own), None)


def stage_seconds(home: Home) -> dict[str, float]:
    """Return what each finished stage of the current run took; one from the cache what it took when it ran."""
    ledger = current_ledger()
    if ledger is None:
        return {}
    earlier = [record for run in runs_of(home, ledger.record.workload) for record in run.stages]
    found = {}
    for stage in ledger.record.stages:
        if stage.state == "ran":
            found[stage.stage] = round(stage.seconds, 3)
        elif stage.state == "cached" and stage.key:
            ran = [one.seconds for one in earlier if one.state == "ran" and one.key == stage.key]
            if ran:
                found[stage.stage] = round(ran[0], 3)
    return found
