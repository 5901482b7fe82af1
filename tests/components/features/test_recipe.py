"""Every transform is one thing in two forms: what Polars computes for training, the ONNX graph computes in serving."""

import math
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnxruntime
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.artefacts.errors import WorkloadError
from components.declaration.features import FeatureStep
from components.features.recipe import TRANSFORMS, Recipe, fit_recipe, read_recipe, recipe_graph, write_recipe
from components.kinds.tabular.inference import Tensors
from data_contracts.contract import Contract, column
from data_contracts.description.spec import ContractSpec, FieldSpec
from data_contracts.language.frame_schema import frame_schema


class Everything(Contract):
    """A row with every type of field."""

    text: str = column("text")
    code: int | None = column("integer used as a category")
    number: float | None = column("number")
    flag: bool | None = column("boolean")
    moment: datetime | None = column("moment")
    day: date | None = column("day")
    late: bool = column("label", roles=("label",), available="after")


CONTRACT = Everything.spec()
SCHEMA = frame_schema(CONTRACT)

STEPS: dict[str, list[FeatureStep]] = {
    "category": [
        FeatureStep(transform="category", fields=("text", "code")),
        FeatureStep(transform="category", fields=("text",), min_count=10_000),
    ],
    "cross": [FeatureStep(transform="cross", fields=("text", "code"), min_count=1)],
    "frequency": [FeatureStep(transform="frequency", fields=("text", "code"))],
    "target_mean": [FeatureStep(transform="target_mean", fields=("text", "code"), smoothing=2.0)],
    "hash_bucket": [FeatureStep(transform="hash_bucket", fields=("text",), buckets=7)],
    "standardise": [FeatureStep(transform="standardise", fields=("number", "code", "flag"))],
    "robust_scale": [FeatureStep(transform="robust_scale", fields=("number", "code"))],
    "impute": [FeatureStep(transform="impute", fields=("number", "code"), fill=-3.0)],
    "log1p": [FeatureStep(transform="log1p", fields=("number", "code"))],
    "clip": [
        FeatureStep(transform="clip", fields=("number",), low=-2.0, high=9.0),
        FeatureStep(transform="clip", fields=("code",)),
    ],
    "quantile_bucket": [FeatureStep(transform="quantile_bucket", fields=("number", "code"), buckets=4)],
    "time_of_day": [FeatureStep(transform="time_of_day", fields=("moment", "day"))],
    "weekday": [FeatureStep(transform="weekday", fields=("moment", "day"))],
    "season": [FeatureStep(transform="season", fields=("moment", "day"))],
    "date_parts": [
        FeatureStep(
            transform="date_parts",
            fields=("moment", "day"),
            parts=("year", "month", "day", "weekday", "hour", "minute"),
        )
    ],
}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
texts |= st.sampled_from(["", " ", "AA", "B", "é", "\u0000", "AA\u0000", "AA\n", "x" * 70_000, "日本"])
numbers = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from(
    [0.0, -0.0, math.inf, -math.inf, math.nan, 1e308, -1e308, 5e-324, 1e-17, 2.0, 3.5]
)
moments = st.datetimes() | st.sampled_from(
    [
        datetime.min,
        datetime.max,
        datetime(2000, 2, 29),
        datetime(1900, 3, 1),
        datetime(1969, 12, 31, 23, 59, 59, 999999),
    ]
)
rows = st.fixed_dictionaries(
    {
        "text": texts,
        "code": st.none() | st.integers(-3, 6) | st.integers(-(2**63), 2**63 - 1),
        "number": st.none() | numbers,
        "flag": st.none() | st.booleans(),
        "moment": st.none() | moments,
        "day": st.none() | moments.map(datetime.date),
    }
)


@pytest.fixture(scope="module")
def train() -> pl.LazyFrame:
    """Rows of training, with what may be missing missing, and each known category more than once."""
    random = np.random.default_rng(7)
    size = 400
    return pl.LazyFrame(
        {
            "text": random.choice(["AA", "B", "é", "AA\n", "日本", ""], size),
            "code": [None if value == 4 else int(value) for value in random.integers(-2, 5, size)],
            "number": [None if value > 8 else float(value) for value in random.normal(2, 3, size)],
            "flag": [bool(value) for value in random.integers(0, 2, size)],
            "moment": [datetime(2013, 1, 1 + int(value)) for value in random.integers(0, 20, size)],
            "day": [date(2013, 1, 1 + int(value)) for value in random.integers(0, 20, size)],
            "late": [bool(value) for value in random.integers(0, 2, size)],
        },
        schema=SCHEMA,
    )


