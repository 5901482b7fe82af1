"""The hold-out: its labels, and every model's answers on it, row by row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from components.artefacts.errors import SplitError, TrainingError
from components.batch_prediction import PredictFile
from components.data.audit.findings import Finding
from components.data.results import Prepared
from components.declaration.metrics import sign_of
from components.declaration.targets import Target, shape_of, target_of
from components.evaluation.evidence import Measure
from components.evaluation.metrics import Interval, interval, paired_difference
from components.evaluation.units import MIN_UNITS, ROWS, Unit, units_of
from components.training.results import Candidate, Shipped, Trained
from data_contracts.description.spec import ContractSpec

Answers = NDArray[np.float32]


@dataclass(frozen=True)
class Rival:
    """Another answer to the same rows, and who gives it."""

    answers: Answers
    detail: str


@dataclass(frozen=True)
class Quantiles:
    """What the packaged graph and its trainer answered beside a number, [rows, levels]."""

    levels: tuple[float, ...]
    graph: Answers
    trainer: Answers
    exported: Answers | None = None


@dataclass(frozen=True)
class HoldOut:
    """Labels of the hold-out and the answers of every model on it, row by row.

    ``graph`` is the graph that ships, ``trainer`` what the trainer itself answers, ``exported`` its graph as exported
    (None: that is the one that ships): what the goal's metric judges of them. Differences between them count in units
    of ``scale``. Intervals draw whole ``unit``s; ``spread`` is the interval of the goal's metric by each that could be
    drawn. ``tuning`` are labels and answers of the validation split, on which a threshold may be chosen.
    """

    labels: NDArray[Any]
    graph: Answers
    trainer: Answers
    rivals: dict[str, Rival]
    rows: pl.DataFrame
    slices: tuple[str, ...]
    unit: Unit = ROWS
    spread: tuple[Interval, ...] = ()
    tuning: tuple[NDArray[Any], Answers] | None = None
    target: Target = "binary"
    scale: float = 1.0
    quantiles: Quantiles | None = None
    classes: tuple[str, ...] = ()
    exported: Answers | None = None


def read_hold_out(
    trained: Trained,
    shipped: Shipped,
    prepared: Prepared,
    contract: ContractSpec,
    predict_file: PredictFile,
    metric: str | None = None,
    *,
    unit: str | None = None,
    seed: int = 0,
) -> HoldOut:
    """Return labels and answers on the test split of what ships; SplitError if it cannot judge anything.

    ``metric`` is the goal's: it says which constant is the best one, and by which unit it is known least. ``unit`` is
    the one that the workload file declares.
    """
    path = prepared.splits["test"].path
    rows = pl.read_parquet(path, glob=False)
    labels = labels_of(rows, contract)
    chosen, shape = trained.best, shape_of(contract, quantiles=trained.quantiles)
    answers, own = predict_file(shipped.parts, contract, path), trainer_answers(trained.best, "test", len(labels))
    before = predict_file(chosen.parts, contract, path) if shipped.changed else None
    for given in (answers, own, *([] if before is None else [before])):
        check_finite(given, chosen.name)
    graph = shape.point(answers)
    rivals = {"base_rate": _constant(prepared, contract, len(labels), metric)}
    # A model is no rival of its own: the best tree is compared with the linear floor, and with the best network.
    for name, role in (("baseline", "baseline"), ("other", "challenger")):
        if rival := _best(trained, role):
            rivals[name] = Rival(shape.point(predict_file(rival.parts, contract, path)), rival.name)
            check_finite(rivals[name].answers, rival.name)
    if "baseline" not in rivals and chosen.role == "baseline":
        rivals["baseline"] = Rival(graph, "the packaged model is the only baseline")
    if before is not None:
        rivals["uncompressed"] = Rival(shape.point(before), f"{chosen.name} as it was trained")
    drawn_by, spread = ROWS, tuple[Interval, ...]()
    if metric is not None:
        drawn_by, spread = decide_unit(metric, labels, graph, units_of(rows, contract), unit, seed)
    return HoldOut(
        labels=labels,
        graph=graph,
        trainer=shape.point(own),
        exported=None if before is None else shape.point(before),
        rivals=rivals,
        rows=rows,
        slices=tuple(field.name for field in contract.with_role("slice")),
        unit=drawn_by,
        spread=spread,
        tuning=_tuning(shipped, prepared, contract, predict_file),
        target=target_of(contract),
        scale=label_scale(prepared, contract),
        classes=tuple(str(one) for one in contract.label.allowed),
        quantiles=_quantiles(trained, answers, own, before),
    )


def check_finite(answers: Answers, model: str, split: str = "test") -> None:
    """Raise TrainingError for answers that nothing can be measured with."""
    wrong = np.atleast_1d(~np.isfinite(answers.reshape(len(answers), -1)).all(axis=1))
    if wrong.any():
        raise TrainingError(
            f"the model {model} has no finite answer to {wrong.sum():,} of {len(wrong):,} rows of the {split} split, "
            f"the first is row {int(wrong.argmax())}: it lies far from those it learnt from. Bound in the contract "
            "what a row may be"
        )


def _quantiles(trained: Trained, answers: Answers, own: Answers, before: Answers | None) -> Quantiles | None:
    if not trained.quantiles:
        return None
    return Quantiles(trained.quantiles, answers[:, 1:], own[:, 1:], None if before is None else before[:, 1:])


def label_scale(prepared: Prepared, contract: ContractSpec) -> float:
    """Return what a difference between answers is judged in units of: a number's size (root mean square), else 1.

    Not its deviation: a float32 of about 2,000 cannot be exact to a small part of a deviation of 5.
    """
    if target_of(contract) != "regression":
        return 1.0
    labels = labels_of(
        pl.read_parquet(prepared.splits["train"].path, glob=False, columns=[contract.label.name]), contract
    )
    return float(np.sqrt(np.mean(np.square(labels, dtype=np.float64))))


def _best(trained: Trained, role: str) -> Candidate | None:
    """Return the candidate of a role, other than the chosen one, that was best on the validation split."""
    members = [one for one in trained.candidates if one.role == role and one.name != trained.chosen]
    sign = sign_of(trained.comparison.metric) if trained.comparison else 1.0
    return max(members, key=lambda one: sign * one.score, default=None)


def labels_of(rows: pl.DataFrame, contract: ContractSpec) -> NDArray[Any]:
    """Return the labels: yes or no, the place among the allowed values, or numbers; SplitError if all are the same."""
    label = contract.label
    column = rows[label.name]
    if label.allowed:
        column = column.replace_strict(list(label.allowed), list(range(len(label.allowed))), return_dtype=pl.Int64)
    is_binary = target_of(contract) == "binary"
    labels: NDArray[Any] = column.cast(pl.Boolean).to_numpy() if is_binary else column.to_numpy()
    if len(np.unique(labels)) < 2:
        raise SplitError(
            f"every one of the {len(labels):,} rows of the hold-out has {label.name} = {rows[label.name][0]}: it "
            "cannot tell a good model from a bad one; choose a test split with more than one outcome"
        )
    return labels


def difference_by_unit(
    metric: str,
    labels: NDArray[Any],
    first: Answers,
    second: Answers,
    units: Mapping[str, tuple[Unit, ...]],
    declared: str | None,
    seed: int,
    resamples: int = 1000,
) -> Interval:
    """Return score(first) - score(second) of answers to the same rows, drawn by the unit that gates draw by."""
    unit, _ = decide_unit(metric, labels, first, units, declared, seed, resamples)
    return paired_difference(metric, labels, first, second, resamples=resamples, seed=seed, unit=unit)


def decide_unit(
    metric: str,
    labels: NDArray[Any],
    answers: Answers,
    units: Mapping[str, tuple[Unit, ...]],
    declared: str | None,
    seed: int,
    resamples: int = 1000,
) -> tuple[Unit, tuple[Interval, ...]]:
    """Return the unit by which intervals are made, and the metric's interval by each that there is, widest first.

    Where the workload file declares none, the one that makes the widest interval decides: rows that are alike are known
    by that. Fewer than ten of a unit say nothing about it, so it is drawn only if it is declared.
    """
    asked = [unit for name, several in units.items() for unit in several if declared in (None, name)]
    # What is declared but has a block for every row is the row.
    asked = [unit for unit in asked if declared or unit.count is None or unit.count >= MIN_UNITS] or [ROWS]
    every = [unit for several in units.values() for unit in several if unit.count is None or unit.count >= MIN_UNITS]
    found = {
        unit.name: interval(metric, labels, answers, seed=seed, resamples=resamples, unit=unit)
        for unit in (*asked, *every)
    }
    widest = sorted(found.values(), key=lambda one: one.low - one.high)
    chosen = next(one.by for one in widest if one.by in {unit.name for unit in asked})
    return next(unit for unit in asked if unit.name == chosen), tuple(widest)


def _tuning(
    shipped: Shipped, prepared: Prepared, contract: ContractSpec, predict_file: PredictFile
) -> tuple[NDArray[Any], Answers] | None:
    if "validation" not in prepared.splits or target_of(contract) != "binary":
        return None
    path = prepared.splits["validation"].path
    answers = shape_of(contract).point(predict_file(shipped.parts, contract, path))
    return labels_of(pl.read_parquet(path, columns=[contract.label.name], glob=False), contract), answers


def trainer_answers(candidate: Candidate, split: str, rows: int) -> Answers:
    """Return what the trainer itself answered on a split, in the order of its rows."""
    kept = pl.scan_parquet(candidate.predictions, glob=False).filter(pl.col("split") == split).sort("row").collect()
    if kept.height != rows:
        raise SplitError(
            f"{candidate.predictions} holds {kept.height:,} answers for the {split} split of {rows:,} rows: train again"
        )
    answers: Answers = np.stack(kept["answer"].to_list()).astype(np.float32)
    return answers


def _constant(prepared: Prepared, contract: ContractSpec, rows: int, metric: str | None) -> Rival:
    """Return the answer that needs no model: training's mean (its median against an absolute error) or class shares."""
    labels = labels_of(
        pl.read_parquet(prepared.splits["train"].path, glob=False, columns=[contract.label.name]), contract
    )
    if target_of(contract) == "multiclass":
        shares = np.bincount(labels, minlength=len(contract.label.allowed)) / len(labels)
        return Rival(np.tile(shares.astype(np.float32), (rows, 1)), "always answering the classes' shares in training")
    name, middle = ("median", np.median(labels)) if metric == "mae" else ("mean", np.mean(labels))
    detail = f"always answering {middle:.3f}, the {name} in training"
    return Rival(np.full(rows, middle, dtype=np.float32), detail)


def leakage_measure(findings: Sequence[Finding], declared: Sequence[str] = ()) -> Measure:
    """Return the findings of the leakage audit as evidence: how many, what they are, and which limits are not usual."""
    return Measure(
        name="leakage_findings",
        value=len(findings),
        source="leakage audit",
        detail="; ".join((*(finding.text for finding in findings), *declared)),
    )
