"""Tables of several shapes, drawn row by row so that nothing leaks, and ways of copying some of their rows."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from data_contracts.description.spec import ContractSpec, DType, FieldSpec

Columns = dict[str, Any]
Draw = Callable[[np.random.Generator, int], Columns]
_DTYPES: dict[Any, DType] = {pl.String: "string", pl.Int64: "integer", pl.Float64: "number", pl.Boolean: "boolean"}


def normal_and_category(random: np.random.Generator, rows: int) -> Columns:
    return {"x": random.normal(size=rows), "k": _named("k", random.integers(0, 9, rows))}


def normal_alone(random: np.random.Generator, rows: int) -> Columns:
    return {"x": random.normal(size=rows)}


def normal_and_its_band(random: np.random.Generator, rows: int) -> Columns:
    x = random.normal(size=rows)
    return {"x": x, "k": _named("band", np.digitize(x, (-1, 0, 1)))}


def small_world(random: np.random.Generator, rows: int) -> Columns:
    return {
        "shop": _named("s", random.integers(0, 3, rows)),
        "product": _named("p", random.integers(0, 40, rows)),
        "count": random.integers(1, 10, rows),
    }


def shop_with_prices(random: np.random.Generator, rows: int) -> Columns:
    product, count = random.integers(0, 300, rows), random.integers(1, 6, rows)
    price = np.random.default_rng(7).lognormal(3, 1, 300)[product]
    return {
        "shop": _named("s", random.integers(0, 5, rows)),
        "product": _named("p", product),
        "count": count,
        "price": price,
        "total": price * count,
    }


def entities(random: np.random.Generator, rows: int) -> Columns:
    """Customers, some of whom come often, each with an age and an income of their own."""
    who = (random.pareto(1.5, rows) * 200).astype(int) % 5_000
    own = np.random.default_rng(3)
    return {"customer": _named("c", who), "age": own.integers(18, 90, 5_000)[who], "city": _named("t", who % 97)}


def cents(random: np.random.Generator, rows: int) -> Columns:
    price = random.lognormal(3, 1, rows).round(2)
    return {"price": price, "band": _named("b", np.digitize(price, (5, 20, 50)))}


def survey(random: np.random.Generator, rows: int) -> Columns:
    """Twelve answers that hang together: many say no to everything."""
    mood = random.beta(0.5, 2.0, rows)
    return {f"q{number}": _named("a", (random.random(rows) < mood).astype(int)) for number in range(12)}


def wide_categories(random: np.random.Generator, rows: int) -> Columns:
    return {f"c{number}": _named("v", random.integers(0, 6, rows)) for number in range(10)}


def continuous(random: np.random.Generator, rows: int) -> Columns:
    return {f"x{number}": random.normal(size=rows) for number in range(3)}


def mixed(random: np.random.Generator, rows: int) -> Columns:
    return continuous(random, rows) | {"k": _named("k", random.integers(0, 9, rows))}


SHAPES: tuple[Draw, ...] = (
    normal_and_category,
    normal_alone,
    normal_and_its_band,
    small_world,
    shop_with_prices,
    entities,
    cents,
    survey,
    wide_categories,
    continuous,
    mixed,
)


def drawn(shape: Draw, rows: int, seed: int) -> pl.DataFrame:
    """Return rows of a shape, one a minute, with a label."""
    random = np.random.default_rng(seed)
    columns = shape(random, rows)
    when = [datetime(2024, 1, 1) + timedelta(minutes=minute) for minute in range(rows)]
    return pl.DataFrame({"when": when, **columns, "y": random.random(rows) < 0.3})


def contract_for(frame: pl.DataFrame) -> ContractSpec:
    """Return a contract for a drawn table."""
    inputs = [
        FieldSpec(name=name, dtype=_DTYPES[type(dtype)], description=name)
        for name, dtype in frame.schema.items()
        if name not in ("when", "y")
    ]
    times = [FieldSpec(name="when", dtype="datetime", description="when", roles=("time",))]
    when = times if "when" in frame.columns else []
    label = FieldSpec(name="y", dtype="boolean", description="label", roles=("label",), available="after")
    return ContractSpec(name="Drawn", description="", fields=(*when, *inputs, label))


def divided(frame: pl.DataFrame, seed: int, *, in_order: bool = False) -> dict[str, pl.DataFrame]:
    """Return seven tenths for training and the rest in halves, by lot or in order of time."""
    mixed_up = frame if in_order else frame.sample(fraction=1.0, shuffle=True, seed=seed)
    first, second = round(0.7 * len(frame)), round(0.85 * len(frame))
    return {"train": mixed_up[:first], "validation": mixed_up[first:second], "test": mixed_up[second:]}


def with_copies(frames: dict[str, pl.DataFrame], share: float, *, noise: float = 0.0) -> dict[str, pl.DataFrame]:
    """Return the splits with rows of training in the place of some of the test split, but for time and label."""
    count = round(share * len(frames["test"]))
    copied = frames["train"].sample(count, seed=1).drop("when", "y")
    floats = [name for name, dtype in copied.schema.items() if dtype == pl.Float64]
    copied = copied.with_columns(pl.col(name) * (1 + noise) for name in floats)
    copies = frames["test"].head(count).with_columns(copied.get_columns())
    return frames | {"test": pl.concat([copies, frames["test"].tail(-count)])}


def every_row_again(frame: pl.DataFrame, seed: int, *, times: int = 2) -> pl.DataFrame:
    """Return a table of the same size in which each row stands so many times, at times of its own."""
    part = frame.head(len(frame) // times).drop("when")
    whole = pl.concat([part] * times).sample(fraction=1.0, shuffle=True, seed=seed)
    return pl.concat([frame.head(len(whole)).select("when"), whole], how="horizontal")


def drawn_again(frame: pl.DataFrame, share: float, seed: int) -> pl.DataFrame:
    """Return the table with a share of its rows drawn, with repetition, from the others."""
    count = round(share * len(frame))
    kept = frame.tail(-count).drop("when")
    whole = pl.concat([kept, kept.sample(count, with_replacement=True, seed=seed)]).sample(
        fraction=1.0, shuffle=True, seed=seed
    )
    return pl.concat([frame.select("when"), whole], how="horizontal")


def _named(prefix: str, numbers: NDArray[Any]) -> list[str]:
    return [f"{prefix}{number}" for number in numbers]
