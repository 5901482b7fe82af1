"""Pictures of a later split that an earlier one has nearly the same, by a perceptual hash: a leak, as with rows.

Difference hash (Krawetz 2013): a picture as 9 by 9 grey values, of which 8 rows count, and a bit for each pair of
neighbours, brighter to the right or not. Two pictures with at most two of 64 bits apart look the same: scaled,
compressed or brightened anew.
"""

import itertools
from collections.abc import Iterator

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
# As alike as this share of a split's own pictures are, by chance: digits are, photographs are not.
OWN_SAMPLE = 2_000
AT_ONCE = 256


def repeated_pictures(prepared: Prepared, contract: ContractSpec, limits: AuditLimits) -> Iterator[Finding]:
    """Yield a finding for each later split with more near-duplicates of an earlier one than chance explains."""
    field = picture_field(contract)
    hashes = {name: hashes_of(prepared.splits[name], contract) for name in ORDER}
    for before, after in itertools.combinations(ORDER, 2):
        found = near(hashes[after], hashes[before])
        # Pictures that nobody copied are alike, too: how many of the earlier split's own are.
        own = hashes[before][:: max(1, len(hashes[before]) // OWN_SAMPLE)]
        chance = near(own, hashes[before], itself=True)
        spread = chance * (1 - chance) * (1 / max(len(own), 1) + 1 / max(len(hashes[after]), 1))
        error = 3 * float(np.sqrt(spread))
        excess = found - chance - error
        if excess > limits.near_duplicates:
            called = "training" if before == "train" else f"'{before}'"
            yield Finding(
                kind="near_duplicate_pictures",
                field=field.name,
                split=after,
                score=float(excess),
                limit=limits.near_duplicates,
                text=f"{found:.2%} of the pictures of '{after}' look the same as one of {called}; chance explains "
                f"{chance:.2%}: split by group, so that what was taken at once stays together",
            )


def hashes_of(split: Split, contract: ContractSpec) -> NDArray[np.uint64]:
    """Return the difference hash of the pictures of a split, or of every n-th of them, uint64 [rows]."""
    field = picture_field(contract)
    step = -(-split.rows // SAMPLE)
    rows = pl.scan_parquet(split.path, glob=False, row_index_name="row").filter(pl.col("row") % max(step, 1) == 0)
    found: list[np.uint64] = []
    for part in rows.select(field.name).collect_batches(chunk_size=1_024, maintain_order=True):
        found += [difference_hash(pixels_of(one, field, 1, WIDE)[0]) for one in part[field.name]]
    return np.array(found, dtype=np.uint64)


def difference_hash(grey: NDArray[np.uint8]) -> np.uint64:
    """Return 64 bits of a grey picture of 9 by 9 pixels: whether a pixel is brighter than the one to its left."""
    bits = grey[:HIGH, 1:] > grey[:HIGH, :-1]
    return np.uint64(int.from_bytes(np.packbits(bits).tobytes(), "big"))


def near(asked: NDArray[np.uint64], known: NDArray[np.uint64], *, itself: bool = False) -> float:
    """Return the share of hashes that have one among the known at most ``APART`` bits away; besides itself."""
    least = 2 if itself else 1
    counts = [
        (np.bitwise_count(asked[at : at + AT_ONCE, None] ^ known[None, :]) <= APART).sum(axis=1) >= least
        for at in range(0, len(asked), AT_ONCE)
    ]
    return float(np.concatenate(counts).mean()) if counts else 0.0
