"""Faults of a model: planted into its answers, to be caught by the gates that judge the evidence."""

from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from components.declaration.behaviour import BehaviourTest
from components.declaration.gates import Floor
from components.declaration.targets import classes_of
from components.evaluation.behaviour_tests import behaviour, behaviour_measure
from components.evaluation.evidence import Evidence, Measure
from components.evaluation.hold_out_uses import Use, Uses, uses_measure
from components.evaluation.importance import asker
from components.evaluation.slices import MIN_PER_CLASS
from components.evaluation.units import MIN_ROWS
from components.faults.answers import overconfident, usual_class
from components.faults.bench import Bench, Fault, Seen, answered, judged, kept_rows, largest_slice, refusals


def shuffled_labels(bench: Bench, planted: bool) -> Seen:
    labels = bench.hold_out.labels
    shuffled = bench.random().permutation(labels) if planted else labels
    return refusals(bench, answered(bench, bench.hold_out.graph, labels=shuffled))


def undertrained(bench: Bench, planted: bool) -> Seen:
    """Drown the answers in noise half as large again as what they know."""
    graph, labels = _known(bench)
    return refusals(bench, answered(bench, bench.spoiler.drowned(graph, labels, bench.random()) if planted else graph))


def constant(bench: Bench, planted: bool) -> Seen:
    graph, _ = _known(bench)
    return refusals(bench, answered(bench, bench.spoiler.constant(graph) if planted else graph))


def dead_class(bench: Bench, planted: bool) -> Seen:
    """Never answer yes, or the class that there is most of."""
    graph, labels = _known(bench)
    if not planted:
        return refusals(bench, answered(bench, graph))
    if graph.ndim == 1:
        return refusals(bench, answered(bench, np.zeros_like(graph)))
    dead = graph.copy()
    dead[:, np.bincount(labels.astype(int)).argmax()] = 0
    return refusals(bench, answered(bench, dead / dead.sum(axis=1, keepdims=True)))


def class_below_its_floor(bench: Bench, planted: bool) -> Seen:
    """Ask for half of what is found of the class that is found best, and never answer that class."""
    graph, labels = _known(bench)
    answers, names = _of_classes(graph), classes_of(bench.contract)
    said = answers.argmax(axis=1)
    recalls = {place: float((said[labels == place] == place).mean()) for place in _judged_classes(bench)}
    best = max(recalls, key=lambda place: recalls[place])
    floor = Floor(metric="recall", of=names[best], at_least=recalls[best] / 2)
    gates = bench.workload.gates.model_copy(update={"floors": (floor,), "costs": None})
    serving = bench.workload.serving.model_copy(update={"decision_threshold": 0.5})
    workload = bench.workload.model_copy(update={"gates": gates, "serving": serving})
    if planted:
        answers = np.delete(answers, best, axis=1)
        answers = np.insert(answers / answers.sum(axis=1, keepdims=True), best, 0.0, axis=1)
    seen = refusals(bench, answered(bench, answers[:, 1] if graph.ndim == 1 else answers), workload=workload)
    # The gate is named after the class; the fault is the same for every class.
    return {"floor" if gate.startswith("floor-") else gate: line for gate, line in seen.items()}


def inverted(bench: Bench, planted: bool) -> Seen:
    graph, labels = _known(bench)
    return refusals(bench, answered(bench, bench.spoiler.turned(graph, labels) if planted else graph))


def too_sure(bench: Bench, planted: bool) -> Seen:
    graph, _ = _known(bench)
    return refusals(bench, answered(bench, overconfident(graph) if planted else graph))


def narrow_quantiles(bench: Bench, planted: bool) -> Seen:
    """Draw the quantiles together to a third of their distance from the middle between them."""
    given = bench.hold_out.quantiles
    assert given is not None  # the fault is for builds that answer quantiles
    middle = given.graph.mean(axis=1, keepdims=True)
    drawn = (middle + (given.graph - middle) / 3).astype(np.float32) if planted else given.graph
    return refusals(bench, replace(bench.hold_out, quantiles=replace(given, graph=drawn, trainer=drawn, exported=None)))


def broken_slice(bench: Bench, planted: bool) -> Seen:
    """Shuffle the packaged model's answers within the largest slice; the baseline still knows better."""
    graph = bench.hold_out.graph.copy()
    rows = _largest_slice(bench)
    if planted and rows is not None:
        graph[rows] = bench.random().permutation(graph[rows])
    return refusals(bench, answered(bench, graph))


