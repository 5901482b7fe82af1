"""Pictures of a split as tensors."""

from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from torch import Tensor

from components.artefacts.errors import TrainingError
from components.data.results import Split
from components.kinds.image.inference import picture_field, pixels_of
from components.kinds.image.options import ImageOptions
from data_contracts.description.spec import ContractSpec


@dataclass(frozen=True)
class Pictures:
    """Pixels uint8 [rows, channels, size, size] and labels float32 [rows]: the place of a class, or 1 for yes."""

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


def read_pictures(split: Split, options: ImageOptions, contract: ContractSpec) -> Pictures:
    """Decode the pictures of a split; TrainingError if it has one class only."""
    field, label = picture_field(contract), contract.label
    frame = pl.scan_parquet(split.path, glob=False).select(field.name, label.name)
    pixels = np.empty((split.rows, options.channels, options.size, options.size), np.uint8)
    labels, at = [], 0
    for part in frame.collect_batches(chunk_size=4_096, maintain_order=True):
        for picture in part[field.name]:
            pixels[at] = pixels_of(picture, field, options.channels, options.size)
            at += 1
        labels.append(_places(part[label.name], label.allowed))
    found = np.concatenate(labels) if labels else np.zeros(0, np.float32)
    if len(found) == 0 or found.min() == found.max():
        raise TrainingError(f"split {split.name} has {len(found)} pictures of one class: nothing can be learnt from it")
    return Pictures(torch.from_numpy(pixels), torch.from_numpy(found))


def _places(labels: pl.Series, allowed: tuple[str | int, ...]) -> np.ndarray:
    if not allowed:
        return labels.cast(pl.Float32).to_numpy()
    return labels.replace_strict(list(allowed), list(range(len(allowed))), return_dtype=pl.Float32).to_numpy()
