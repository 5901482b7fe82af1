"""The tabular kind: gradient-boosted trees and a network side by side, rows of a contract in, numbers out."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from components.catalog import Kind, Progress
from components.compression.declaration import Family
from components.compression.results import Smaller
from components.data.record_batches import record_batch
from components.data.results import Prepared
from components.declaration import Section, Workload
from components.imports import without_garbage
from components.kinds.tabular.options import TabularOptions, check_options
from components.settings import Settings
from components.training.costs.estimate import Estimate
from components.training.processor_threads import let_waiting_threads_sleep
from components.training.results import Trained
from data_contracts.description.spec import ContractSpec

if TYPE_CHECKING:
    from components.kinds.tabular.bulk import BulkPredictor

# Bounds the memory of a prediction; the answers do not depend on it.
ROWS_AT_ONCE = 65_536


def train(
    prepared: Prepared,
    workload: Workload,
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


def estimate(prepared: Prepared, workload: Workload, contract: ContractSpec, settings: Settings) -> Estimate:
    """Return what training would take on this machine, from a few dozen steps."""
    let_waiting_threads_sleep()
    from components.kinds.tabular.estimation import estimate_candidates

    return estimate_candidates(prepared, workload, contract, settings)


def smaller(
    trained: Trained,
    prepared: Prepared,
    workload: Workload,
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


def open_bulk(model: Path | bytes, contract: ContractSpec, threads: int = 1) -> "BulkPredictor":
    """Return the graph ready to answer batches of contract rows."""
    from components.kinds.tabular.bulk import BulkPredictor

    return BulkPredictor(model, contract, threads)


def predict_file(
    model: Path | bytes, contract: ContractSpec, rows: Path | bytes, threads: int = 1
) -> NDArray[np.float32]:
    """Return the graph's numbers for every row of a Parquet file of raw contract rows, [rows] or [rows, columns]."""
    predictor = open_bulk(model, contract, threads)
    frame = pl.scan_parquet(io.BytesIO(rows) if isinstance(rows, bytes) else rows, glob=False).select(
        [field.name for field in contract.inputs]
    )
    parts = frame.collect_batches(chunk_size=ROWS_AT_ONCE, maintain_order=True)
    answers = [predictor.predict(record_batch(part)) for part in parts]
    return np.concatenate(answers) if answers else np.zeros(0, np.float32)


KIND = Kind(
    name="tabular",
    options=TabularOptions,
    train=train,
    predict_file=predict_file,
    open_bulk=open_bulk,
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
