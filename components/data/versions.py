"""Data versions: list the snapshots, compare two of them, delete what no build needs any more."""

import json
from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
from pydantic import Field

from components.artefacts.errors import DataError
from components.data.expectations import PAGES
from components.data.preparation import RECORD as PREPARED
from components.data.quarantine import RECORD as COUNTS
from components.data.results import FieldShift, Snapshot
from components.data.sources.snapshots import RECORD, ROWS
from components.data.splits.split_report import distances, is_compared, sampled_file
from components.result import Result
from components.row_hash import with_row_hash
from components.settings import Home
from components.store.reference import Reference
from components.store.store import Room, StoreError
from data_contracts.description.spec import ContractSpec, FieldSpec
from data_contracts.language.frame_schema import raw_column

HASH = "slipway:hash"
PROVENANCE = "provenance.json"


class DataVersion(Result):
    """One snapshot, as it is listed."""

    digest: str
    rows: int
    columns: dict[str, str]
    source: str
    taken: datetime
    size: int = Field(description="Bytes on disk, with what was made of it: masks, quarantine, splits and features.")
    used_by: tuple[str, ...] = Field(description="Builds that were made from it.")

    @property
    def kept_for(self) -> str:
        """Say why it stays: 'a and b were made from it'."""
        *rest, last = self.used_by
        return f"{', '.join(rest)} and {last} were made from it" if rest else f"{last} was made from it"


class VersionDiff(Result):
    """What is different in a later version."""

    before: str
    after: str
    rows_before: int
    rows_after: int
    added: int = Field(description="Rows that only the later one has, by the columns both have.")
    removed: int
    columns_added: tuple[str, ...]
    columns_removed: tuple[str, ...]
    columns_retyped: dict[str, str]
    shifts: tuple[FieldShift, ...] = Field(description="Distance of each common column, 0 to 1, largest first.")


class Deletion(Result):
    """What was deleted, or would be."""

    deleted: tuple[DataVersion, ...]
    kept_for_builds: tuple[DataVersion, ...]
    dry_run: bool

    @property
    def freed(self) -> int:
        return sum(version.size for version in self.deleted)


def list_versions(home: Home) -> tuple[DataVersion, ...]:
    """Return every snapshot, the latest first."""
    store, builds, made = home.store, _provenances(home), _made_from(home)
    found = []
    for digest in store.names("snapshots"):
        entry = store.entry("snapshots", digest)
        if entry is None or RECORD not in entry.files:
            continue
        snapshot = _read(digest, home)
        users = tuple(sorted(name for name, text in builds.items() if digest in text))
        beside = [store.entry(one.room, one.name) for one in made.get(digest, ()) if one.room]
        found.append(
            DataVersion(
                digest=digest,
                rows=snapshot.rows,
                columns=snapshot.columns,
                source=snapshot.source,
                taken=datetime.fromisoformat(entry.committed),
                size=entry.size + sum(one.size for one in beside if one is not None),
                used_by=users,
            )
        )
    return tuple(sorted(found, key=lambda version: (version.taken, version.digest), reverse=True))


def find_version(prefix: str, home: Home, contract: ContractSpec | None = None) -> Snapshot:
    """Return the snapshot whose digest starts so; DataError unless there is one, and of the contract's columns."""
    digests = [digest for digest in home.store.names("snapshots") if prefix and digest.startswith(prefix)]
    if len(digests) > 1:
        raise DataError(f"{len(digests)} data versions start with '{prefix}': give more of the digest")
    if not digests:
        known = ", ".join(version.digest[:12] for version in list_versions(home)[:10]) or "none"
        raise DataError(f"no data version starts with '{prefix}'; known: {known}")
    snapshot = _read(digests[0], home)
    if contract is None:
        return snapshot
    needed = {field.name: field.dtype for field in contract.fields}
    if differing := sorted({name for name, _ in snapshot.columns.items() ^ needed.items()}):
        raise DataError(
            f"data version {snapshot.digest[:12]} was taken from {snapshot.source} for another contract: "
            f"{', '.join(differing[:5])} differ from {contract.name}; see slipway data list, or "
            "leave the version out and the source is read"
        )
    return snapshot


def diff_versions(before: Snapshot, after: Snapshot) -> VersionDiff:
    """Compare two snapshots: rows by their hash over the columns that both have, and each column's distribution."""
    common = {name: kind for name, kind in after.columns.items() if before.columns.get(name) == kind}
    if not common:
        raise DataError(f"data versions {before.digest[:12]} and {after.digest[:12]} have no column in common")
    fields = [_field(name, kind) for name, kind in common.items()]
    counts = [_row_counts(snapshot.path, fields) for snapshot in (before, after)]
    gap = pl.col("after").fill_null(0).cast(pl.Int64) - pl.col("before").fill_null(0).cast(pl.Int64)
    both = counts[0].rename({"len": "before"}).join(counts[1].rename({"len": "after"}), on=HASH, how="full")
    rows = both.select(added=gap.clip(0).sum(), removed=(-gap).clip(0).sum()).collect(engine="streaming").row(0)
    compared = [field for field in fields if is_compared(field)]
    earlier, later = (sampled_file(snapshot.path, snapshot.rows, compared) for snapshot in (before, after))
    shifts = [
        FieldShift(field=field.name, split=after.digest[:12], distance=round(distances(earlier, [later], field)[0], 4))
        for field in compared
    ]
    return VersionDiff(
        before=before.digest,
        after=after.digest,
        rows_before=before.rows,
        rows_after=after.rows,
        added=rows[0],
        removed=rows[1],
        columns_added=tuple(name for name in after.columns if name not in before.columns),
        columns_removed=tuple(name for name in before.columns if name not in after.columns),
        columns_retyped={
            name: f"{before.columns[name]} → {kind}"
            for name, kind in after.columns.items()
            if before.columns.get(name, kind) != kind
        },
        shifts=tuple(sorted(shifts, key=lambda shift: (-shift.distance, shift.field))),
    )


