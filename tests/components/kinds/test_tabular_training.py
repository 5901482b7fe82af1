import pickle
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest
import torch

from components.artefacts.errors import TrainingError, WorkloadError
from components.artefacts.storage import digest_file
from components.catalog import find_kind
from components.data.results import Prepared
from components.declaration.workload import Workload
from components.features.recipe import TRANSFORMS
from components.kinds.tabular.calibration import fit_line
from components.kinds.tabular.candidates import network_plan
from components.kinds.tabular.data import read_table
from components.kinds.tabular.heads.binary import BinaryHead
from components.kinds.tabular.keeping import open_work
from components.kinds.tabular.model import Linear
from components.kinds.tabular.trees import GOLDEN, _between, _without_twins
from components.settings import Settings
from components.training.engine import fit
from components.training.results import Trained, read_trials
from components.training.spending import Budget
from tests.components.training.small_training import parcels_spec, parcels_workload, prepare_parcels
from tests.conftest import REPOSITORY

KIND = find_kind("tabular")
SETTINGS = Settings(price_per_hour=0.085, threads=1)


@dataclass(frozen=True)
class Example:
    prepared: Prepared
    workload: Workload
    trained: Trained


def train(prepared: Prepared, workload: Workload, folder: Path) -> Trained:
    return KIND.train(prepared, workload, parcels_spec(), folder, SETTINGS, lambda *_: None)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Example:
    workload = parcels_workload(linear=True)
    folder = tmp_path_factory.mktemp("parcels")
    prepared = prepare_parcels(folder / "prepared", workload)
    return Example(prepared, workload, train(prepared, workload, folder / "training"))


def test_of_three_candidates_the_better_baseline_stays_unless_the_network_beats_it_beyond_doubt(
    example: Example,
) -> None:
    trained = example.trained
    assert [(one.name, one.role) for one in trained.candidates] == [
        ("xgboost", "baseline"),
        ("linear", "baseline"),
        ("network", "challenger"),
    ]
    assert all(one.score > 0.6 for one in trained.candidates)
    trees, linear, network = trained.candidates
    # The network's score is higher here than the trees', but within what chance alone gives.
    assert network.score > trees.score
    assert linear.score > trees.score
    assert trained.chosen == "linear"


def test_the_choice_comes_with_a_paired_interval(example: Example) -> None:
    comparison = example.trained.comparison
    assert comparison is not None
    assert comparison.chosen == example.trained.chosen != comparison.other
    assert comparison.low <= comparison.difference <= comparison.high
    assert comparison.high > 0
    assert comparison.n == example.prepared.splits["validation"].rows


def test_every_graph_answers_raw_rows_as_its_trainer_did(example: Example) -> None:
    for candidate in example.trained.candidates:
        own = pl.read_parquet(candidate.predictions)
        for split in ("validation", "test"):
            rows = example.prepared.path / f"{split}.parquet"
            given = KIND.predict_file(candidate.parts, parcels_spec(), rows)
            expected = own.filter(pl.col("split") == split).sort("row")["answer"].to_numpy()
            assert len(given) == example.prepared.splits[split].rows
            np.testing.assert_allclose(given, expected, atol=1e-6, rtol=0)


def test_a_graph_takes_raw_fields_and_returns_one_probability(example: Example) -> None:
    for candidate in example.trained.candidates:
        graph = onnx.load(candidate.model).graph
        assert {tensor.name for tensor in graph.input} == {"depot", "sent", "weight", "distance"}
        assert [tensor.name for tensor in graph.output] == ["probability"]
        assert [d.dim_param or d.dim_value for d in graph.output[0].type.tensor_type.shape.dim] == ["rows", 1]
        assert candidate.digest == digest_file(candidate.model)
        # Nothing of the machine that made it.
        assert b".py" not in candidate.model.read_bytes()


def test_the_same_inputs_twice_give_the_same_digests(example: Example, tmp_path: Path) -> None:
    again = train(example.prepared, example.workload, tmp_path)
    assert again.digest == example.trained.digest
    assert [one.digest for one in again.candidates] == [one.digest for one in example.trained.candidates]


