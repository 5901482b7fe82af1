"""Several classes and numbers are learnt by every candidate, and each graph answers as its trainer did."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import polars as pl
import pytest

from components.artefacts.errors import TrainingError, WorkloadError
from components.catalog import check_kind
from components.data.results import Prepared
from components.declaration.workload import Workload
from components.evaluation.metrics import score
from components.kinds.tabular.options import TabularOptions, check_options
from components.kinds.tabular.workload import KIND
from components.settings import Settings
from components.training.results import Trained
from data_contracts.description.spec import ContractSpec, FieldSpec
from tests.components.training.small_training import parcels_spec, parcels_workload, prepare_parcels

BANDS = ("early", "on time", "late")


def contract_for(label: FieldSpec) -> ContractSpec:
    fields = tuple(field for field in parcels_spec().fields if "label" not in field.roles)
    return msgspec.structs.replace(parcels_spec(), fields=(*fields, label))


DAYS = contract_for(FieldSpec(name="days", dtype="number", description="d", roles=("label",), available="after"))
BAND = contract_for(
    FieldSpec(name="band", dtype="string", description="d", roles=("label",), available="after", allowed=BANDS)
)


def relabelled(folder: Path, workload: Workload, label: Callable[[pl.DataFrame], pl.Series], name: str) -> Prepared:
    """Prepare parcels, with another label."""
    prepared = prepare_parcels(folder, workload)
    for split in prepared.splits.values():
        raw = pl.read_parquet(split.path)
        column = label(raw)
        raw.drop("late").with_columns(column.alias(name)).write_parquet(split.path)
        number = column if column.dtype.is_numeric() else column.replace_strict(list(BANDS), [0, 1, 2])
        features = folder / f"{split.name}.features.parquet"
        pl.read_parquet(features).with_columns(number.cast(pl.Float32).alias("label")).write_parquet(features)
    return prepared


def minutes(frame: pl.DataFrame) -> pl.Series:
    noise = np.random.default_rng(1).gamma(2.0, 20.0, len(frame))
    return pl.Series(2_000 + frame["distance"].to_numpy() + 40.0 * frame["late"].to_numpy() + noise)


def bands(frame: pl.DataFrame) -> pl.Series:
    return pl.Series(np.array(BANDS)[np.digitize(minutes(frame).to_numpy(), [2_120, 2_260])])


def asking(metric: str, direction: str, **model: Any) -> Workload:
    workload = parcels_workload(linear=True, **model)
    goal = workload.goal.model_copy(update={"metric": metric, "direction": direction})
    return workload.model_copy(update={"goal": goal})


def train(prepared: Prepared, workload: Workload, contract: ContractSpec, folder: Path) -> Trained:
    return KIND.train(prepared, workload, contract, folder, Settings(threads=1), lambda *_: None)


def parities(trained: Trained, prepared: Prepared, contract: ContractSpec) -> dict[str, np.ndarray]:
    """Return each graph's answers on the hold-out, having compared them with the trainer's."""
    found = {}
    for candidate in trained.candidates:
        own = pl.read_parquet(candidate.predictions).filter(pl.col("split") == "test").sort("row")["answer"].to_list()
        answers = KIND.predict_file(candidate.parts, contract, prepared.splits["test"].path)
        np.testing.assert_allclose(answers, np.array(own), rtol=1e-6, atol=1e-6)
        found[candidate.name] = answers
    return found


@pytest.mark.parametrize(
    "model",
    [
        {"architecture": "tabm", "members": 4, "calibration": "temperature"},
        {"class_weight": "balanced", "focal_gamma": 1.0, "calibration": "isotonic"},
    ],
    ids=["tabm", "weighted"],
)
def test_several_classes(tmp_path: Path, model: dict[str, Any]) -> None:
    workload = asking("cross_entropy", "at_most", **model)
    prepared = relabelled(tmp_path / "prepared", workload, bands, "band")
    trained = train(prepared, workload, BAND, tmp_path / "training")
    labels = pl.read_parquet(prepared.path / "test.features.parquet")["label"].to_numpy()
    shares = np.tile(np.bincount(labels.astype(int)) / len(labels), (len(labels), 1))
    for name, answers in parities(trained, prepared, BAND).items():
        np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)
        assert score("cross_entropy", labels, answers) < score("cross_entropy", labels, shares) - 0.1, name
    assert trained.best.name in {"xgboost", "linear", "network"}
    output = onnx.load(trained.best.model).graph.output[0]
    assert (output.name, output.type.tensor_type.shape.dim[1].dim_value) == ("probabilities", 3)


@pytest.mark.parametrize(("metric", "levels"), [("rmse", ()), ("mae", (0.1, 0.9))])
def test_numbers_and_quantiles(tmp_path: Path, metric: str, levels: tuple[float, ...]) -> None:
    workload = asking(metric, "at_most", quantiles=list(levels), epochs=12)
    prepared = relabelled(tmp_path / "prepared", workload, minutes, "days")
    trained = train(prepared, workload, DAYS, tmp_path / "training")
    assert trained.quantiles == levels
    truth = pl.read_parquet(prepared.splits["test"].path)["days"].to_numpy()
    for name, answers in parities(trained, prepared, DAYS).items():
        value = answers[:, 0] if levels else answers
        assert score(metric, truth, value) < 0.8 * score(metric, truth, np.full_like(truth, np.median(truth))), name
        if levels:
            low, high = answers[:, 1], answers[:, 2]
            assert np.mean((truth >= low) & (truth <= high)) == pytest.approx(0.8, abs=0.08), name
            assert (low <= high).all()


def test_a_class_without_training_rows_is_told(tmp_path: Path) -> None:
    workload = asking("cross_entropy", "at_most")
    prepared = relabelled(
        tmp_path, workload, lambda frame: bands(frame).replace_strict({"late": "early"}, default=pl.first()), "band"
    )
    with pytest.raises(TrainingError, match="training has no row with band = late"):
        train(prepared, workload, BAND, tmp_path / "training")


@pytest.mark.parametrize(
    ("options", "contract", "said"),
    [
        ({"calibration": "platt"}, BAND, "platt is for binary labels, not for 'band', a multiclass label; auto fits"),
        ({"calibration": "isotonic"}, DAYS, "isotonic is for binary and multiclass labels"),
        ({"quantiles": [0.1]}, BAND, "'model.quantiles' is for regression labels"),
        ({"class_weight": "balanced"}, DAYS, "'model.class_weight' is for binary and multiclass labels"),
        ({"focal_gamma": 1}, DAYS, "'model.focal_gamma' weighs classes"),
        (
            {"search": {"ranges": {"focal_gamma": {"choices": [0, 1]}}}},
            DAYS,
            "'model.search.ranges.focal_gamma' weighs",
        ),
    ],
)
def test_options_that_mean_nothing_for_a_label_are_refused(
    options: dict[str, Any], contract: ContractSpec, said: str
) -> None:
    with pytest.raises(WorkloadError, match=said):
        check_options(TabularOptions.model_validate(options), contract)


@pytest.mark.parametrize("dtype", ["bytes", "text", "vector"])
def test_a_field_that_no_number_is_made_of_is_refused_before_anything_is_read(dtype: str) -> None:
    photo = FieldSpec(name="photo", dtype=dtype, description="d", max_bytes=9, max_length=9)
    contract = msgspec.structs.replace(DAYS, fields=(photo, *DAYS.fields))
    with pytest.raises(
        WorkloadError, match=f"tabular takes fields of the types .*; 'photo' of Parcel is of type {dtype}"
    ):
        check_kind(parcels_workload(), contract)
