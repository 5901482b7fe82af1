"""Reproduce: make a build again from what it recorded, and compare."""

from components import progress
from components.builds.build import Build
from components.reproduction.comparison import Reproduction
from components.reproduction.rebuild import Rebuilding
from components.reproduction.rebuild import reproduce as reproduce_build
from components.settings import Home
from tasks.stage import stage, table


def _artifact(found: Reproduction) -> str:
    return table({"verdict": found.verdict, "code": found.code, "data": found.data}) + "".join(
        f"\n- {line}" for line in (*found.differences, *found.environment)
    )


@stage("reproduce", cached=False, artifact=_artifact)
def reproduce(build: Build, home: Home, wanted: Rebuilding) -> Reproduction:
    """Rebuild and compare; a difference is a result."""
    return reproduce_build(build, home, wanted, lambda what: progress.report(what, 0, 0))
