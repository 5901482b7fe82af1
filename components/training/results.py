"""What training hands on: references, digests and small values; never weights, never rows."""

from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from components.artefacts.inference import MODEL, Parts
from components.result import Result
from components.store.reference import Reference
from components.training.costs.energy import Energy
from components.training.costs.peak_memory import PeakMemory

Device = Literal["cpu", "cuda", "mps"]
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
Stopped = Literal["finished", "early stopping", "time cap", "cost cap", "tree cap"]
# Of a candidate: a baseline is what the others are compared with, a challenger what should be better.
Role = Literal["baseline", "challenger"]


class HardwareChoice(Result):
    """What a model is trained on and how, and why: device, precision as Lightning names it, compiled or not."""

    device: Device
    precision: Precision
    compile: bool = Field(description="Whether torch.compile is used.")
    threads: int = Field(ge=1, description="CPU threads.")
    reason: str = Field(description="Why, with the figures that were measured.")


class Epoch(Result):
    """What one epoch of a fit came to."""

    training_loss: float = Field(description="Mean over the batches while they were learnt, dropout included.")
    validation_loss: float = Field(description="Mean over the rows, of the averaged weights if there is an average.")
    score: float = Field(description="The goal's metric on validation, signed so that higher is better.")


class Candidate(Result):
    """One model that could be packaged: its main graph, and what else it answers with."""

    name: str
    role: Role
    stored_model: Reference = Field(alias="model", description="ONNX from raw contract fields to the output.")
    stored_graphs: dict[str, Reference] = Field(
        default_factory=dict, alias="graphs", description="Further graphs by name."
    )
    stored_assets: dict[str, Reference] = Field(
        default_factory=dict, alias="assets", description="Files that answers need, or people read."
    )
    digest: str = Field(description="SHA-256 of the ONNX file.")
    stored_predictions: Reference = Field(
        alias="predictions", description="Parquet (split, row, answer) as the trainer itself computed them."
    )
    score: float = Field(description="The goal's metric on the validation split.")
    seconds: float = Field(ge=0, description="Wall-clock time of fitting, resumed parts included.")
    stopped: Stopped = Field("finished", description="What ended its fitting.")
    curve: tuple[Epoch, ...] = Field((), description="Epoch by epoch; empty if it has no epochs.")
    hardware: HardwareChoice | None = Field(None, description="What it was fitted on, if that was chosen for it.")
    options: dict[str, Any] = Field(
        default_factory=dict, description="Keys of the model section that a search chose for it."
    )

    judged_crosswise: bool = Field(
        False, description="Whether there are answers to training, too, each by a model that had not learnt the row."
    )

    @property
    def cut_off(self) -> str:
        """The cap that ended it before it was done; empty if none did."""
        return self.stopped if "cap" in self.stopped else ""

    @property
    def kept_epoch(self) -> int | None:
        """Number of the epoch, from 1, whose weights it has; None without a curve."""
        scores = [epoch.score for epoch in self.curve]
        return scores.index(max(scores)) + 1 if scores else None

    @property
    def ended(self) -> str:
        """What ended it, in words: 'network: early stopping after 12 epochs'."""
        after = f" after {len(self.curve)} epochs" if self.curve else ""
        return f"{self.name}: {self.stopped}{after}"

    @property
    def model(self) -> Path:
        return self.stored_model.local()

    @property
    def predictions(self) -> Path:
        return self.stored_predictions.local()

    @property
    def parts(self) -> Parts:
        """What it answers with."""
        return _parts(self.stored_model, self.stored_graphs, self.stored_assets)


class Comparison(Result):
    """The chosen candidate against the best other one, on the same validation rows."""

    metric: str
    chosen: str
    other: str
    difference: float = Field(description="score(chosen) - score(other).")
    low: float = Field(description="Lower end of the paired 95 % bootstrap interval.")
    high: float
    n: int = Field(description="Rows.")
    resamples: int


