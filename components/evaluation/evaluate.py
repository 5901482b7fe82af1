"""Evaluate the packaged graph on the hold-out: the answers that users would get, not those the trainer remembers.

evaluated = evaluate(trained, shipped, prepared, workload, contract, predict_file, room)
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from components.artefacts.answer_shape import AnswerShape, differences
from components.artefacts.storage import digest_file, digest_json, scratch_prefix, write_json
from components.batch_prediction import PredictFile
from components.data.results import Prepared
from components.data.splits.split_report import is_compared
from components.declaration.metrics import metrics_for, sign_of
from components.declaration.targets import Target, label_unit, shape_of
from components.evaluation.behaviour_tests import behaviour, behaviour_measure
from components.evaluation.decisions import decision_threshold, decisions
from components.evaluation.evidence import Answers, Evaluated, Evidence, Measure, write_evidence
from components.evaluation.further import MeasureFurther, with_further
from components.evaluation.hold_out import HoldOut, read_hold_out
from components.evaluation.hold_out_uses import record_use, uses_measure
from components.evaluation.importance import Ask, asker, permutation_importance
from components.evaluation.label_means import label_means
from components.evaluation.metrics import (
    calibration_bins,
    replicates,
    score,
    statistic,
    summarise,
)
from components.evaluation.multiclass import calibration_measure, class_decisions, rate_measures
from components.evaluation.part import EvaluationPart
from components.evaluation.regression import number_decisions
from components.evaluation.slices import goal_measures, slice_measures, weak_slices
from components.store.store import Store
from components.training.results import Shipped, Trained
from data_contracts.description.spec import ContractSpec

RESAMPLES = 1000
SOURCE = "evaluation"
Decisions = Callable[[HoldOut, EvaluationPart, int], tuple[list[Measure], dict[str, Any]]]


def evaluate(
    trained: Trained,
    shipped: Shipped,
    prepared: Prepared,
    workload: EvaluationPart,
    contract: ContractSpec,
    predict_file: PredictFile,
    room: Path,
    *,
    ledger: Store | None = None,
    further: MeasureFurther | None = None,
) -> Evaluated:
    """Evaluate what ships of a training on the test split; what is written lies in ``room``, named after its content.

    ``ledger`` is the store that counts how often a hold-out has judged; ``further`` measures what only the kind can.
    """
    began = time.monotonic()
    goal, seed = workload.goal, workload.seed
    hold_out = read_hold_out(trained, shipped, prepared, contract, predict_file, goal.metric, unit=goal.unit, seed=seed)
    evidence = evaluate_candidate(hold_out, workload, model=trained.chosen)
    tables, unit = evidence.tables | _learning(trained), label_unit(contract)
    tables["label_means"] = label_means(prepared, contract)
    evidence = evidence.model_copy(update={"tables": tables, "unit": unit})
    shape = _shape(hold_out, workload, contract)
    ask = asker(shipped.parts, contract, predict_file, shape)
    evidence = _questioned(evidence, hold_out, workload, contract, ask)
    if further is not None:
        evidence = with_further(evidence, further(hold_out, shipped.parts, contract))
    reached = evidence.find(workload.goal.metric)
    assert reached is not None  # evaluate_candidate measures every metric
    if ledger is not None:
        uses = record_use(ledger, digest_file(prepared.splits["test"].path), shipped.digest)
        evidence = evidence.with_measures(uses_measure(uses, reached.standard_error()))
    room.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=room, prefix=scratch_prefix("evaluation")) as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        written = write_evidence(made / "evidence.json", evidence)
        predictions = _write_predictions(made / "predictions.parquet", hold_out, shape)
        answers = digest_json([digest_file(predictions), digest_file(write_json(made / "shape.json", shape))])
        digest = digest_json([digest_file(written), answers])
        folder = room / digest
        if not folder.is_dir():
            made.rename(folder)
    return Evaluated(
        digest=digest,
        stored_evidence=folder / "evidence.json",
        answers=Answers(
            digest=answers, stored_predictions=folder / "predictions.parquet", stored_shape=folder / "shape.json"
        ),
        seconds=time.monotonic() - began,
        metric=workload.goal.metric,
        value=reached.value,
        low=reached.bound("below", 0.975),
        high=reached.bound("above", 0.975),
    )


def evaluate_candidate(
    hold_out: HoldOut, workload: EvaluationPart, *, model: str, resamples: int = RESAMPLES
) -> Evidence:
    """Measure a candidate on its hold-out: metrics, gains over others, parity, slices, decisions."""
    metric, seed = workload.goal.metric, workload.seed
    whole = goal_measures(metric, hold_out, slice=None, rows=None, seed=seed, resamples=resamples)
    slices, small = slice_measures(metric, hold_out, seed=seed, resamples=resamples)
    measures = [
        *_metrics(hold_out, metrics_for(hold_out.target, workload.kind), seed, resamples),
        *(measure for measure in whole if measure.name != metric),
        *_by_unit(hold_out, metric),
        _parity(hold_out),
        *_compressed(hold_out),
        *slices,
    ]
    decided, tables = DECISIONS[hold_out.target](hold_out, workload, resamples)
    tables["slices_too_small"] = small
    measures += decided
    return Evidence(workload=workload.name, model=model, split="test", measures=tuple(measures), tables=tables)


def _questioned(
    evidence: Evidence, hold_out: HoldOut, workload: EvaluationPart, contract: ContractSpec, ask: Ask
) -> Evidence:
    """Add what only asking the graph again can tell: importance, weak slices, behaviour."""
    # What is not compared value by value, such as a picture, has no values to divide rows by.
    fields = tuple(field.name for field in contract.inputs if is_compared(field))
    used = tuple(name for step in workload.features for name in step.fields)
    labels, metric, seed = hold_out.labels, workload.goal.metric, workload.seed
    tables: dict[str, Any] = {
        "importance": permutation_importance(ask, hold_out.rows, labels, list(dict.fromkeys(used)), metric, seed=seed),
    }
    tables["weak_slices"] = weak_slices(metric, labels, hold_out.graph, hold_out.rows, fields)
    if not workload.gates.behaviour:
        return evidence.model_copy(update={"tables": evidence.tables | tables})
    tables["behaviour"] = behaviour(
        ask,
        hold_out.rows,
        workload.gates.behaviour,
        contract,
        # Of two classes an answer has one probability.
        classes=hold_out.classes if hold_out.target == "multiclass" else (),
        seed=seed,
    )
    extended = evidence.with_measures(behaviour_measure(tables["behaviour"]))
    return extended.model_copy(update={"tables": evidence.tables | tables})


def _metrics(hold_out: HoldOut, names: Sequence[str], seed: int, resamples: int) -> list[Measure]:
    """Return every metric of the label, of the model and of the baseline, and what the model gains over that in each.

    A gain above zero is better, whichever way the metric goes.
    """
    labels, unit = hold_out.labels, hold_out.unit
    baseline, rows = hold_out.rivals.get("baseline"), len(labels)
    asked = {"": hold_out.graph} | ({"baseline_": baseline.answers} if baseline else {})
    values = {prefix: [score(m, labels, answers) for m in names] for prefix, answers in asked.items()}
    drawn = {
        prefix: replicates([statistic(m, labels, answers) for m in names], rows, resamples, seed, unit)
        for prefix, answers in asked.items()
    }
    made = [
        Measure.of(prefix + metric, summarise(values[prefix][i], drawn[prefix][i], rows, unit=unit), source=SOURCE)
        for prefix in asked
        for i, metric in enumerate(names)
    ]
    if baseline is None:
        return made
    for i, metric in enumerate(names):
        sign = sign_of(metric)
        value, draws = sign * (values[""][i] - values["baseline_"][i]), sign * (drawn[""][i] - drawn["baseline_"][i])
        gain = summarise(value, draws, rows, unit=unit)
        made.append(Measure.of(f"{metric}_over_baseline", gain, source=SOURCE, unit=metric, detail=baseline.detail))
    return made


def _by_unit(hold_out: HoldOut, metric: str) -> list[Measure]:
    """Return the goal's metric with its interval by each unit that could be drawn: AUC by row, by day, by customer."""
    return [
        Measure.of(f"{metric}_by_{one.by}", one, source=SOURCE) for one in hold_out.spread if len(hold_out.spread) > 1
    ]


