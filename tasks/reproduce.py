"""Reproduce: make a build again from what it recorded, and compare."""

from components import progress
from components.artefacts.build import Build
from components.reproduction.comparison import Reproduction
from components.reproduction.rebuild import Rebuilding
from components.reproduction.rebuild import reproduce as reproduce_build
from components.settings import Home
from tasks.pages import table, text
from tasks.stage import stage


def _artifact(found: Reproduction) -> str:
    lines = [f"- {text(line)}" for line in (*found.differences, *found.environment)]
    return "\n".join([f"## {found.verdict}", "", *lines, "", table({"code": found.code, "data": found.data})])


@stage("reproduce", cached=False, artifact=_artifact)
def reproduce(build: Build, home: Home, wanted: Rebuilding) -> Reproduction:
    """Rebuild and compare; a difference is a result."""
    return reproduce_build(build, home, wanted, lambda what: progress.report(what, 0, 0))
