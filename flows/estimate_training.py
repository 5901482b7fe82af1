"""What would a training take here, and what on a card? Run it with ``slipway estimate WORKLOAD``."""

from prefect import flow

from components.training.costs.estimate import Estimate
from components.training.part import TrainingPart
from flows.build_model import WorkloadName
from flows.data_stages import checked_and_prepared
from flows.opening import opened
from tasks.estimate import estimate
from tasks.ingest import ingest


@flow(name="estimate-training", validate_parameters=True)
def estimate_training(workload: WorkloadName = "flights") -> Estimate:
    """Estimate time, memory and money of a training, before it is begun.

    Args:
        workload: Name of a file in deployments/ without .yaml, or the path of a workload file.
    """
    with opened(workload, "estimate-training") as run:
        contract, home = run.contract, run.home
        snapshot = ingest(run.workload.source, contract, home)
        _, _, prepared = checked_and_prepared(run.workload, contract, run.kind, snapshot, home)
        return estimate(TrainingPart.of(run.workload), prepared, run.kind, contract, home, run.settings)
