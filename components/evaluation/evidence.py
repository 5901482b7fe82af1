"""Evidence: what justifies a build, in one typed shape for every kind of model, and its file.

A measure is a number that knows how sure it is, how many rows it rests on, and what measured it.
"""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationError

from components.artefacts.errors import BuildError
from components.artefacts.storage import write_atomically
from components.declaration.metrics import find_metric
from components.evaluation.metrics import Interval
from components.evaluation.normal import norm
from components.evaluation.units import MIN_ROWS, MIN_UNITS
from components.result import Result
from components.store.reference import Reference

FORMAT: Literal[1] = 1


class Record(Result):
    """A result whose numbers are finite."""

    model_config = ConfigDict(allow_inf_nan=False)


class Measure(Record):
    """One measured number; ``low`` and ``high`` are the ends of its two-sided interval at ``level``."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    level: float = Field(0.95, gt=0, lt=1)
    n: int | None = Field(None, ge=0, description="Rows it was measured on.")
    by: str = Field("row", description="What its interval draws: single rows, or whole days or groups.")
    units: int | None = Field(None, ge=0, description="How many of those there were; None for single rows.")
    slice: str | None = Field(None, description="field=value; the whole split if not set.")
    source: str = Field(description="What measured it, e.g. 'evaluation'.")
    unit: str = ""
    detail: str = ""

    @classmethod
    def of(
        cls, name: str, interval: Interval, *, source: str, slice: str | None = None, unit: str = "", detail: str = ""
    ) -> Self:
        """Return a measured interval as evidence."""
        return cls(
            name=name,
            value=interval.value,
            low=interval.low,
            high=interval.high,
            level=interval.level,
            n=interval.n,
            by=interval.by,
            units=interval.units,
            slice=slice,
            source=source,
            unit=unit,
            detail=detail,
        )

    def standard_error(self, side: Literal["below", "above", "both"] = "both") -> float:
        """Return the standard error that the interval implies, 0 for a number without one.

        A skewed interval has a different one on each side.
        """
        if self.low is None or self.high is None:
            return 0.0
        width = {"below": self.value - self.low, "above": self.high - self.value, "both": (self.high - self.low) / 2}
        return max(width[side], 0.0) / float(norm.ppf((1 + self.level) / 2))

    @property
    def few(self) -> bool:
        """Whether it rests on too little to decide anything: too few rows, or too few of what its interval draws."""
        return (self.n is not None and self.n < MIN_ROWS) or (self.units is not None and self.units < MIN_UNITS)

    def bound(self, side: Literal["below", "above"], level: float = 0.95) -> float:
        """Return the one-sided confidence bound: the value is at least / at most this, at that level."""
        reach = float(norm.ppf(level)) * self.standard_error(side)
        return self.value - reach if side == "below" else self.value + reach


class Evidence(Record):
    """Everything measured about one model on one split."""

    format: Literal[1] = FORMAT
    workload: str
    model: str
    split: str
    measures: tuple[Measure, ...]
    unit: str = Field("", description="What the label counts, where it is a number: hours.")
    tables: dict[str, Any] = Field(default_factory=dict, description="Curves, bins, confusion: small JSON.")
    made: dict[str, Any] = Field(
        default_factory=dict,
        description="How the model was made, once in a build: seeds, code, packages, hardware, data, times, cost.",
    )

    def find(self, name: str, slice: str | None = None) -> Measure | None:
        """Return the measure of that name on that slice, None if it was not measured."""
        return next((m for m in self.measures if m.name == name and m.slice == slice), None)

    def named(self, name: str) -> tuple[Measure, ...]:
        """Return every measure of that name, whatever its slice."""
        return tuple(m for m in self.measures if m.name == name)

    def unit_of(self, metric: str) -> str:
        """Return what a metric is in; empty for what has no unit, or none that the contract says."""
        known = find_metric(metric)
        return "" if known is None else self.unit if known.in_label_unit else known.unit

    def with_measures(self, *more: Measure) -> "Evidence":
        """Return the evidence with further measures, e.g. of cost or latency."""
        return self.model_copy(update={"measures": (*self.measures, *more)})

    def with_results(self, *others: "Evidence") -> "Evidence":
        """Return the evidence with the measures and tables of other evidence about the same model."""
        tables = {name: table for one in (self, *others) for name, table in one.tables.items()}
        return self.with_measures(*(m for one in others for m in one.measures)).model_copy(update={"tables": tables})


class Answers(Record):
    """What was answered on the hold-out, and what a build's answers look like: all that a rehearsal needs of it."""

    digest: str
    stored_predictions: Reference = Field(
        alias="predictions", description="Parquet of the test rows: row, label, the answer's numbers, the baseline's."
    )
    stored_shape: Reference = Field(alias="shape", description="The shape of the answers, as the build will have it.")

    @property
    def predictions(self) -> Path:
        return self.stored_predictions.local()

    @property
    def shape(self) -> Path:
        return self.stored_shape.local()


class Evaluated(Record):
    """What the evaluation hands on: references, and the figure that the goal names."""

    digest: str
    stored_evidence: Reference = Field(alias="evidence")
    answers: Answers
    seconds: float
    metric: str
    value: float
    low: float
    high: float

    @property
    def evidence(self) -> Path:
        return self.stored_evidence.local()


def write_evidence(path: Path, evidence: Evidence) -> Path:
    """Write evidence as JSON, atomically."""
    return write_atomically(path, evidence.model_dump_json(indent=2).encode() + b"\n")


def read_evidence(path: Path) -> Evidence:
    """Read evidence; BuildError if the file is missing or is not evidence of this format."""
    try:
        return parse_evidence(path.read_bytes(), where=str(path))
    except FileNotFoundError:
        raise BuildError(f"{path} does not exist: the model was not evaluated") from None


def parse_evidence(data: bytes, where: str) -> Evidence:
    """Return evidence from its JSON; BuildError with ``where`` it stands if it is not of this format."""
    try:
        return Evidence.model_validate_json(data)
    except ValidationError as error:
        raise BuildError(f"{where} is not evidence of format {FORMAT}: {error.errors()[0]['msg']}") from error