class Shipped(Result):
    """What goes into the build, and what every judgement is about."""

    stored_model: Reference = Field(alias="model")
    stored_graphs: dict[str, Reference] = Field(
        default_factory=dict, alias="graphs", description="Further graphs by name."
    )
    stored_assets: dict[str, Reference] = Field(default_factory=dict, alias="assets")
    digest: str = Field(description="SHA-256 of the model's graph.")
    changed: bool = Field(description="Whether it is a variant that may answer otherwise than what was trained.")

    @property
    def model(self) -> Path:
        return self.stored_model.local()

    @property
    def parts(self) -> Parts:
        """What the build answers with."""
        return _parts(self.stored_model, self.stored_graphs, self.stored_assets)


def _parts(model: Reference, graphs: dict[str, Reference], assets: dict[str, Reference]) -> Parts:
    places = [{name: one.local() for name, one in some.items()} for some in ({MODEL: model, **graphs}, assets)]
    return Parts(*places)


class EstimateCheck(Result):
    """An estimate that was made before a training, beside what the training took."""

    least_seconds: float = Field(description="Estimated, if everything had stopped as early as it can.")
    seconds: float = Field(description="Estimated, with everything that was declared.")
    taken_seconds: float
    cpu_seconds: float = Field(description="Estimated processor time, with the epochs that were taken.")
    taken_cpu_seconds: float | None = Field(description="None if a part of the training ran in an earlier process.")
    usd: float | None = Field(None, description="Estimated price, with everything that was declared.")
    taken_usd: float | None = None
    memory_mb: float | None = Field(None, description="Estimated peak memory.")
    taken_memory_mb: float | None = Field(None, description="None if a part of the training ran in an earlier process.")
    parts: dict[str, tuple[float, float]] = Field(description="Candidate -> seconds estimated, taken.")
    at_most: bool = Field(False, description="A search was part of it: how far its trials get is not foreseen.")

    @property
    def off(self) -> float | None:
        """How much more (or less, below 0) processor time it took than was said, as a share; None where unknown."""
        if self.taken_cpu_seconds is None or self.at_most:
            return None
        return self.taken_cpu_seconds / self.cpu_seconds - 1

    @property
    def text(self) -> str:
        """The comparison in one line."""
        off = "" if self.off is None else f"; processor time {self.cpu_seconds:.0f} s said, {self.off:+.0%} taken"
        if self.at_most and self.taken_cpu_seconds is not None:
            off = f"; processor time at most {self.cpu_seconds:.0f} s said, {self.taken_cpu_seconds:.0f} s taken"
        said = f"{self.least_seconds:.0f} to {self.seconds:.0f} s"
        more = "".join(f"; {line}" for line in (self.money_text, self.memory_text) if line)
        return f"estimated {said}, took {self.taken_seconds:.0f} s on the clock{off}{more}"

    @property
    def money_text(self) -> str:
        """The price said and taken; empty in builds that did not compare it."""
        if self.usd is None or self.taken_usd is None:
            return ""
        return f"at most {self.usd:.4f} USD said, {self.taken_usd:.4f} taken"

    @property
    def memory_text(self) -> str:
        """The memory said and taken; empty where it is not known."""
        if self.memory_mb is None or self.taken_memory_mb is None:
            return ""
        share = self.taken_memory_mb / self.memory_mb - 1
        return f"{self.memory_mb:,.0f} MB said, {share:+.0%} taken"


class Trial(Result):
    """One set of options that a search tried."""

    number: int
    options: dict[str, Any]
    state: Literal["finished", "pruned", "failed"]
    score: float | None = Field(description="Higher is better; None unless it finished.")
    scores: tuple[float, ...] = Field((), description="Score after each validation.")
    started: datetime | None = None
    seconds: float


class Spent(Result):
    """What making a model took."""

    seconds: float
    cost_usd: float
    cpu_seconds: float | None = Field(description="Of all processors; None if an earlier process did a part.")
    energy: Energy | None
    memory: PeakMemory | None

    @property
    def text(self) -> str:
        """All of it in one line."""
        energy = f", {self.energy.text}" if self.energy else ""
        memory = f", {self.memory.mb:,.0f} MB at most" if self.memory else ""
        return f"{self.seconds:.0f} s, {self.cost_usd:.4f} USD{memory}{energy}"


