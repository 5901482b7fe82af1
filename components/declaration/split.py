"""How a workload file divides the rows: by time, by group, stratified or at random."""

import itertools
from datetime import date
from typing import Annotated, Literal

from pydantic import Field, model_validator

from components.declaration.section import Section

NAMES = ("train", "validation", "test")


class Period(Section):
    """Days from ``start`` up to and including ``end``."""

    start: date
    end: date

    @model_validator(mode="after")
    def _in_order(self) -> "Period":
        if self.end < self.start:
            raise ValueError(f"ends on {self.end}, before it starts on {self.start}")
        return self


class _Split(Section):
    min_class_rows: int = Field(20, ge=1, description="Rows that each class of the label must have in each split.")


class TimeSplit(_Split):
    """Splits by the contract's time field; periods may not overlap and must be in order."""

    by: Literal["time"]
    train: Period
    validation: Period
    test: Period
    monitor: Period | None = None
    gap_days: int = Field(0, ge=0, le=3_650, description="Days that must lie between two splits and are in neither.")

    @model_validator(mode="after")
    def _in_order(self) -> "TimeSplit":
        for (before, earlier), (after, later) in itertools.pairwise(self.periods().items()):
            if later.start <= earlier.end:
                raise ValueError(f"{after} starts on {later.start}, but {before} ends on {earlier.end}: data leaks")
            # Validation judges training and test judges both; what comes after the test is no judgement of it.
            between = (later.start - earlier.end).days - 1
            if between < self.gap_days and after != "monitor":
                raise ValueError(
                    f"{after} starts {between} days after {before} ends ({earlier.end} to {later.start}), but gap_days "
                    f"is {self.gap_days}: start it later"
                )
        return self

    def periods(self) -> dict[str, Period]:
        """Return the splits by name, in order of time."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return named | ({"monitor": self.monitor} if self.monitor else {})


class _ShareSplit(_Split):
    train: float = Field(0.7, gt=0, lt=1, description="Share of the rows.")
    validation: float = Field(0.15, gt=0, lt=1)
    test: float = Field(0.15, gt=0, lt=1)
    seed: int = Field(0, ge=0, lt=2**32, description="Another seed gives another division of the same rows.")

    @model_validator(mode="after")
    def _whole(self) -> "_ShareSplit":
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train, validation and test come to {total:g}; they must come to 1")
        return self

    def shares(self) -> dict[str, float]:
        """Return the share of each split by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


class RandomSplit(_ShareSplit):
    """Splits by a hash of the row and the seed: the same rows give the same splits, and equal rows lie together."""

    by: Literal["random"]


class StratifiedSplit(_ShareSplit):
    """Splits at random so that each class of the label (and of ``fields``) has its share in each split."""

    by: Literal["stratified"]
    fields: tuple[str, ...] = Field((), description="Fields whose combinations are kept in proportion, too.")


class GroupSplit(_ShareSplit):
    """Splits by a hash of the contract's group fields: all rows of a group lie in one split."""

    by: Literal["group"]


ShareSplit = RandomSplit | StratifiedSplit | GroupSplit
SplitRule = Annotated[TimeSplit | RandomSplit | StratifiedSplit | GroupSplit, Field(discriminator="by")]
