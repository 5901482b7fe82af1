"""Answer a whole file with a workload's champion. Run it with ``slipway score WORKLOAD IN OUT`` or the Prefect UI."""

from pathlib import Path
from typing import Annotated

from prefect import flow
from pydantic import Field

from components.promotion.roles import champion_of
from components.scoring.score import Scored
from flows.build_model import WorkloadName
from flows.opening import opened
from tasks.score import score


@flow(name="score-batch", validate_parameters=True)
def score_batch(
    source: Path,
    target: Path,
    workload: WorkloadName = "flights",
    key: Annotated[str, Field(max_length=4_000)] = "",
    with_inputs: bool = False,
) -> Scored:
    """Score a file; rows that break the contract come out with their reasons instead of a probability.

    Args:
        source: Parquet, CSV, Arrow or JSON lines file of contract rows.
        target: Parquet, CSV or Arrow file to write.
        workload: Name of a file in deployments/ without .yaml, or the path of a workload file.
        key: Column of the source that stands beside each answer in the target; the row's number if left empty.
        with_inputs: Write the inputs beside the answers, too.
    """
    with opened(workload, "score-batch") as run:
        champion = champion_of(run.workload, run.home, run.settings)
        return score(champion, source, target, key or None, with_inputs, run.workload.source)
