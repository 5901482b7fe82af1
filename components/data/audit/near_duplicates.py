"""Texts of a later split that an earlier one holds, too: the same but for case and punctuation, or nearly the same.

Equal texts are counted, also short ones, and judged against chance (``coincidence.py``). Nearly equal
long ones are found by MinHash over runs of three words, or of three characters in scripts without spaces (Broder
1997), in buckets of four hashes: sixteen buckets find two texts of similarity 0.8 with a probability of 0.9998, and
what a bucket brings together is compared exactly.
"""

import functools
import itertools
import math
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

from components.data.audit.coincidence import RARE, Recurrence, recurrence, times_of

BUCKETS, HASHES, SEED = 16, 4, 1997
RUN = 3
SAMPLE = 20_000
# Of training's own texts, to learn how alike texts are that nobody copied.
OWN_SAMPLE = 2_000
# Texts made from one pattern fill buckets with thousands.
LOOKED_AT = 500
# Fewer words, or characters of scripts without spaces, are names and codes.
SHORT_WORDS, SHORT_CHARACTERS = 3, 5
LONG_WORDS, LONG_CHARACTERS = 8, 16
WITHOUT_SPACES = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"

TEXT, TIMES = "text", "times"

if TYPE_CHECKING:
    from datasketch import MinHash


class KnownTexts:
    """The texts of an earlier split, with which those of later ones are compared."""

    def __init__(self, earlier: pl.Series, similarity: float) -> None:
        self._short, self._long = _texts(earlier)
        self._similarity = similarity

    @functools.cached_property
    def _index(self) -> "_Index":
        return _Index(_sample(self._long, SAMPLE), self._similarity)

    @functools.cached_property
    def _alike(self) -> float:
        """How many of the texts are nearly the same as another one of them."""
        own = _sample(self._long, OWN_SAMPLE)
        return self._index.alike(own) / len(own)

    def repeated_in(self, later: pl.Series, limit: float) -> Recurrence | None:
        """Return how many later texts are (nearly) the same as one of these; None if chance explains them.

        Shares are of all values that are there. Of nearly equal texts a sample of 20,000 is compared: then the share
        is too low by what the sample leaves out.
        """
        rows = len(later) - later.null_count()
        short, long = _texts(later)
        return (
            _equal(self._short, short, rows, limit, copied_whole=False)
            or _equal(self._long, long, rows, limit, copied_whole=True)
            or self._nearly_equal(long, rows, limit)
        )

    def _nearly_equal(self, long: pl.DataFrame, rows: int, limit: float) -> Recurrence | None:
        new = long.join(self._long, on=TEXT, how="anti")
        if self._long.is_empty() or new.is_empty():
            return None
        texts, part = _sample(new, SAMPLE), int(new[TIMES].sum()) / rows
        share = self._index.alike(texts) / len(texts) * part
        if share <= limit:
            return None
        chance = self._alike * part
        own = min(self._long.height, OWN_SAMPLE)
        error = part * math.sqrt(self._alike * (1 - self._alike) * (1 / own + 1 / len(texts)))
        judged = Recurrence(rows, round(share * rows), share, chance, error)
        return judged if judged.excess(limit) else None


def _texts(series: pl.Series) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return each different text, without case and punctuation, and how often it stands: the short ones, the long."""
    counted = series.drop_nulls().rename(TEXT).value_counts(name=TIMES)
    plain = pl.col(TEXT).str.to_lowercase().str.replace_all(r"[^\p{L}\p{M}\p{N}]+", " ").str.strip_chars()
    merged = counted.with_columns(plain).group_by(TEXT, maintain_order=True).agg(pl.col(TIMES).sum())
    words, characters = pl.col(TEXT).str.count_matches(r"\S+"), pl.col(TEXT).str.count_matches(WITHOUT_SPACES)
    long = (words >= LONG_WORDS) | (characters >= LONG_CHARACTERS)
    short = ~long & ((words >= SHORT_WORDS) | (characters >= SHORT_CHARACTERS))
    return merged.filter(short), merged.filter(long)


def _equal(
    known: pl.DataFrame, asked: pl.DataFrame, rows: int, limit: float, *, copied_whole: bool
) -> Recurrence | None:
    """Return the recurrence of equal texts if it is beyond chance; ``copied_whole``: doubt that of training, too."""
    rare = known.filter(pl.col(TIMES) <= RARE)
    found = int(asked.join(rare, on=TEXT, how="semi")[TIMES].sum())
    if found <= limit * rows:
        return None
    total = int(asked[TIMES].sum())
    judged = recurrence(found, total, times_of(known[TIMES]), 0.0 if copied_whole else None)
    # Of all values that are there and not of the texts alone: three texts in a thousand codes are no text column.
    part = total / rows
    scaled = judged._replace(
        rows=rows, share=judged.share * part, chance=judged.chance * part, error=judged.error * part
    )
    return scaled if scaled.excess(limit) else None


class _Index:
    """Long texts, found again by what is nearly the same."""

    def __init__(self, texts: Sequence[str], similarity: float) -> None:
        # Takes a second to import, and most tables have no long texts.
        from datasketch import MinHash, MinHashLSH

        self._texts, self._similarity = texts, similarity
        self._signatures = functools.partial(MinHash.generator, num_perm=BUCKETS * HASHES, seed=SEED, hashfunc=int)
        # Shingles are hashes already.
        self._shingles = [_shingles(text) for text in texts]
        self._buckets = MinHashLSH(num_perm=BUCKETS * HASHES, params=(BUCKETS, HASHES))
        for place, signature in enumerate(self._signatures(self._shingles)):
            self._buckets.insert(place, signature)

    def alike(self, texts: Sequence[str]) -> int:
        """Return of how many texts another one is known that is at least so similar."""
        shingles = [_shingles(text) for text in texts]
        # All at once: for each call the permutations are drawn anew, which takes as long as two texts.
        signatures = self._signatures(shingles)
        return sum(self._has_like(*one) for one in zip(texts, shingles, signatures, strict=True))

    def _has_like(self, text: str, own: frozenset[int], signature: "MinHash") -> bool:
        return any(
            _jaccard(own, self._shingles[place]) >= self._similarity
            for place in itertools.islice(self._buckets.query(signature), LOOKED_AT)
            if self._texts[place] != text
        )


def _sample(texts: pl.DataFrame, size: int) -> list[str]:
    column = texts[TEXT]
    return column.sample(min(len(column), size), seed=0).to_list()


def _shingles(text: str) -> frozenset[int]:
    words: Sequence[str] = text.split()
    between = " "
    if len(words) < LONG_WORDS:
        words, between = text, ""
    runs = range(max(len(words) - RUN + 1, 1))
    return frozenset(zlib.crc32(between.join(words[start : start + RUN]).encode()) for start in runs)


def _jaccard(one: frozenset[int], other: frozenset[int]) -> float:
    return len(one & other) / len(one | other)
