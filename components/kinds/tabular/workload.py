"""The tabular kind: gradient-boosted trees and a network side by side, rows of a contract in, numbers out."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from components.artefacts.inference import Parts
from components.catalog import Kind, Progress
from components.compression.results import Smaller
from components.data.results import Prepared
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
    """Train the baseline and the network, and choose by the goal's metric on the validation split."""
    let_waiting_threads_sleep()
    # Reading a workload file must not cost the seconds that importing torch and lightning takes.
    with without_garbage():
        from components.kinds.tabular.candidates import train_candidates

    return train_candidates(prepared, workload, contract, folder, settings, progress)


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


def check(options: Section, contract: ContractSpec) -> None:
    """Raise WorkloadError for an option that means nothing for the contract's label."""
    assert isinstance(options, TabularOptions), "the kind declares TabularOptions"
    check_options(options, contract)


def open_batches(parts: Parts, contract: ContractSpec, threads: int = 1) -> "BulkPredictor":
    """Return the graph ready to answer batches of contract rows."""
    from components.kinds.tabular.bulk import BulkPredictor

    return BulkPredictor(parts, contract, threads)


KIND = Kind(
    name="tabular",
    options=TabularOptions,
    train=train,
    open_batches=open_batches,
    targets=("binary", "multiclass", "regression"),
    estimate=estimate,
    smaller=smaller,
    check=check,
    # In pieces of about a second.
    training_modules=(
        "torch",
        "torch._dynamo",
        "torchmetrics",
        "components.kinds.tabular.candidates",
    ),
)
