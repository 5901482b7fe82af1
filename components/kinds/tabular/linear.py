"""The floor: a linear model. A model that does not beat it has learnt nothing that needs it."""

import torch
from torch import nn

from components.kinds.tabular.data import Table
from components.kinds.tabular.heads.head import Head
from components.kinds.tabular.model import Linear

# Pulls weights of rare categories towards zero; in units of the mean loss.
PENALTY = 1e-5
ITERATIONS = 60


def fit_linear(
    head: Head, train: Table, cardinalities: tuple[int, ...], *, threads: int, iterations: int = ITERATIONS
) -> nn.Module:
    """Return a linear model fitted by L-BFGS on the whole training split; without any randomness."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        network, plain = Linear(train.values.shape[1], cardinalities, head.columns), head.plain()
        parameters = list(network.parameters())
        optimizer = torch.optim.LBFGS(parameters, max_iter=iterations, history_size=10, line_search_fn="strong_wolfe")

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = plain.loss(network(train.values, train.codes), train.labels)
            loss = loss + PENALTY * torch.stack([part.square().sum() for part in parameters]).sum()
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        optimizer.step(closure)  # type: ignore[no-untyped-call]
    finally:
        torch.set_num_threads(before)
    return network.eval()
