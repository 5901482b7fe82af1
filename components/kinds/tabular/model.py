"""Networks for tables. Every network answers logits [rows, members, columns]: the head says how many columns."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from components.kinds.tabular.options import TabularOptions


def embedding_width(cardinality: int) -> int:
    """Return the width of an embedding: 1.6 x cardinality^0.56, at most 50 (the rule of fast.ai's tabular models)."""
    return min(50, round(1.6 * math.pow(cardinality, 0.56)))


class Embedded(nn.Module):
    """Values beside one embedding for each code: [rows, width].

    Guo & Berkhahn, Entity Embeddings of Categorical Variables (2016).
    """

    def __init__(self, values: int, cardinalities: Sequence[int]) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(count, embedding_width(count)) for count in cardinalities)
        self.width = values + sum(embedding_width(count) for count in cardinalities)

    def forward(self, values: Tensor, codes: Tensor) -> Tensor:
        embedded = [embed(codes[:, place]) for place, embed in enumerate(self.embeddings)]
        return torch.cat([values, *embedded], dim=1)


class EmbeddingMLP(nn.Module):
    """Embeddings and a multilayer perceptron; one member."""

    def __init__(
        self, values: int, cardinalities: Sequence[int], hidden: Sequence[int], dropout: float, columns: int
    ) -> None:
        super().__init__()
        self.embedded = Embedded(values, cardinalities)
        layers: list[nn.Module] = []
        width = self.embedded.width
        for size in hidden:
            layers += [nn.Linear(width, size), nn.ReLU(), nn.Dropout(dropout)]
            width = size
        self.layers = nn.Sequential(*layers, nn.Linear(width, columns))

    def forward(self, values: Tensor, codes: Tensor) -> Tensor:
        logits: Tensor = self.layers(self.embedded(values, codes)).unsqueeze(1)
        return logits


class EnsembleLinear(nn.Module):
    """A linear layer that all members share, with scales of inputs and outputs and a bias of each one's own.

    Wen et al., BatchEnsemble (ICLR 2020).
    """

    def __init__(self, inputs: int, outputs: int, members: int, *, first: bool) -> None:
        super().__init__()
        self.shared = nn.Linear(inputs, outputs, bias=False)
        # Random signs at the door make the members differ; everywhere else they start as one (TabM, section 3.3).
        signs = torch.randint(0, 2, (members, inputs)).float() * 2 - 1
        self.scale_in = nn.Parameter(signs if first else torch.ones(members, inputs))
        self.scale_out = nn.Parameter(torch.ones(members, outputs))
        bound = 1 / math.sqrt(inputs)
        self.bias = nn.Parameter(torch.empty(members, outputs).uniform_(-bound, bound))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return [rows, members, outputs] of [rows, members, inputs]."""
        outputs: Tensor = self.shared(inputs * self.scale_in) * self.scale_out + self.bias
        return outputs


class TabM(nn.Module):
    """An ensemble of perceptrons that share their weights; each member is trained alone, their answers are averaged.

    Gorishniy, Kotelnikov & Babenko, TabM: Advancing Tabular Deep Learning with Parameter-Efficient Ensembling
    (ICLR 2025).
    """

    def __init__(
        self,
        values: int,
        cardinalities: Sequence[int],
        hidden: Sequence[int],
        dropout: float,
        members: int,
        columns: int,
    ) -> None:
        super().__init__()
        self.embedded = Embedded(values, cardinalities)
        layers: list[nn.Module] = []
        width = self.embedded.width
        for place, size in enumerate(hidden):
            layers += [EnsembleLinear(width, size, members, first=place == 0), nn.ReLU(), nn.Dropout(dropout)]
            width = size
        self.layers = nn.Sequential(*layers)
        bound = 1 / math.sqrt(width)
        self.heads = nn.Parameter(torch.empty(members, width, columns).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(members, columns))

    def forward(self, values: Tensor, codes: Tensor) -> Tensor:
        shared = self.embedded(values, codes).unsqueeze(1)
        logits: Tensor = (self.layers(shared).unsqueeze(3) * self.heads).sum(dim=2) + self.bias
        return logits


class Linear(nn.Module):
    """A linear model: a weight for each value and for each category; one member."""

    def __init__(self, values: int, cardinalities: Sequence[int], columns: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(values, columns))
        self.bias = nn.Parameter(torch.zeros(columns))
        self.offsets = nn.ModuleList(nn.Embedding(count, columns) for count in cardinalities)
        for offset in self.offsets:
            nn.init.zeros_(offset.weight)  # type: ignore[arg-type]

    def forward(self, values: Tensor, codes: Tensor) -> Tensor:
        logits: Tensor = self.bias
        if len(self.weights):  # a product over no columns is exported with the rows of the example
            logits = logits + values @ self.weights
        for place, offset in enumerate(self.offsets):
            logits = logits + offset(codes[:, place])
        return logits.unsqueeze(1)


class Answering(nn.Module):
    """A network that answers with raw numbers, taking only the inputs that exist: what is exported."""

    def __init__(self, network: nn.Module, raw: Callable[[Tensor], Tensor], *, values: bool, codes: bool) -> None:
        super().__init__()
        self.network = network
        self.raw = raw
        self.has_values = values
        self.has_codes = codes

    def forward(self, first: Tensor, second: Tensor | None = None) -> Tensor:
        """Return raw numbers, [rows, columns], of values and codes, or of the one there is."""
        last = first if second is None else second
        values = first if self.has_values else first.new_zeros((len(first), 0), dtype=torch.float32)
        codes = last if self.has_codes else last.new_zeros((len(last), 0), dtype=torch.int64)
        return self.raw(self.network(values, codes))


def make_network(values: int, cardinalities: tuple[int, ...], options: TabularOptions, columns: int) -> nn.Module:
    """Return the network that the workload file asks for, with fresh weights."""
    if options.architecture == "tabm":
        return TabM(values, cardinalities, options.hidden, options.dropout, options.members, columns)
    return EmbeddingMLP(values, cardinalities, options.hidden, options.dropout, columns)
