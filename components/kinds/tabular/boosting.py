"""How many trees: until a validation split gets no better, or as many as serve rows best that their trees never saw."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from components.kinds.tabular.data import Table
from components.kinds.tabular.heads.head import Head
from components.kinds.tabular.ordering import Order
from components.kinds.tabular.trees import Boosting, Trees, between_values, cut_to, losses_of, rounds_of
from components.training.spending import Meter


@dataclass(frozen=True)
class Boosted:
    """Trees, and raw numbers [rows, columns] for rows that they, or their like, did not learn from."""

    trees: Trees
    order: Order
    held: NDArray[np.float32]
    # Of the learner that has most.
    rounds: int

    def answer(self, table: Table) -> NDArray[np.float32]:
        """Return raw numbers [rows, columns]."""
        return self.trees.raw(self.order.applied(table).matrix())


def boost(head: Head, train: Table, validation: Table, boosting: Boosting) -> Boosted:
    """Boost on training until validation, which is held out, gets no better."""
    order, left = _order(head, train, boosting), _Left(boosting)
    learnt, held = (head.as_learnt(order.applied(table)) for table in (train, validation))
    models = [one.fit(learnt, held, left()) for one in head.learners]
    trees = head.trees([between_values(one, learnt) for one in models])
    return Boosted(trees, order, trees.raw(held.matrix()), max(map(rounds_of, models)))


def boost_again(head: Head, first: Boosted, train: Table, validation: Table, boosting: Boosting) -> Boosted:
    """Boost as many trees on training and validation together: what is held is what the first trees answered."""
    known = train.with_rows_of(validation)
    order, counts = _order(head, known, boosting), [first.rounds] * len(head.learners)
    return replace(first, order=order, trees=_of_all(head, order.applied(known), counts, _Left(boosting)))


def boost_crosswise(head: Head, known: Table, folds: NDArray[np.int64], boosting: Boosting) -> Boosted:
    """Boost once without each fold, and at last on all rows: the number of trees serves the folds best together.

    One number for all folds, so that no fold's answers are the best of many.
    """
    left, parts = _Left(boosting), []
    for fold in range(int(folds.max()) + 1):
        others = known.rows(folds != fold)
        order = _order(head, others, boosting)
        parts.append([head.as_learnt(order.applied(one)) for one in (others, known.rows(folds == fold))])
    counts, models = [], []
    for learner in head.learners:
        made = [learner.fit(others, asked, left()) for others, asked in parts]
        counts.append(_best_count([losses_of(one) for one in made]))
        models.append([cut_to(one, counts[-1]) for one in made])
    held = np.zeros((len(known), head.columns), np.float32)
    for fold, (several, (_, asked)) in enumerate(zip(zip(*models, strict=True), parts, strict=True)):
        held[folds == fold] = head.trees(several).raw(asked.matrix())
    order = _order(head, known, boosting)
    return Boosted(_of_all(head, order.applied(known), counts, left), order, held, max(counts))


def _order(head: Head, table: Table, boosting: Boosting) -> Order:
    return Order.of(table, boosting.codes, head.classes)


def _of_all(head: Head, known: Table, counts: Sequence[int], left: "_Left") -> Trees:
    table = head.as_learnt(known)
    models = [one.fit(table, None, left(), trees) for one, trees in zip(head.learners, counts, strict=True)]
    return head.trees([between_values(one, table) for one in models])


def _best_count(curves: Sequence[list[float]]) -> int:
    """Return the number of trees with the lowest mean loss; a fold that stopped earlier stays where it was best."""
    longest = max(map(len, curves))
    even = [curve + [min(curve)] * (longest - len(curve)) for curve in curves]
    return int(np.argmin(np.mean(even, axis=0))) + 1


class _Left:
    """The boosting with what is left of its budget."""

    def __init__(self, boosting: Boosting) -> None:
        self._boosting, self._meter = boosting, Meter(boosting.threads)

    def __call__(self) -> Boosting:
        return replace(self._boosting, budget=self._boosting.budget.less(self._meter.spent()))
