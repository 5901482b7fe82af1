"""Pictures of a later split that an earlier one has nearly the same, by a perceptual hash: a leak, as with rows.

Difference hash (Krawetz 2013): a picture as 9 by 9 grey values, of which 8 rows count, and a bit for each pair of
neighbours, brighter to the right or not. With at most two of 64 bits apart two pictures may be the same one, scaled,
compressed or brightened anew; but of digits and clothes a third to a half have such a neighbour without being copies.
So grey values are compared, too, each picture's with its own mean taken away and in its own deviation.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from components.data.audit.findings import Finding
from components.data.results import Prepared, Split
from components.declaration.audit import AuditLimits
from components.kinds.image.inference import picture_field, pixels_of
from data_contracts.description.spec import ContractSpec

ORDER = ("train", "validation", "test")
# Columns and rows of what is hashed.
WIDE, HIGH = 9, 8
APART = 2
# Pictures of each split that are compared: all pairs of two splits are.
SAMPLE = 20_000
AT_ONCE = 256
# Grey values are compared on so many pixels a side. By this, the root of the mean square, copies that were scaled and
# compressed are 0.02 apart; 0.1 % of the pictures of clothes (Fashion-MNIST) have another one so near.
SIDE, ALIKE = 16, 0.07


class Looks(NamedTuple):
    """What pictures look like: hashes uint64 [rows], and grey values float32 [rows, SIDE * SIDE]."""

    hashes: NDArray[np.uint64]
    greys: NDArray[np.float32]


def repeated_pictures(prepared: Prepared, contract: ContractSpec, limits: AuditLimits) -> Iterator[Finding]:
    """Yield a finding for each later split with more near-duplicates of an earlier one than the limit allows."""
    field = picture_field(contract)
    looks = {name: looks_of(prepared.splits[name], contract) for name in ORDER}
    for before, after in itertools.combinations(ORDER, 2):
        found = near(looks[after], looks[before])
        if found > limits.near_duplicates:
            called = "training" if before == "train" else f"'{before}'"
            yield Finding(
                kind="near_duplicate_pictures",
                field=field.name,
                split=after,
                score=found,
                limit=limits.near_duplicates,
                text=f"{found:.2%} of the pictures of '{after}' look the same as one of {called}: split by group, so "
                "that what was taken at once stays together",
            )


def looks_of(split: Split, contract: ContractSpec) -> Looks:
    """Return what the pictures of a split look like, or every n-th of them."""
    field = picture_field(contract)
    step = -(-split.rows // SAMPLE)
    rows = pl.scan_parquet(split.path, glob=False, row_index_name="row").filter(pl.col("row") % max(step, 1) == 0)
    hashes, greys = list[np.uint64](), list[NDArray[np.float32]]()
    for part in rows.select(field.name).collect_batches(chunk_size=1_024, maintain_order=True):
        for one in part[field.name]:
            hashes.append(difference_hash(pixels_of(one, field, 1, WIDE)[0]))
            greys.append(_normal(pixels_of(one, field, 1, SIDE)))
    return Looks(np.array(hashes, dtype=np.uint64), np.array(greys, dtype=np.float32).reshape(-1, SIDE**2))


def difference_hash(grey: NDArray[np.uint8]) -> np.uint64:
    """Return 64 bits of a grey picture of 9 by 9 pixels: whether a pixel is brighter than the one to its left."""
    bits = grey[:HIGH, 1:] > grey[:HIGH, :-1]
    return np.uint64(int.from_bytes(np.packbits(bits).tobytes(), "big"))


def near(asked: Looks, known: Looks) -> float:
    """Return the share of pictures that look the same as one of the known."""
    same = np.zeros(len(asked.hashes), bool)
    for at in range(0, len(same), AT_ONCE):
        apart = np.bitwise_count(asked.hashes[at : at + AT_ONCE, None] ^ known.hashes[None, :])
        for row, alike in enumerate(apart <= APART, start=at):
            greys = known.greys[alike] - asked.greys[row]
            same[row] = bool((np.square(greys).mean(axis=1) <= ALIKE**2).any())
    return float(same.mean()) if len(same) else 0.0


def _normal(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    values = grey.ravel().astype(np.float32)
    normal: NDArray[np.float32] = (values - values.mean()) / max(float(values.std()), 1.0)
    return normal