def yes_or_no(hold_out: HoldOut, workload: EvaluationPart, resamples: int) -> tuple[list[Measure], dict[str, Any]]:
    """Return what follows from probabilities of yes: calibration, threshold, rates, confusion, gaps between groups."""
    labels, graph = hold_out.labels, hold_out.graph
    decided, tables = decisions(hold_out, workload, resamples)
    said = (graph >= decision_threshold(workload)).astype(np.int64)
    seed, unit = workload.seed, hold_out.unit
    rates = rate_measures(labels.astype(np.int64), said, hold_out.classes or ("no", "yes"), seed, resamples, unit)
    calibration = calibration_measure({"yes": (labels, graph)}, seed, resamples, unit)
    return [calibration, *rates, *decided], tables | {"calibration": calibration_bins(labels, graph)}


def _parity(hold_out: HoldOut) -> Measure:
    pairs = [(hold_out.graph if hold_out.exported is None else hold_out.exported, hold_out.trainer)]
    if more := hold_out.quantiles:
        pairs.append((more.graph if more.exported is None else more.exported, more.trainer))
    worst = max(float(differences(*pair).max()) for pair in pairs) / hold_out.scale
    unit = "" if hold_out.scale == 1 else f"of the label's size, {hold_out.scale:.4g}"
    # Evidence holds finite numbers: an answer that is none is as far off as can be.
    return Measure(name="parity", value=min(worst, 1e9), n=len(hold_out.labels), source=SOURCE, unit=unit)


