"""Score: a whole file of rows answered by the champion."""

from pathlib import Path

from components.artefacts.build import Build
from components.declaration.source import Source
from components.scoring.score import Scored, score_apart
from tasks.pages import fields_of
from tasks.stage import stage


@stage("score", cached=False, artifact=fields_of)
def score(
    build: Build,
    source: Path,
    target: Path,
    key: str | None = None,
    with_inputs: bool = False,
    like: Source | None = None,
) -> Scored:
    """Answer every row of a file, which is written as the source ``like`` if it is text."""
    return score_apart(build, source, target, key=key, with_inputs=with_inputs, like=like)
