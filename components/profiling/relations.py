"""What a look at all columns together shows: rows that are there twice, columns that tell the answer, copies."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from components.profiling.label import Label

ROWS = 20_000
BINS = 50
# From here on a column alone tells too much to be taken as it comes, and from here on it tells all.
STRONG, EXACT = 0.95, 0.9995


@dataclass(frozen=True)
class Relations:
    """``telling`` are AUCs of single columns (of numbers: of their upper half), at best over the classes."""

    duplicates: float
    telling: dict[str, float]
    # Columns that hold the same as an earlier one.
    copies: dict[str, str]


def relate(sample: pl.DataFrame, features: list[str], label: Label) -> Relations:
    """Look at the columns of a sample together."""
    rows = sample if len(sample) <= ROWS else sample.gather_every(-(-len(sample) // ROWS))
    twice = 1 - rows.select(features).n_unique() / len(rows) if len(rows) and features else 0.0
    answers = rows.get_column(label.column.name)
    known = rows.filter(answers.is_not_null())
    questions = _questions(known.get_column(label.column.name), label)
    telling = {name: _best(known.get_column(name), questions) for name in features} if questions else {}
    return Relations(twice, telling, _copies(rows, features))


def _questions(answers: pl.Series, label: Label) -> list[NDArray[np.bool_]]:
    if label.target == "regression":
        asked = [answers.cast(pl.Float64) > answers.cast(pl.Float64).median()]
    elif label.classes:
        asked = [answers == value for value, _ in label.classes]
    else:
        asked = [answers.cast(pl.Float64) == 1]
    return [one.to_numpy() for one in asked if one.any() and not one.all()]


def _best(values: pl.Series, questions: list[NDArray[np.bool_]]) -> float:
    """Return how well the mean answer by value, learnt on even rows, ranks the odd ones; at best over the questions."""
    places = _ranges(values)
    best = 0.5
    for answers in questions:
        frame = pl.DataFrame({"place": places, "answer": answers})
        learnt = frame[::2].group_by("place").agg(pl.col("answer").mean().alias("learnt"))
        judged = frame[1::2].join(learnt, on="place", how="left", nulls_equal=True)
        scores = judged["learnt"].fill_null(float(answers.mean())).to_numpy()
        best = max(best, _area(scores, judged["answer"].to_numpy()), _by_order(values, answers))
    return best


def _by_order(values: pl.Series, answers: NDArray[np.bool_]) -> float:
    """Return how well the order of values itself ranks the answers: few rows tell no mean by value."""
    if values.dtype in (pl.String, pl.Boolean):
        return 0.5
    numbers = values.to_physical().cast(pl.Float64)
    known = (numbers.is_not_null() & numbers.is_not_nan()).to_numpy()
    area = _area(numbers.to_numpy()[known], answers[known])
    return max(area, 1 - area)


def _ranges(values: pl.Series) -> pl.Series:
    if values.dtype in (pl.String, pl.Boolean) or values.n_unique() <= BINS:
        return values.cast(pl.String)
    ranks = values.to_physical().cast(pl.Float64).rank("dense")
    binned: pl.Series = (ranks * BINS / max(1.0, float(ranks.n_unique()))).floor().cast(pl.String)
    return binned


def _area(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        return 0.5
    ranks = pl.Series(scores).rank("average").to_numpy()
    return float((ranks[truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _copies(rows: pl.DataFrame, features: list[str]) -> dict[str, str]:
    """Return columns that have the values of an earlier one, row by row."""
    first: dict[int, str] = {}
    found: dict[str, str] = {}
    for name in features:
        values = rows.get_column(name)
        key = hash((str(values.dtype), int(values.hash().sum()), values.null_count()))
        other = first.setdefault(key, name)
        if other != name and values.equals(rows.get_column(other).alias(name)) and values.n_unique() > 2:
            found[name] = other
    return found
