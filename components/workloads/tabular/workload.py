"""The tabular kind: gradient-boosted trees and a network side by side, rows of a contract in, a probability out."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from components.catalog import Kind, Progress
from components.compression.declaration import Family
from components.compression.results import Smaller
from components.data.results import Prepared
from components.declaration import Workload
from components.settings import Settings
from components.training.processor_threads import let_waiting_threads_sleep
from components.training.results import Trained
from components.workloads.tabular.inference import Predictor
from components.workloads.tabular.options import TabularOptions
from data_contracts.spec import ContractSpec

if TYPE_CHECKING:
    from components.training.estimate import Estimate

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
    from components.workloads.tabular.candidates import train_candidates

    return train_candidates(prepared, workload, contract, folder, settings, progress)


def estimate(prepared: Prepared, workload: Workload, contract: ContractSpec, settings: Settings) -> "Estimate":
    """Return what training would take on this machine, from a few dozen steps."""
    let_waiting_threads_sleep()
    from components.workloads.tabular.estimation import estimate_candidates

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
    from components.workloads.tabular.smaller import smaller_models

    return smaller_models(trained, prepared, workload, contract, folder, settings, families)


def predict_file(model: Path, contract: ContractSpec, rows: Path, threads: int = 1) -> NDArray[np.float32]:
    """Return the graph's probability of yes for every row of a Parquet file of raw contract rows."""
    from components.workloads.tabular.raw import raw_batches

    predictor = Predictor(model, contract, threads)
    fields = tuple((field.name, field.dtype) for field in predictor.fields)
    answers: list[NDArray[Any]] = [predictor.predict(batch) for batch in raw_batches(rows, fields, ROWS_AT_ONCE)]
    return np.concatenate(answers) if answers else np.zeros(0, np.float32)


KIND = Kind(
    name="tabular",
    options=TabularOptions,
    train=train,
    predict_file=predict_file,
    estimate=estimate,
    smaller=smaller,
)
