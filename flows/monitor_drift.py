"""Compare what came after the hold-out, or what the service was asked, with what the champion was measured on.

Run it with ``slipway monitor WORKLOAD [--live]``, from the Prefect UI, or on a schedule (prefect.yaml).
"""

from prefect import flow

from components.monitoring.monitor import Monitored
from components.promotion.roles import champion_of
from flows.build_model import WorkloadName
from flows.data_stages import checked_and_prepared
from flows.opening import opened
from tasks.ingest import ingest
from tasks.monitor import monitor, monitor_answered


@flow(name="monitor-drift", validate_parameters=True)
def monitor_drift(workload: WorkloadName = "flights", live: bool = False) -> Monitored:
    """Look for drift of the inputs and scores of a workload's champion.

    Args:
        workload: Name of a file in deployments/ without .yaml, or the path of a workload file.
        live: Look at what the service was asked, in its prediction log, instead of at later data.
    """
    with opened(workload, "monitor-drift") as run:
        declared, home = run.workload, run.home
        champion = champion_of(declared, home, run.settings)
        if live:
            return monitor_answered(declared, champion, home)
        snapshot = ingest(declared.source, run.contract, home)
        _, _, prepared = checked_and_prepared(declared, run.contract, run.kind, snapshot, home)
        return monitor(declared, champion, prepared, home)
