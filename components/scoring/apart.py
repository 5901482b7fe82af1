"""A file is scored in a process of its own: what it holds may end whoever unpacks it, and is then one line."""

from pathlib import Path

import msgspec

from components import apart
from components.artefacts.build import Build, open_build
from components.artefacts.errors import HostError, SourceError
from components.declaration.source import Source
from components.scoring.score import PART_ROWS, Scored, score_file
from components.scoring.work_folder import work_folder


class Question(msgspec.Struct, frozen=True):
    """A build, opened anew with the same key and id, and what ``score_file`` takes; ``like`` as JSON."""

    build: str
    build_id: str
    public_key: str | None
    source: str
    target: str
    part_rows: int
    answers_only: bool
    like: str | None


def score_apart(
    build: Build,
    source: Path,
    target: Path,
    part_rows: int = PART_ROWS,
    *,
    answers_only: bool = False,
    like: Source | None = None,
) -> Scored:
    """Score a file as ``score_file`` does; SourceError too if the file ends the process that reads it.

    HostError if it ends for want of memory.
    """
    question = Question(
        str(build.path),
        build.build_id,
        None if build.public_key is None else str(build.public_key),
        str(source),
        str(target),
        part_rows,
        answers_only,
        None if like is None else like.model_dump_json(),
    )
    try:
        answered = apart.ask("components.scoring.apart", msgspec.json.encode(question))
    except apart.Died as death:
        told = f"{source} cannot be scored: the process that read it ended with {death}"
        if death.hint:
            # What was finished may be gone on from, with more memory.
            raise HostError(f"{told}: {death.hint}; nothing was written to {target}") from None
        with work_folder(build, source, target, part_rows, like):
            # Of an error in the data nothing is kept.
            raise SourceError(
                f"{told}; nothing was written to {target}. The file is damaged: write it anew, or have another "
                "program read it and write it again"
            ) from None
    return Scored.model_validate_json(answered)


def answer(asked: bytes) -> bytes:
    """Score the file of a question; what the libraries raise over a file is SourceError."""
    told = msgspec.json.decode(asked, type=Question)
    key = None if told.public_key is None else Path(told.public_key)
    build = open_build(Path(told.build), key, build_id=told.build_id)
    like = None if told.like is None else Source.model_validate_json(told.like)
    try:
        scored = score_file(
            build, Path(told.source), Path(told.target), told.part_rows, answers_only=told.answers_only, like=like
        )
    except MemoryError as error:
        raise SourceError(f"{told.source} cannot be scored: it takes more memory than is free") from error
    return scored.model_dump_json().encode()
