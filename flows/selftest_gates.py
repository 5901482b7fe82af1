"""Would the gates catch what they are there for? Run it with ``slipway selftest WORKLOAD``."""

from prefect import flow

from components.faults.selftest import Planted
from flows.build_model import BuildRefused, WorkloadName, build_model
from flows.opening import opened
from tasks.selftest import selftest


@flow(name="selftest-gates", validate_parameters=True)
def selftest_gates(workload: WorkloadName = "flights") -> list[Planted]:
    """Make (or take from the cache) a build, plant known faults and say which gates caught them.

    Args:
        workload: Name of a file in deployments/ without .yaml, or the path of a workload file.
    """
    with opened(workload, "selftest-gates") as run:
        try:
            built = build_model(workload)
        except BuildRefused as refused:
            # A build that is refused can be used to see whether its gates would catch more.
            built = refused.outcome
        return selftest(run.workload, built.prepared, built.trained, built.compressed, built.packaged, run.settings)
