"""Ask the packaged graph about rows that were changed on purpose: which fields its answers rest on."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from components.artefacts.answer_shape import AnswerShape
from components.artefacts.inference import Parts
from components.batch_prediction import PredictFile
from components.declaration.metrics import sign_of
from components.evaluation.hold_out import Answers
from components.evaluation.metrics import score
from data_contracts.description.spec import ContractSpec

Ask = Callable[[pl.DataFrame], Answers]


def asker(parts: Parts, contract: ContractSpec, predict_file: PredictFile, shape: AnswerShape) -> Ask:
    """Return a function that asks the packaged graph about any rows of the contract, for what a metric judges."""

    def ask(rows: pl.DataFrame) -> Answers:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.parquet"
            rows.write_parquet(path)
            return shape.point(predict_file(parts, contract, path))

    return ask


def permutation_importance(
    ask: Ask,
    rows: pl.DataFrame,
    labels: NDArray[Any],
    fields: Sequence[str],
    metric: str,
    *,
    seed: int,
    most: int = 4_000,
    repeats: int = 3,
) -> list[dict[str, Any]]:
    """Return how much worse the metric gets when one field is shuffled, largest loss first (Breiman 2001).

    Correlated fields stand in for each other, so a small loss does not say that a field carries nothing.
    """
    random = np.random.default_rng(seed)
    picked = np.sort(random.permutation(len(labels))[:most])
    sample, truth = rows[picked], labels[picked]
    sign = sign_of(metric)
    whole = score(metric, truth, ask(sample))
    table = []
    for field in fields:
        losses = []
        for _ in range(repeats):
            shuffled = sample.with_columns(sample[field][random.permutation(len(picked))])
            losses.append(sign * (whole - score(metric, truth, ask(shuffled))))
        table.append({"field": field, "loss": float(np.mean(losses)), "deviation": float(np.std(losses, ddof=1))})
    return sorted(table, key=lambda row: -row["loss"])
