"""What a quick model reaches: a few boosted trees, asked on folds that they did not learn from.

Its figures are where thresholds are proposed from; nothing that ships is made here.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from components.profiling.label import Label

ROWS, FOLDS, DRAWS = 5_000, 4, 200
MOST_COLUMNS = 200


@dataclass(frozen=True)
class Reached:
    """A metric of the quick model: its value, what answers that never change have, and how far it may be off."""

    metric: str
    value: float
    constant: float
    # Of the metric on as many rows as the test split will have.
    spread: float
    rows: int


def quick_baseline(
    frame: pl.DataFrame, features: list[str], label: Label, metric: str, test_rows: int
) -> Reached | None:
    """Return what the quick model reaches, None where the rows are too few to tell."""
    known = _with_label(frame, label)
    if len(known) < 4 * FOLDS:
        return None
    if len(known) > ROWS:
        known = known.sample(ROWS, seed=0, shuffle=True)
    inputs = _matrix(known.select(features[:MOST_COLUMNS]))
    labels = known.get_column("slipway:label").to_numpy()
    answers = _out_of_fold(inputs, labels, label)
    score = _scorer(metric)
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(DRAWS):
        rows = rng.integers(0, len(labels), max(test_rows, 10))
        if label.target != "regression" and len(np.unique(labels[rows])) < len(np.unique(labels)):
            continue
        drawn.append(score(labels[rows], answers[rows]))
    constant = score(labels, _constant(labels, answers, label))
    spread = float(np.std(drawn)) if len(drawn) > DRAWS / 4 else 0.1 * abs(constant)
    return Reached(metric, float(score(labels, answers)), float(constant), spread, len(labels))


def _with_label(frame: pl.DataFrame, label: Label) -> pl.DataFrame:
    column = pl.col(label.column.name)
    if label.classes:
        places = {value: place for place, (value, _) in enumerate(label.classes)}
        number = column.replace_strict(list(places), list(places.values()), default=None, return_dtype=pl.Float64)
    else:
        number = column.cast(pl.Float64)
    return frame.with_columns(number.alias("slipway:label")).filter(pl.col("slipway:label").is_finite())


def _matrix(frame: pl.DataFrame) -> NDArray[Any]:
    """Return features as numbers; of texts the place among the most frequent ones."""
    columns = []
    for series in frame.get_columns():
        if series.dtype == pl.String:
            common = series.drop_nulls().value_counts().sort("count", descending=True).head(250).get_column(series.name)
            places = dict(zip(common.to_list(), range(len(common)), strict=True))
            series = series.replace_strict(places, default=None, return_dtype=pl.Float64) if places else series
        if series.dtype.is_temporal():
            series = series.cast(pl.Datetime("us")).dt.epoch("us")
        columns.append(series.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy())
    return np.stack(columns, axis=1)


def _out_of_fold(inputs: NDArray[Any], labels: NDArray[Any], label: Label) -> NDArray[Any]:
    import xgboost
    from sklearn.model_selection import KFold, StratifiedKFold

    # One thread: on a machine that has other things to do, several wait for each other a hundred times as long.
    options = {"n_estimators": 60, "learning_rate": 0.1, "max_depth": 4, "n_jobs": 1, "tree_method": "hist"}
    classes = label.target != "regression"
    folds = (StratifiedKFold if classes else KFold)(FOLDS, shuffle=True, random_state=0)
    width = len(np.unique(labels)) if label.target == "multiclass" else 1
    answers = np.zeros((len(labels), width))
    for train, held in folds.split(inputs, labels):
        model = (xgboost.XGBClassifier if classes else xgboost.XGBRegressor)(**options)
        model.fit(inputs[train], labels[train])
        made = model.predict_proba(inputs[held]) if classes else model.predict(inputs[held])[:, None]
        answers[held] = made if label.target == "multiclass" else made[:, -1:]
    return answers if label.target == "multiclass" else answers[:, 0]


def _constant(labels: NDArray[Any], answers: NDArray[Any], label: Label) -> NDArray[Any]:
    if label.target == "multiclass":
        shares = np.bincount(labels.astype(int)) / len(labels)
        return np.broadcast_to(shares, answers.shape)
    return np.full(len(labels), labels.mean())


def _scorer(metric: str) -> Any:
    from sklearn import metrics

    def accuracy(labels: NDArray[Any], answers: NDArray[Any]) -> float:
        return float((answers.argmax(axis=1) == labels).mean())

    def macro_f1(labels: NDArray[Any], answers: NDArray[Any]) -> float:
        return float(metrics.f1_score(labels, answers.argmax(axis=1), average="macro"))

    def rmse(labels: NDArray[Any], answers: NDArray[Any]) -> float:
        return float(np.sqrt(np.mean((labels - answers) ** 2)))

    def auc(labels: NDArray[Any], answers: NDArray[Any]) -> float:
        return float(metrics.roc_auc_score(labels, answers))

    return {"accuracy": accuracy, "macro_f1": macro_f1, "rmse": rmse, "auc": auc}[metric]