def test_a_training_run_again_on_its_folder_returns_what_it_had(example: Example) -> None:
    model = example.trained.candidate("xgboost").model
    written = model.stat().st_mtime_ns
    again = train(example.prepared, example.workload, example.trained.path)
    assert again.candidates == example.trained.candidates
    assert model.stat().st_mtime_ns == written


@pytest.mark.parametrize(("metric", "direction"), [("auc", "at_least"), ("log_loss", "at_most")])
def test_a_model_that_is_better_beyond_doubt_is_chosen(
    example: Example, tmp_path: Path, metric: str, direction: str
) -> None:
    document = example.workload.model_dump(mode="json")
    document["goal"] |= {"metric": metric, "direction": direction}
    # One stump of a tree knows next to nothing.
    document["model"]["baseline"] = {"n_estimators": 1, "max_depth": 1}
    trained = train(example.prepared, Workload.model_validate(document), tmp_path)
    assert trained.chosen != "xgboost"
    assert trained.comparison is not None


def test_a_time_cap_still_gives_usable_models_and_is_said(example: Example, tmp_path: Path) -> None:
    workload = parcels_workload(time_cap_minutes=1e-6, epochs=500)
    trained = train(example.prepared, workload, tmp_path)
    assert trained.candidate("network").stopped == "time cap"
    assert "training was cut off: xgboost by the time cap, network by the time cap" in trained.cut_off
    assert all(0.3 < one.score < 1 for one in trained.candidates)


def test_every_transform_of_one_field_becomes_a_part_of_the_graph(tmp_path: Path) -> None:
    fields = {"category": "depot", "hash_bucket": "depot", "frequency": "depot", "target_mean": "depot"}
    fields |= dict.fromkeys(["time_of_day", "weekday", "season", "date_parts"], "sent")
    single = {name for name, transform in TRANSFORMS.items() if not transform.joint}
    document = parcels_workload(epochs=1).model_dump(mode="json")
    document["features"] = [{"transform": name, "fields": [fields.get(name, "weight")]} for name in sorted(single)]
    workload = Workload.model_validate(document)
    prepared = prepare_parcels(tmp_path / "prepared", workload, rows=400)
    for candidate in train(prepared, workload, tmp_path / "training").candidates:
        own = pl.read_parquet(candidate.predictions).filter(pl.col("split") == "test").sort("row")["answer"].to_numpy()
        given = KIND.predict_file(candidate.parts, parcels_spec(), prepared.path / "test.parquet")
        np.testing.assert_allclose(given, own, atol=1e-6, rtol=0)


@pytest.mark.parametrize("kept", [{"depot"}, {"sent", "weight", "distance"}])
def test_recipes_of_codes_alone_or_of_values_alone_train_too(kept: set[str], tmp_path: Path) -> None:
    document = parcels_workload().model_dump(mode="json")
    document["features"] = [step for step in document["features"] if set(step["fields"]) <= kept]
    workload = Workload.model_validate(document)
    prepared = prepare_parcels(tmp_path / "prepared", workload, rows=400)
    trained = train(prepared, workload, tmp_path / "training")
    rows = prepared.path / "test.parquet"
    for candidate in trained.candidates:
        own = pl.read_parquet(candidate.predictions).filter(pl.col("split") == "test")["answer"].to_numpy()
        np.testing.assert_allclose(KIND.predict_file(candidate.parts, parcels_spec(), rows), own, atol=1e-6, rtol=0)


def test_a_split_of_one_class_is_refused(example: Example, tmp_path: Path) -> None:
    prepared = prepare_parcels(tmp_path, example.workload, rows=100)
    path = tmp_path / "validation.features.parquet"
    pl.read_parquet(path).with_columns(label=pl.lit(0, pl.UInt8)).write_parquet(path)
    with pytest.raises(TrainingError, match="split validation has 50 rows, all with the label 0"):
        read_table(prepared, "validation")


