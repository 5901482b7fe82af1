"""The kinds of model Slipway can train, found by folder: a new kind is a new folder and edits no existing file."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pydantic import ValidationError

from components.artefacts.errors import WorkloadError
from components.artefacts.inference import Answers, Inference, Parts, inference_of, kind_folders
from components.batch_prediction import BatchPredictor, OpenBatches, RowByRow, predict_file
from components.compression.results import Smaller
from components.data.preparation import ONLY_SPLITS, Preparation
from components.data.results import Prepared
from components.declaration.features import FeatureStep, automatic_features
from components.declaration.metrics import FILE as METRICS_FILE
from components.declaration.section import Section
from components.declaration.serving import GRAPH_FAMILIES, Family
from components.declaration.targets import Target, target_of
from components.declaration.validation_errors import describe_validation_error
from components.declaration.workload import Workload
from components.progress import Progress as Progress
from components.settings import Settings
from components.training.costs.estimate import Estimate, Prices
from components.training.part import TrainingPart
from components.training.results import Trained
from components.user_code import told_of_theirs
from data_contracts.description.spec import ContractSpec, DType

# Every command reads the catalog, and few measure: evaluation brings SciPy.
if TYPE_CHECKING:
    from components.evaluation.further import MeasureFurther


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


class Check(Protocol):
    """Raises WorkloadError for options of the ``model`` section, or features, that do not fit the contract."""

    def __call__(self, options: Section, features: Sequence[FeatureStep], contract: ContractSpec) -> None: ...


class PreprocessingGraph(Protocol):
    """Returns the part of the model's graph that stands before the model, as a graph of the same inputs; None if none.

    Only its time is measured.
    """

    def __call__(self, parts: Parts, contract: ContractSpec) -> bytes | None: ...


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
    """A family of models, and all that depends on what an example looks like; how it answers is in ``inference``."""

    name: str
    # The schema of the ``model`` section.
    options: type[Section]
    # Types of the fields that an example may have, by their names in a contract, and what can be learnt of them.
    takes: tuple[DType, ...]
    targets: tuple[Target, ...]
    train: Train
    check: Check | None = None
    preparation: Preparation = ONLY_SPLITS
    estimate: EstimateTraining | None = None
    # Smaller models that only the kind can make, and their names; those of any graph need not be named.
    smaller: MakeSmaller | None = None
    families: tuple[Family, ...] = ()
    # A faster way to answer many rows than the service's own.
    open_batches: OpenBatches | None = None
    preprocessing_graph: PreprocessingGraph | None = None
    # What only the kind can measure or show of a model: it joins the evidence.
    further: "MeasureFurther | None" = None
    # What makes a model of it better, besides data, as the gates advise it.
    improve: tuple[str, ...] = ()
    # What ``train`` imports when it is called, for whoever has time to import it before.
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
    """Return the names of the folders under ``components/kinds``, and of a user's own in a folder ``kinds``."""
    return tuple(sorted(kind_folders()))


def kind_modules(name: str) -> tuple[str, ...]:
    """Return the modules that are found by a kind's name: what defines it, by what it answers, metrics of its own."""
    folder = kind_folders().get(name)
    own = ("metrics",) if folder is not None and (folder / METRICS_FILE).is_file() else ()
    return tuple(f"components.kinds.{name}.{module}" for module in ("workload", "inference", *own))


def find_kind(name: str) -> Kind:
    """Return a kind by name; WorkloadError says which are known, or what is wrong with its module."""
    if name not in known_kinds():
        raise WorkloadError(f"unknown kind '{name}'; known: {', '.join(known_kinds())}")
    file = kind_folders()[name] / "workload.py"
    with told_of_theirs(f"'kind': {name}: {file} cannot be imported", WorkloadError):
        kind = getattr(importlib.import_module(kind_modules(name)[0]), "KIND", None)
    if not isinstance(kind, Kind) or kind.name != name:
        raise WorkloadError(f"'kind': {name}: {file} must define KIND, a Kind of the name of its folder, {name}")
    return kind


def check_kind(workload: Workload, contract: ContractSpec) -> None:
    """Raise WorkloadError unless the workload's kind, with its options, can learn the contract's label from a row."""
    kind, target = find_kind(workload.kind), target_of(contract)
    for field in contract.inputs:
        if field.dtype not in kind.takes:
            raise WorkloadError(
                f"'kind': {kind.name} takes fields of the types {', '.join(kind.takes)}; '{field.name}' of "
                f"{contract.name} is of type {field.dtype}: take another kind, or leave the field out of the contract"
            )
    if target not in kind.targets:
        raise WorkloadError(
            f"'kind': {kind.name} learns {' and '.join(kind.targets)} labels; '{contract.label.name}' of "
            f"{contract.name} is a {contract.label.dtype}, which makes it {target}"
        )
    families = (*GRAPH_FAMILIES, *kind.families)
    if unknown := [one for one in workload.serving.variants.allow or () if one not in families]:
        raise WorkloadError(
            f"'serving.variants.allow': {kind.name} has no smaller model called {', '.join(unknown)}; there are "
            f"{', '.join(families)}"
        )
    if workload.features and kind.preparation.make is None:
        raise WorkloadError(f"'features': {kind.name} learns from whole examples and makes none: leave the section out")
    if kind.check is not None:
        kind.check(kind_options(workload), workload.features, contract)


def with_features(workload: Workload, contract: ContractSpec) -> Workload:
    """Return a workload with features by the types of its fields, where its kind makes some and the file names none."""
    if workload.features or find_kind(workload.kind).preparation.make is None:
        return workload
    return workload.model_copy(update={"features": automatic_features(contract)})


def kind_options(workload: Workload | TrainingPart) -> Section:
    """Check the ``model`` section of a workload; WorkloadError names the key and what is allowed."""
    options = find_kind(workload.kind).options
    try:
        return options.model_validate(workload.model)
    except ValidationError as error:
        told = describe_validation_error(error, options)
        raise WorkloadError(f"section model (kind {workload.kind}): {told}") from error