@pytest.fixture(scope="module")
def fitted(train: pl.LazyFrame) -> dict[str, list[tuple[Recipe, onnxruntime.InferenceSession]]]:
    made: dict[str, list[tuple[Recipe, onnxruntime.InferenceSession]]] = {}
    for name, steps in STEPS.items():
        for step in steps:
            recipe = fit_recipe(train, [step], CONTRACT)
            graph = recipe_graph(recipe, CONTRACT).SerializeToString()
            session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
            made.setdefault(name, []).append((recipe, session))
    return made


def by_polars(recipe: Recipe, given_: list[dict[str, Any]]) -> dict[str, np.ndarray[Any, Any]]:
    frame = pl.LazyFrame([row | {"late": False} for row in given_], schema=SCHEMA)
    made = recipe.apply(frame).collect()
    codes = [feature.name for feature in recipe.codes]
    return {"values": made.select(recipe.values).to_numpy(), "codes": made.select(codes).to_numpy()}


def by_graph(session: onnxruntime.InferenceSession, given_: list[dict[str, Any]]) -> dict[str, np.ndarray[Any, Any]]:
    fields = [CONTRACT.field(tensor.name) for tensor in session.get_inputs()]
    names = [tensor.name for tensor in session.get_outputs()]
    return dict(
        zip(
            names,
            session.run(names, Tensors(fields).of_columns([[row[field.name] for row in given_] for field in fields])),
            strict=True,
        )
    )


def test_every_transform_is_tested_here() -> None:
    assert STEPS.keys() == TRANSFORMS.keys()


@pytest.mark.parametrize("name", list(STEPS))
@settings(max_examples=60, deadline=None)
@given(given_=st.lists(rows, min_size=1, max_size=12))
def test_polars_and_the_graph_agree_on_any_row(
    name: str, given_: list[dict[str, Any]], fitted: dict[str, list[tuple[Recipe, onnxruntime.InferenceSession]]]
) -> None:
    for recipe, session in fitted[name]:
        expected = by_polars(recipe, given_)
        for output, tensor in by_graph(session, given_).items():
            if output == "codes":
                np.testing.assert_array_equal(tensor, expected[output])
                limits = [feature.cardinality for feature in recipe.codes]
                assert (tensor >= 0).all()
                assert (tensor < limits).all()
            else:
                np.testing.assert_allclose(tensor, expected[output], rtol=1e-6, atol=1e-6)
                assert not np.isnan(tensor).any()


@pytest.mark.parametrize("name", list(STEPS))
def test_a_fitted_recipe_survives_its_file_and_fits_the_same_again(name: str, train: pl.LazyFrame) -> None:
    for step in STEPS[name]:
        recipe = fit_recipe(train, [step], CONTRACT)
        assert read_recipe(write_recipe(recipe)) == recipe
        assert fit_recipe(train, [step], CONTRACT) == recipe


def test_a_training_row_does_not_see_its_own_answer(train: pl.LazyFrame) -> None:
    # One value for each row: a mean that includes the row is the answer itself.
    unique = train.with_columns(pl.int_range(pl.len()).cast(pl.String).alias("text"))
    step = FeatureStep(transform="target_mean", fields=("text",), smoothing=0.001)
    recipe = fit_recipe(unique, [step], CONTRACT)
    seen = recipe.apply(unique, keep=["late"]).select(pl.corr("text_target", pl.col("late").cast(pl.Float64)))
    honest = recipe.apply_to_training(unique, CONTRACT, keep=["late"])
    apart = honest.select(pl.corr("text_target", pl.col("late").cast(pl.Float64)))
    assert seen.collect().item() > 0.99
    assert abs(apart.collect().item()) < 0.3