class Trained(Result):
    """Everything a training left behind."""

    digest: str = Field(description="SHA-256 over the candidates' digests and the choice.")
    stored: Reference = Field(alias="path")
    candidates: tuple[Candidate, ...]
    chosen: str
    comparison: Comparison | None = Field(description="None if there is a single candidate.")
    stored_search: Reference | None = Field(
        None, alias="search", description="trials.json of a search for options; None without a search."
    )
    hardware: HardwareChoice
    options: dict[str, Any] | None = Field(None, description="The model section as it was used, after a search.")
    seconds: float
    cost_usd: float = Field(description="Of the seconds, at the price that was set when it ran.")
    seed: int
    quantiles: tuple[float, ...] = Field((), description="Levels answered beside a number, after it.")
    cpu_seconds: float | None = Field(None, description="Of all processors; None if an earlier process did a part.")
    energy: Energy | None = Field(None, description="None where nobody accounted for it.")
    memory: PeakMemory | None = Field(None, description="None if nobody measured it, or an earlier process did a part.")
    estimate: EstimateCheck | None = Field(None, description="None if none was made before.")

    @property
    def path(self) -> Path:
        return self.stored.local()

    @property
    def search(self) -> Path | None:
        return self.stored_search.local() if self.stored_search else None

    def candidate(self, name: str) -> Candidate:
        """Return the candidate of that name; KeyError if there is none."""
        for candidate in self.candidates:
            if candidate.name == name:
                return candidate
        raise KeyError(name)

    @property
    def account(self) -> str:
        """What it took and what had been estimated, in one line."""
        return self.spent.text if self.estimate is None else f"{self.spent.text}; {self.estimate.text}"

    @property
    def cut_off(self) -> str:
        """Say which candidates a cap ended before they were done; empty if none was."""
        cut = [f"{one.name} by the {one.cut_off}" for one in self.candidates if one.cut_off]
        if not cut:
            return ""
        ships = "is one of them" if self.best.cut_off else "is not one of them, but was chosen against them"
        return f"training was cut off: {', '.join(cut)}; what ships, {self.chosen}, {ships}"

    @property
    def ended(self) -> str:
        """What ended the fitting of each candidate, in one line."""
        return "; ".join(one.ended for one in self.candidates)

    @property
    def best(self) -> Candidate:
        """The candidate that was chosen."""
        return self.candidate(self.chosen)

    @property
    def spent(self) -> Spent:
        """What it took, without what was made of it afterwards."""
        return Spent(
            seconds=self.seconds,
            cost_usd=self.cost_usd,
            cpu_seconds=self.cpu_seconds,
            energy=self.energy,
            memory=self.memory,
        )

    @property
    def as_trained(self) -> Shipped:
        """The best candidate as what ships."""
        best = self.best
        return Shipped(
            stored_model=best.stored_model,
            stored_graphs=best.stored_graphs,
            stored_assets=best.stored_assets,
            digest=best.digest,
            changed=False,
        )


class CandidateRecord(Result):
    """A candidate as a build remembers it."""

    model_config = ConfigDict(extra="ignore")

    name: str
    digest: str
    score: float
    seconds: float
    role: str = Field("", description="Empty in builds that did not keep it.")
    stopped: Stopped = "finished"
    curve: tuple[Epoch, ...] = ()


class TrainingRecord(Result):
    """A training as a build remembers it: no paths; unknown keys of later versions are skipped."""

    model_config = ConfigDict(extra="ignore")

    candidates: tuple[CandidateRecord, ...]
    chosen: str
    hardware: HardwareChoice
    seconds: float
    cost_usd: float
    seed: int
    comparison: Comparison | None = Field(None, description="What the choice rested on.")
    variant: str = Field("as trained", description="Which graph of the chosen candidate ships.")
    shipped: str | None = Field(None, description="Its SHA-256; None in builds that had no variants.")
    cpu_seconds: float | None = None
    energy: Energy | None = None
    memory: PeakMemory | None = None
    estimate: EstimateCheck | None = None


def read_trials(path: Path) -> tuple[Trial, ...]:
    """Return every trial of a search that ended, in order, from its trials.json."""
    return TypeAdapter(tuple[Trial, ...]).validate_json(path.read_bytes())
