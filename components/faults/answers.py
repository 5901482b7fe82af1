"""How answers are spoilt, by what they are: probabilities of yes, of several classes, or numbers."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_softmax, logit, softmax

from components.declaration.targets import Target
from components.evaluation.metrics import TINY

Numbers = NDArray[np.float64]
Rows = NDArray[np.bool_]


class Spoiler(Protocol):
    """Spoils answers about some labels; nothing is changed in place."""

    def drowned(self, answers: Numbers, labels: Numbers, random: np.random.Generator) -> Numbers:
        """Return answers in noise half as large again as what they know."""

    def constant(self, answers: Numbers) -> Numbers:
        """Return the same answer for every row."""

    def turned(self, answers: Numbers, labels: Numbers) -> Numbers:
        """Return answers that say the opposite, or are far off."""

    def unfair(self, answers: Numbers, labels: Numbers, group: Rows) -> Numbers:
        """Return answers that serve a group worse."""


class _Yes:
    """Probabilities of yes, [rows]."""

    def drowned(self, answers: Numbers, labels: Numbers, random: np.random.Generator) -> Numbers:
        known = _logits(answers)
        noisy: Numbers = expit(known + random.normal(0, 1.5 * known.std(), len(known)))
        return noisy

    def constant(self, answers: Numbers) -> Numbers:
        return np.full_like(answers, answers.mean())

    def turned(self, answers: Numbers, labels: Numbers) -> Numbers:
        return 1 - answers

    def unfair(self, answers: Numbers, labels: Numbers, group: Rows) -> Numbers:
        worse: Numbers = expit(_logits(answers) - np.where(group, 1.5, 0.0))
        return worse


class _Classes:
    """Probabilities of classes, [rows, classes]."""

    def drowned(self, answers: Numbers, labels: Numbers, random: np.random.Generator) -> Numbers:
        known = _logs(answers)
        noisy: Numbers = softmax(known + random.normal(0, 1.5, known.shape) * known.std(axis=0), axis=1)
        return noisy

    def constant(self, answers: Numbers) -> Numbers:
        return np.tile(answers.mean(axis=0), (len(answers), 1))

    def turned(self, answers: Numbers, labels: Numbers) -> Numbers:
        opposite: Numbers = softmax(-_logs(answers), axis=1)
        return opposite

    def unfair(self, answers: Numbers, labels: Numbers, group: Rows) -> Numbers:
        # The class that is answered most: the group is never given it, however sure the model is.
        worse = np.maximum(answers, TINY)
        worse[group, usual_class(answers)] = 0
        shares: Numbers = worse / worse.sum(axis=1, keepdims=True)
        return shares


class _Values:
    """Numbers, [rows]."""

    def drowned(self, answers: Numbers, labels: Numbers, random: np.random.Generator) -> Numbers:
        return answers + random.normal(0, 1.5 * (labels - answers).std(), len(answers))

    def constant(self, answers: Numbers) -> Numbers:
        return np.full_like(answers, answers.mean())

    def turned(self, answers: Numbers, labels: Numbers) -> Numbers:
        return answers + 3 * float(labels.std())

    def unfair(self, answers: Numbers, labels: Numbers, group: Rows) -> Numbers:
        size = float(np.sqrt(np.mean(np.square(labels))))
        return answers + np.where(group, 0.5 * size, 0.0)


def usual_class(answers: Numbers) -> int:
    """Return the place of the class that is answered most."""
    return int(np.bincount(answers.argmax(axis=1)).argmax())


def _logits(answers: Numbers) -> Numbers:
    logits: Numbers = logit(np.clip(answers, TINY, 1 - TINY))
    return logits


def _logs(answers: Numbers) -> Numbers:
    logs: Numbers = log_softmax(np.log(np.maximum(answers, TINY)), axis=1)
    return logs


SPOILERS: dict[Target, Spoiler] = {"binary": _Yes(), "multiclass": _Classes(), "regression": _Values()}


def overconfident(answers: Numbers) -> Numbers:
    """Return probabilities, of yes or of classes, that are far too sure."""
    if answers.ndim == 1:
        sure: Numbers = expit(3 * _logits(answers) + 2)
        return sure
    classes: Numbers = softmax(3 * _logs(answers), axis=1)
    return classes
