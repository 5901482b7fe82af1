"""Categories as numbers: how frequent a value was, how often the answer was yes for it, which bucket it hashes to."""

from typing import Any, ClassVar, Self

import numpy as np
import polars as pl
import polars_hash

from components.features.category import (
    CATEGORIES,
    FIRST,
    MIN_COUNT,
    UNKNOWN,
    Vocabulary,
    code_expression,
    code_nodes,
    vocabulary,
)
from components.features.graph import GraphBuilder
from components.features.transform import (
    FOLD,
    FOLDS,
    LABEL,
    Feature,
    Option,
    Options,
    Transform,
    is_number,
    stable,
    whole_number,
)
from data_contracts.description.spec import FieldSpec


class Frequency(Transform, tag="frequency", frozen=True):
    """The share of training rows that had the same value; 0 for one that was never seen."""

    dtypes = CATEGORIES
    options: ClassVar[Options] = {"min_count": MIN_COUNT}

    vocabulary: Vocabulary
    shares: tuple[float, ...]

    @classmethod
    def fit(cls, frame: pl.LazyFrame, field: FieldSpec, *, min_count: int = 1) -> Self:
        known = vocabulary(frame, field, min_count)
        counts = _by_code(frame, code_expression(field.name, known), [pl.len().alias("rows")])
        rows = np.zeros(len(known) + FIRST)
        rows[counts["code"].to_numpy()] = counts["rows"].to_numpy()
        # Rare values were seen, unlike new ones, but both are the same code: zero is what a new one has.
        shares = rows / max(rows.sum(), 1.0)
        shares[UNKNOWN] = 0.0
        return cls(field=field.name, vocabulary=known, shares=tuple(stable(share) for share in shares))

    def features(self) -> tuple[Feature, ...]:
        return (Feature(f"{self.field}_frequency", "value"),)

    def expressions(self) -> list[pl.Expr]:
        return [_looked_up(code_expression(self.field, self.vocabulary), self.shares).alias(f"{self.field}_frequency")]

    def nodes(self, graph: GraphBuilder) -> list[str]:
        return [_look_up(code_nodes(self.field, self.vocabulary, graph), self.shares, graph)]


class TargetMean(Transform, tag="target_mean", frozen=True):
    """The mean of the label for a value, drawn towards the overall mean by ``smoothing`` rows of it.

    The training split is given means learnt from the other folds, so that no row sees its own answer (Micci-Barreca
    2001, with cross-fitting); every other row is given the mean over the whole training split.
    """

    sees_answers = True
    dtypes = CATEGORIES
    options: ClassVar[Options] = {
        "min_count": MIN_COUNT,
        "smoothing": Option("a finite number above 0", lambda value: is_number(value) and value > 0),
    }

    vocabulary: Vocabulary
    means: tuple[float, ...]
    fold_means: tuple[tuple[float, ...], ...]

    @classmethod
    def fit(cls, frame: pl.LazyFrame, field: FieldSpec, *, min_count: int = 1, smoothing: float = 20.0) -> Self:
        known = vocabulary(frame, field, min_count)
        found = _by_code(
            frame,
            code_expression(field.name, known),
            [pl.col(LABEL).sum().alias("sum"), pl.len().alias("rows")],
            FOLD,
        )
        sums, rows = (np.zeros((FOLDS, len(known) + FIRST)) for _ in range(2))
        place = (found[FOLD].to_numpy().astype(int), found["code"].to_numpy())
        sums[place], rows[place] = found["sum"].to_numpy(), found["rows"].to_numpy()
        others = [_smoothed(sums.sum(0) - sums[fold], rows.sum(0) - rows[fold], smoothing) for fold in range(FOLDS)]
        return cls(
            field=field.name,
            vocabulary=known,
            means=_smoothed(sums.sum(0), rows.sum(0), smoothing),
            fold_means=tuple(others),
        )

    def features(self) -> tuple[Feature, ...]:
        return (Feature(f"{self.field}_target", "value"),)

    def expressions(self) -> list[pl.Expr]:
        return [_looked_up(code_expression(self.field, self.vocabulary), self.means).alias(f"{self.field}_target")]

    def training_expressions(self) -> list[pl.Expr]:
        code = code_expression(self.field, self.vocabulary)
        flat = tuple(mean for means in self.fold_means for mean in means)
        place = pl.col(FOLD).cast(pl.Int64) * len(self.means) + code
        return [_looked_up(place, flat).alias(f"{self.field}_target")]

    def nodes(self, graph: GraphBuilder) -> list[str]:
        return [_look_up(code_nodes(self.field, self.vocabulary, graph), self.means, graph)]


class HashBucket(Transform, tag="hash_bucket", frozen=True):
    """A string as one of ``buckets`` codes by MurmurHash3 (32 bit, seed 0); 0 is missing. Nothing is learnt.

    The graph uses ONNX Runtime's own operator for it (com.microsoft MurmurHash3): other runtimes need the same.
    """

    dtypes = ("string",)
    options: ClassVar[Options] = {"buckets": whole_number(2, 1_000_000)}

    buckets: int

    @classmethod
    def fit(cls, frame: pl.LazyFrame, field: FieldSpec, *, buckets: int = 64) -> Self:
        return cls(field=field.name, buckets=buckets)

    def features(self) -> tuple[Feature, ...]:
        return (Feature(f"{self.field}_hash", "code", self.buckets + 1),)

    def expressions(self) -> list[pl.Expr]:
        text = polars_hash.col(self.field)
        bucket = text.nchash.murmur32().cast(pl.Int64) % self.buckets + 1
        missing = pl.col(self.field).is_null() | (pl.col(self.field) == "")
        return [pl.when(missing).then(pl.lit(0, dtype=pl.Int64)).otherwise(bucket).alias(f"{self.field}_hash")]

    def nodes(self, graph: GraphBuilder) -> list[str]:
        text = graph.input(self.field)
        hashed = graph.add("MurmurHash3", [text], domain="com.microsoft", positive=1, seed=0)
        whole = graph.add("Cast", [hashed], to=7)
        bucket = graph.add("Mod", [whole, graph.constant(np.array(self.buckets, dtype=np.int64))])
        one = graph.constant(np.array(1, dtype=np.int64))
        # Not by the hash: text that hashes to 0 as "" does is not missing.
        missing = graph.add("Equal", [text, graph.constant(np.array("", dtype=object))])
        zero = graph.constant(np.array(0, dtype=np.int64))
        return [graph.add("Where", [missing, zero, graph.add("Add", [bucket, one])])]


def _by_code(frame: pl.LazyFrame, code: pl.Expr, aggregates: list[pl.Expr], *keys: str) -> pl.DataFrame:
    rows = frame.with_columns(code.alias("code"))
    return rows.group_by(*keys, "code").agg(aggregates).sort(*keys, "code").collect(engine="streaming")


def _smoothed(sums: Any, rows: Any, smoothing: float) -> tuple[float, ...]:
    overall = sums.sum() / max(rows.sum(), 1.0)
    return tuple(stable(float(mean)) for mean in (sums + smoothing * overall) / (rows + smoothing))


def _looked_up(code: pl.Expr, table: tuple[float, ...]) -> pl.Expr:
    return code.replace_strict(list(range(len(table))), list(table), return_dtype=pl.Float64).cast(pl.Float32)


def _look_up(code: str, table: tuple[float, ...], graph: GraphBuilder) -> str:
    return graph.add("Gather", [graph.constant(np.array(table, dtype=np.float64)), code])
