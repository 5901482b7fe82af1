"""The hash of a row: the same whichever way it is computed."""

from datetime import datetime

import numpy as np
import polars as pl
import pytest

from components import row_hash
from components.row_hash import with_row_hash
from data_contracts.description.spec import FieldSpec

COLUMNS = 3 * row_hash.PLANNED + 5
TYPES = ("number", "string", "integer", "boolean", "datetime")
FIELDS = [
    FieldSpec(name=f"x{place}", dtype=TYPES[place % 5], description="", nullable=True) for place in range(COLUMNS)
]


def wide_rows(rows: int = 50) -> pl.DataFrame:
    """Return rows of every type with gaps."""
    random = np.random.default_rng(3)
    made = {
        "number": lambda: random.normal(size=rows).tolist(),
        "string": lambda: [f"text {one}" for one in random.integers(0, 9, rows)],
        "integer": lambda: random.integers(-5, 5, rows).tolist(),
        "boolean": lambda: random.integers(0, 2, rows).astype(bool).tolist(),
        "datetime": lambda: [datetime(2026, 1, int(one)) for one in random.integers(1, 28, rows)],
    }
    columns = {field.name: made[field.dtype]() for field in FIELDS}
    frame = pl.DataFrame(columns)
    return frame.with_columns(
        pl.when(pl.Series(random.random(rows) < 0.8)).then(pl.col(field.name)) for field in FIELDS
    )


@pytest.mark.parametrize("optional", [0, 90])
def test_a_wide_row_hashes_as_in_one_expression(monkeypatch: pytest.MonkeyPatch, optional: int) -> None:
    fields, rest = FIELDS[: COLUMNS - optional], FIELDS[COLUMNS - optional :]
    rows = wide_rows().lazy()
    by_blocks = with_row_hash(rows, fields, "hash", seed=4, optional=rest).select("hash").collect(engine="streaming")
    monkeypatch.setattr(row_hash, "PLANNED", 10_000)
    at_once = with_row_hash(rows, fields, "hash", seed=4, optional=rest).select("hash").collect()
    assert by_blocks["hash"].to_list() == at_once["hash"].to_list()
    assert by_blocks["hash"].n_unique() == 50


def test_a_wide_row_is_not_planned_column_by_column() -> None:
    narrow = with_row_hash(wide_rows().lazy(), FIELDS[:60], "hash").explain()
    wide = with_row_hash(wide_rows().lazy(), FIELDS, "hash").explain()
    # What is planned grows with the names alone.
    assert len(wide) < len(narrow)
