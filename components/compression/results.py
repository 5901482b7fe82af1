"""What compression hands on: every graph that was tried, what it costs and saves, and which one ships."""

from pathlib import Path

from pydantic import Field

from components.declaration.serving import Family
from components.result import Result
from components.store.reference import Reference
from components.training.costs.energy import Energy
from components.training.results import Shipped, Spent, Trained, TrainingRecord

AS_TRAINED = "as trained"


class Smaller(Result):
    """A smaller model that a kind made of the chosen one, before it is measured."""

    name: str
    family: Family | None = Field(description="None: the model as it was trained.")
    note: str = Field(description="What was done, in words.")
    model: Path | None = Field(description="Its graph, with the same inputs and outputs; None if it could not be made.")


class Speed(Result):
    """Processor time of one call, median over rounds in which all graphs took turns on one core."""

    row_us: float = Field(description="Microseconds of a call with one row.")
    batch_us: float = Field(description="Microseconds of a call with a full batch.")
    saving: float = Field(description="Share of the time as trained that is saved: geometric mean of row and batch.")
    faster_rounds: float = Field(description="Share of the rounds in which it was faster.")


class MetricLoss(Result):
    """What a metric loses (above zero: worse), with its paired 95 % bootstrap interval."""

    metric: str
    value: float = Field(description="The metric of this graph.")
    loss: float
    low: float
    high: float


class ClassLoss(Result):
    """What becomes of the rows of one class."""

    name: str
    rows: int
    turned: int = Field(description="Rows whose decision changed.")
    right: float = Field(description="Share of rows that are decided rightly.")
    right_as_trained: float


class Variant(Result):
    """One graph and what was measured of it; what could not be made has a note and a verdict only."""

    name: str
    family: Family | None = Field(description="None: the model as it was trained.")
    note: str
    verdict: str = Field(description="Why it ships or does not.")
    stored_model: Reference | None = Field(None, alias="model")
    digest: str | None = Field(None, description="SHA-256 of the graph.")
    size_mb: float | None = None
    speed: Speed | None = None
    losses: tuple[MetricLoss, ...] = ()
    classes: tuple[ClassLoss, ...] = ()
    largest_change: float | None = Field(None, description="Of one answer, in the unit of 'answer_change'.")
    company_change: float = Field(
        0.0, description="How far an answer moves with the rows that are asked beside it, in the same unit."
    )

    @property
    def model(self) -> Path | None:
        return self.stored_model.local() if self.stored_model else None


class Compression(Result):
    """Every variant of a model, measured on the same rows, and the one that ships."""

    chosen: str
    reason: str
    metric: str
    split: str
    rows: int
    batch_rows: int
    variants: tuple[Variant, ...]

    @property
    def shipped(self) -> Variant:
        """The variant that was chosen."""
        return next(variant for variant in self.variants if variant.name == self.chosen)


class Compressed(Result):
    """The variants of a training and the graph that ships, and what it took to make and measure them."""

    digest: str = Field(description="Of the training's digest and that of the graph that ships.")
    shipped: Shipped
    compression: Compression
    seconds: float
    cpu_seconds: float = Field(description="Of all processors.")
    energy: Energy


def spent_on(trained: Trained, compressed: Compressed, usd_per_hour: float) -> Spent:
    """Return what it took to make what ships, at a price that need not be the one it was made at."""
    seconds = trained.seconds + compressed.seconds
    cpu, energy = trained.cpu_seconds, trained.energy
    return Spent(
        seconds=round(seconds, 3),
        cost_usd=round(seconds / 3600 * usd_per_hour, 6),
        cpu_seconds=None if cpu is None else round(cpu + compressed.cpu_seconds, 2),
        energy=None if energy is None else energy.and_then(compressed.energy, "smaller graphs"),
        memory=trained.memory,
    )


def training_record(trained: Trained, compressed: Compressed, usd_per_hour: float) -> TrainingRecord:
    """Return what a build keeps of a training and of what was made of it."""
    made = {"variant": compressed.compression.chosen, "shipped": compressed.shipped.digest}
    return TrainingRecord.model_validate(
        trained.model_dump() | spent_on(trained, compressed, usd_per_hour).model_dump() | made
    )
