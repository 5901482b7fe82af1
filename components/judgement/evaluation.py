"""Evaluate the packaged graph on the hold-out: the answers that users would get, not those the trainer remembers.

evaluated = evaluate(trained, prepared, workload, contract, predict_file, folder)
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from components.compression.measurement import largest_change
from components.data.results import Prepared
from components.declaration import Workload
from components.judgement.decisions import class_table, decisions
from components.judgement.evidence import Evaluated, Evidence, Measure, write_evidence
from components.judgement.hold_out import HoldOut, PredictFile, read_hold_out, record_use, uses_measure
from components.judgement.metrics import (
    METRICS,
    calibration_bins,
    expected_calibration_error,
    interval,
    replicates,
    score,
    statistic,
    summarise,
)
from components.judgement.questioning import Ask, asker, behaviour, behaviour_measure, permutation_importance
from components.judgement.slices import goal_measures, slice_measures, weak_slices
from components.storage import digest_file
from components.training.results import Trained
from data_contracts.spec import ContractSpec

RESAMPLES = 1000
SOURCE = "evaluation"


def evaluate(
    trained: Trained,
    prepared: Prepared,
    workload: Workload,
    contract: ContractSpec,
    predict_file: PredictFile,
    folder: Path,
    *,
    champion: Path | None = None,
    ledger: Path | None = None,
) -> Evaluated:
    """Evaluate the chosen candidate on the test split; write evidence.json and predictions.parquet into ``folder``.

    ``champion`` is the graph of the build that serves, compared on the same rows; ``ledger`` is the folder that counts
    how often a hold-out has judged.
    """
    began = time.monotonic()
    hold_out = read_hold_out(trained, prepared, contract, predict_file, champion)
    evidence = evaluate_candidate(hold_out, workload, model=trained.chosen).with_measures(*_facts(trained))
    evidence = evidence.model_copy(update={"tables": evidence.tables | _variants(trained)})
    evidence = _questioned(evidence, hold_out, workload, contract, asker(trained.shipped.model, contract, predict_file))
    reached = evidence.find(workload.goal.metric)
    assert reached is not None  # evaluate_candidate measures every metric
    if ledger is not None:
        uses = record_use(ledger, digest_file(prepared.splits["test"].path), trained.shipped.digest)
        evidence = evidence.with_measures(uses_measure(uses, reached.standard_error()))
    folder.mkdir(parents=True, exist_ok=True)
    path = write_evidence(folder / "evidence.json", evidence)
    return Evaluated(
        digest=digest_file(path),
        evidence=path,
        predictions=_write_predictions(folder / "predictions.parquet", hold_out),
        seconds=time.monotonic() - began,
        metric=workload.goal.metric,
        value=reached.value,
        low=reached.bound("below", 0.975),
        high=reached.bound("above", 0.975),
    )


def evaluate_candidate(hold_out: HoldOut, workload: Workload, *, model: str, resamples: int = RESAMPLES) -> Evidence:
    """Measure a candidate on its hold-out: metrics, gains over others, parity, slices; calibration of yes or no."""
    metric, seed = workload.goal.metric, workload.seed
    whole = goal_measures(metric, hold_out, slice=None, rows=None, seed=seed, resamples=resamples)
    slices, small = slice_measures(metric, hold_out, seed=seed, resamples=resamples)
    measures = [
        *_metrics(hold_out, seed, resamples),
        *(measure for measure in whole if measure.name != metric),
        *_by_day(hold_out, metric, seed, resamples),
        _parity(hold_out),
        *_compressed(hold_out),
        *slices,
    ]
    tables: dict[str, Any] = {"slices_too_small": small}
    if hold_out.target == "binary":
        decided, more = decisions(hold_out, workload, resamples)
        measures += [calibration_measure(hold_out, seed), *decided]
        tables |= {"calibration": calibration_bins(hold_out.labels, hold_out.graph)} | more
    if hold_out.target == "multiclass":
        tables["classes"] = class_table(hold_out.labels, hold_out.graph)
    return Evidence(workload=workload.name, model=model, split="test", measures=tuple(measures), tables=tables)


def _questioned(
    evidence: Evidence, hold_out: HoldOut, workload: Workload, contract: ContractSpec, ask: Ask
) -> Evidence:
    """Add what only asking the graph again can tell: importance, weak slices, behaviour."""
    fields = tuple(field.name for field in contract.inputs)
    used = tuple(name for step in workload.features for name in step.fields)
    labels, metric, seed = hold_out.labels, workload.goal.metric, workload.seed
    tables: dict[str, Any] = {
        "importance": permutation_importance(ask, hold_out.rows, labels, list(dict.fromkeys(used)), metric, seed=seed),
    }
    if hold_out.target == "binary":
        tables["weak_slices"] = weak_slices(labels, hold_out.graph, hold_out.rows, fields)
    if not workload.gates.behaviour:
        return evidence.model_copy(update={"tables": evidence.tables | tables})
    tables["behaviour"] = behaviour(ask, hold_out.rows, workload.gates.behaviour, seed=seed)
    extended = evidence.with_measures(behaviour_measure(tables["behaviour"]))
    return extended.model_copy(update={"tables": evidence.tables | tables})


def _metrics(hold_out: HoldOut, seed: int, resamples: int) -> list[Measure]:
    made, rows = [], len(hold_out.labels)
    baseline, names = hold_out.rivals.get("baseline"), METRICS[hold_out.target]
    for prefix, answers in (("", hold_out.graph), ("baseline_", baseline.answers if baseline else None)):
        if answers is None:
            continue
        drawn = replicates([statistic(m, hold_out.labels, answers) for m in names], rows, resamples, seed)
        for place, metric in enumerate(names):
            found = summarise(score(metric, hold_out.labels, answers), drawn[place], rows, 0.95)
            made.append(Measure.of(prefix + metric, found, source=SOURCE))
    return made


def _by_day(hold_out: HoldOut, metric: str, seed: int, resamples: int) -> list[Measure]:
    """Resample whole days: rows of one day share their weather, so single rows promise too much about other days."""
    if hold_out.days is None or len(np.unique(hold_out.days)) < 10:
        return []
    found = interval(metric, hold_out.labels, hold_out.graph, resamples=resamples, seed=seed, blocks=hold_out.days)
    days = len(np.unique(hold_out.days))
    return [Measure.of(f"{metric}_by_day", found, source=SOURCE, detail=f"whole days resampled, {days} of them")]


def calibration_measure(hold_out: HoldOut, seed: int) -> Measure:
    """Return the ECE; the detail says how large it would be by chance alone if every answer were right."""
    random = np.random.default_rng(seed)
    chance = [
        expected_calibration_error(random.random(len(hold_out.graph)) < hold_out.graph, hold_out.graph)
        for _ in range(20)
    ]
    return Measure(
        name="calibration_error",
        value=expected_calibration_error(hold_out.labels, hold_out.graph),
        n=len(hold_out.labels),
        source=SOURCE,
        detail=f"chance alone gives {np.mean(chance):.4f}",
    )


def _parity(hold_out: HoldOut) -> Measure:
    difference = np.abs(hold_out.exported.astype(np.float64) - hold_out.trainer.astype(np.float64))
    # NaN compares false with every limit: an answer that is not a number is as far off as can be.
    worst = float(np.where(np.isfinite(difference), difference, 1e9).max())
    return Measure(name="parity", value=worst, n=len(hold_out.labels), source=SOURCE)


def _compressed(hold_out: HoldOut) -> list[Measure]:
    """Return how far the answer moves that compression moves most; nothing if the model ships as it was trained."""
    if hold_out.graph is hold_out.exported:
        return []
    moved = largest_change(hold_out.target, hold_out.labels, hold_out.exported, hold_out.graph)
    return [Measure(name="answer_change", value=moved, n=len(hold_out.labels), source=SOURCE)]


def _variants(trained: Trained) -> dict[str, Any]:
    if trained.compression is None:
        return {}
    # Where the graphs lie says nothing to who reads the evidence.
    left_out = {"variants": {"__all__": {"model"}}}
    return {"variants": trained.compression.model_dump(mode="json", exclude=left_out)}


def _facts(trained: Trained) -> list[Measure]:
    return [
        Measure(name="training_usd", value=trained.cost_usd, source="training", unit="USD"),
        Measure(name="training_seconds", value=trained.seconds, source="training", unit="s"),
        Measure(name="peak_memory_mb", value=trained.peak_memory_mb, source="training", unit="MB"),
        Measure(name="model_mb", value=trained.shipped.model.stat().st_size / 1e6, source="training", unit="MB"),
    ]


def _write_predictions(path: Path, hold_out: HoldOut) -> Path:
    baseline = hold_out.rivals.get("baseline")
    pl.DataFrame(
        {
            "row": np.arange(len(hold_out.labels), dtype=np.int64),
            "label": hold_out.labels,
            "probability": hold_out.graph,
            "baseline": hold_out.graph if baseline is None else baseline.answers,
            "trainer": hold_out.trainer,
            "exported": hold_out.exported,
        }
    ).write_parquet(path)
    return path
