"""What faults are planted into: a real build with its data and answers, and what a stage said about it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from components.artefacts.answer_shape import AnswerShape
from components.artefacts.build import Build
from components.batch_prediction import PredictFile
from components.data.results import Prepared
from components.declaration.split import TimeSplit
from components.declaration.targets import shape_of
from components.declaration.workload import Workload
from components.evaluation.evaluate import evaluate_candidate
from components.evaluation.evidence import Evidence, Measure
from components.evaluation.hold_out import HoldOut, Quantiles, Rival, read_hold_out
from components.evaluation.part import EvaluationPart
from components.evaluation.slices import measurable, values_of
from components.faults.answers import SPOILERS, Spoiler
from components.gates.judge import Context, judge
from components.gates.part import GatesPart
from components.training.results import Shipped, Trained
from data_contracts.description.spec import ContractSpec

RESAMPLES = 200
# Which gates (or errors) refused, and in which words.
Seen = Mapping[str, str]


@dataclass(frozen=True)
class Bench:
    """A workload, what was trained and built for it, and a folder to spoil copies in."""

    workload: Workload
    contract: ContractSpec
    prepared: Prepared
    trained: Trained
    shipped: Shipped
    build: Build
    predict_file: PredictFile
    hold_out: HoldOut
    scratch: Path

    @property
    def spoiler(self) -> Spoiler:
        """What spoils answers of this kind."""
        return SPOILERS[self.hold_out.target]

    @property
    def has_classes(self) -> bool:
        """Whether the answers are probabilities."""
        return self.hold_out.target != "regression"

    @property
    def has_quantiles(self) -> bool:
        """Whether there are quantiles beside a number."""
        return self.hold_out.quantiles is not None

    @property
    def has_slices(self) -> bool:
        """Whether there is a slice that can be measured."""
        return largest_slice(self.hold_out.rows, self.hold_out.slices, self.hold_out.labels) is not None

    @property
    def in_order(self) -> bool:
        """Whether the workload file promises an order of time: rows divided by lot have none to break."""
        return isinstance(self.workload.split, TimeSplit)

    @property
    def shape(self) -> AnswerShape:
        """The shape of the answers, for what a metric judges."""
        return shape_of(self.contract, quantiles=self.trained.quantiles)

    def random(self) -> np.random.Generator:
        """Return a generator that every fault starts afresh, so that one fault does not change another."""
        return np.random.default_rng(self.workload.seed)


@dataclass(frozen=True)
class Fault:
    """A known fault, the stage that must catch it, and the gate (or error) by which.

    ``run`` plants it if told to, runs that stage alone, and returns what refused; ``applies`` says whether a build can
    have the fault at all, and its gate see it. ``also`` names gates that are as good where that one cannot see it.
    """

    name: str
    stage: str
    gate: str
    run: Callable[[Bench, bool], Seen]
    applies: Callable[[Bench], bool] = lambda bench: True
    also: tuple[str, ...] = ()

    @property
    def gates(self) -> tuple[str, ...]:
        """Every gate that may catch it."""
        return (self.gate, *self.also)


def make_bench(
    workload: Workload,
    contract: ContractSpec,
    prepared: Prepared,
    trained: Trained,
    shipped: Shipped,
    build: Build,
    predict_file: PredictFile,
    scratch: Path,
) -> Bench:
    """Return a bench; the packaged graph answers the hold-out once, here."""
    goal, seed = workload.goal, workload.seed
    hold_out = read_hold_out(trained, shipped, prepared, contract, predict_file, goal.metric, unit=goal.unit, seed=seed)
    return Bench(workload, contract, prepared, trained, shipped, build, predict_file, hold_out, scratch)


def answered(
    bench: Bench, graph: NDArray[Any], *, labels: NDArray[Any] | None = None, **rivals: NDArray[Any]
) -> HoldOut:
    """Return the hold-out with other answers of the packaged graph, and further rivals."""
    single = graph.astype(np.float32)
    others = {name: Rival(answers.astype(np.float32), "planted") for name, answers in rivals.items()}
    return replace(
        bench.hold_out,
        graph=single,
        trainer=single,
        exported=None,
        labels=bench.hold_out.labels if labels is None else labels,
        rivals={**bench.hold_out.rivals, **others},
    )


def largest_slice(rows: pl.DataFrame, fields: tuple[str, ...], labels: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Return which rows the largest slice has that can be measured and is not the whole; None if there is none."""
    parts = [kept for field in fields if field in rows.columns for kept in values_of(rows[field]).values()]
    parts = [kept for kept in parts if measurable(labels[kept]) and not kept.all()]
    return max(parts, key=lambda kept: int(kept.sum()), default=None)


def kept_rows(hold_out: HoldOut, rows: NDArray[np.int64]) -> HoldOut:
    """Return some rows of a hold-out."""
    more = hold_out.quantiles
    return replace(
        hold_out,
        labels=hold_out.labels[rows],
        graph=hold_out.graph[rows],
        trainer=hold_out.trainer[rows],
        rivals={name: Rival(rival.answers[rows], rival.detail) for name, rival in hold_out.rivals.items()},
        rows=hold_out.rows[rows],
        unit=hold_out.unit.of(rows),
        spread=(),
        exported=None if hold_out.exported is None else hold_out.exported[rows],
        quantiles=more and _kept_quantiles(more, rows),
    )


def _kept_quantiles(more: Quantiles, rows: NDArray[np.int64]) -> Quantiles:
    exported = None if more.exported is None else more.exported[rows]
    return replace(more, graph=more.graph[rows], trainer=more.trainer[rows], exported=exported)


def refusals(bench: Bench, hold_out: HoldOut, *more: Measure, workload: Workload | None = None) -> Seen:
    """Evaluate answers and return which gates do not pass, with their lines, and the warnings."""
    asked = workload or bench.workload
    evidence = evaluate_candidate(hold_out, EvaluationPart.of(asked), model="planted", resamples=RESAMPLES)
    return judged(bench, evidence, *more, workload=asked)


def judged(bench: Bench, evidence: Evidence, *more: Measure, workload: Workload | None = None) -> Seen:
    """Judge evidence; what training measured is added unless it is given."""
    facts = [Measure(name="training_usd", value=bench.trained.cost_usd, source="training")]
    given = {measure.name for measure in more}
    measures = (*more, *(fact for fact in facts if fact.name not in given))
    context = Context(measures=measures, options=tuple(bench.trained.options or ()))
    report = judge(evidence, GatesPart.of(workload or bench.workload), context)
    lines = {verdict.gate: verdict.line for verdict in report.refused}
    return lines | ({"warning": report.warnings[0]} if report.warnings else {})
