"""Answer a whole file with a workload's champion. Run it with ``slipway score WORKLOAD IN OUT`` or the Prefect UI."""

from pathlib import Path

from prefect import flow

from components.promotion.promote import champion_of
from components.scoring.score import Scored
from flows.build_model import WorkloadName
from flows.opening import opened
from tasks.score import score


@flow(name="score-batch", validate_parameters=True)
def score_batch(
    source: Path,
    target: Path,
    workload: WorkloadName = "flights",
    answers_only: bool = False,
) -> Scored:
    """Score a file; rows that break the contract come out with their reasons instead of a probability.

    Args:
        source: Parquet, CSV, Arrow or JSON lines file of contract rows.
        target: Parquet, CSV or Arrow file to write.
        workload: Name of a file in deployments/ without .yaml, or the path of a workload file.
        answers_only: Leave the inputs out of the target; its rows have the order of the source.
    """
    with opened(workload, "score-batch") as run:
        return score(
            champion_of(run.workload, run.home, run.settings), source, target, answers_only, run.workload.source
        )