def test_a_threshold_lies_between_values_and_on_no_simple_fraction() -> None:
    values = np.array([1.0, 2.0, 4.0], np.float32)
    assert _between(values, np.float32(4.0)) == pytest.approx(2 + 2 * GOLDEN)
    assert _between(values, np.float32(3.5)) == pytest.approx(2 + 2 * GOLDEN)
    assert _between(values, np.float32(0.5)) == 0.5
    assert _between(values, np.float32(9.0)) == 9.0
    neighbours = np.array([1.0, np.nextafter(np.float32(1), np.float32(2))], np.float32)
    assert _between(neighbours, neighbours[1]) == neighbours[1]


def test_values_that_differ_by_rounding_become_one_and_dense_columns_keep_their_shape() -> None:
    twins = np.array([[0.5], [0.5 + 1e-7], [0.7]], np.float32)
    assert len(np.unique(_without_twins(twins))) == 2
    dense = np.linspace(0, 1, 2_000_000, dtype=np.float32)[:, None]
    assert np.array_equal(_without_twins(dense), dense)


@pytest.mark.parametrize("calibration", ["temperature", "platt"])
def test_calibration_is_part_of_the_graph_and_mends_weighted_answers(
    example: Example, calibration: str, tmp_path: Path
) -> None:
    workload = parcels_workload(class_weight="balanced", focal_gamma=1.0, calibration=calibration)
    trained = train(example.prepared, workload, tmp_path)
    rows = example.prepared.path / "validation.parquet"
    labels = read_table(example.prepared, "validation").labels.numpy()
    for candidate in trained.candidates:
        own = pl.read_parquet(candidate.predictions).filter(pl.col("split") == "validation")["answer"].to_numpy()
        np.testing.assert_allclose(KIND.predict_file(candidate.parts, parcels_spec(), rows), own, atol=1e-6, rtol=0)
        if calibration == "platt":
            assert own.mean() == pytest.approx(labels.mean(), abs=0.01)


def test_an_ensemble_that_shares_weights_learns_and_is_exported(example: Example, tmp_path: Path) -> None:
    trained = train(example.prepared, parcels_workload(architecture="tabm", members=4), tmp_path)
    network = trained.candidate("network")
    own = pl.read_parquet(network.predictions).filter(pl.col("split") == "test")["answer"].to_numpy()
    rows = example.prepared.path / "test.parquet"
    np.testing.assert_allclose(KIND.predict_file(network.parts, parcels_spec(), rows), own, atol=1e-6, rtol=0)
    assert network.score > 0.6


def test_the_focal_loss_without_focus_is_the_log_loss() -> None:
    torch.manual_seed(0)
    labels = torch.randint(0, 2, (8,)).float()
    logits = Linear(3, (4,), 1)(torch.randn(8, 3), torch.randint(0, 4, (8, 1)))
    plain = BinaryHead("none").loss(logits, labels)
    torch.testing.assert_close(plain, torch.log(torch.tensor(2.0)))
    torch.testing.assert_close(BinaryHead("none", gamma=2.0).loss(logits, labels), plain * 0.25)
    weighted = BinaryHead("none", positive=3.0).loss(logits, labels)
    torch.testing.assert_close(weighted, plain * (1 + 2 * labels.mean()))


def test_a_line_is_found_again() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=40_000)
    labels = random.random(len(logits)) < 1 / (1 + np.exp(-logits))
    bent = (1 / (1 + np.exp(-(2 * logits + 1)))).astype(np.float32)[:, None]
    line = fit_line(labels, bent, offset=True)
    assert line.slope == pytest.approx(0.5, abs=0.03)
    assert line.offset == pytest.approx(-0.5, abs=0.05)
    assert fit_line(labels, bent, offset=False).offset == 0


