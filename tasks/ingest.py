"""Ingest: an immutable snapshot of the source."""

from components.data.results import Snapshot
from components.data.sources.snapshots import take_snapshot
from components.data.sources.source import source_fingerprint
from components.declaration.source import Source
from components.settings import Home
from data_contracts.description.spec import ContractSpec
from tasks.pages import fields_of
from tasks.stage import stage


@stage("ingest", outside=lambda given: source_fingerprint(given["source"]), artifact=fields_of)
def ingest(source: Source, contract: ContractSpec, home: Home) -> Snapshot:
    """Read the source and keep it, named after its content."""
    return take_snapshot(source, contract, home)
