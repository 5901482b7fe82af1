"""Look at what the service was asked: have the inputs drifted, have the answers? Read from its prediction log."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from components.artefacts.build import Build
from components.artefacts.inference import inference_of
from components.artefacts.prediction_log import read_parts
from components.artefacts.storage import write_atomically
from components.declaration.workload import Workload
from components.monitoring.drift import SAMPLE, compare_windows, nothing_to_compare
from components.monitoring.monitor import FILE, Monitored, windows_by
from components.settings import Home
from components.store.reference import made_in, settled
from data_contracts.description.spec import ContractSpec

ANSWERED = "answered_at"
DAYS = {"day": 1, "week": 7, "month": 31}


def monitor_log(workload: Workload, contract: ContractSpec, build: Build, home: Home) -> Monitored:
    """Compare what a build answered with its reference, window by window; without a row of it nothing is found.

    The current window and as many before it as the rule asks for in a row are looked at.
    """
    entry = home.reference("reports", f"{workload.name}/{build.build_id}-live")

    def make(folder: Path) -> Monitored:
        found = settled(_monitored(workload, contract, build, home, folder), folder, entry)
        write_atomically(folder / FILE, found.model_dump_json(indent=2).encode())
        return found

    return made_in(entry, make)


def _monitored(workload: Workload, contract: ContractSpec, build: Build, home: Home, folder: Path) -> Monitored:
    rule, log = workload.monitoring, home.room("predictions", workload.name)
    since = datetime.now(UTC) - timedelta(days=DAYS[rule.window] * (rule.windows_in_a_row + 1))
    parts = list(_answered(log, since, build.build_id, workload.seed))
    if not parts:
        nothing = nothing_to_compare(
            f"since {since:%Y-%m-%d} build {build.build_id} has answered nothing that is in {log}", rule
        )
        return Monitored(digest=nothing.digest, build_id=build.build_id, drift=nothing, stored_report=folder / FILE)
    drift = compare_windows(
        pl.read_parquet(build.read("reference.parquet"), glob=False),
        windows_by(pl.concat(parts, how="diagonal"), ANSWERED, rule.window),
        contract,
        rule,
        folder,
        workload.seed,
        build.serving().answer.columns,
        title=f"{workload.name}, answered by build {build.build_id}",
        inference=inference_of(build.manifest.kind),
    )
    return Monitored(digest=drift.digest, build_id=build.build_id, drift=drift, stored_report=folder / FILE)


def _answered(log: Path, since: datetime, build: str, seed: int) -> Iterator[pl.DataFrame]:
    """Yield rows part by part, of each no more than are compared of a window."""
    for table in read_parts(log, since=since, build=build):
        rows = pl.from_arrow(table)
        assert isinstance(rows, pl.DataFrame)
        yield rows.sample(SAMPLE, seed=seed) if len(rows) > SAMPLE else rows
