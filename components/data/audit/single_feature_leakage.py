"""Single fields that tell the answer: a feature alone, the place of a row in the file, or an identifier.

Scores are areas under the ROC curve, on the test split, of the label's mean by value (or by one of 50 ranges), learnt
on training alone. Rows without a label are left out.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from components.data.audit.findings import Finding
from components.data.results import Prepared
from components.data.splits.split_report import is_compared, sampled_file
from components.declaration.audit import AuditLimits
from data_contracts.description.spec import ContractSpec

BINS = 50


def telling_features(
    train: pl.DataFrame, test: pl.DataFrame, contract: ContractSpec, limits: AuditLimits
) -> list[Finding]:
    """Return the fields of which each alone, learnt on training, ranks the answers of the test split too well."""
    train, test = (frame.drop_nulls(contract.label.name) for frame in (train, test))
    questions = _questions(train[contract.label.name], contract)
    answers = [(ask(train[contract.label.name]), ask(test[contract.label.name])) for ask in questions.values()]
    honest = limits.number_auc if _is_number(contract) else limits.feature_auc
    found = []
    for field in filter(is_compared, contract.inputs):
        identifier = "identifier" in field.roles
        limit = limits.identifier_auc if identifier else honest
        scores = [_single_auc(train[field.name], test[field.name], *pair) for pair in answers]
        score, what = max(zip(scores, questions, strict=True))
        if score > limit:
            found.append(
                Finding(
                    kind="identifier_predicts_label" if identifier else "feature_predicts_label",
                    field=field.name,
                    split="test",
                    score=round(score, 4),
                    limit=limit,
                    text=f"'{field.name}' alone predicts {what} with AUC {score:.3f} (limit {limit:g}): "
                    "is it known before the answer?",
                )
            )
    return found


def telling_order(prepared: Prepared, contract: ContractSpec, limits: AuditLimits) -> list[Finding]:
    """Does the place of a row in the data, or of its identifier in the alphabet, tell the answer?

    Neighbours answer for each other: ranges are learnt on the even rows and judged on the odd ones.
    """
    found = []
    rows = _rows_in_order(prepared.splits["train"].path, prepared.splits["train"].rows, contract)
    orders = [(None, rows)] + [(field.name, rows.sort(field.name)) for field in contract.with_role("identifier")]
    for name, ordered in orders:
        labels, place = ordered[contract.label.name], pl.Series(np.arange(len(ordered)) // 2)
        scores = {
            what: _single_auc(place[::2], place[1::2], (answers := ask(labels))[::2], answers[1::2])
            for what, ask in _questions(labels, contract).items()
        }
        what = max(scores, key=lambda one: scores[one])
        score, limit = scores[what], limits.identifier_auc if name else limits.order_auc
        if score > limit:
            where = f"the order of '{name}'" if name else "the order of the rows"
            found.append(
                Finding(
                    kind="identifier_predicts_label" if name else "row_order_predicts_label",
                    field=name,
                    split="train",
                    score=round(score, 4),
                    limit=limit,
                    text=f"{where} predicts {what} with AUC {score:.3f} (limit {limit:g})",
                )
            )
    return found


Question = Callable[[pl.Series], NDArray[np.bool_]]


def _is_number(contract: ContractSpec) -> bool:
    return contract.label.dtype != "boolean" and not contract.label.allowed


def _questions(train: pl.Series, contract: ContractSpec) -> dict[str, Question]:
    """Return what can be asked of the label with yes or no, by its words: itself, each class, or its upper half."""
    name = contract.label.name
    if contract.label.dtype == "boolean":
        return {name: lambda labels: labels.to_numpy()}
    if contract.label.allowed:
        return {f"{name} = {one}": partial(_is_class, one) for one in contract.label.allowed}
    middle = float(np.median(train.to_numpy()))
    return {f"{name} above {middle:g}": lambda labels: (labels > middle).to_numpy()}


def _is_class(one: str | int, labels: pl.Series) -> NDArray[np.bool_]:
    return (labels == one).to_numpy()


def _rows_in_order(path: Path, size: int, contract: ContractSpec) -> pl.DataFrame:
    names = [contract.label.name, *(field.name for field in contract.with_role("identifier"))]
    return sampled_file(path, size, [contract.field(name) for name in names]).drop_nulls(contract.label.name)


def _single_auc(
    train: pl.Series, test: pl.Series, train_answers: NDArray[np.bool_], test_answers: NDArray[np.bool_]
) -> float:
    """Return how well the label's mean by value, learnt on training, ranks the test rows: 0.5 is by chance."""
    before, after = _ranges(train, test)
    learnt = pl.DataFrame({"value": before, "answer": train_answers}).group_by("value").agg(pl.col("answer").mean())
    judged = pl.DataFrame({"value": after, "truth": test_answers}).join(
        learnt, on="value", how="left", nulls_equal=True
    )
    scores = judged["answer"].fill_null(float(np.mean(train_answers))).to_numpy()
    return area_under_curve(scores, test_answers)


def _ranges(train: pl.Series, test: pl.Series) -> tuple[pl.Series, pl.Series]:
    if train.dtype in (pl.String, pl.Boolean):
        return train, test
    floats = [series.to_physical().cast(pl.Float64).fill_null(float("nan")).to_numpy() for series in (train, test)]
    known = floats[0][~np.isnan(floats[0])]
    if known.size == 0 or np.unique(known).size <= BINS:
        return pl.Series(floats[0]), pl.Series(floats[1])
    edges = np.unique(np.quantile(known, np.arange(1, BINS) / BINS))
    # NaN sorts behind every edge: missing shares the last range but one, so it is given one of its own.
    places = [np.where(np.isnan(values), -1, np.searchsorted(edges, values, side="right")) for values in floats]
    return pl.Series(places[0]), pl.Series(places[1])


def area_under_curve(scores: NDArray[np.float64], truth: Sequence[bool] | NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve (the Mann-Whitney statistic, ties half); 0.5 if there is one class only."""
    answers = np.asarray(truth, dtype=bool)
    positives, negatives = int(answers.sum()), int((~answers).sum())
    if not positives or not negatives:
        return 0.5
    ranks = pl.Series(scores).rank("average").to_numpy()
    return float((ranks[answers].sum() - positives * (positives + 1) / 2) / (positives * negatives))
