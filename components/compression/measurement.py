"""What a smaller graph saves and what it loses: processor time of calls that take turns, quality on the same rows."""

import random
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from components.artefacts.answer_shape import AnswerShape, differences
from components.artefacts.inference import Answers, Batch, Predictor
from components.compression.results import AS_TRAINED, ClassLoss, MetricLoss, Speed
from components.declaration.metrics import sign_of
from components.evaluation.metrics import replicates, score, statistic, summarise
from data_contracts.description.spec import ContractSpec

# What the data plane gives the model in one call at most.
BATCH_ROWS = 256
ROUNDS = 60
ROW_CALLS = 20
BATCH_CALLS = 3
RESAMPLES = 400


def columns_of(predictor: Predictor, frame: pl.DataFrame, contract: ContractSpec) -> Batch:
    """Return raw contract rows as the graph's inputs."""
    return predictor.tensors(frame.select([field.name for field in contract.inputs]).rows())


def time_graphs(
    predictors: Mapping[str, Predictor], frame: pl.DataFrame, contract: ContractSpec, rounds: int = ROUNDS
) -> dict[str, Speed]:
    """Return the speed of every graph; the first is the one that the others are compared with.

    Calls take turns in an order that changes each round, and the thread's processor time is counted: what else runs on
    the machine then hits all graphs alike. The sessions have one thread.
    """
    first = next(iter(predictors.values()))
    alone = [columns_of(first, frame.slice(at, 1), contract) for at in range(ROW_CALLS)]
    batch = columns_of(first, frame.head(BATCH_ROWS), contract)
    row_times: dict[str, list[float]] = {name: [] for name in predictors}
    batch_times: dict[str, list[float]] = {name: [] for name in predictors}
    order, shuffler = list(predictors), random.Random(0)
    for number in range(rounds + 3):
        shuffler.shuffle(order)
        for name in order:
            predict = predictors[name].predict
            times = (_seconds(predict, alone) / len(alone), _seconds(predict, [batch] * BATCH_CALLS) / BATCH_CALLS)
            if number >= 3:  # the first rounds warm caches up
                row_times[name].append(times[0])
                batch_times[name].append(times[1])
    base = next(iter(predictors))
    return {
        name: _speed(
            *(np.array(times) for times in (row_times[base], batch_times[base], row_times[name], batch_times[name]))
        )
        for name in predictors
    }


def _seconds(predict: Any, calls: Sequence[Batch]) -> float:
    began = time.thread_time()
    for columns in calls:
        predict(columns)
    return time.thread_time() - began


def _speed(base_row: Answers, base_batch: Answers, row: Answers, batch: Answers) -> Speed:
    # Of one round each: what slows a round slows both.
    ratios = np.sqrt((row / base_row) * (batch / base_batch))
    return Speed(
        row_us=round(float(np.median(row)) * 1e6, 2),
        batch_us=round(float(np.median(batch)) * 1e6, 1),
        saving=round(1 - float(np.median(ratios)), 4),
        faster_rounds=round(float((ratios < 1).mean()), 3),
    )


def metric_losses(
    names: Sequence[str], labels: Answers, answers: Mapping[str, Answers], seed: int
) -> dict[str, tuple[MetricLoss, ...]]:
    """Return what each of some metrics loses in each graph; all see the same resamples, so losses are paired."""
    drawn = replicates(
        [statistic(metric, labels, given) for given in answers.values() for metric in names],
        len(labels),
        RESAMPLES,
        seed,
    ).reshape(len(answers), len(names), RESAMPLES)
    places = {name: place for place, name in enumerate(answers)}
    base = {metric: score(metric, labels, answers[AS_TRAINED]) for metric in names}
    losses: dict[str, tuple[MetricLoss, ...]] = {}
    for name, given in answers.items():
        made = []
        for place, metric in enumerate(names):
            sign = sign_of(metric)
            value = score(metric, labels, given)
            lost = sign * (drawn[places[AS_TRAINED], place] - drawn[places[name], place])
            found = summarise(sign * (base[metric] - value), lost, len(labels), 0.95)
            made.append(MetricLoss(metric=metric, value=value, loss=found.value, low=found.low, high=found.high))
        losses[name] = tuple(made)
    return losses


def class_losses(shape: AnswerShape, truth: Sequence[str], before: Answers, after: Answers) -> tuple[ClassLoss, ...]:
    """Return what becomes of the decisions about each class; nothing for numbers, which have no classes.

    ``truth`` is what was right, in the words of the shape's decisions.
    """
    old, new = shape.decided(before), shape.decided(after)
    if old is None or new is None:
        return ()
    right = np.asarray(truth)
    found = []
    for name in dict.fromkeys(truth):
        rows = right == name
        found.append(
            ClassLoss(
                name=name,
                rows=int(rows.sum()),
                turned=int((old[rows] != new[rows]).sum()),
                right=float((new[rows] == name).mean()),
                right_as_trained=float((old[rows] == name).mean()),
            )
        )
    return tuple(found)


def largest_change(shape: AnswerShape, before: Answers, after: Answers) -> float:
    """Return how far the answer moves that moves most, in units of the shape's scale."""
    # Results hold finite numbers: an answer that is none has moved as far as can be.
    return min(float(differences(before, after).max()) / shape.scale, 1e9)


def company_change(shape: AnswerShape, predictor: Predictor, frame: pl.DataFrame, contract: ContractSpec) -> float:
    """Return how far an answer moves between a row alone and the same row in a batch, in units of the shape's scale.

    Products whose activations are scaled call by call answer every batch differently.
    """
    together = predictor.predict(columns_of(predictor, frame.head(BATCH_ROWS), contract))[:ROW_CALLS]
    alone = [predictor.predict(columns_of(predictor, frame.slice(at, 1), contract)) for at in range(len(together))]
    return largest_change(shape, np.concatenate(alone), together)
