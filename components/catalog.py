"""The kinds of model Slipway can train, found by folder: a new kind is a new folder and edits no existing file."""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
from numpy.typing import NDArray
from pydantic import ValidationError

import components.kinds
from components.artefacts.errors import WorkloadError
from components.compression.results import Smaller
from components.data.results import Prepared
from components.declaration.section import Section
from components.declaration.serving import Family
from components.declaration.targets import Target, target_of
from components.declaration.validation_errors import describe_validation_error
from components.declaration.workload import Workload
from components.settings import Settings
from components.training.costs.estimate import Estimate
from components.training.results import Trained
from data_contracts.description.spec import ContractSpec

# What is being done, how much of it is done, and how much there is in all.
Progress = Callable[[str, int, int], None]


class Train(Protocol):
    """Trains every candidate of a workload under ``folder`` and chooses; called again, it goes on where it was."""

    def __call__(
        self,
        prepared: Prepared,
        workload: Workload,
        contract: ContractSpec,
        folder: Path,
        settings: Settings,
        progress: Progress,
    ) -> Trained: ...


class PredictFile(Protocol):
    """Answers a Parquet file of raw contract rows with a model graph, as serving would: [rows], or
    [rows, columns] where the answer has several numbers. Both may be given as their bytes, as a build holds them."""

    def __call__(
        self, model: Path | bytes, contract: ContractSpec, rows: Path | bytes, threads: int = 1
    ) -> NDArray[Any]: ...


class Bulk(Protocol):
    """A model graph that answers batches of contract rows, as ``PredictFile`` does, from several threads at once."""

    def predict(self, rows: pa.RecordBatch) -> NDArray[Any]: ...


class OpenBulk(Protocol):
    """Makes a model graph ready to answer many rows, on this many threads."""

    def __call__(self, model: Path | bytes, contract: ContractSpec, threads: int = 1) -> Bulk: ...


class EstimateTraining(Protocol):
    """Says what a training would take, from a few dozen of its steps."""

    def __call__(
        self, prepared: Prepared, workload: Workload, contract: ContractSpec, settings: Settings
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
        workload: Workload,
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
    predict_file: PredictFile
    open_bulk: OpenBulk
    targets: tuple[Target, ...] = ("binary",)
    estimate: EstimateTraining | None = None
    smaller: MakeSmaller | None = None
    check: CheckOptions | None = None
    training_modules: tuple[str, ...] = ()


def known_kinds() -> tuple[str, ...]:
    """Return the names of the folders under ``components/kinds``."""
    found = pkgutil.iter_modules(components.kinds.__path__)
    return tuple(sorted(module.name for module in found if module.ispkg))


def kind_module(name: str) -> str:
    """Return the module that defines a kind."""
    return f"components.kinds.{name}.workload"


def inference_module(name: str) -> Any:
    """Return the module by which a kind answers, as the data plane loads it."""
    return importlib.import_module(f"components.kinds.{name}.inference")


def find_kind(name: str) -> Kind:
    """Return a kind by name; WorkloadError says which are known."""
    if name not in known_kinds():
        raise WorkloadError(f"unknown kind '{name}'; known: {', '.join(known_kinds())}")
    kind = importlib.import_module(kind_module(name)).KIND
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


def kind_options(workload: Workload) -> Section:
    """Check the ``model`` section of a workload; WorkloadError names the key and what is allowed."""
    options = find_kind(workload.kind).options
    try:
        return options.model_validate(workload.model)
    except ValidationError as error:
        told = describe_validation_error(error, options)
        raise WorkloadError(f"workload {workload.name}, section model (kind {workload.kind}): {told}") from error
