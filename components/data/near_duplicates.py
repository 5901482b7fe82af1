"""Texts that are nearly the same, by MinHash over runs of three words (Broder 1997), in buckets of four hashes.

Sixteen buckets of four find two texts of similarity 0.8 with a probability of 0.9998, and what a bucket brings
together is compared exactly.
"""

import zlib
from collections import defaultdict

import numpy as np
import polars as pl
from numpy.typing import NDArray

BUCKETS, HASHES = 16, 4
RUN = 3
# Shorter values are names and codes, which repeat without being copies.
LEAST_WORDS = 8
SAMPLE = 20_000


def near_duplicate_texts(train: pl.Series, other: pl.Series, similarity: float) -> float | None:
    """Return the share of the other texts that are at least so similar to one of training; None if these are no texts.

    Above 20,000 texts a sample of that many is compared: then the share is too low by what the sample leaves out.
    """
    known, asked = (_texts(series) for series in (train, other))
    if not known or not asked:
        return None
    shingles = [_shingles(text) for text in known]
    buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    for index, signature in enumerate(map(_signature, shingles)):
        for key in _keys(signature):
            buckets[key].append(index)
    copies = 0
    for text in asked:
        own = _shingles(text)
        candidates = {index for key in _keys(_signature(own)) for index in buckets.get(key, ())}
        copies += any(_jaccard(own, shingles[index]) >= similarity for index in candidates)
    return copies / len(asked)


def _texts(series: pl.Series) -> list[str]:
    long = series.drop_nulls().filter(series.drop_nulls().str.count_matches(r"\S+") >= LEAST_WORDS)
    if len(long) < len(series) / 2:
        return []
    return long.sample(min(len(long), SAMPLE), seed=0).to_list()


def _shingles(text: str) -> frozenset[int]:
    words = text.lower().split()
    runs = range(max(len(words) - RUN + 1, 1))
    return frozenset(zlib.crc32(" ".join(words[start : start + RUN]).encode()) for start in runs)


def _signature(shingles: frozenset[int]) -> NDArray[np.uint64]:
    values = np.fromiter(shingles, dtype=np.uint64)
    hashed = (values[:, None] * _FACTORS[None, :] + _OFFSETS[None, :]) % np.uint64((1 << 32) - 5)
    least: NDArray[np.uint64] = hashed.min(axis=0)
    return least


def _keys(signature: NDArray[np.uint64]) -> list[tuple[int, bytes]]:
    return [(bucket, signature[bucket * HASHES : (bucket + 1) * HASHES].tobytes()) for bucket in range(BUCKETS)]


def _jaccard(one: frozenset[int], other: frozenset[int]) -> float:
    return len(one & other) / len(one | other)


_RANDOM = np.random.default_rng(1997)
# Below 2^31, so that a product with 32 bits stays within 64.
_FACTORS = _RANDOM.integers(1, 2**31, BUCKETS * HASHES, dtype=np.uint64)
_OFFSETS = _RANDOM.integers(0, 2**31, BUCKETS * HASHES, dtype=np.uint64)
