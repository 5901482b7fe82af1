"""Answer a whole file with a workload's champion. Run it with ``slipway score WORKLOAD IN OUT`` or the Prefect UI."""

from pathlib import Path
from typing import Annotated

from prefect import flow
from pydantic import Field

from components.promotion import champion_of
from components.scoring import Scored
from flows.build_model import WorkloadName
from flows.opening import opened
from tasks.score import score


@flow(name="score-batch", validate_parameters=True)
def score_batch(
    source: Annotated[Path, Field(title="In", description="Parquet, CSV or Arrow file of contract rows.")],
    target: Annotated[Path, Field(title="Out", description="Parquet, CSV or Arrow file to write.")],
    workload: WorkloadName = "flights",
) -> Scored:
    """Score a file; rows that break the contract come out with their reasons instead of a probability."""
    with opened(workload, "score-batch") as run:
        return score(champion_of(run.workload, run.home), source, target)
