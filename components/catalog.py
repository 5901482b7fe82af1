"""The kinds of model Slipway can train, found by folder: a new kind is a new folder and edits no existing file."""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

import components.kinds
from components.artefacts.errors import WorkloadError
from components.artefacts.inference import Answers, Inference, Parts, inference_of
from components.batch_prediction import BatchPredictor, OpenBatches, RowByRow, predict_file
from components.compression.results import Smaller
from components.data.results import Prepared
from components.declaration.section import Section
from components.declaration.serving import Family
from components.declaration.targets import Target, target_of
from components.declaration.validation_errors import describe_validation_error
from components.declaration.workload import Workload
from components.settings import Settings
from components.training.costs.estimate import Estimate, Prices
from components.training.part import TrainingPart
from components.training.results import Trained
from data_contracts.description.spec import ContractSpec

# What is being done, how much of it is done, and how much there is in all.
Progress = Callable[[str, int, int], None]


class Train(Protocol):
    """Trains every candidate of a workload under ``folder`` and chooses; called again, it goes on where it was."""

    def __call__(
        self,
        prepared: Prepared,
        workload: TrainingPart,
        contract: ContractSpec,
        folder: Path,
        settings: Settings,
        progress: Progress,
    ) -> Trained: ...


class EstimateTraining(Protocol):
    """Says what a training would take, from a few dozen of its steps."""

    def __call__(
        self, prepared: Prepared, workload: TrainingPart, contract: ContractSpec, prices: Prices, settings: Settings
    ) -> Estimate: ...


class CheckOptions(Protocol):
    """Raises WorkloadError for options of the ``model`` section that do not fit the contract's label."""

    def __call__(self, options: Section, contract: ContractSpec) -> None: ...


class MakeSmaller(Protocol):
    """Makes smaller models of the chosen one, of the families asked for: their graphs answer the same question."""

    def __call__(
        self,
        trained: Trained,
        prepared: Prepared,
        workload: TrainingPart,
        contract: ContractSpec,
        folder: Path,
        settings: Settings,
        families: Sequence[Family],
    ) -> Sequence[Smaller]: ...


@dataclass(frozen=True)
class Kind:
    """A family of models: the schema of its ``model`` section, how it trains and how it answers a file.

    ``training_modules`` are what ``train`` imports when it is called, for whoever has time to import it before.
    """

    name: str
    options: type[Section]
    train: Train
    targets: tuple[Target, ...] = ("binary",)
    estimate: EstimateTraining | None = None
    smaller: MakeSmaller | None = None
    check: CheckOptions | None = None
    # A faster way to answer many rows than the service's own.
    open_batches: OpenBatches | None = None
    training_modules: tuple[str, ...] = ()

    @property
    def inference(self) -> Inference:
        """How the kind answers."""
        return inference_of(self.name)

    def batches(self, parts: Parts, contract: ContractSpec, threads: int = 1) -> BatchPredictor:
        """Return parts of a build ready to answer batches of contract rows."""
        if self.open_batches is not None:
            return self.open_batches(parts, contract, threads)
        return RowByRow(self.inference.open(parts, contract, threads), contract)

    def predict_file(self, parts: Parts, contract: ContractSpec, rows: Path | bytes, threads: int = 1) -> Answers:
        """Return the numbers for every row of a Parquet file of raw contract rows (or its bytes), as serving would."""
        return predict_file(self.batches(parts, contract, threads), contract, rows)


def known_kinds() -> tuple[str, ...]:
    """Return the names of the folders under ``components/kinds``."""
    found = pkgutil.iter_modules(components.kinds.__path__)
    return tuple(sorted(module.name for module in found if module.ispkg))


def kind_modules(name: str) -> tuple[str, str]:
    """Return the modules that are found by a kind's name: what defines it, and by what it answers."""
    return f"components.kinds.{name}.workload", f"components.kinds.{name}.inference"


def find_kind(name: str) -> Kind:
    """Return a kind by name; WorkloadError says which are known."""
    if name not in known_kinds():
        raise WorkloadError(f"unknown kind '{name}'; known: {', '.join(known_kinds())}")
    kind = importlib.import_module(kind_modules(name)[0]).KIND
    assert isinstance(kind, Kind), f"components/kinds/{name}/workload.py defines no KIND"
    return kind


def check_target(workload: Workload, contract: ContractSpec) -> None:
    """Raise WorkloadError unless the workload's kind, with its options, can learn the contract's label."""
    kind, target = find_kind(workload.kind), target_of(contract)
    if target not in kind.targets:
        raise WorkloadError(
            f"'kind': {kind.name} learns {' and '.join(kind.targets)} labels; '{contract.label.name}' of "
            f"{contract.name} is a {contract.label.dtype}, which makes it {target}"
        )
    if kind.check is not None:
        kind.check(kind_options(workload), contract)


def kind_options(workload: Workload | TrainingPart) -> Section:
    """Check the ``model`` section of a workload; WorkloadError names the key and what is allowed."""
    options = find_kind(workload.kind).options
    try:
        return options.model_validate(workload.model)
    except ValidationError as error:
        told = describe_validation_error(error, options)
        raise WorkloadError(f"section model (kind {workload.kind}): {told}") from error
