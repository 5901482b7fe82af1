"""The leakage audit: ways in which the answer reaches the model that will not be there in serving.

Each check returns findings, none for clean splits. Scores of single features are areas under the ROC curve on the
test split of the label's mean by value (or by one of 50 ranges), learnt on training alone.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from components.data.near_duplicates import near_duplicate_texts
from components.data.results import Prepared
from components.data.split_report import sampled, sampled_file
from components.features.recipe import read_recipe
from components.result import Result
from components.row_hash import with_row_hash
from components.storage import digest_json
from data_contracts.spec import ContractSpec, FieldSpec

Kind = Literal[
    "row_in_two_splits",
    "near_duplicate_rows",
    "near_duplicate_text",
    "group_in_two_splits",
    "time_order",
    "feature_predicts_label",
    "row_order_predicts_label",
    "identifier_predicts_label",
    "known_only_afterwards",
]
BINS = 50
HASH = "slipway:hash"


class AuditLimits(Result):
    """From where on something counts as a leak."""

    duplicates: float = Field(0.001, ge=0, le=1, description="Share of a split's rows that are in training, too.")
    near_duplicates: float = Field(0.01, ge=0, le=1, description="The same for rows alike but for rounding.")
    feature_auc: float = Field(0.95, gt=0.5, le=1, description="AUC that no single honest feature reaches.")
    number_auc: float = Field(
        0.999, gt=0.5, le=1, description="The same of a label that is a number: an honest field may tell its half."
    )
    order_auc: float = Field(0.75, gt=0.5, le=1, description="AUC of the row's place in the file, or of an identifier.")
    text_similarity: float = Field(0.8, gt=0, le=1, description="Jaccard similarity from which texts are the same.")


class Finding(Result):
    """One leak: what it is, where, how strong, in a line for people."""

    kind: Kind
    field: str | None = None
    split: str | None = None
    score: float
    limit: float
    text: str


class Audited(Result):
    """Every finding of an audit."""

    digest: str
    findings: tuple[Finding, ...]


def audit_prepared(prepared: Prepared, contract: ContractSpec, limits: AuditLimits | None = None) -> Audited:
    """Audit prepared splits and keep what was found."""
    findings = audit(prepared, contract, limits)
    return Audited(digest=digest_json([finding.model_dump(mode="json") for finding in findings]), findings=findings)


def audit(prepared: Prepared, contract: ContractSpec, limits: AuditLimits | None = None) -> tuple[Finding, ...]:
    """Return every leak found in prepared splits; the order is that of the checks."""
    limits = limits or AuditLimits()
    frames = {name: sampled(split, contract) for name, split in prepared.splits.items() if name != "monitor"}
    train, others = frames["train"], {name: frame for name, frame in frames.items() if name != "train"}
    return (
        *_afterwards(prepared, contract),
        *_duplicates(prepared, contract, limits),
        *_texts(train, others, contract, limits),
        *_groups(prepared, contract),
        *_time_order(prepared, contract),
        *_features(train, others["test"], contract, limits),
        *_order(prepared, contract, limits),
    )


def _afterwards(prepared: Prepared, contract: ContractSpec) -> list[Finding]:
    allowed = {field.name for field in contract.inputs}
    recipe = read_recipe(prepared.recipe.read_bytes())
    used = [name for step in recipe.steps for name in getattr(step, "fields", (step.field,))]
    return [
        Finding(
            kind="known_only_afterwards",
            field=name,
            score=1.0,
            limit=0.0,
            text=f"the recipe uses '{name}', which is not known when a prediction is asked for",
        )
        for name in dict.fromkeys(used)
        if name not in allowed
    ]


def _duplicates(prepared: Prepared, contract: ContractSpec, limits: AuditLimits) -> list[Finding]:
    """Rows of which training has the like: the same inputs; and the same but for time, identifiers and rounding."""
    compared = [field for field in contract.inputs if not {"time", "identifier"} & set(field.roles)]
    rounded = [_rounded(field) for field in compared if field.dtype == "number"]
    found: list[Finding] = []
    for kind, fields, columns, limit in (
        ("row_in_two_splits", list(contract.inputs), [], limits.duplicates),
        ("near_duplicate_rows", compared, rounded, limits.near_duplicates),
    ):
        if not fields or any(finding.split for finding in found):
            continue
        hashes = {
            name: with_row_hash(pl.scan_parquet(split.path).with_columns(columns), fields, HASH).select(HASH)
            for name, split in prepared.splits.items()
            if name != "monitor"
        }
        known = hashes.pop("train").unique()
        for name, rows in hashes.items():
            shared = rows.join(known, on=HASH, how="semi").select(pl.len()).collect(engine="streaming").item()
            share = shared / prepared.splits[name].rows
            if share > limit:
                what = "are" if kind == "row_in_two_splits" else "are, but for rounding and time,"
                text = f"{shared:,} of {prepared.splits[name].rows:,} rows ({share:.2%}) of '{name}' {what} in training"
                found.append(Finding(kind=kind, split=name, score=share, limit=limit, text=text))
    return found


def _rounded(field: FieldSpec) -> pl.Expr:
    return pl.col(field.name).round_sig_figs(3)


def _texts(
    train: pl.DataFrame, others: dict[str, pl.DataFrame], contract: ContractSpec, limits: AuditLimits
) -> list[Finding]:
    found = []
    for field in contract.inputs:
        if field.dtype != "string" or "identifier" in field.roles:
            continue
        for name, frame in others.items():
            share = near_duplicate_texts(train[field.name], frame[field.name], limits.text_similarity)
            if share is not None and share > limits.near_duplicates:
                text = f"{share:.2%} of the texts in '{field.name}' of '{name}' are nearly the same as one of training"
                found.append(
                    Finding(
                        kind="near_duplicate_text",
                        field=field.name,
                        split=name,
                        score=share,
                        limit=limits.near_duplicates,
                        text=text,
                    )
                )
    return found


def _groups(prepared: Prepared, contract: ContractSpec) -> list[Finding]:
    fields = contract.with_role("group")
    names = [field.name for field in fields]
    if not names:
        return []
    scans = {name: pl.scan_parquet(split.path) for name, split in prepared.splits.items() if name != "monitor"}
    known = scans.pop("train").select(names).unique()
    found = []
    for name, rows in scans.items():
        own = rows.select(names).unique()
        both = own.join(known, on=names, how="semi", nulls_equal=True).select(pl.len()).collect().item()
        if both:
            share = both / max(own.select(pl.len()).collect().item(), 1)
            text = f"{both:,} groups ({', '.join(names)}) of '{name}' are in training, too: split by group"
            found.append(
                Finding(kind="group_in_two_splits", field=names[0], split=name, score=share, limit=0.0, text=text)
            )
    return found


def _time_order(prepared: Prepared, contract: ContractSpec) -> list[Finding]:
    if not contract.with_role("time"):
        return []
    field = contract.with_role("time")[0].name
    found = []
    for before, after in (("train", "validation"), ("validation", "test"), ("train", "test")):
        end, start = prepared.splits[before].end, prepared.splits[after].start
        if end is not None and start is not None and start <= end:
            text = f"'{after}' starts at {start}, before '{before}' ends at {end}: the model knows the future"
            found.append(Finding(kind="time_order", field=field, split=after, score=1.0, limit=0.0, text=text))
    return found


def _features(train: pl.DataFrame, test: pl.DataFrame, contract: ContractSpec, limits: AuditLimits) -> list[Finding]:
    questions = _questions(train[contract.label.name], contract)
    answers = [(ask(train[contract.label.name]), ask(test[contract.label.name])) for ask in questions.values()]
    honest = limits.number_auc if _is_number(contract) else limits.feature_auc
    found = []
    for field in contract.inputs:
        identifier = "identifier" in field.roles
        limit = limits.order_auc if identifier else honest
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


def _order(prepared: Prepared, contract: ContractSpec, limits: AuditLimits) -> list[Finding]:
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
        score = scores[what]
        if score > limits.order_auc:
            where = f"the order of '{name}'" if name else "the order of the rows"
            found.append(
                Finding(
                    kind="identifier_predicts_label" if name else "row_order_predicts_label",
                    field=name,
                    split="train",
                    score=round(score, 4),
                    limit=limits.order_auc,
                    text=f"{where} predicts {what} with AUC {score:.3f} (limit {limits.order_auc:g})",
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
    return sampled_file(path, size, contract.fields).select(names)


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
