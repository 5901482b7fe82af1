"""The whole slipway: build, promote, monitor. Run it with ``slipway run WORKLOAD``; it writes summary.json."""

from pathlib import Path

from prefect import flow

from components.monitoring.monitor import Monitored
from components.promotion.promote import Promotion, PromotionRefused
from components.result import Result
from flows.build_model import BuildOutcome, BuildRefused, WorkloadName, build_model
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
    """Take a workload from raw data to a monitored champion; BuildRefused or PromotionRefused if a gate refuses.

    Args:
        workload: Name of a file in deployments/ without .yaml, or the path of a workload file.
    """
    with opened(workload, "end-to-end", alone=True) as run:
        try:
            built = build_model(workload)
        except BuildRefused as refused:
            write_summary(run.home, run.ledger, refused.outcome)
            raise
        try:
            promoted = promote_build(workload, build_id=built.registered.build_id, dry_run=False)
        except PromotionRefused as refused:
            write_summary(run.home, run.ledger, built)
            refused.outcome = built
            raise
        monitored = monitor_drift(workload)
        summary = write_summary(run.home, run.ledger, built, promoted, monitored)
    return EndToEnd(built=built, promoted=promoted, monitored=monitored, summary=summary)
