"""The hold-out is evaluated through the packaged graph, with intervals, gains, slices and parity."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from components.declaration import Workload, read_workload
from components.errors import SplitError
from components.evaluation import evaluate
from components.evidence import read_evidence
from components.gates import judge
from components.metrics import score
from data_contracts.flights import Flight
from data_contracts.spec import ContractSpec

ROWS = 4000


@dataclass
class FakeCandidate:
    """A candidate whose 'model' is a Parquet of answers."""

    name: str
    family: str
    model: Path
    predictions: Path
    score: float = 0.7


@dataclass
class FakeTrained:
    candidates: tuple[FakeCandidate, ...]
    chosen: str = "mlp"
    digest: str = "abc"
    seconds: float = 12.0
    cost_usd: float = 0.01


@dataclass
class FakeSplit:
    path: Path
    rows: int


@dataclass
class FakePrepared:
    splits: dict[str, FakeSplit] = field(default_factory=dict)


def predict(model: Path, contract: ContractSpec, rows: Path) -> NDArray[np.float32]:
    """Answer with what the 'model' holds for as many rows."""
    answers: NDArray[np.float32] = pl.read_parquet(model)["probability"].to_numpy()
    assert len(answers) == pl.read_parquet(rows).height
    return answers


@dataclass
class Situation:
    """A training and its data, with the truth known."""

    folder: Path
    trained: FakeTrained
    prepared: FakePrepared
    labels: NDArray[np.bool_]
    answers: NDArray[np.float32]


@pytest.fixture
def situation(tmp_path: Path) -> Situation:
    random = np.random.default_rng(7)
    truth = random.beta(2, 5, ROWS)
    labels = random.random(ROWS) < truth
    good = truth.astype(np.float32)
    weak = np.clip(truth + random.normal(0, 0.15, ROWS), 0.001, 0.999).astype(np.float32)
    frame = pl.DataFrame(
        {"late": labels, "origin": random.choice(["EWR", "JFK", "LGA"], ROWS), "carrier": random.choice(["UA"], ROWS)}
    )
    prepared = FakePrepared()
    for split in ("train", "validation", "test"):
        frame.write_parquet(tmp_path / f"{split}.parquet")
        prepared.splits[split] = FakeSplit(tmp_path / f"{split}.parquet", ROWS)
    candidates = []
    for name, family, answers in (("mlp", "lightning", good), ("xgboost", "baseline", weak)):
        table = pl.DataFrame({"split": ["test"] * ROWS, "row": np.arange(ROWS), "probability": answers})
        # Row order in the file is not promised, the row number is.
        table.reverse().write_parquet(tmp_path / f"{name}.predictions.parquet")
        table.write_parquet(tmp_path / f"{name}.parquet")
        candidates.append(
            FakeCandidate(name, family, tmp_path / f"{name}.parquet", tmp_path / f"{name}.predictions.parquet")
        )
    return Situation(tmp_path, FakeTrained(tuple(candidates)), prepared, labels, good)


@pytest.fixture(scope="module")
def flights() -> Workload:
    return read_workload("flights")


def test_an_evaluation_leaves_evidence_that_the_gates_can_judge(situation: Situation, flights: Workload) -> None:
    done = evaluate(
        situation.trained, situation.prepared, flights, Flight.spec(), predict, situation.folder / "evaluation"
    )
    evidence = read_evidence(done.evidence)
    assert done.value == pytest.approx(score("auc", situation.labels, situation.answers))
    assert done.low < done.value < done.high
    assert {"auc", "pr_auc", "log_loss", "brier"} <= {measure.name for measure in evidence.measures}
    gain = evidence.find("gain_over_baseline")
    assert gain is not None
    assert gain.low is not None
    assert gain.low > 0
    parity = evidence.find("parity")
    assert parity is not None
    assert parity.value == 0
    assert evidence.find("auc", "origin=JFK") is not None
    assert judge(evidence, flights).passed


def test_predictions_are_kept_row_by_row(situation: Situation, flights: Workload) -> None:
    done = evaluate(situation.trained, situation.prepared, flights, Flight.spec(), predict, situation.folder / "e")
    kept = pl.read_parquet(done.predictions)
    assert kept.columns == ["row", "label", "probability", "baseline"]
    assert kept["probability"].to_numpy() == pytest.approx(situation.answers)
    assert (kept["label"].to_numpy() == situation.labels).all()


def test_the_same_evaluation_has_the_same_digest(situation: Situation, flights: Workload) -> None:
    first, second = (
        evaluate(situation.trained, situation.prepared, flights, Flight.spec(), predict, situation.folder / name)
        for name in ("one", "two")
    )
    assert first.digest == second.digest


def test_a_graph_that_answers_otherwise_than_the_trainer_fails_parity(situation: Situation, flights: Workload) -> None:
    model = situation.trained.candidates[0].model
    table = pl.read_parquet(model).with_columns(
        pl.col("probability") + pl.when(pl.col("row") == 17).then(1e-3).otherwise(0.0)
    )
    table.with_columns(pl.col("probability").cast(pl.Float32)).write_parquet(model)
    done = evaluate(situation.trained, situation.prepared, flights, Flight.spec(), predict, situation.folder / "e")
    assert [verdict.gate for verdict in judge(read_evidence(done.evidence), flights).refused] == ["parity"]


def test_a_hold_out_of_one_class_is_refused(situation: Situation, flights: Workload) -> None:
    test = situation.prepared.splits["test"].path
    pl.read_parquet(test).with_columns(late=pl.lit(False)).write_parquet(test)
    with pytest.raises(SplitError, match="cannot tell a good model from a bad one"):
        evaluate(situation.trained, situation.prepared, flights, Flight.spec(), predict, situation.folder / "e")