def test_known_answers(train: pl.LazyFrame) -> None:
    steps = [
        FeatureStep(transform="date_parts", fields=("moment",), parts=("year", "month", "day", "weekday", "hour")),
        FeatureStep(transform="clip", fields=("number",), low=0, high=10),
        FeatureStep(transform="impute", fields=("number",), fill=-1),
    ]
    frame = train.head(1).with_columns(
        pl.lit(datetime(2024, 2, 29, 13, 5)).cast(pl.Datetime("us")).alias("moment"), pl.lit(25.0).alias("number")
    )
    made = fit_recipe(train, steps, CONTRACT).apply(frame).collect().row(0, named=True)
    assert made == {
        "moment_year": 24.0,
        "moment_month": 2,
        "moment_day": 29,
        "moment_weekday": 4,
        "moment_hour": 14,
        "number_clipped": 1.0,
        "number_clipped_missing": 0.0,
        "number_imputed": 25.0,
        "number_imputed_missing": 0.0,
    }


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"transform": "scale", "fields": ["number"]}, "unknown transform 'scale'; known: category, clip"),
        ({"transform": "clip", "fields": ["text"]}, "'clip' takes integer or number or boolean fields, 'text' is a"),
        ({"transform": "clip", "fields": ["number"], "lo": 3}, "'clip' does not take lo; its options: low, high"),
        ({"transform": "weekday", "fields": ["day"], "frame": 1}, "'weekday' does not take frame; it has no options"),
        ({"transform": "cross", "fields": ["text"]}, "'cross' takes two fields or more"),
        (
            {"transform": "hash_bucket", "fields": ["text"], "buckets": 0},
            "takes buckets: a whole number from 2 to 1,000,000, not 0",
        ),
        ({"transform": "date_parts", "fields": ["day"], "parts": ["second"]}, "takes parts: a list out of year, month"),
        ({"transform": "date_parts", "fields": ["day"], "parts": "year"}, "each once, not 'year'"),
        ({"transform": "date_parts", "fields": ["day"], "parts": ["year", "year"]}, "each once, not"),
        ({"transform": "date_parts", "fields": ["day"], "parts": 3}, "each once, not 3"),
        ({"transform": "clip", "fields": ["number"], "low": "a"}, "'clip' takes low: a finite number, not 'a'"),
        ({"transform": "clip", "fields": ["number"], "low": True}, "'clip' takes low: a finite number, not True"),
        ({"transform": "clip", "fields": ["number"], "low": 3, "high": 3}, "a low below its high, not 3 and 3"),
        (
            {"transform": "clip", "fields": ["number"], "quantiles": 0.3},
            "takes quantiles: two rising numbers .* not 0.3",
        ),
        ({"transform": "clip", "fields": ["number"], "quantiles": [0.1]}, "takes quantiles: two rising numbers"),
        ({"transform": "category", "fields": ["text"], "min_count": True}, "a whole number of at least 1, not True"),
        ({"transform": "cross", "fields": ["text", "code"], "min_count": 0}, "a whole number of at least 1, not 0"),
        ({"transform": "cross", "fields": ["text", "text"]}, "'cross' takes two fields or more"),
        ({"transform": "quantile_bucket", "fields": ["number"], "buckets": 2.0}, "from 2 to 256, not 2.0"),
        ({"transform": "target_mean", "fields": ["text"], "smoothing": math.inf}, "a finite number above 0, not inf"),
        ({"transform": "target_mean", "fields": ["text"], "smoothing": "x"}, "a finite number above 0, not 'x'"),
        ({"transform": "target_mean", "fields": ["text"], "smoothing": None}, "a finite number above 0, not None"),
        ({"transform": "impute", "fields": ["number"], "fill": [1]}, r"median, mean or a number, not \[1\]"),
        ({"transform": "impute", "fields": ["number"], "fill": True}, "median, mean or a number, not True"),
        ({"transform": "impute", "fields": ["number"], "fill": math.inf}, "median, mean or a number, not inf"),
        ({"transform": "target_mean", "fields": ["late"]}, "would leak the answer"),
        ({"transform": "impute", "fields": ["number"], "fill": "mode"}, "median, mean or a number, not 'mode'"),
    ],
)
def test_a_step_that_cannot_be_fitted_says_why(train: pl.LazyFrame, step: dict[str, Any], message: str) -> None:
    with pytest.raises(WorkloadError, match=message):
        fit_recipe(train, [FeatureStep(**step)], CONTRACT)


