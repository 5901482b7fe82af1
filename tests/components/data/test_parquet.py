"""Files that grow block by block hold what was put in, written by what each column is worth."""

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal

from components.data.parquet import BlockFiles


def test_blocks_become_one_file_with_compression_where_it_pays(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).random(2_500)
    rows = pl.DataFrame({"dense": numbers, "flag": numbers < 0.01, "text": ["late", "early"] * 1_250}).with_columns(
        pl.col("flag").cast(pl.Float32),
        gap=pl.when(pl.col("dense") > 0.5).then(pl.col("dense")),
        few=pl.int_range(pl.len()) % 7,
        many=pl.int_range(pl.len()),
    )
    with BlockFiles(tmp_path, filled=["dense", "flag"], group=1_000) as files:
        for start in range(0, rows.height, 700):
            files.add({"rows": rows[start : start + 700]})
    path = tmp_path / "rows.parquet"
    assert_frame_equal(pl.read_parquet(path), rows)
    told = pq.read_metadata(path)
    assert [told.row_group(group).num_rows for group in range(told.num_row_groups)] == [1_000, 1_000, 500]
    chunks = {told.row_group(0).column(place).path_in_schema: told.row_group(0).column(place) for place in range(6)}
    compression = {name: chunk.compression for name, chunk in chunks.items()}
    plain = dict.fromkeys(["dense", "gap", "few"], "UNCOMPRESSED")
    assert compression == {**plain, "flag": "SNAPPY", "text": "SNAPPY", "many": "SNAPPY"}
    nullable = {field.name: field.nullable for field in pq.read_schema(path)}
    assert nullable == {"dense": False, "flag": False, "text": True, "gap": True, "few": True, "many": True}


def test_a_gap_where_none_was_promised_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="field 'x'"), BlockFiles(tmp_path, filled=["x"]) as files:
        files.add({"rows": pl.DataFrame({"x": [1.0, None]})})
