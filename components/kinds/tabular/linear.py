"""The linear model: the floor that trees and network have to beat, and on a small table often what is best."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from components.kinds.tabular.data import Table
from components.kinds.tabular.heads.head import Head
from components.kinds.tabular.model import Linear

ITERATIONS = 60
# How strongly weights are pulled towards zero, as scikit-learn's inverse strength C; 1 is its default.
STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)
USUAL = 1.0
# Strengths are tried where a fit takes a second or so: with more values the usual one hardly pulls.
TRIED_VALUES = 3_000_000


@dataclass(frozen=True)
class Fitted:
    """A linear model, the strength that was best, and raw numbers for rows that it, or its like, did not learn from."""

    network: nn.Module
    strength: float
    held: NDArray[np.float32]


def strengths_for(table: Table) -> tuple[float, ...]:
    """Return the strengths that are tried on a table."""
    width = table.values.shape[1] + table.codes.shape[1]
    return STRENGTHS if len(table) * width <= TRIED_VALUES else (USUAL,)


def fit_and_judge(
    head: Head, train: Table, validation: Table, cardinalities: tuple[int, ...], strengths: Sequence[float]
) -> Fitted:
    """Return the model with the strength that is best on validation."""
    tried = [fit_linear(head, train, cardinalities, one) for one in strengths]
    best = min(range(len(tried)), key=lambda place: loss_of(head, tried[place], validation))
    return Fitted(tried[best], strengths[best], raw_of(head, tried[best], validation))


def fit_crosswise(
    head: Head, known: Table, folds: NDArray[np.int64], cardinalities: tuple[int, ...], strengths: Sequence[float]
) -> Fitted:
    """Return the model of all rows, with the strength that is best on folds that models of the others answer."""
    losses, answers = [], []
    for strength in strengths:
        total, held = 0.0, np.zeros((len(known), head.columns), np.float32)
        for fold in range(int(folds.max()) + 1):
            asked = known.rows(folds == fold)
            network = fit_linear(head, known.rows(folds != fold), cardinalities, strength)
            total += loss_of(head, network, asked) * len(asked)
            held[folds == fold] = raw_of(head, network, asked)
        losses.append(total)
        answers.append(held)
    best = int(np.argmin(losses))
    return Fitted(fit_linear(head, known, cardinalities, strengths[best]), strengths[best], answers[best])


def fit_linear(
    head: Head,
    train: Table,
    cardinalities: tuple[int, ...],
    strength: float = USUAL,
    iterations: int = ITERATIONS,
) -> nn.Module:
    """Return a linear model fitted by L-BFGS on all rows of a table; without any randomness."""
    network, plain = Linear(train.values.shape[1], cardinalities, head.columns), head.plain()
    parameters = list(network.parameters())
    # The level of all answers is no matter of how large weights may be.
    pulled = [part for part in parameters if part is not network.bias]
    penalty = 0.5 / (strength * len(train))
    optimizer = torch.optim.LBFGS(parameters, max_iter=iterations, history_size=10, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = plain.loss(network(train.values, train.codes), train.labels)
        loss = loss + penalty * torch.stack([part.square().sum() for part in pulled]).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return network.eval()


@torch.inference_mode()
def loss_of(head: Head, network: nn.Module, table: Table) -> float:
    """Return the mean loss of a network on a table."""
    return float(head.plain().loss(network(table.values, table.codes), table.labels))


@torch.inference_mode()
def raw_of(head: Head, network: nn.Module, table: Table) -> NDArray[np.float32]:
    """Return a network's raw numbers [rows, columns]."""
    raw: NDArray[np.float32] = head.raw(network(table.values, table.codes).float()).numpy()
    return raw
