"""Make a build the champion after it was served and looked at as a client does.

Run it with ``slipway promote WORKLOAD`` or from the Prefect UI, where it is a dry run unless told otherwise.
"""

from typing import Annotated

from prefect import flow
from pydantic import Field

from components.promotion.promote import Promotion
from components.promotion.roles import challenger_of
from components.registry.versions import latest_refused
from flows.build_model import WorkloadName
from flows.opening import opened
from flows.prefect_run import say
from tasks.promote import promote

BuildId = Annotated[str, Field(max_length=200)]
GateNames = Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=100)]


@flow(name="promote-build", validate_parameters=True)
def promote_build(
    workload: WorkloadName = "flights",
    build_id: BuildId = "",
    dry_run: bool = True,
    accept: GateNames = [],  # noqa: B006 -- Prefect shows the default in the form; it is never mutated
) -> Promotion:
    """Promote a build of a workload.

    Args:
        workload: Name of a file in deployments/ without .yaml, or the path of a workload file.
        build_id: Build to promote; the registry's challenger if left empty.
        dry_run: Judge the build live, but change nothing that users get.
        accept: Names of gates whose failure is accepted; the ledger says so.
    """
    with opened(workload, "promote-build", alone=True) as run:
        build = challenger_of(run.workload, build_id or None, run.home, run.settings)
        refused = None if build_id else latest_refused(run.workload.name, home=run.home, settings=run.settings)
        if refused not in (None, build.build_id):
            say(f"{build.build_id} is the challenger: {refused}, registered after it, was refused by its gates")
        return promote(run.workload, build, run.home, run.settings, accept=tuple(accept), dry_run=dry_run)
