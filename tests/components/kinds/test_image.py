"""The image kind on handwritten digits: what a picture becomes, what is trained, what is answered, what is a leak."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import polars as pl
import pyarrow as pa
import pytest
import torch
from onnx import TensorProto, helper
from PIL import Image

from components.artefacts.errors import TrainingError, WorkloadError
from components.artefacts.inference import InvalidRow, Parts
from components.batch_prediction import RowByRow
from components.catalog import find_kind
from components.data.results import Prepared
from components.declaration.audit import AuditLimits
from components.evaluation.evaluate import evaluate
from components.evaluation.evidence import read_evidence
from components.evaluation.part import EvaluationPart
from components.kinds.image.candidates import fitted_temperature
from components.kinds.image.data import Pictures, read_pictures
from components.kinds.image.inference import CALL_BYTES, pixels_of
from components.kinds.image.mistakes import worst_mistakes
from components.kinds.image.model import augmented
from components.kinds.image.near_duplicates import repeated_pictures
from components.kinds.image.options import ImageOptions
from components.kinds.image.workload import check
from components.settings import Settings
from components.training.part import TrainingPart
from components.training.results import Shipped, Trained
from data_contracts.description.spec import ContractSpec, FieldSpec
from data_contracts.digits import HandwrittenDigit, read_rows
from tests.components.kinds.small_digits import prepare_digits

KIND = find_kind("image")
CONTRACT = HandwrittenDigit.spec()
SETTINGS = Settings(price_per_hour=0.085, threads=1)
OPTIONS = {"size": 8, "channels": 1, "width": 12, "stages": 2, "shift": 1, "epochs": 12, "batch_size": 64}
PLAIN = FieldSpec(name="picture", dtype="bytes", description="", media_type="image/*", max_bytes=10**6)


@dataclass(frozen=True)
class Example:
    prepared: Prepared
    workload: TrainingPart
    trained: Trained


def part(**model: Any) -> TrainingPart:
    goal = {"metric": "accuracy", "unit": None, "training_usd": 1.0}
    return TrainingPart.model_validate({"kind": "image", "goal": goal, "model": OPTIONS | model, "seed": 7})


def train(prepared: Prepared, workload: TrainingPart, folder: Path) -> Trained:
    return KIND.train(prepared, workload, CONTRACT, folder, SETTINGS, lambda *_: None)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Example:
    folder = tmp_path_factory.mktemp("digits")
    prepared = prepare_digits(folder / "prepared", read_rows().collect())
    return Example(prepared, part(), train(prepared, part(), folder / "training"))


def encoded(pixels: np.ndarray, form: str = "PNG", **more: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, form, **more)
    return out.getvalue()


def test_the_network_beats_the_linear_probe_beyond_doubt_and_is_chosen(example: Example) -> None:
    trained = example.trained
    assert [(one.name, one.role) for one in trained.candidates] == [("linear", "baseline"), ("network", "challenger")]
    assert trained.candidate("linear").score > 0.85
    assert trained.chosen == "network"
    assert trained.best.score > 0.93
    assert trained.comparison is not None
    assert 0 < trained.comparison.low <= trained.comparison.difference


def test_every_graph_answers_pictures_as_its_trainer_did(example: Example) -> None:
    for candidate in example.trained.candidates:
        own = pl.read_parquet(candidate.predictions)
        for split in ("validation", "test"):
            given = KIND.predict_file(candidate.parts, CONTRACT, example.prepared.splits[split].path)
            expected = own.filter(pl.col("split") == split).sort("row")["answer"].to_list()
            np.testing.assert_allclose(given, expected, atol=1e-5, rtol=0)
            np.testing.assert_allclose(given.sum(axis=1), 1, atol=1e-5)


def test_a_graph_takes_bytes_of_pixels_and_has_the_normalisation_inside(example: Example) -> None:
    for candidate in example.trained.candidates:
        graph = onnx.load(candidate.model).graph
        (taken,) = graph.input
        assert (taken.name, taken.type.tensor_type.elem_type) == ("pixels", onnx.TensorProto.UINT8)
        assert [one.dim_param or one.dim_value for one in taken.type.tensor_type.shape.dim] == ["rows", 1, 8, 8]
        assert [one.name for one in graph.output] == ["probabilities"]


def test_a_training_run_again_on_its_folder_returns_what_it_had(example: Example) -> None:
    written = example.trained.best.model.stat().st_mtime_ns
    again = train(example.prepared, example.workload, example.trained.path)
    assert again.digest == example.trained.digest
    assert example.trained.best.model.stat().st_mtime_ns == written


def test_a_picture_that_cannot_be_read_is_refused_by_its_row(example: Example) -> None:
    predictor = KIND.inference.open(example.trained.best.parts, CONTRACT)
    good = read_rows().collect()["picture"][0]
    assert predictor.predict(predictor.tensors([(good,), (good,)])).shape == (2, 10)
    with pytest.raises(InvalidRow, match="row 1, field picture: cannot be read as a picture"):
        predictor.tensors([(good,), (good[:50],)])
    with pytest.raises(InvalidRow, match="row 0, field picture: narrower than 8 pixels"):
        predictor.tensors_of_columns({"picture": np.array([encoded(np.zeros((8, 5), np.uint8))], dtype=object)})


def test_no_other_format_is_read_whatever_pillow_could_read() -> None:
    # Pillow starts Ghostscript for an EPS file.
    for form in ("EPS", "PPM", "TGA"):
        with pytest.raises(ValueError, match="cannot be read as a picture"):
            pixels_of(encoded(np.zeros((8, 8), np.uint8), form), PLAIN, 1, 8)


def test_large_pictures_are_answered_a_few_in_a_call_however_many_are_asked() -> None:
    size, rows = 512, 60
    shape = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["rows", 3, size, size])
    # It answers how many rows the call has.
    nodes = [
        helper.make_node("Shape", ["pixels"], ["counted"], start=0, end=1),
        helper.make_node("Cast", ["counted"], ["one"], to=TensorProto.FLOAT),
        helper.make_node("Concat", ["counted", "width"], ["shape"], axis=0),
        helper.make_node("Expand", ["one", "shape"], ["answers"]),
    ]
    width = helper.make_tensor("width", TensorProto.INT64, [1], [1])
    told = helper.make_tensor_value_info("answers", TensorProto.FLOAT, ["rows", 1])
    graph = helper.make_graph(nodes, "counting", [shape], [told], [width])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    contract = ContractSpec(name="Photo", description="", fields=(PLAIN, CONTRACT.label))
    predictor = KIND.inference.open(Parts({"model": model.SerializeToString()}), contract)
    answers = predictor.predict({"pixels": np.zeros((rows, 3, size, size), np.uint8)})
    assert answers.shape == (rows,)
    assert answers.max() * 3 * size**2 <= CALL_BYTES
    files = pa.record_batch({"picture": [encoded(np.zeros((8, 8), np.uint8))] * rows})
    np.testing.assert_array_equal(RowByRow(predictor, contract).predict(files).shape, (rows,))


def test_a_picture_as_a_body_is_the_row_that_json_has(example: Example) -> None:
    picture = read_rows().collect()["picture"][0]
    (row,) = KIND.inference.read_body(picture, "image/png", CONTRACT)
    assert msgspec.convert(row["picture"], bytes) == picture


def test_the_worst_mistakes_are_kept_as_a_picture_with_the_candidate(example: Example) -> None:
    for candidate in example.trained.candidates:
        sheet = candidate.parts.assets["worst_mistakes.png"]
        assert isinstance(sheet, Path)
        with Image.open(sheet) as picture:
            assert picture.width == 8 * 96


def test_the_evidence_shows_the_worst_mistakes(example: Example, tmp_path: Path) -> None:
    trained, options = (
        example.trained,
        {"name": "digits", "kind": "image", "goal": {"metric": "accuracy", "unit": None}, "seed": 7},
    )
    gates = {"costs": None, "behaviour": (), "sensitive": ()}
    workload = EvaluationPart.model_validate(
        options | {"features": (), "gates": gates, "serving": {"decision_threshold": 0.5}}
    )
    best = trained.best
    shipped = Shipped(
        stored_model=best.stored_model, stored_assets=best.stored_assets, digest=best.digest, changed=False
    )
    evaluated = evaluate(
        trained, shipped, example.prepared, workload, CONTRACT, KIND.predict_file, tmp_path, further=KIND.further
    )
    tables = read_evidence(evaluated.evidence).tables
    (group,) = tables["pictures"]
    sheet = best.parts.assets["worst_mistakes.png"]
    assert isinstance(sheet, Path)
    assert base64.b64decode(group["pictures"][0]["png"]) == sheet.read_bytes()
    # What every kind is measured by is there as well.
    assert "learning" in tables


def test_the_surest_mistake_comes_first() -> None:
    pixels = np.stack([np.full((1, 8, 8), value, np.uint8) for value in (10, 60, 120, 200)])
    answers = np.array([[0.9, 0.1], [0.6, 0.4], [0.99, 0.01], [0.2, 0.8]], np.float32)
    sheet = np.asarray(Image.open(io.BytesIO(worst_mistakes(pixels, np.array([0, 1, 1, 1.0]), answers, ("no", "yes")))))
    # The third was wrong and sure, the second wrong and unsure; the others were right.
    assert [int(sheet[40, 96 * place + 40, 0]) for place in range(3)] == [120, 60, 255]


def test_one_class_alone_teaches_nothing(tmp_path: Path) -> None:
    prepared = prepare_digits(tmp_path / "prepared", read_rows().filter(pl.col("digit") == "1").collect())
    with pytest.raises(TrainingError, match="split train has 182 pictures of one class"):
        read_pictures(prepared.splits["train"], ImageOptions(size=8, channels=1), CONTRACT)


def test_pixels_are_upright_opaque_and_square() -> None:
    grey = np.zeros((4, 8), np.uint8)
    grey[:, 4:] = 200
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right by a quarter
    turned = pixels_of(encoded(grey, "PNG", exif=exif), PLAIN, 1, 8)
    assert turned[0, 0, 4] < 50 < 150 < turned[0, 7, 4]
    assert pixels_of(encoded(grey), PLAIN, 3, 8).shape == (3, 8, 8)
    clear = np.zeros((8, 8, 4), np.uint8)
    assert (pixels_of(encoded(clear), PLAIN, 3, 8) == 255).all()


def test_sixteen_bit_grey_values_keep_their_shades_and_wider_ones_are_refused() -> None:
    shades = np.linspace(0, 65_535, 64).astype(np.uint16).reshape(8, 8)
    for form in ("PNG", "TIFF"):
        found = pixels_of(encoded(shades, form), PLAIN, 1, 8)[0]
        np.testing.assert_allclose(found, shades / 257, atol=1)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right by a quarter
    turned = pixels_of(encoded(shades, "TIFF", exif=exif), PLAIN, 1, 8)[0]
    np.testing.assert_allclose(turned, np.rot90(shades, -1) / 257, atol=1)
    for wide in (shades.astype(np.int32), shades.astype(np.float32)):
        with pytest.raises(ValueError, match="grey values of more than 16 bits"):
            pixels_of(encoded(wide, "TIFF"), PLAIN, 1, 8)


def test_augmentation_moves_each_picture_in_its_own_way_and_loses_nothing_else() -> None:
    pixels = torch.zeros(64, 1, 8, 8, dtype=torch.uint8)
    pixels[:, 0, 4, 4] = 9
    moved = augmented(pixels, ImageOptions(size=8, channels=1, shift=2))
    assert moved.dtype == torch.uint8
    assert (moved.sum(dim=(1, 2, 3)) == 9).all()
    assert {tuple(place) for place in moved.nonzero()[:, 2:].tolist()} <= {
        (y, x) for y in range(2, 7) for x in range(2, 7)
    }
    assert len({tuple(place) for place in moved.nonzero()[:, 2:].tolist()}) > 10
    assert (augmented(pixels, ImageOptions(shift=0)) == pixels).all()


def test_a_temperature_is_found_again() -> None:
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(20_000, 5, generator=random) * 2
    labels = torch.multinomial(torch.softmax(logits, dim=1), 1, generator=random)[:, 0].float()
    assert fitted_temperature(logits * 3, labels) == pytest.approx(3, rel=0.05)


def test_copies_in_a_later_split_are_a_leak_also_scaled_and_compressed_anew(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    pictures = [
        np.kron(random.integers(0, 255, (9, 9), dtype=np.uint8), np.ones((6, 6), np.uint8)) for _ in range(1_500)
    ]
    files = [encoded(one) for one in pictures]
    rows = pl.DataFrame({"digit": ["0", "1"] * 750, "picture": files})
    assert not list(repeated_pictures(prepare_digits(tmp_path / "clean", rows), CONTRACT, AuditLimits()))
    for place in range(30):
        copied = Image.fromarray(pictures[place]).resize((70, 70))
        files[1_200 + place] = encoded(np.asarray(copied), "JPEG", quality=85)
    leaky = prepare_digits(tmp_path / "leaky", rows.with_columns(picture=pl.Series(files)))
    (found,) = repeated_pictures(leaky, CONTRACT, AuditLimits())
    assert (found.kind, found.split, found.field) == ("near_duplicate_pictures", "test", "picture")
    assert found.score == pytest.approx(0.1, abs=0.02)


def test_pictures_taken_in_one_burst_are_a_leak_also_where_every_split_is_full_of_them(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    files = []
    for _ in range(250):
        scene = random.integers(20, 200, (9, 9), dtype=np.uint8)
        shots = [np.kron(scene + brighter, np.ones((4, 4), np.uint8)) for brighter in range(6)]
        files += [encoded(shot) for shot in shots]
    burst = pl.DataFrame({"digit": ["0", "1"] * 750, "picture": files}).sample(fraction=1, shuffle=True, seed=1)
    found = list(repeated_pictures(prepare_digits(tmp_path / "burst", burst), CONTRACT, AuditLimits()))
    assert {one.split for one in found} == {"validation", "test"}
    assert all(one.score > 0.5 for one in found)
    # Digits are alike, too, but nobody copied them.
    digits = prepare_digits(tmp_path / "digits", read_rows().collect())
    assert not list(repeated_pictures(digits, CONTRACT, AuditLimits()))


@pytest.mark.parametrize(
    "fields",
    [
        (),
        (msgspec.structs.replace(PLAIN, nullable=True),),
        (msgspec.structs.replace(PLAIN, media_type="audio/*"),),
        (PLAIN, msgspec.structs.replace(PLAIN, name="second")),
    ],
)
def test_a_request_is_one_picture(fields: tuple[FieldSpec, ...]) -> None:
    contract = ContractSpec(name="Photo", description="", fields=(*fields, CONTRACT.label))
    with pytest.raises(WorkloadError, match=r"image takes one field, bytes with media_type='image/\.\.\.'"):
        check(ImageOptions(), (), contract)
    check(ImageOptions(), (), CONTRACT)


def test_a_media_type_that_nothing_reads_is_refused() -> None:
    field = msgspec.structs.replace(PLAIN, media_type="image/heic")
    contract = ContractSpec(name="Photo", description="", fields=(field, CONTRACT.label))
    with pytest.raises(WorkloadError, match=r"image reads image/png, .*'picture' of Photo is image/heic"):
        check(ImageOptions(), (), contract)


def test_a_pii_picture_is_refused_before_anything_is_read() -> None:
    contract = ContractSpec(
        name="Photo", description="", fields=(msgspec.structs.replace(PLAIN, roles=("pii",)), CONTRACT.label)
    )
    with pytest.raises(WorkloadError, match="'picture' of Photo is pii"):
        check(ImageOptions(), (), contract)


def test_a_search_which_the_kind_does_not_do_is_refused() -> None:
    options = ImageOptions.model_validate({"search": {"trials": 4, "ranges": {"width": {"choices": [8, 16]}}}})
    with pytest.raises(WorkloadError, match=r"'model\.search': image trains with the options that are declared"):
        check(options, (), CONTRACT)


def test_pictures_are_counted_by_their_labels() -> None:
    assert len(Pictures(torch.zeros(3, 1, 8, 8), torch.zeros(3))) == 3
