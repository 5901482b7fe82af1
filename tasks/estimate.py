"""Estimate: what a training would take and cost, from a few dozen of its steps."""

from pathlib import Path

from components.artefacts.errors import WorkloadError
from components.artefacts.storage import write_atomically
from components.catalog import Kind
from components.data.results import Prepared
from components.settings import Home, Settings
from components.store.reference import made_in
from components.training.costs.estimate import FILE, Estimate
from components.training.costs.prices import read_prices
from components.training.part import TrainingPart
from data_contracts.description.spec import ContractSpec
from tasks.pages import table
from tasks.stage import stage
from tasks.train import training_of


def _artifact(found: Estimate) -> str:
    parts = {part.name: f"{part.taking(part.most).wall:.1f} s" for part in found.parts}
    return table({"seconds": f"{found.least_seconds} to {found.seconds}", "USD": found.usd, **parts})


@stage("estimate", cached=False, artifact=_artifact)
def estimate(
    workload: TrainingPart, prepared: Prepared, kind: Kind, contract: ContractSpec, home: Home, settings: Settings
) -> Estimate:
    """Probe the training of a workload's kind; WorkloadError if the kind cannot be probed.

    The estimate is kept where the training will be, so that the two are compared afterwards.
    """
    if kind.estimate is None:
        raise WorkloadError(f"kind {kind.name} has no estimate: its training cannot be probed")
    found = kind.estimate(prepared, workload, contract, read_prices(settings.prices), settings)

    def kept(folder: Path) -> Estimate:
        write_atomically(folder / FILE, found.model_dump_json(indent=2).encode())
        return found

    return made_in(training_of(workload, prepared, home), kept)
