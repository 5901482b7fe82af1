"""The floor: logistic regression. A model that does not beat it has learnt nothing that needs it."""

import torch
from torch import nn

from components.workloads.tabular.data import Table
from components.workloads.tabular.model import Linear, binary_loss

# Pulls weights of rare categories towards zero; in units of the mean log-loss.
PENALTY = 1e-5
ITERATIONS = 60


def fit_linear(
    train: Table, cardinalities: tuple[int, ...], *, threads: int, iterations: int = ITERATIONS
) -> nn.Module:
    """Return a logistic regression fitted by L-BFGS on the whole training split; without any randomness."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        network = Linear(train.values.shape[1], cardinalities)
        parameters = list(network.parameters())
        optimizer = torch.optim.LBFGS(parameters, max_iter=iterations, history_size=10, line_search_fn="strong_wolfe")

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = binary_loss(network, (train.values, train.codes, train.labels))
            loss = loss + PENALTY * torch.stack([part.square().sum() for part in parameters]).sum()
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        optimizer.step(closure)  # type: ignore[no-untyped-call]
    finally:
        torch.set_num_threads(before)
    return network.eval()