def test_a_mean_of_a_label_that_is_no_number_is_refused(train: pl.LazyFrame) -> None:
    label = msgspec.structs.replace(CONTRACT.label, dtype="string", allowed=("a", "b", "c"))
    contract = msgspec.structs.replace(CONTRACT, fields=(*CONTRACT.inputs, label))
    with pytest.raises(WorkloadError, match="'target_mean' takes the mean of the label, and 'late' is a string"):
        fit_recipe(train, [FeatureStep(transform="target_mean", fields=("text",))], contract)


def test_numbers_too_large_to_scale_are_refused_with_their_name(train: pl.LazyFrame) -> None:
    large = train.with_columns(pl.when(pl.col("flag")).then(pl.lit(1e300)).otherwise(pl.lit(-1e300)).alias("number"))
    with pytest.raises(
        WorkloadError, match=r"'number' has values too large for 'standardise' .* bound it in the contract"
    ):
        fit_recipe(large, [FeatureStep(transform="standardise", fields=("number",))], CONTRACT)
    fit_recipe(large, [FeatureStep(transform="log1p", fields=("number",))], CONTRACT)


class CountedFrame:
    """Counts how often a lazy frame is computed while it is looked at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._seen: list[bool] = []
        collect = pl.LazyFrame.collect

        def counted(frame: pl.LazyFrame, **options: Any) -> Any:
            # From several threads.
            self._seen.append("PARQUET" in frame.explain(optimized=False).upper())
            return collect(frame, **options)

        monkeypatch.setattr(pl.LazyFrame, "collect", counted)

    @property
    def opened(self) -> int:
        return sum(self._seen)


@pytest.mark.parametrize(("columns", "most", "opened"), [(10, 4_000_000, 2), (300, 4_000_000, 2), (300, 20 * 100, 16)])
def test_a_file_is_opened_once_for_a_block_of_columns_however_many_there_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, columns: int, most: int, opened: int
) -> None:
    names = [f"x{place}" for place in range(columns)]
    fields = [FieldSpec(name=name, dtype="number", description="") for name in names]
    label = FieldSpec(name="late", dtype="boolean", description="", roles=("label",), available="after")
    contract = ContractSpec(name="Wide", description="", fields=(*fields, label))
    frame = pl.DataFrame(np.random.default_rng(0).normal(size=(100, columns)), schema=names)
    frame.with_columns(late=pl.int_range(pl.len()) % 2 == 0).write_parquet(tmp_path / "train.parquet")
    monkeypatch.setattr("components.features.recipe.VALUES_AT_ONCE", most)
    counted = CountedFrame(monkeypatch)
    recipe = fit_recipe(
        pl.scan_parquet(tmp_path / "train.parquet"),
        [FeatureStep(transform="standardise", fields=tuple(names))],
        contract,
    )
    # Once more for the number of rows.
    assert counted.opened == opened
    assert len(recipe.steps) == columns


def test_a_column_too_long_for_memory_is_fitted_where_it_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    frame = pl.DataFrame({"text": ["a", "b", "a"], "code": [1, 2, 1], "late": [True, False, True]})
    frame.write_parquet(tmp_path / "train.parquet")
    steps = [
        FeatureStep(transform="category", fields=("text", "code")),
        FeatureStep(transform="target_mean", fields=("text",), smoothing=2.0),
    ]
    whole = fit_recipe(pl.scan_parquet(tmp_path / "train.parquet"), steps, CONTRACT_OF_TWO)
    monkeypatch.setattr("components.features.recipe.VALUES_AT_ONCE", 1)
    assert fit_recipe(pl.scan_parquet(tmp_path / "train.parquet"), steps, CONTRACT_OF_TWO) == whole


CONTRACT_OF_TWO = ContractSpec(
    name="Two",
    description="",
    fields=(
        FieldSpec(name="text", dtype="string", description=""),
        FieldSpec(name="code", dtype="integer", description=""),
        FieldSpec(name="late", dtype="boolean", description="", roles=("label",), available="after"),
    ),
)
