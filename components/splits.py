"""Train, validation, test and monitor: rows of the kept data by the rule that the workload file declares."""

from datetime import datetime, time, timedelta
from pathlib import Path

import polars as pl

from components.data_results import Split
from components.declaration import TimeSplit
from components.errors import SplitError
from data_contracts.spec import ContractSpec


def split_rows(validated: Path, split: TimeSplit, contract: ContractSpec, folder: Path) -> dict[str, Split]:
    """Write ``<name>.parquet`` for each split into ``folder``, in one pass.

    Raises SplitError for an empty split, and for a label of which only one class is in a split.
    """
    moments = contract.with_role("time")
    if not moments:
        raise SplitError(f"split by time: {contract.name} has no field with the role 'time'")
    rows = pl.scan_parquet(validated)
    moment = pl.col(moments[0].name).cast(pl.Datetime("us"))
    sinks = []
    for name, period in split.periods().items():
        start = datetime.combine(period.start, time())
        end = datetime.combine(period.end, time()) + timedelta(days=1)
        part = rows.filter((moment >= start) & (moment < end))
        sinks.append(part.sink_parquet(folder / f"{name}.parquet", lazy=True, compression_level=1))
    pl.collect_all(sinks, engine="streaming")
    return {name: _described(name, folder, contract) for name in split.periods()}


def _described(name: str, folder: Path, contract: ContractSpec) -> Split:
    path = folder / f"{name}.parquet"
    label = contract.label
    moments = contract.with_role("time")
    facts = [pl.len().alias("rows")]
    if label.dtype == "boolean":
        facts.append(pl.col(label.name).mean().alias("positives"))
    if moments:
        facts += [pl.col(moments[0].name).min().alias("start"), pl.col(moments[0].name).max().alias("end")]
    found = pl.scan_parquet(path).select(facts).collect(engine="streaming").row(0, named=True)
    if not found["rows"]:
        raise SplitError(f"split '{name}' has no rows: widen it in the workload file, or bring more data")
    positives = found.get("positives")
    if positives in (0.0, 1.0):
        only = "true" if positives else "false"
        raise SplitError(
            f"split '{name}': every one of its {found['rows']:,} rows has {label.name} = {only}, so nothing can be "
            "learned or measured there: choose another period, or bring more data"
        )
    start, end = (str(found[key]) if found.get(key) is not None else None for key in ("start", "end"))
    return Split(name=name, path=path, features=None, rows=found["rows"], positives=positives, start=start, end=end)
