"""Values that no model can compute with are one line with their feature, before or after a training."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from components.artefacts.errors import TrainingError
from components.data.results import Prepared
from components.evaluation.hold_out import check_finite
from components.kinds.tabular.data import read_table
from components.store.reference import Reference


def prepared(folder: Path, value: float, label: float = 1.0) -> Prepared:
    frame = pl.DataFrame({"good": [1.0, 2.0, None], "bad": [0.0, value, 1.0], "label": [0.0, label, 1.0]})
    frame.write_parquet(folder / "train.features.parquet")
    facts = {"values": ("good", "bad"), "codes": {}}
    return Prepared.model_construct(stored=Reference.of_path(folder), facts=facts)


@pytest.mark.parametrize("value", [3.4e38, -3.4e38, float("nan")])
def test_what_a_float_holds_is_read(tmp_path: Path, value: float) -> None:
    assert read_table(prepared(tmp_path, value), "train").values.shape == (3, 2)


@pytest.mark.parametrize("value", [3.5e38, -1e300, float("inf")])
def test_an_infinite_feature_is_named(tmp_path: Path, value: float) -> None:
    with pytest.raises(TrainingError, match="split train: feature 'bad' is too large to compute with in 1 of 3 rows"):
        read_table(prepared(tmp_path, value), "train")


def test_so_is_a_label(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="the label has values too large"):
        read_table(prepared(tmp_path, 1.0, label=1e300), "train")


@pytest.mark.parametrize("shape", [(4,), (4, 2)])
def test_answers_that_are_not_finite_are_counted(shape: tuple[int, ...]) -> None:
    answers = np.zeros(shape, np.float32)
    check_finite(answers, "network")
    answers[2:] = np.nan
    with pytest.raises(TrainingError, match=r"network has no finite answer to 2 of 4 rows of the test split.* row 2"):
        check_finite(answers, "network")
