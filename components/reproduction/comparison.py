"""Whether a build made again is the recorded one, and if not, what differs and what that may come from."""

import math
from pathlib import Path
from typing import Literal

from pydantic import Field

from components.artefacts.inference import MODEL
from components.reproduction.recorded import Recorded
from components.result import Result

# What lies in a build beside graphs and assets and follows from code, data and environment alone; the rest holds
# moments and durations.
DETERMINED = ("contract.json", "serving.json", "golden.json", "reference.parquet")


class Compared(Result):
    """One number, recorded and now."""

    name: str
    recorded: float | None
    now: float | None
    equal: bool = Field(description="Within the tolerance.")


class ComparedCandidate(Compared):
    """A candidate's score on validation, and whether its graph is the same, byte by byte."""

    same_model: bool


class Reproduction(Result):
    """The verdict on a repetition."""

    build_id: str
    again: str = Field(description="Id of the second build; another one even if all is equal, for it holds times.")
    verdict: Literal["identical", "equal", "different"] = Field(
        description="identical: every model, byte by byte. equal: every metric within the tolerance."
    )
    tolerance: float = Field(description="Relative difference of a metric that is still equal.")
    code: str
    data: str = Field(description="Digest of the snapshot.")
    environment: tuple[str, ...] = Field(
        description="What was different of packages and machine; empty if nothing was."
    )
    candidates: tuple[ComparedCandidate, ...]
    metrics: tuple[Compared, ...] = Field(description="Of the packaged model on the hold-out.")
    files: dict[str, bool] = Field(description="File of the build -> whether it is the same, byte by byte.")
    differences: tuple[str, ...] = Field(description="What differs, in words; empty if nothing does.")
    causes: tuple[str, ...] = Field(description="What is known to change a model's bytes, and was different.")
    seconds: float
    kept: Path | None = Field(None, description="The second build, if it was to be kept.")

    @property
    def held(self) -> bool:
        """Whether the recorded build is confirmed."""
        return self.verdict != "different"


def compare(
    recorded: Recorded,
    again: Recorded,
    asked: tuple[dict[str, float], dict[str, float]],
    *,
    code: str,
    environment: list[str],
    tolerance: float,
    seconds: float,
    kept: Path | None = None,
) -> Reproduction:
    """Compare a recorded build with its repetition; never raises, a difference is a result.

    ``asked`` are metrics of both graphs on the same rows, measured now: they do not rest on what the build says.
    """
    candidates = _candidates(recorded, again, tolerance)
    metrics = (*_numbers(recorded.metrics, again.metrics, tolerance), *_numbers(*asked, tolerance))
    files = {
        name: recorded.build.manifest.files[name] == again.build.manifest.files.get(name)
        for name in (*recorded.build.manifest.parts, *DETERMINED)
        if name in recorded.build.manifest.files
    }
    # The graph that would be served, not what the record says of it.
    packaged = recorded.training.shipped or {one.name: one.digest for one in recorded.training.candidates}.get(
        recorded.training.chosen
    )
    wrong = []
    model = recorded.build.manifest.graphs[MODEL]
    if recorded.build.manifest.files[model] != packaged:
        wrong.append(f"{model} is not the {recorded.training.chosen} that the build's own record names")
    if recorded.training.chosen != again.training.chosen:
        wrong.append(f"{recorded.training.chosen} was chosen, now {again.training.chosen}")
    for what in ("snapshot", "validated", "prepared"):
        then, now = getattr(recorded.data, what), getattr(again.data, what)
        if then != now:
            wrong.append(f"the {what} data are other ones: {then[:12]}, now {now[:12]}")
    wrong += [f"{one.name}: {_told(one)}" for one in (*candidates, *metrics) if not one.equal]
    identical = not wrong and all(one.same_model for one in candidates) and all(files.values())
    moved = [f"{one.name} is another model ({_told(one)})" for one in candidates if one.equal and not one.same_model]
    if recorded.training.variant != again.training.variant:
        # Chosen by measured times, so that load may decide: what counts is whether the two answer alike.
        moved.append(f"its graph '{recorded.training.variant}' shipped, now '{again.training.variant}'")
    other = [f"{name} has other bytes" for name, same in files.items() if not same]
    differences = (*wrong, *moved, *other)
    return Reproduction(
        build_id=recorded.build.build_id,
        again=again.build.build_id,
        verdict="different" if wrong else "identical" if identical else "equal",
        tolerance=tolerance,
        code=code,
        data=recorded.data.snapshot,
        environment=tuple(environment),
        candidates=candidates,
        metrics=metrics,
        files=files,
        differences=differences,
        causes=tuple(_causes(recorded, again)) if differences else (),
        seconds=round(seconds, 1),
        kept=kept,
    )


def _candidates(recorded: Recorded, again: Recorded, tolerance: float) -> tuple[ComparedCandidate, ...]:
    then = {one.name: one for one in recorded.training.candidates}
    now = {one.name: one for one in again.training.candidates}
    scores = _numbers(
        {name: one.score for name, one in then.items()}, {name: one.score for name, one in now.items()}, tolerance
    )
    return tuple(
        ComparedCandidate(
            **score.model_dump(),
            same_model=score.name in then and score.name in now and then[score.name].digest == now[score.name].digest,
        )
        for score in scores
    )


def _numbers(then: dict[str, float], now: dict[str, float], tolerance: float) -> tuple[Compared, ...]:
    found = []
    for name in [*then, *(name for name in now if name not in then)]:
        one, other = then.get(name), now.get(name)
        equal = one is not None and other is not None and math.isclose(one, other, rel_tol=tolerance, abs_tol=1e-9)
        found.append(Compared(name=name, recorded=one, now=other, equal=equal))
    return tuple(found)


def _told(one: Compared) -> str:
    then, now = ("not there" if value is None else f"{value:.6f}" for value in (one.recorded, one.now))
    return f"{then} recorded, {now} now"


def _causes(recorded: Recorded, again: Recorded) -> list[str]:
    """Name what is known to change a model's bytes, so that a person need not search."""
    causes = []
    for name in ("device", "precision", "compile", "threads"):
        then, now = getattr(recorded.training.hardware, name), getattr(again.training.hardware, name)
        if then != now:
            causes.append(f"hardware.{name} was {then}, now {now}")
    if recorded.training.seed != again.training.seed:
        causes.append(f"the seed was {recorded.training.seed}, now {again.training.seed}")
    ends = [{one.name: one.stopped for one in build.training.candidates} for build in (recorded, again)]
    for name in (one for one in ends[0] if one in ends[1]):
        then, now = ends[0][name], ends[1][name]
        if "cap" in f"{then} {now}":
            causes.append(f"a cap ended the training of {name} ({then}, now {now}): where depends on the clock")
    return causes
