"""Estimate: what a training would take and cost, from a few dozen of its steps."""

from components.catalog import find_kind
from components.data.results import Prepared
from components.declaration import Workload, contract_of
from components.errors import WorkloadError
from components.settings import Settings
from components.training.estimate import Estimate
from tasks.stage import fields_of, stage


@stage("estimate", cached=False, artifact=fields_of)
def estimate(workload: Workload, prepared: Prepared, settings: Settings) -> Estimate:
    """Probe the training of a workload's kind; WorkloadError if the kind cannot be probed."""
    kind = find_kind(workload.kind)
    if kind.estimate is None:
        raise WorkloadError(f"kind {kind.name} has no estimate: its training cannot be probed")
    return kind.estimate(prepared, workload, contract_of(workload), settings)
