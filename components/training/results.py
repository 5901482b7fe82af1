"""What training hands on: paths, digests and small values; never weights, never rows."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from components.compression.results import Compression

Device = Literal["cpu", "cuda", "mps"]
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
Stopped = Literal["finished", "early stopping", "time cap", "cost cap"]


class _Result(BaseModel):
    """A frozen value that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class HardwareChoice(_Result):
    """What a model is trained on and how, and why: device, precision as Lightning names it, compiled or not."""

    device: Device
    precision: Precision
    compile: bool = Field(description="Whether torch.compile is used.")
    threads: int = Field(ge=1, description="CPU threads.")
    reason: str = Field(description="Why, with the figures that were measured.")


class Candidate(_Result):
    """One model that could be packaged."""

    name: str
    family: Literal["baseline", "lightning"]
    model: Path = Field(description="ONNX from raw contract fields to the output.")
    digest: str = Field(description="SHA-256 of the ONNX file.")
    predictions: Path = Field(description="Parquet (split, row, probability) as the trainer itself computed them.")
    score: float = Field(description="The goal's metric on the validation split.")
    seconds: float = Field(ge=0, description="Wall-clock time of fitting, resumed parts included.")


class Comparison(_Result):
    """The chosen candidate against the best other one, on the same validation rows."""

    metric: str
    chosen: str
    other: str
    difference: float = Field(description="score(chosen) - score(other).")
    low: float = Field(description="Lower end of the paired 95 % bootstrap interval.")
    high: float
    n: int = Field(description="Rows.")
    resamples: int


class Shipped(_Result):
    """The graph that goes into the build."""

    model: Path
    digest: str = Field(description="SHA-256 of the graph.")
    changed: bool = Field(description="Whether it is a variant that may answer otherwise than what was trained.")


class Trained(_Result):
    """Everything a training left behind."""

    digest: str = Field(description="SHA-256 over the candidates' digests and the choice.")
    path: Path
    candidates: tuple[Candidate, ...]
    chosen: str
    comparison: Comparison | None = Field(description="None if there is a single candidate.")
    search: Path | None = Field(None, description="trials.json of a search for options; None without a search.")
    hardware: HardwareChoice
    stopped: Stopped
    epochs: int = Field(description="Epochs of the Lightning model that were begun.")
    seconds: float
    cost_usd: float
    peak_memory_mb: float
    seed: int
    compression: Compression | None = Field(None, description="Variants of the chosen candidate, once they were made.")

    def candidate(self, name: str) -> Candidate:
        """Return the candidate of that name; KeyError if there is none."""
        for candidate in self.candidates:
            if candidate.name == name:
                return candidate
        raise KeyError(name)

    @property
    def best(self) -> Candidate:
        """The candidate that was chosen."""
        return self.candidate(self.chosen)

    @property
    def shipped(self) -> Shipped:
        """The graph that ships and that every judgement is about: a variant of the best candidate, or itself."""
        variant = self.compression.shipped if self.compression else None
        if variant is None or variant.model is None or variant.digest is None:
            return Shipped(model=self.best.model, digest=self.best.digest, changed=False)
        return Shipped(model=variant.model, digest=variant.digest, changed=variant.family is not None)
