"""Tables of a few hundred rows: options follow from the rows, and every row judges a model that never saw it."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from components.catalog import find_kind
from components.data.results import Prepared
from components.kinds.tabular.boosting import boost, boost_again, boost_crosswise
from components.kinds.tabular.calibration import fit_line, fit_temperature
from components.kinds.tabular.data import Table
from components.kinds.tabular.folds import folds_of
from components.kinds.tabular.heads.binary import BinaryHead
from components.kinds.tabular.heads.multiclass import MulticlassHead
from components.kinds.tabular.heads.regression import RegressionHead
from components.kinds.tabular.linear import STRENGTHS, fit_crosswise, fit_linear, loss_of
from components.kinds.tabular.options import Baseline
from components.kinds.tabular.trees import Boosting
from components.settings import Settings
from components.training.results import Trained
from components.training.spending import Budget
from tests.components.training.small_training import parcels_spec, parcels_workload, prepare_parcels

BOOSTING = Boosting(Baseline(), seed=1, threads=1, budget=Budget(600.0))


def table(rows: int, seed: int = 0, *, classes: int = 2, columns: int = 4, noise: float = 0.1) -> Table:
    """Return rows whose class is told by the first two columns."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(rows, columns)).astype(np.float32)
    told = values[:, 0] + values[:, 1] + noise * random.normal(size=rows)
    labels = np.digitize(told, np.quantile(told, np.arange(1, classes) / classes)).astype(np.float32)
    return Table(torch.from_numpy(values), torch.zeros((rows, 0), dtype=torch.int64), torch.from_numpy(labels))


def fifths(rows: int) -> np.ndarray:
    return np.arange(rows, dtype=np.int64) % 5


@pytest.mark.parametrize(("rows", "weight", "rate"), [(178, 1, 0.1), (50_000, 5, 0.1), (230_000, 20, 0.05)])
def test_trees_follow_from_the_rows(rows: int, weight: float, rate: float) -> None:
    options = Baseline().for_rows(rows)
    assert (options.min_child_weight, options.learning_rate) == (weight, rate)
    declared = Baseline(min_child_weight=7, learning_rate=0.3).for_rows(rows)
    assert (declared.min_child_weight, declared.learning_rate) == (7, 0.3)


def test_trees_of_a_hundred_rows_know_more_than_a_constant() -> None:
    head, validation = MulticlassHead(3, "none"), table(60, 1, classes=3)
    raw = boost(head, table(120, classes=3), validation, BOOSTING).held
    rows = np.arange(60), validation.labels.numpy().astype(int)
    assert -np.log(raw[rows]).mean() < 0.7 * np.log(3)


def test_no_row_is_judged_by_trees_that_learnt_it() -> None:
    random = np.random.default_rng(0)
    known = table(200)
    guessed = Table(known.values, known.codes, torch.from_numpy(random.integers(0, 2, 200).astype(np.float32)))
    made = boost_crosswise(BinaryHead("none"), guessed, fifths(200), BOOSTING)
    right = guessed.labels.numpy() > 0.5
    assert np.mean((made.trees.raw(guessed.matrix())[:, 0] > 0.5) == right) > 0.55
    assert np.mean((made.held[:, 0] > 0.5) == right) < 0.6
    assert made.rounds < 30


def test_one_number_of_trees_is_taken_for_all_folds() -> None:
    known = table(300)
    made = boost_crosswise(BinaryHead("none"), known, fifths(300), BOOSTING)
    assert made.trees.model.get_booster().num_boosted_rounds() == made.rounds  # type: ignore[attr-defined]
    assert np.mean((made.held[:, 0] > 0.5) == (known.labels.numpy() > 0.5)) > 0.85


@pytest.mark.parametrize("head", [RegressionHead(0.5, 0.5), RegressionHead(0.5, 0.5, levels=(0.1, 0.9), median=True)])
def test_numbers_and_quantiles_are_boosted_crosswise(head: RegressionHead) -> None:
    known = table(200)
    made = boost_crosswise(head, known, fifths(200), BOOSTING)
    assert made.held.shape == (200, head.columns)
    assert np.isfinite(made.held).all()


def test_what_learns_again_learns_the_validation_rows() -> None:
    head, train, validation = BinaryHead("none"), table(150), table(150, 1)
    first = boost(head, train, validation, BOOSTING)
    again = boost_again(head, first, train, validation, BOOSTING)
    assert again.held is first.held
    truth = validation.labels.numpy()

    def error(raw: np.ndarray) -> float:
        return float(np.abs(raw[:, 0] - truth).mean())

    assert error(again.trees.raw(validation.matrix())) < error(first.held)