def slice_nobody_knows(bench: Bench, planted: bool) -> Seen:
    """Turn the answers round within the largest slice, the baseline's too: only a floor can see it."""
    graph, labels = _known(bench)
    baseline = bench.hold_out.rivals["baseline"].answers.astype(np.float64)
    rows = _largest_slice(bench)
    if planted and rows is not None:
        graph, baseline = (_turned_within(bench, answers, labels, rows) for answers in (graph, baseline))
    return refusals(bench, answered(bench, graph, baseline=baseline))


def _turned_within(
    bench: Bench, answers: NDArray[np.float64], labels: NDArray[np.float64], rows: NDArray[np.bool_]
) -> NDArray[np.float64]:
    turned = answers.copy()
    turned[rows] = bench.spoiler.turned(answers[rows], labels[rows])
    return turned


def too_few_rows(bench: Bench, planted: bool) -> Seen:
    """Judge on so few rows that no answer is honest: 60, half of them of the rarer half of the labels."""
    hold_out = bench.hold_out
    if not planted:
        return refusals(bench, hold_out)
    random, labels = bench.random(), hold_out.labels
    rare = labels > np.median(labels) if labels.dtype != np.bool_ else labels
    rows = [random.choice(np.flatnonzero(rare == one), 30, replace=False) for one in (False, True)]
    return refusals(bench, kept_rows(hold_out, np.sort(np.concatenate(rows))))


def not_measured(bench: Bench, planted: bool) -> Seen:
    evidence = _clean(bench)
    left = tuple(measure for measure in evidence.measures if not (planted and measure.name == "parity"))
    return judged(bench, evidence.model_copy(update={"measures": left}))


def over_cost(bench: Bench, planted: bool) -> Seen:
    usd = 2 * bench.workload.goal.training_usd if planted else bench.trained.cost_usd
    return judged(bench, _clean(bench), Measure(name="training_usd", value=usd, source="planted"))


def stale_data(bench: Bench, planted: bool) -> Seen:
    gates = bench.workload.gates.model_copy(update={"data_age_days": 30.0})
    age = Measure(name="data_age_days", value=400 if planted else 3, source="planted")
    return judged(bench, _clean(bench), age, workload=bench.workload.model_copy(update={"gates": gates}))


def oversized(bench: Bench, planted: bool) -> Seen:
    limit = bench.workload.gates.model_mb
    size = 2 * limit if planted else bench.shipped.model.stat().st_size / 1e6
    return judged(bench, _clean(bench), Measure(name="model_mb", value=size, source="planted"))


def unfair(bench: Bench, planted: bool) -> Seen:
    """Draw two groups by lot and serve one of them worse."""
    hold_out, name, group = bench.hold_out, "planted_group", _groups(bench)
    graph, labels = _known(bench)
    answers = bench.spoiler.unfair(graph, labels, (group == "b") & planted)
    gates = bench.workload.gates.model_copy(update={"sensitive": (name,), "costs": None})
    serving = bench.workload.serving
    if hold_out.target == "binary":
        # The decision threshold in the middle of the answers, so that there are positives to miss.
        middle = float(np.median(hold_out.graph[hold_out.labels]))
        serving = serving.model_copy(update={"decision_threshold": middle})
    workload = bench.workload.model_copy(update={"gates": gates, "serving": serving})
    rows = hold_out.rows.with_columns(pl.Series(name, group))
    return refusals(bench, replace(answered(bench, answers), rows=rows), workload=workload)


def _groups(bench: Bench) -> NDArray[np.str_]:
    return bench.random().choice(["a", "b"], len(bench.hold_out.labels))


def has_groups(bench: Bench) -> bool:
    """Say whether either group has enough rows of the class that one of them is to be denied."""
    graph, labels = _known(bench)
    if not bench.has_classes:
        return True
    denied = labels == (1 if graph.ndim == 1 else usual_class(graph))
    groups = _groups(bench)
    return all(int((denied & (groups == group)).sum()) >= MIN_PER_CLASS for group in ("a", "b"))


