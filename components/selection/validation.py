"""The validation split: on it candidates are scored and compared, and by it one of them is chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
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
    # The same of training and validation together, for candidates that were judged crosswise on both.
    both: "Validation | None" = None

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
        """Return the best baseline's name, unless a challenger is better beyond doubt: noise must not choose.

        Baselines cost about the same, so that the better one is taken. With it comes how it compares with the best of
        the others; None if there is none.
        """
        kept, *later = candidates
        for other in later:
            found = self._compared(other, kept)
            surely = found.low if self.sign > 0 else -found.high
            if (self.sign * found.value if other.role == kept.role == "baseline" else surely) > 0:
                kept = other
        others = [one for one in candidates if one.name != kept.name]
        if not others:
            return kept.name, None
        best = max(others, key=lambda one: self.sign * one.score)
        found = self._compared(kept, best)
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

    def _compared(self, first: Candidate, second: Candidate) -> Interval:
        """Return score(first) - score(second) on the rows that both were judged on."""
        rows = len(self.labels)
        if self.both is None or not all(one.judged_crosswise for one in (first, second)):
            return self.difference(*(trainer_answers(one, "validation", rows) for one in (first, second)))
        sizes = {"train": len(self.both.labels) - rows, "validation": rows}
        whole = [
            np.concatenate([trainer_answers(one, split, size) for split, size in sizes.items()])
            for one in (first, second)
        ]
        return self.both.difference(*whole)

    def _judged(self, answers: Answers) -> Answers:
        columns = answers.reshape(len(answers), -1)
        return side_by_side([columns[:, place] for place in range(len(self.shape.judged))])


def validation_of(prepared: Prepared, workload: TrainingPart, contract: ContractSpec) -> Validation:
    """Read what candidates are compared on."""
    both = _read(prepared, ("train", "validation"), workload, contract)
    return replace(_read(prepared, ("validation",), workload, contract), both=both)


def _read(prepared: Prepared, splits: Sequence[str], workload: TrainingPart, contract: ContractSpec) -> Validation:
    roles = [field.name for field in contract.fields if {"time", "group"} & set(field.roles)]
    columns = [*roles, contract.label.name]
    paths = [prepared.splits[name].path for name in splits]
    rows = pl.concat(pl.read_parquet(path, glob=False, columns=columns) for path in paths)
    return Validation(
        labels_of(rows, contract), units_of(rows, contract), shape_of(contract), workload.goal, workload.seed
    )