def _compressed(hold_out: HoldOut) -> list[Measure]:
    """Return how far the answer moves that compression moves most; nothing if the model ships as it was trained."""
    if hold_out.exported is None:
        return []
    pairs = [(hold_out.exported, hold_out.graph)]
    if (more := hold_out.quantiles) and more.exported is not None:
        pairs.append((more.exported, more.graph))
    moved = max(float(differences(*pair).max()) for pair in pairs) / hold_out.scale
    return [Measure(name="answer_change", value=min(moved, 1e9), n=len(hold_out.labels), source=SOURCE)]


def _learning(trained: Trained) -> dict[str, Any]:
    """Return how each candidate that has epochs learnt."""
    curves = [
        {
            "candidate": one.name,
            "epochs": [epoch.model_dump(mode="json") for epoch in one.curve],
            "kept": one.kept_epoch,
            "stopped": one.stopped,
            "hardware": (one.hardware or trained.hardware).model_dump(mode="json"),
        }
        for one in trained.candidates
        if one.curve
    ]
    return {"learning": curves} if curves else {}


def _shape(hold_out: HoldOut, workload: EvaluationPart, contract: ContractSpec) -> AnswerShape:
    """Return the shape of the build's answers: with the decision that the workload file asks for."""
    costs = workload.gates.costs
    tenths = np.unique(np.quantile(hold_out.graph, np.linspace(0.1, 1, 10)).astype(np.float64))
    return shape_of(
        contract,
        threshold=decision_threshold(workload),
        misses=costs.classes if costs else None,
        quantiles=hold_out.quantiles.levels if hold_out.quantiles else (),
        scale=hold_out.scale,
        buckets=tuple(tenths.tolist()),
    )


def _write_predictions(path: Path, hold_out: HoldOut, shape: AnswerShape) -> Path:
    baseline, more = hold_out.rivals.get("baseline"), hold_out.quantiles
    before = hold_out.graph if hold_out.exported is None else hold_out.exported
    answers, trainer, exported = hold_out.graph, hold_out.trainer, before
    if more is not None:
        answers, trainer = np.column_stack([answers, more.graph]), np.column_stack([trainer, more.trainer])
        exported = np.column_stack([before, more.graph if more.exported is None else more.exported])
    judged = hold_out.graph if baseline is None else baseline.answers
    rivals = zip(shape.judged, judged.reshape(len(judged), -1).T, strict=True)
    pl.DataFrame(
        {
            "row": np.arange(len(hold_out.labels), dtype=np.int64),
            "label": hold_out.labels,
            **shape.numbers(answers),
            **{f"baseline_{name}": numbers for name, numbers in rivals},
            **{f"trainer_{name}": numbers for name, numbers in shape.numbers(trainer).items()},
            **{f"exported_{name}": numbers for name, numbers in shape.numbers(exported).items()},
        }
    ).write_parquet(path)
    return path


# What follows from the answers, by what they are.
DECISIONS: dict[Target, Decisions] = {
    "binary": yes_or_no,
    "multiclass": class_decisions,
    "regression": number_decisions,
}