def may_be_too_sure(bench: Bench) -> bool:
    """Say whether answers that are entirely sure would be off by more than the gate allows: not of a model so good."""
    if not bench.has_classes:
        return False
    graph, labels = _known(bench)
    answers = _of_classes(graph)
    said, places = answers.argmax(axis=1), range(answers.shape[1])
    wrong = max(float(((said == place) != (labels == place)).mean()) for place in places)
    return wrong > bench.workload.gates.calibration_error


def has_judged_class(bench: Bench) -> bool:
    """Say whether there are enough rows of a class to be sure of what is found of it."""
    return bench.has_classes and bool(_judged_classes(bench))


def _judged_classes(bench: Bench) -> list[int]:
    counts = np.bincount(bench.hold_out.labels.astype(int), minlength=len(classes_of(bench.contract)))
    return np.flatnonzero(counts >= MIN_ROWS).tolist()


def _of_classes(answers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return answers as probabilities of classes, [rows, classes]."""
    return np.column_stack([1 - answers, answers]) if answers.ndim == 1 else answers


def broken_promise(bench: Bench, planted: bool) -> Seen:
    """Declare that the answers do not depend on a field they do depend on."""
    ask = asker(bench.shipped.parts, bench.contract, bench.predict_file, bench.shape)
    rows = bench.hold_out.rows.head(500)
    fields = [field.name for step in bench.workload.features for field in [bench.contract.field(step.fields[0])]]
    value = rows[fields[0]].drop_nulls()[0]
    test = BehaviourTest(name="answers do not move", set={fields[0]: value}, expect="same", tolerance=1e-6)
    # The clean model is asked about rows that have the value already, so nothing changes.
    asked = rows if planted else rows.filter(pl.col(fields[0]) == value)
    return judged(bench, _clean(bench), behaviour_measure(behaviour(ask, asked, [test], bench.contract, seed=1)))


def worn_hold_out(bench: Bench, planted: bool) -> Seen:
    uses = Uses("rows", tuple(Use("2026-01-01", str(model)) for model in range(30 if planted else 1)))
    return judged(bench, _clean(bench), uses_measure(uses, 0.004))


def _known(bench: Bench) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the packaged graph's answers and the labels as numbers."""
    return bench.hold_out.graph.astype(np.float64), bench.hold_out.labels.astype(np.float64)


def _clean(bench: Bench) -> Evidence:
    """Return evidence of nothing in particular: for faults that are no answers."""
    measures = (Measure(name="parity", value=0.0, source="planted"),)
    return Evidence(workload=bench.workload.name, model="planted", split="test", measures=measures)


def _largest_slice(bench: Bench) -> NDArray[np.bool_] | None:
    return largest_slice(bench.hold_out.rows, bench.hold_out.slices, bench.hold_out.labels)


FAULTS = (
    Fault("labels shuffled", "evaluate", "base-rate", shuffled_labels),
    Fault("model under-trained", "evaluate", "baseline", undertrained),
    Fault("model answers a constant", "evaluate", "goal", constant),
    Fault(
        "a class is never answered",
        "evaluate",
        "base-rate",
        dead_class,
        lambda bench: bench.has_classes,
        # One of ten classes less is still far better than the same answer for all.
        also=("goal", "baseline"),
    ),
    Fault("a class below its floor", "evaluate", "floor", class_below_its_floor, has_judged_class),
    Fault("answers turned round", "evaluate", "goal", inverted),
    Fault("answers overconfident", "evaluate", "calibration", too_sure, may_be_too_sure),
    Fault("quantiles too narrow", "evaluate", "calibration", narrow_quantiles, lambda bench: bench.has_quantiles),
    Fault("a slice broken in the packaged model", "evaluate", "slices", broken_slice, lambda bench: bench.has_slices),
    Fault("a slice that no model knows", "evaluate", "slice-floor", slice_nobody_knows, lambda bench: bench.has_slices),
    Fault("a hold-out of 60 rows", "evaluate", "goal", too_few_rows),
    Fault("parity was not measured", "gate", "parity", not_measured),
    Fault("training over its budget", "gate", "training-cost", over_cost),
    Fault("data too old", "gate", "freshness", stale_data),
    Fault("model too large", "gate", "size", oversized),
    Fault("a group whose positives are missed", "evaluate", "fairness", unfair, has_groups),
    Fault(
        "a behavioural promise broken",
        "evaluate",
        "behaviour",
        broken_promise,
        lambda bench: bool(bench.workload.features),
    ),
    Fault("a hold-out that judged 30 models", "gate", "warning", worn_hold_out),
)
