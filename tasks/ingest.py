"""Ingest: an immutable snapshot of the source."""

from components.data.results import Snapshot
from components.data.sources.snapshots import take_snapshot
from components.data.sources.source import source_fingerprint
from components.declaration.loading import contract_of
from components.declaration.workload import Workload
from components.settings import Home
from tasks.pages import fields_of
from tasks.stage import stage


@stage(
    "ingest",
    settings=["source", "contract"],
    fingerprint=lambda workload: source_fingerprint(workload.source),
    artifact=fields_of,
)
def ingest(workload: Workload, home: Home) -> Snapshot:
    """Read the source and keep it, named after its content."""
    return take_snapshot(workload.source, contract_of(workload), home)
