"""Whole batches of tensors from tables that fit in memory: no per-row Python, no collation, no worker processes.

The order of an epoch follows from (seed, epoch) alone and the position is part of a checkpoint, so that a killed
training goes on with exactly the batch that came next.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

Batch = tuple[Tensor, ...]


class TableBatches:
    """Batches of the same rows of several tensors; shuffled anew every epoch if there is a seed.

    ``batch_size`` counts rows over all processes; each of ``world`` processes gets its share of every batch.
    """

    def __init__(
        self, tensors: Batch, batch_size: int, *, seed: int | None = None, rank: int = 0, world: int = 1
    ) -> None:
        rows = {len(tensor) for tensor in tensors}
        if len(rows) != 1:
            raise ValueError(f"all tensors must have the same rows, not {sorted(rows)}")
        self.tensors = tensors
        self.rows = rows.pop()
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world = world
        self.epoch = 0
        self._position = 0
        self._start = 0

    def shard(self, rank: int, world: int) -> "TableBatches":
        """Return the same batches as one of several processes sees them."""
        return TableBatches(self.tensors, self.batch_size, seed=self.seed, rank=rank, world=world)

    def __len__(self) -> int:
        whole, rest = divmod(self.rows, self.batch_size)
        # Every process must take the same number of steps: a remainder too small to share is left out.
        return whole + (1 if rest >= self.world else 0)

    def __iter__(self) -> Iterator[Batch]:
        # The epoch is read at the first batch, not when the iterator is made: Lightning begins the epoch in between.
        order = self._order()
        start, self._start = self._start, 0
        for number in range(start, len(self)):
            first = number * self.batch_size
            last = min(first + self.batch_size, self.rows)
            share = (last - first) // self.world if self.world > 1 else last - first
            first += self.rank * share
            self._position = number + 1
            if order is None:
                yield tuple(tensor[first : first + share] for tensor in self.tensors)
            else:
                picked = order[first : first + share]
                yield tuple(tensor.index_select(0, picked) for tensor in self.tensors)

    def _order(self) -> Tensor | None:
        if self.seed is None:
            return None
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        return torch.randperm(self.rows, generator=generator).to(self.tensors[0].device)

    def state_dict(self) -> dict[str, Any]:
        """Return where the epoch stands; after its last batch the next epoch starts at 0."""
        return {"position": 0 if self._position >= len(self) else self._position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Make the next epoch start at a recorded batch."""
        self._start = self._position = int(state["position"])


class Groups:
    """Several batches of an epoch at a time: Lightning's own work for a step is then paid once for all of them.

    Each is cut when it is asked for: a group of batches that lie ready has left the processor's cache when it is used.
    """

    def __init__(self, batches: TableBatches, size: int) -> None:
        self.batches = batches
        self.size = size

    def __len__(self) -> int:
        return -(-len(self.batches) // self.size)

    def __iter__(self) -> Iterator[Iterator[Batch]]:
        iterator = iter(self.batches)
        for first in iterator:
            yield itertools.chain((first,), itertools.islice(iterator, self.size - 1))

    def state_dict(self) -> dict[str, Any]:
        """Return where the epoch stands."""
        return self.batches.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Make the next epoch start at a recorded place."""
        self.batches.load_state_dict(state)