def delete_versions(
    home: Home,
    digests: Collection[str] = (),
    *,
    keep_latest: int | None = None,
    older_than_days: int | None = None,
    dry_run: bool = True,
) -> Deletion:
    """Delete the named versions, or those beyond the latest few of each source that are old enough.

    What was made of a version goes with it. One that a build is made of stays: named, it is a DataError, and so are a
    name that does not exist, names beside an age or a number, and nothing at all.
    """
    versions = list_versions(home)
    aged = keep_latest is not None or older_than_days is not None
    if bool(digests) == aged:
        what = (
            "nothing to delete was named" if not aged else "digests name what to delete, an age or a number chooses it"
        )
        raise DataError(f"{what}: give either digests, or --keep-latest, --older-than-days or both")
    if digests:
        named = {find_version(digest, home).digest for digest in digests}
        chosen = [version for version in versions if version.digest in named]
        if used := [version for version in chosen if version.used_by]:
            raise DataError(
                f"data version {used[0].digest[:12]} stays: {used[0].kept_for}; delete "
                f"{'the build' if len(used[0].used_by) == 1 else 'these builds'} first"
            )
    else:
        limit = datetime.now(UTC) - timedelta(days=older_than_days or 0)
        chosen = [version for version in _beyond(versions, keep_latest or 0) if version.taken <= limit]
    deleted = tuple(version for version in chosen if not version.used_by)
    if not dry_run:
        made = _made_from(home)
        for version in deleted:
            # The rows themselves last: until then the version is listed, and what is left can be deleted again.
            for one in [*made.get(version.digest, ()), home.reference("snapshots", version.digest)]:
                if one.room:
                    home.store.delete(one.room, one.name)
    kept = tuple(version for version in chosen if version.used_by)
    return Deletion(deleted=deleted, kept_for_builds=kept, dry_run=dry_run)


def _beyond(versions: Collection[DataVersion], latest: int) -> list[DataVersion]:
    """Return the versions, the latest first, without so many of the latest of each source."""
    seen: Counter[str] = Counter()
    beyond = []
    for version in versions:
        seen[version.source] += 1
        if seen[version.source] > latest:
            beyond.append(version)
    return beyond


def _made_from(home: Home) -> dict[str, list[Reference]]:
    """Return for each data version the entries that hold rows of it, or pages about them."""
    made: dict[str, list[Reference]] = {}
    rooms: tuple[tuple[Room, str], ...] = (("validated", COUNTS), ("quarantine", COUNTS), ("prepared", PREPARED))
    for room, record in rooms:
        for name in home.store.names(room):
            if not home.store.exists(room, name, record):
                continue
            entries = made.setdefault(json.loads(home.store.read(room, name, record)).get("snapshot", ""), [])
            entries.append(home.reference(room, name))
            if room == "validated":
                pages = f"{PAGES}/{name[:16]}"
                entries += [home.reference("reports", f"{pages}/{one}") for one in home.store.names("reports", pages)]
    return made


def _row_counts(path: Path, fields: Collection[FieldSpec]) -> pl.LazyFrame:
    frame = pl.scan_parquet(path, glob=False)
    columns = frame.collect_schema().names()
    raw = [_field(raw_column(field.name), "string") for field in fields if raw_column(field.name) in columns]
    return with_row_hash(frame, list(fields), HASH, optional=raw).group_by(HASH).len()


def _field(name: str, kind: str) -> FieldSpec:
    return FieldSpec(name=name, dtype=kind, description="", nullable=True)


def _read(digest: str, home: Home) -> Snapshot:
    try:
        document = json.loads(home.store.read("snapshots", digest, RECORD))
        # Records of earlier versions name a path; where the rows lie follows from where the record does.
        document.pop("path", None)
        return Snapshot.model_validate(document | {"stored": home.reference("snapshots", digest, ROWS)})
    except (StoreError, ValueError, AttributeError) as error:
        where = home.store.where("snapshots", digest)
        raise DataError(f"{where} has no record of a data version: delete it, and take the snapshot again") from error


def _provenances(home: Home) -> dict[str, str]:
    names = [name for name in home.store.names("builds") if home.store.exists("builds", name, PROVENANCE)]
    return {name: home.store.read("builds", name, PROVENANCE).decode() for name in names}
