"""Make a build the champion after it was served and looked at as a client does.

Run it with ``slipway promote WORKLOAD`` or from the Prefect UI, where it is a dry run unless told otherwise.
"""

from typing import Annotated

from prefect import flow
from pydantic import Field

from components.promotion import Promotion, challenger_of
from flows.build_model import WorkloadName
from flows.opening import opened
from tasks.promote import promote


@flow(name="promote-build", validate_parameters=True)
def promote_build(
    workload: WorkloadName = "flights",
    build_id: Annotated[
        str | None, Field(title="Build", description="Build id; the registry's challenger if left empty.")
    ] = None,
    dry_run: Annotated[
        bool, Field(title="Dry run", description="Judge the build live, but change nothing that users get.")
    ] = True,
    accept: Annotated[
        list[str], Field(title="Accepted gates", description="Gates whose failure is accepted; the ledger says so.")
    ] = [],  # noqa: B006 -- Prefect shows the default in the form; it is never mutated
) -> Promotion:
    """Promote a build of a workload."""
    with opened(workload, "promote-build") as run:
        build = challenger_of(run.workload, build_id, run.home, run.settings)
        return promote(run.workload, build, run.home, run.settings, accept=tuple(accept), dry_run=dry_run)
