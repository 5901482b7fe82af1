"""Whatever was answered is in the log with the contract's own types, and logging never makes an answer wait."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.artefacts.errors import ServingError
from components.artefacts.inference import Description, inference_of
from components.kinds.image.inference import ImageInference
from data_contracts.description.spec import ContractSpec, FieldSpec
from data_contracts.digits import HandwrittenDigit, read_rows
from deployments.data_plane.formats.arrow_columns import arrow_column
from deployments.data_plane.formats.request import InvalidRow, MalformedRequest, RowDecoder
from deployments.data_plane.load.batching import Answered
from deployments.data_plane.model import Model, load_model
from deployments.data_plane.options import Options
from deployments.data_plane.tables.content_types import ARROW
from deployments.data_plane.tables.reader import TableReader
from deployments.data_plane.telemetry.metrics import Metrics
from deployments.data_plane.telemetry.prediction_log import PredictionLog
from tests.deployments.hostile_tables import arrow
from tests.deployments.processes import Running, wait_until
from tests.deployments.small_build import Sample


class NotDescribing(ImageInference):
    """A kind with a fault."""

    def describe(self, field: FieldSpec, values: Sequence[Any]) -> Description:
        raise KeyError(field.name)


@pytest.fixture(scope="module")
def model(build: Path) -> Model:
    return load_model(build)


def answered(model: Model, sample: Sample, count: int, name: str = "r") -> Answered:
    rows = model.decoder.check(sample.rows(count))
    columns = model.predictor.tensors(rows)
    return Answered(model, time.time(), [name], [count], rows, model.predictor.predict(columns))


def written(folder: Path) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(path) for path in sorted(folder.glob("*/*.parquet"))])


def test_rows_come_back_as_they_were_asked(
    serve: Callable[..., Running], build: Path, sample: Sample, tmp_path: Path
) -> None:
    folder = tmp_path / "log"
    running = serve("--build", build, "--predictions", folder, "--part-seconds", "0.3")
    rows = sample.rows(300)
    answer = running.post(rows, headers={"x-request-id": "mine"}).json()
    wait_until(lambda: len(list(folder.glob("*/*.parquet"))) == 1)
    running.post(rows[0])
    assert running.stop() == 0
    log = written(folder)
    assert log.height == 301
    assert log["request_id"].to_list()[:300] == ["mine"] * 300
    assert log["row"].to_list() == [*range(300), 0]
    assert set(log["build"]) == {running.build}
    probabilities = [prediction["probability"] for prediction in answer["predictions"]]
    np.testing.assert_allclose(log["probability"].to_numpy()[:300], probabilities, atol=1e-7)
    names = [field.name for field in sample.contract.inputs]
    # Equal in value and in type: nulls, integers and moments included.
    assert log.select(names).head(300).equals(sample.frame.select(names).head(300).with_columns())


def test_a_share_of_the_rows_is_kept(model: Model, sample: Sample, tmp_path: Path) -> None:
    tenth = msgspec.structs.replace(model, serving=msgspec.structs.replace(model.serving, log_predictions=0.1))
    log = PredictionLog(Options(predictions=tmp_path), metrics := Metrics())
    log.start()
    for _ in range(10):
        log.add(answered(tenth, sample, 400))
    log.stop()
    assert 300 < written(tmp_path).height < 500
    assert metrics.logged_predictions == written(tmp_path).height


def test_what_does_not_fit_is_counted_as_lost(model: Model, sample: Sample, tmp_path: Path) -> None:
    log = PredictionLog(Options(predictions=tmp_path, log_rows=250), metrics := Metrics())
    for _ in range(3):
        log.add(answered(model, sample, 100))
    log.start()
    log.stop()
    assert metrics.lost_predictions == 100
    assert written(tmp_path).height == 200


def test_what_cannot_be_written_is_counted_as_lost(model: Model, sample: Sample, tmp_path: Path) -> None:
    folder = tmp_path / "log"
    log = PredictionLog(Options(predictions=folder), metrics := Metrics())
    folder.rmdir()
    folder.write_text("a file where a folder should be")
    log.add(answered(model, sample, 7))
    log.start()
    log.stop()
    assert metrics.lost_predictions == 7


@pytest.mark.parametrize("pii", ["drop", "hash"])
def test_pii_is_dropped_or_hashed_with_a_key(model: Model, sample: Sample, tmp_path: Path, pii: str) -> None:
    fields = tuple(
        msgspec.structs.replace(field, roles=("pii",)) if field.name == "carrier" else field
        for field in model.contract.fields
    )
    private = msgspec.structs.replace(model, contract=msgspec.structs.replace(model.contract, fields=fields))
    key = tmp_path / "key"
    key.write_text("0123456789abcdef")
    options = msgspec.convert({"predictions": tmp_path / "log", "pii": pii, "pii_key": key}, Options)
    log = PredictionLog(options, Metrics())
    log.start()
    log.add(answered(private, sample, 50))
    log.stop()
    frame = written(tmp_path / "log")
    if pii == "drop":
        assert "carrier" not in frame.columns
        return
    carriers = [row["carrier"] for row in sample.rows(50)]
    assert not set(carriers) & set(frame["carrier"])
    assert len(set(frame["carrier"])) == len(set(carriers))


def test_hashing_needs_a_key(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="--pii-key"):
        PredictionLog(Options(predictions=tmp_path, pii="hash"), Metrics())
    (tmp_path / "short").write_text("abc")
    with pytest.raises(ServingError, match="3 bytes; it must have 16 to 64"):
        PredictionLog(Options(predictions=tmp_path, pii="hash", pii_key=tmp_path / "short"), Metrics())


def test_every_type_of_the_contract_has_its_arrow_type() -> None:
    values = np.array([86_400.0, np.nan])
    types = {
        "integer": "int64",
        "number": "double",
        "boolean": "bool",
        "datetime": "timestamp[us]",
        "date": "date32[day]",
    }
    for dtype, expected in types.items():
        field = msgspec.convert({"name": "x", "dtype": dtype, "description": "", "nullable": True}, FieldSpec)
        array = arrow_column(values, field)
        assert (str(array.type), array.null_count) == (expected, 1)
    text = arrow_column(
        np.array(["a", ""], dtype=object), FieldSpec(name="x", dtype="string", description="", nullable=True)
    )
    assert text.to_pylist() == ["a", None]


@pytest.fixture(scope="module")
def reader() -> Iterator[TableReader]:
    made = TableReader(Options())
    yield made
    made.close()


def sent(reader: TableReader, table: pa.Table, contract: ContractSpec) -> dict[str, Any]:
    """Return the inputs of a table as the service gets them from its reader."""
    return reader.read(arrow(table), ARROW, msgspec.json.encode(contract)).inputs(contract.inputs)


EVERY_TYPE = ContractSpec(
    name="Every",
    description="",
    fields=tuple(
        msgspec.convert({"name": name, "dtype": dtype, "description": "", "nullable": True}, FieldSpec)
        for name, dtype in (
            ("text", "string"),
            ("whole", "integer"),
            ("figure", "number"),
            ("flag", "boolean"),
            ("moment", "datetime"),
            ("day", "date"),
        )
    ),
)
VALUES = st.fixed_dictionaries(
    {
        "text": st.none() | st.sampled_from(["", " ", "\0", "NaN", "null"]) | st.text(max_size=20),
        "whole": st.none() | st.sampled_from([2**53 + 1, 2**63 - 1, -(2**63)]) | st.integers(-(2**63), 2**63 - 1),
        "figure": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "flag": st.none() | st.booleans(),
        "moment": st.none() | st.just(datetime.max) | st.just(datetime.min) | st.datetimes(),
        "day": st.none() | st.just(date.max) | st.dates(),
    }
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(VALUES, min_size=1, max_size=8), by_column=st.booleans(), share=st.sampled_from([1.0, 0.5]))
def test_whatever_was_decoded_is_logged_as_it_is(
    model: Model,
    reader: TableReader,
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[dict[str, Any]],
    by_column: bool,
    share: float,
) -> None:
    folder = tmp_path_factory.mktemp("log")
    serving = msgspec.structs.replace(model.serving, log_predictions=share)
    every = msgspec.structs.replace(model, contract=EVERY_TYPE, serving=serving)
    decoded = RowDecoder(EVERY_TYPE, 100).decode(msgspec.json.encode(rows))
    # Hypothesis may draw the keys in any order.
    names = list(written_schema())
    assert decoded == [tuple(row[name] for name in names) for row in rows]
    inputs: Any = decoded
    if by_column:
        table = pl.DataFrame(decoded, schema=written_schema(), orient="row").to_arrow()
        inputs = sent(reader, table, EVERY_TYPE)
    log = PredictionLog(Options(predictions=folder), Metrics())
    log.start()
    log.add(Answered(every, time.time(), ["r"], [len(rows)], inputs, np.zeros(len(rows), dtype=np.float32)))
    log.stop()
    parts = list(folder.glob("*/*.parquet"))
    if not parts:
        assert share < 1
        return
    (part,) = parts
    found = pl.read_parquet(part)
    assert dict(found.select(list(written_schema())).schema) == written_schema()
    assert same(found.select(names).rows(), [decoded[place] for place in found["row"]])
    if share == 1:
        assert found.height == len(rows)


def written_schema() -> dict[str, Any]:
    return {
        "text": pl.String,
        "whole": pl.Int64,
        "figure": pl.Float64,
        "flag": pl.Boolean,
        "moment": pl.Datetime("us"),
        "day": pl.Date,
    }


def same(found: list[tuple[Any, ...]], expected: list[tuple[Any, ...]]) -> bool:
    """Equal in value and type, and in the sign of a zero."""
    return [[repr(value) for value in row] for row in found] == [[repr(value) for value in row] for row in expected]


def test_rows_and_columns_of_one_build_lie_in_one_part(
    model: Model, reader: TableReader, sample: Sample, tmp_path: Path
) -> None:
    names = [field.name for field in sample.contract.inputs]
    table = sample.frame.select(names).head(30).to_arrow()
    rows = model.decoder.check(sample.rows(30))
    answers = np.zeros(30, dtype=np.float32)
    log = PredictionLog(Options(predictions=tmp_path), Metrics())
    for inputs in (rows, sent(reader, table, model.contract), rows):
        log.add(Answered(model, time.time(), ["r"], [30], inputs, answers))
    log.start()
    log.stop()
    assert len(list(tmp_path.glob("*/*.parquet"))) == 1
    found = written(tmp_path).select(names)
    for start in (0, 30, 60):
        assert found.slice(start, 30).equals(sample.frame.select(names).head(30))


def test_half_a_surrogate_pair_is_refused_before_it_could_be_logged(model: Model) -> None:
    decoder = RowDecoder(EVERY_TYPE, 10)
    body = msgspec.json.encode(dict.fromkeys(written_schema()) | {"text": "HERE"}).replace(b"HERE", b"\\ud800")
    with pytest.raises((MalformedRequest, InvalidRow)):
        decoder.decode(body)


def asked_pictures(model: Model, *, as_table: bool = False) -> tuple[list[bytes], Answered, Model]:
    contract = HandwrittenDigit.spec()
    seeing = msgspec.structs.replace(model, contract=contract, inference=inference_of("image"))
    pictures = read_rows().head(30).collect()["picture"].to_list()
    inputs: Any = {"picture": pa.array(pictures)} if as_table else [(picture,) for picture in pictures]
    answers = np.linspace(0, 1, 30, dtype=np.float32)
    return pictures, Answered(seeing, time.time(), ["r"], [30], inputs, answers), seeing


@pytest.mark.parametrize("as_table", [False, True])
def test_a_picture_is_logged_by_its_digest_and_what_the_kind_says_of_it(
    model: Model, tmp_path: Path, as_table: bool
) -> None:
    pictures, asked, _ = asked_pictures(model, as_table=as_table)
    log = PredictionLog(Options(predictions=tmp_path), Metrics())
    log.start()
    log.add(asked)
    log.stop()
    frame = written(tmp_path)
    kept = [name for name in frame.columns if name.startswith("picture")]
    assert kept == [f"picture.{name}" for name in ("sha256", "size", "brightness", "width", "height", "embedding")]
    assert frame["picture.sha256"].to_list() == [hashlib.sha256(picture).hexdigest() for picture in pictures]
    assert frame["picture.size"].to_list() == list(map(len, pictures))
    assert set(frame["picture.width"]) == {8.0}
    said = inference_of("image").describe(HandwrittenDigit.spec().inputs[0], pictures)
    np.testing.assert_array_equal(frame["picture.embedding"].to_numpy(), said["embedding"])
    assert not any(picture in file.read_bytes() for file in tmp_path.glob("*/*.parquet") for picture in pictures)


def test_rows_that_a_kind_cannot_describe_are_lost_and_those_after_them_are_not(model: Model, tmp_path: Path) -> None:
    _, asked, seeing = asked_pictures(model)
    wrong = msgspec.structs.replace(seeing, inference=NotDescribing())
    log = PredictionLog(Options(predictions=tmp_path), metrics := Metrics())
    log.add(Answered(wrong, asked.at, asked.request_ids, asked.lengths, asked.inputs, asked.answers))
    log.start()
    wait_until(lambda: metrics.lost_predictions == 30)
    log.add(asked)
    log.stop()
    assert metrics.lost_predictions == 30
    assert written(tmp_path).height == 30
