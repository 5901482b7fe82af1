"""The whole slipway: build, promote, monitor. Run it with ``slipway run WORKLOAD``; it writes summary.json."""

from pathlib import Path

from prefect import flow

from components.delivery.monitoring import Monitored
from components.delivery.promotion import Promotion
from components.errors import GateError
from components.result import Result
from flows.build_model import BuildOutcome, WorkloadName, build_model
from flows.monitor_drift import monitor_drift
from flows.opening import opened
from flows.promote_build import promote_build
from flows.summary import write_summary


class EndToEnd(Result):
    """What a whole run ended with."""

    built: BuildOutcome
    promoted: Promotion
    monitored: Monitored
    summary: Path


@flow(name="end-to-end", validate_parameters=True)
def end_to_end(workload: WorkloadName = "flights") -> EndToEnd:
    """Take a workload from raw data to a monitored champion; GateError if a gate refuses the build.

    Args:
        workload: Name of a file in deployments/ without .yaml, or the path of a workload file.
    """
    with opened(workload, "end-to-end", alone=True) as run:
        built = build_model(workload)
        if not built.gates.passed:
            write_summary(run.home, run.ledger, built)
            told = "; ".join(verdict.line for verdict in built.gates.refused)
            raise GateError(
                f"{built.registered.build_id} did not pass its gates: {told}. "
                f"It is kept at {built.registered.build} to be looked at"
            )
        promoted = promote_build(workload, build_id=built.registered.build_id, dry_run=False)
        monitored = monitor_drift(workload)
        summary = write_summary(run.home, run.ledger, built, promoted, monitored)
    return EndToEnd(built=built, promoted=promoted, monitored=monitored, summary=summary)