def test_a_search_is_part_of_training_and_its_best_trial_is_the_network(example: Example, tmp_path: Path) -> None:
    ranges = {"learning_rate": {"low": 1e-6, "high": 0.02, "log": True}, "hidden": {"choices": [[8], [16, 8]]}}
    workload = parcels_workload(search={"trials": 3, "minutes": 5, "ranges": ranges})
    trained = train(example.prepared, workload, tmp_path)
    assert trained.search is not None
    trials = read_trials(trained.search)
    assert len(trials) == 3
    best = max((trial for trial in trials if trial.score is not None), key=lambda trial: trial.score or 0.0)
    assert trained.candidate("network").score == pytest.approx(best.score, abs=5e-3)
    assert trained.options is not None
    assert {name: trained.options[name] for name in best.options} == best.options
    assert train(example.prepared, workload, tmp_path).digest == trained.digest


def test_a_trial_learns_with_the_loss_it_was_given_and_so_does_the_network(example: Example, tmp_path: Path) -> None:
    ranges = {"focal_gamma": {"choices": [0.0, 8.0]}, "class_weight": {"choices": ["none", "balanced"]}}
    workload = parcels_workload(search={"trials": 8, "minutes": 5, "ranges": ranges})
    trained = train(example.prepared, workload, tmp_path / "searched")
    assert trained.search is not None
    trials = [trial for trial in read_trials(trained.search) if trial.scores]
    first = {tuple(trial.options.values()): trial.scores[0] for trial in trials}
    assert len(first) > 2
    assert len(set(first.values())) == len(first)
    best = max(trials, key=lambda trial: -1 if trial.score is None else trial.score)
    alone = train(example.prepared, parcels_workload(**best.options), tmp_path / "alone")
    assert trained.candidate("network").digest == alone.candidate("network").digest


@pytest.mark.parametrize("name", ["baseline", "linear", "calibration", "quantiles", "compile"])
def test_a_search_over_what_no_trial_varies_is_refused(example: Example, name: str, tmp_path: Path) -> None:
    workload = parcels_workload(search={"ranges": {name: {"choices": [True]}}})
    said = rf"section model .*'search': '{name}' in ranges is the same for all trials; a search can vary .*hidden"
    with pytest.raises(WorkloadError, match=said):
        train(example.prepared, workload, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_training_killed_at_write_after_write_ends_with_the_models_of_one_that_was_not(
    example: Example, tmp_path: Path
) -> None:
    prepared = tmp_path / "prepared.pickle"
    prepared.write_bytes(pickle.dumps(example.prepared))
    command = [sys.executable, "-W", "ignore", "-m", "tests.components.kinds.killed_training", str(prepared)]
    done = subprocess.run([*command, str(tmp_path / "killed")], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # Three candidates' graphs and records, the hardware's choice, checkpoints; what was written is not written again.
    assert int(done.stdout) >= 5
    ended = train(example.prepared, example.workload, tmp_path / "killed")
    assert ended.digest == example.trained.digest
    assert [one.score for one in ended.candidates] == [one.score for one in example.trained.candidates]
    assert ended.candidate("network").curve == example.trained.candidate("network").curve


@pytest.mark.parametrize(
    "option",
    [
        {"accumulate": 4},
        {"clip": 0.01},
        {"ema": 0.9},
        {"schedule": "constant"},
        {"warmup": 0.5},
        {"weight_decay": 1.0},
        {"batch_size": 128},
        {"precision": "bf16"},
        {"focal_gamma": 2.0},
    ],
    ids=lambda option: next(iter(option)),
)
def test_what_the_workload_file_says_of_training_reaches_the_network(
    example: Example, tmp_path: Path, option: dict[str, object]
) -> None:
    ends = []
    for name, given in (("without", {}), ("with", option)):
        work = open_work(
            example.prepared, parcels_workload(**{"precision": "fp32", "epochs": 1} | given), parcels_spec()
        )
        ends.append(fit(network_plan(work, SETTINGS), tmp_path / name, Budget(600.0)).weights)
    assert any(not torch.equal(value, ends[1][key]) for key, value in ends[0].items())


@pytest.mark.slow
def test_two_processes_train_a_workload_that_asks_for_them(example: Example, tmp_path: Path) -> None:
    trained = train(example.prepared, parcels_workload(devices=2, strategy="ddp"), tmp_path)
    network = trained.candidate("network")
    assert network.score > 0.6
    assert len(network.curve) == 4
