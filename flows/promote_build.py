"""Make a build the champion after it was served and looked at as a client does.

Run it with ``slipway promote WORKLOAD`` or from the Prefect UI, where it is a dry run unless told otherwise.
"""

from prefect import flow

from components.delivery.promotion import Promotion, challenger_of
from flows.build_model import WorkloadName
from flows.opening import opened
from tasks.promote import promote


@flow(name="promote-build", validate_parameters=True)
def promote_build(
    workload: WorkloadName = "flights",
    build_id: str | None = None,
    dry_run: bool = True,
    accept: list[str] = [],  # noqa: B006 -- Prefect shows the default in the form; it is never mutated
) -> Promotion:
    """Promote a build of a workload.

    Args:
        workload: Name of a file in deployments/ without .yaml, or the path of a workload file.
        build_id: Build to promote; the registry's challenger if left empty.
        dry_run: Judge the build live, but change nothing that users get.
        accept: Names of gates whose failure is accepted; the ledger says so.
    """
    with opened(workload, "promote-build") as run:
        build = challenger_of(run.workload, build_id, run.home, run.settings)
        return promote(run.workload, build, run.home, run.settings, accept=tuple(accept), dry_run=dry_run)