def test_noise_of_many_columns_is_pulled_towards_nothing() -> None:
    head, known, cards = BinaryHead("none"), table(80, columns=60, noise=2.0), ()
    fitted = fit_crosswise(head, known, fifths(80), cards, STRENGTHS)
    assert fitted.strength < 10
    new = table(2_000, 9, columns=60, noise=2.0)
    assert loss_of(head, fitted.network, new) < loss_of(head, fit_linear(head, known, cards, 100.0), new)


def test_a_few_rows_that_are_all_right_do_not_make_answers_certain() -> None:
    labels = np.array([0.0, 1.0] * 15, np.float32)
    raw = np.where(labels > 0.5, 0.8, 0.2).astype(np.float64)[:, None]
    assert fit_line(labels, raw, offset=True).slope < 4
    assert fit_temperature(labels, np.hstack([1 - raw, raw])).slope < 4
    # Many such rows do.
    assert fit_line(np.tile(labels, 1000), np.tile(raw, (1000, 1)), offset=True).slope > 4


def folded(prepared: Prepared, known: Table, **more: object) -> np.ndarray | None:
    return folds_of(known, prepared, parcels_spec(), 1, more.get("declared"))  # type: ignore[arg-type]


def test_alike_rows_lie_in_one_fold_and_classes_in_all(tmp_path: Path) -> None:
    prepared = prepare_parcels(tmp_path, parcels_workload(), rows=100)
    known = table(100)
    twice = known.with_rows_of(known)
    random = prepared.model_copy(update={"by": "random"})
    folds = folded(random, twice)
    assert folds is not None
    assert (folds[:100] == folds[100:]).all()
    for fold in range(5):
        assert 0.3 < float(twice.labels[folds == fold].mean()) < 0.7
    assert folded(prepared.model_copy(update={"by": "time"}), twice) is None
    assert folded(random, twice, declared=0) is None
    assert folded(random, table(11_000)) is None
    assert folded(random, table(11_000), declared=3) is not None


def test_a_class_of_fewer_rows_than_folds_leaves_the_judgement_to_validation(tmp_path: Path) -> None:
    prepared = prepare_parcels(tmp_path, parcels_workload(), rows=100).model_copy(update={"by": "random"})
    known = table(100)
    labels = torch.zeros(100)
    labels[:3] = 1
    assert folded(prepared, Table(known.values, known.codes, labels)) is None


@pytest.fixture(scope="module")
def crosswise(tmp_path_factory: pytest.TempPathFactory) -> tuple[Prepared, Trained]:
    folder = tmp_path_factory.mktemp("crosswise")
    workload = parcels_workload(linear=True, baseline={"n_estimators": 60})
    prepared = prepare_parcels(folder / "prepared", workload, rows=300).model_copy(update={"by": "random"})
    kind, settings = find_kind("tabular"), Settings(threads=1)
    return prepared, kind.train(prepared, workload, parcels_spec(), folder / "training", settings, lambda *_: None)


def test_trees_and_linear_model_are_compared_on_training_and_validation(crosswise: tuple[Prepared, Trained]) -> None:
    prepared, trained = crosswise
    judged = {one.name: one.judged_crosswise for one in trained.candidates}
    assert judged == {"xgboost": True, "linear": True, "network": False}
    rows = {name: split.rows for name, split in prepared.splits.items()}
    kept = pl.read_parquet(trained.candidate("linear").predictions).group_by("split").len()
    assert dict(kept.iter_rows()) == {name: rows[name] for name in ("train", "validation", "test")}
    comparison = trained.comparison
    assert comparison is not None
    if {comparison.chosen, comparison.other} == {"xgboost", "linear"}:
        assert comparison.n == rows["train"] + rows["validation"]


def test_the_graph_of_what_learnt_all_rows_answers_as_its_trainer(crosswise: tuple[Prepared, Trained]) -> None:
    prepared, trained = crosswise
    for one in trained.candidates:
        given = find_kind("tabular").predict_file(one.parts, parcels_spec(), prepared.path / "test.parquet")
        own = pl.read_parquet(one.predictions).filter(pl.col("split") == "test").sort("row")["answer"].to_numpy()
        np.testing.assert_allclose(given, own, atol=1e-6, rtol=0)
