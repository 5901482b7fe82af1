"""Networks for tables, and the task they are trained on."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from components.batches import Batch


def embedding_width(cardinality: int) -> int:
    """Return the width of an embedding: 1.6 x cardinality^0.56, at most 50 (the rule of fast.ai's tabular models)."""
    return min(50, round(1.6 * math.pow(cardinality, 0.56)))


class EmbeddingMLP(nn.Module):
    """An embedding for each code beside the values, then a multilayer perceptron; one logit a row.

    Guo & Berkhahn, Entity Embeddings of Categorical Variables (2016).
    """

    def __init__(self, values: int, cardinalities: Sequence[int], hidden: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(count, embedding_width(count)) for count in cardinalities)
        width = values + sum(embedding_width(count) for count in cardinalities)
        layers: list[nn.Module] = []
        for size in hidden:
            layers += [nn.Linear(width, size), nn.ReLU(), nn.Dropout(dropout)]
            width = size
        self.layers = nn.Sequential(*layers, nn.Linear(width, 1))

    def forward(self, values: Tensor, codes: Tensor) -> Tensor:
        """Return logits [rows, 1] of values [rows, V] float32 and codes [rows, C] int64."""
        embedded = [embed(codes[:, place]) for place, embed in enumerate(self.embeddings)]
        logits: Tensor = self.layers(torch.cat([values, *embedded], dim=1))
        return logits


class Probability(nn.Module):
    """A network of logits that answers with probabilities, taking only the inputs that exist: what is exported."""

    def __init__(self, network: nn.Module, *, values: bool, codes: bool) -> None:
        super().__init__()
        self.network = network
        self.has_values = values
        self.has_codes = codes

    def forward(self, first: Tensor, second: Tensor | None = None) -> Tensor:
        """Return probabilities of yes, [rows, 1], of values and codes, or of the one there is."""
        last = first if second is None else second
        values = first if self.has_values else first.new_zeros((len(first), 0), dtype=torch.float32)
        codes = last if self.has_codes else last.new_zeros((len(last), 0), dtype=torch.int64)
        return torch.sigmoid(self.network(values, codes))


def binary_loss(network: nn.Module, batch: Batch) -> Tensor:
    """Return the mean log-loss of a batch (values, codes, labels)."""
    values, codes, labels = batch
    return nn.functional.binary_cross_entropy_with_logits(network(values, codes)[:, 0], labels)


def binary_answers(network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return probabilities of yes and the labels."""
    values, codes, labels = batch
    return torch.sigmoid(network(values, codes)[:, 0].float()), labels
