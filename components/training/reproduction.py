"""Whether a training run again gave what was recorded, and if not, what differs and what that may come from."""

from pydantic import BaseModel, ConfigDict, Field

from components.training.results import Trained


class Reproduction(BaseModel):
    """The verdict on a repetition."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    same: bool = Field(description="Every model is the same, byte by byte.")
    differences: tuple[str, ...] = Field(description="What differs, in words; empty if nothing does.")
    largest_score_difference: float = Field(description="Of the candidates that both have; 0 if there is none.")


def compare_trainings(recorded: Trained, again: Trained) -> Reproduction:
    """Compare a recorded training with its repetition; never raises, a difference is a result."""
    before = {one.name: one for one in recorded.candidates}
    after = {one.name: one for one in again.candidates}
    both = [name for name in before if name in after]
    differences = [f"candidate {name} is missing in the repetition" for name in before if name not in after]
    differences += [f"candidate {name} was not recorded" for name in after if name not in before]
    for name in both:
        if before[name].digest != after[name].digest:
            scores = f"{before[name].score:.6f} recorded, {after[name].score:.6f} now"
            differences.append(f"candidate {name} is another model (score {scores})")
    if recorded.chosen != again.chosen:
        differences.append(f"{recorded.chosen} was chosen, now {again.chosen}")
    if differences:
        differences += _likely_causes(recorded, again)
    gaps = [abs(before[name].score - after[name].score) for name in both]
    return Reproduction(
        same=not differences, differences=tuple(differences), largest_score_difference=max(gaps, default=0.0)
    )


def _likely_causes(recorded: Trained, again: Trained) -> list[str]:
    """Name what is known to change a model's bytes, so that a person need not search."""
    causes = []
    for name in ("device", "precision", "compile", "threads"):
        then, now = getattr(recorded.hardware, name), getattr(again.hardware, name)
        if then != now:
            causes.append(f"hardware.{name} was {then}, now {now}")
    if recorded.seed != again.seed:
        causes.append(f"the seed was {recorded.seed}, now {again.seed}")
    if "cap" in recorded.stopped or "cap" in again.stopped:
        causes.append(f"a cap ended training ({recorded.stopped}, now {again.stopped}): where depends on the clock")
    return causes
