"""The validation split: on it candidates are scored and compared, and by it one of them is chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from numpy.typing import NDArray

from components.artefacts.answer_shape import AnswerShape, side_by_side
from components.data.results import Prepared
from components.declaration.metrics import sign_of
from components.declaration.targets import shape_of
from components.evaluation.hold_out import Answers, difference_by_unit, labels_of, trainer_answers
from components.evaluation.metrics import Interval, score
from components.evaluation.units import Unit, units_of
from components.training.part import TrainingGoal, TrainingPart
from components.training.results import Candidate, Comparison
from data_contracts.description.spec import ContractSpec

RESAMPLES = 1000


@dataclass(frozen=True)
class Validation:
    """Labels of the validation split, by what its rows can be drawn, and the goal's metric, which decides."""

    labels: NDArray[Any]
    units: Mapping[str, tuple[Unit, ...]]
    shape: AnswerShape
    goal: TrainingGoal
    seed: int

    @property
    def sign(self) -> float:
        """1 where more of the goal's metric is better, -1 where less is."""
        return sign_of(self.goal.metric)

    def score(self, answers: Answers, labels: NDArray[Any] | None = None) -> float:
        """Return the goal's metric of answers [rows] or [rows, columns], what it judges first."""
        return score(self.goal.metric, self.labels if labels is None else labels, self._judged(answers))

    def difference(self, first: Answers, second: Answers) -> Interval:
        """Return score(first) - score(second) on the same rows, drawn by the unit that gates draw by."""
        pair = self._judged(first), self._judged(second)
        return difference_by_unit(
            self.goal.metric, self.labels, *pair, self.units, self.goal.unit, self.seed, RESAMPLES
        )

    def choose(self, candidates: Sequence[Candidate]) -> tuple[str, Comparison | None]:
        """Return the first candidate's name, unless a later one is better beyond doubt: noise must not choose.

        With it comes how it compares with the best of the others; None if there is none.
        """
        answers = {one.name: trainer_answers(one, "validation", len(self.labels)) for one in candidates}
        kept, *later = candidates
        for other in later:
            found = self.difference(answers[other.name], answers[kept.name])
            if (found.low if self.sign > 0 else -found.high) > 0:
                kept = other
        others = [one for one in candidates if one.name != kept.name]
        if not others:
            return kept.name, None
        best = max(others, key=lambda one: self.sign * one.score)
        found = self.difference(answers[kept.name], answers[best.name])
        return kept.name, Comparison(
            metric=self.goal.metric,
            chosen=kept.name,
            other=best.name,
            difference=found.value,
            low=found.low,
            high=found.high,
            n=found.n,
            resamples=RESAMPLES,
        )

    def _judged(self, answers: Answers) -> Answers:
        columns = answers.reshape(len(answers), -1)
        return side_by_side([columns[:, place] for place in range(len(self.shape.judged))])


def validation_of(prepared: Prepared, workload: TrainingPart, contract: ContractSpec) -> Validation:
    """Read what candidates are compared on."""
    roles = [field.name for field in contract.fields if {"time", "group"} & set(field.roles)]
    path = prepared.splits["validation"].path
    rows = pl.read_parquet(path, glob=False, columns=[*roles, contract.label.name])
    return Validation(
        labels_of(rows, contract), units_of(rows, contract), shape_of(contract), workload.goal, workload.seed
    )
