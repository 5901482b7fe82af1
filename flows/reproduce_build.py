"""Does a build follow from what it recorded? Run it with ``slipway reproduce BUILD``."""

from typing import Annotated

from prefect import flow
from pydantic import Field

from components.builds.signing import public_key_path
from components.reproduction.comparison import Reproduction
from components.reproduction.rebuild import Rebuilding, find_build
from components.run_ledger import recorded_run
from components.settings import Settings
from flows.prefect_run import check_home_lasts, known_to_prefect
from flows.run_log import keep_errors_on_one_line
from tasks.reproduce import reproduce


@flow(name="reproduce-build", validate_parameters=True)
def reproduce_build(
    build: Annotated[str, Field(min_length=1, max_length=4_000)],
    fresh_environment: bool = False,
    tolerance: Annotated[float, Field(ge=0, le=0.5)] = 0.005,
    keep: bool = False,
) -> Reproduction:
    """Make a build again from its recorded code, data and environment, in a place of its own, and compare.

    Args:
        build: Build id, or the first characters of it, or the folder of a build.
        fresh_environment: Install the recorded packages into a new virtual environment instead of using those here.
        tolerance: Relative difference of a metric that still counts as equal.
        keep: Keep the folder of the second build.
    """
    keep_errors_on_one_line()
    settings = Settings()
    check_home_lasts(settings)
    home = settings.folder()
    opened = find_build(build, home, public_key_path(settings.key()))
    wanted = Rebuilding(fresh_environment=fresh_environment, tolerance=tolerance, keep=keep)
    workload = opened.manifest.workload
    with known_to_prefect(home, workload), recorded_run(home, workload, "reproduce-build"):
        return reproduce(opened, home, wanted)
