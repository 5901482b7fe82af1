"""The tabular kind: trees, a linear model and a network side by side, rows of a contract in, numbers out."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from components.artefacts.errors import WorkloadError
from components.artefacts.inference import Parts
from components.catalog import Kind, Progress
from components.compression.results import Smaller
from components.data.audit.findings import Finding
from components.data.preparation import Preparation
from components.data.results import Made, Prepared, Split
from components.declaration.audit import AuditLimits
from components.declaration.features import FeatureStep
from components.declaration.section import Section
from components.declaration.serving import Family
from components.imports import without_garbage
from components.kinds.tabular.options import TabularOptions, check_options
from components.settings import Settings
from components.training.costs.estimate import Estimate, Prices
from components.training.part import TrainingPart
from components.training.processor_threads import let_waiting_threads_sleep
from components.training.results import Trained
from data_contracts.description.spec import ContractSpec

if TYPE_CHECKING:
    from components.kinds.tabular.bulk import BulkPredictor


def train(
    prepared: Prepared,
    workload: TrainingPart,
    contract: ContractSpec,
    folder: Path,
    settings: Settings,
    progress: Progress,
) -> Trained:
    """Train every candidate, and choose by the goal's metric on the validation split."""
    let_waiting_threads_sleep()
    # Reading a workload file must not cost the seconds that importing torch and lightning takes.
    with without_garbage():
        from components.kinds.tabular.candidates import train_all

    return train_all(prepared, workload, contract, folder, settings, progress)


def estimate(
    prepared: Prepared, workload: TrainingPart, contract: ContractSpec, prices: Prices, settings: Settings
) -> Estimate:
    """Return what training would take on this machine, from a few dozen steps."""
    let_waiting_threads_sleep()
    from components.kinds.tabular.estimation import estimate_candidates

    return estimate_candidates(prepared, workload, contract, prices, settings)


def smaller(
    trained: Trained,
    prepared: Prepared,
    workload: TrainingPart,
    contract: ContractSpec,
    folder: Path,
    settings: Settings,
    families: Sequence[Family],
) -> Sequence[Smaller]:
    """Return smaller models of the chosen one: fewer trees, or a small network that learnt its answers."""
    let_waiting_threads_sleep()
    from components.kinds.tabular.smaller import smaller_models

    return smaller_models(trained, prepared, workload, contract, folder, settings, families)


def check(options: Section, features: Sequence[FeatureStep], contract: ContractSpec) -> None:
    """Raise WorkloadError for options that mean nothing for the contract's label, and for features none can make."""
    from components.features.recipe import check_step

    assert isinstance(options, TabularOptions), "the kind declares TabularOptions"
    check_options(options, contract)
    if not features:
        raise WorkloadError("'features': a table is learnt from its fields: say which transform takes which of them")
    for step in features:
        check_step(step, contract)


def make_features(
    splits: Mapping[str, Split], steps: Sequence[FeatureStep], contract: ContractSpec, folder: Path
) -> Made:
    """Fit the recipe on the training split and write the features of every split."""
    from components.kinds.tabular.preparation import write_tables

    return write_tables(splits, steps, contract, folder)


def leaks(prepared: Prepared, contract: ContractSpec, limits: AuditLimits) -> Iterable[Finding]:
    """Return leaks that only a recipe can have."""
    from components.kinds.tabular.leaks import known_only_afterwards

    return known_only_afterwards(prepared, contract, limits)


def preprocessing_graph(parts: Parts, contract: ContractSpec) -> bytes | None:
    """Return the recipe as a graph; None for a build that has none."""
    from components.kinds.tabular.preparation import graph_of_recipe

    return graph_of_recipe(parts, contract)


def open_batches(parts: Parts, contract: ContractSpec, threads: int = 1) -> "BulkPredictor":
    """Return the graph ready to answer batches of contract rows."""
    from components.kinds.tabular.bulk import BulkPredictor

    return BulkPredictor(parts, contract, threads)


KIND = Kind(
    name="tabular",
    options=TabularOptions,
    train=train,
    open_batches=open_batches,
    takes=("string", "integer", "number", "boolean", "datetime", "date"),
    targets=("binary", "multiclass", "regression"),
    check=check,
    preparation=Preparation(
        make_features, leaks, ("components.kinds.tabular.preparation", "components.kinds.tabular.leaks")
    ),
    estimate=estimate,
    smaller=smaller,
    families=("pruned", "distilled"),
    preprocessing_graph=preprocessing_graph,
    improve=("add features",),
    # In pieces of about a second.
    training_modules=(
        "torch",
        "torch._dynamo",
        "torchmetrics",
        "components.kinds.tabular.candidates",
    ),
)
