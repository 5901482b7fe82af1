"""The hold-out is evaluated through the packaged graph, with intervals, gains, slices and parity."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from components.artefacts.errors import SplitError
from components.artefacts.inference import Parts
from components.artefacts.storage import write_atomically
from components.data.results import Prepared, Split
from components.declaration.features import FeatureStep
from components.declaration.loading import read_workload
from components.declaration.workload import Workload
from components.evaluation.evaluate import evaluate
from components.evaluation.evidence import Evidence, Measure, read_evidence
from components.evaluation.hold_out_uses import record_use, uses_measure
from components.evaluation.metrics import score
from components.features.recipe import Recipe, write_recipe
from components.gates.judge import Context, judge
from components.store.folder import FolderStore
from components.training.results import Candidate, HardwareChoice, Role, Trained
from data_contracts.description.spec import ContractSpec
from data_contracts.flights import Flight

ROWS = 4000
FIELDS = Flight.spec().fields
# Measured of the training, not on the hold-out.
FACTS = {"training_usd": 0.001, "model_mb": 0.1, "trainings_cut_off": 0.0}
COST = Context(measures=tuple(Measure(name=name, value=value, source="test") for name, value in FACTS.items()))


def trained_with(candidates: tuple[Candidate, ...]) -> Trained:
    """Return a training of these candidates that chose the network."""
    return Trained(
        digest="abc",
        path=Path(),
        candidates=candidates,
        chosen="mlp",
        comparison=None,
        hardware=HardwareChoice(device="cpu", precision="32-true", compile=False, threads=1, reason="a test"),
        seconds=12.0,
        cost_usd=0.01,
        seed=1,
    )


def predict(parts: Parts, contract: ContractSpec, rows: Path | bytes, threads: int = 1) -> NDArray[np.float32]:
    """Answer with what the 'model' holds for as many rows."""
    answers: NDArray[np.float32] = pl.read_parquet(parts.model)["answer"].to_numpy()
    assert len(answers) == pl.read_parquet(rows).height
    return answers


@dataclass
class Situation:
    """A training and its data, with the truth known."""

    folder: Path
    trained: Trained
    prepared: Prepared
    labels: NDArray[np.bool_]
    answers: NDArray[np.float32]


@pytest.fixture
def situation(tmp_path: Path) -> Situation:
    random = np.random.default_rng(7)
    truth = random.beta(2, 5, ROWS)
    labels = random.random(ROWS) < truth
    good = truth.astype(np.float32)
    weak = np.clip(truth + random.normal(0, 0.15, ROWS), 0.001, 0.999).astype(np.float32)
    splits = {}
    for day, name in enumerate(("train", "validation", "test")):
        rows = contract_rows(labels, day * 30, random)
        path = tmp_path / f"{name}.parquet"
        rows.write_parquet(path)
        moments = rows["scheduled_departure"]
        splits[name] = Split(
            name=name, path=path, rows=ROWS, positives=None, start=str(moments.min()), end=str(moments.max())
        )
    write_atomically(tmp_path / "recipe.json", write_recipe(Recipe(())))
    prepared = Prepared(
        digest="d",
        path=tmp_path,
        assets={"recipe.json": tmp_path / "recipe.json"},
        splits=splits,
        facts={"values": (), "codes": {}},
    )
    candidates = (candidate(tmp_path, "mlp", "challenger", good), candidate(tmp_path, "xgboost", "baseline", weak))
    return Situation(tmp_path, trained_with(candidates), prepared, labels, good)


def contract_rows(labels: NDArray[np.bool_], first_day: int, random: np.random.Generator) -> pl.DataFrame:
    """Return thirty days of rows of the contract; what no test is about holds the field's example."""
    dtypes = {"integer": pl.Int64, "number": pl.Float64, "string": pl.String, "datetime": pl.Datetime("us")}
    seconds = first_day * 86_400 + random.integers(0, 30 * 86_400, ROWS)
    values = {
        "scheduled_departure": pl.Series(seconds * 1_000_000).cast(pl.Datetime("us")),
        # Enough to tell rows apart, for the audit that looks for rows of training in the hold-out.
        "distance": random.uniform(100, 2500, ROWS),
        "temperature": random.uniform(0, 100, ROWS),
        "humidity": random.uniform(10, 100, ROWS),
        "origin": random.choice(["EWR", "JFK", "LGA"], ROWS),
        "carrier": ["HA"] * 25 + ["UA"] * (ROWS - 25),
        "late": labels,
    }
    rest = {f.name: pl.Series([f.example] * ROWS, dtype=dtypes[f.dtype]) for f in FIELDS if f.name not in values}
    return pl.DataFrame(values | rest).select(field.name for field in FIELDS)


def candidate(folder: Path, name: str, role: Role, answers: NDArray[np.float32]) -> Candidate:
    """Write a candidate whose 'model' is a Parquet of its answers."""
    table = pl.DataFrame({"split": ["test"] * len(answers), "row": np.arange(len(answers)), "answer": answers})
    # Row order in the file is not promised, the row number is.
    table.reverse().write_parquet(folder / f"{name}.predictions.parquet")
    table.write_parquet(folder / f"{name}.parquet")
    return Candidate(
        name=name,
        role=role,
        model=folder / f"{name}.parquet",
        digest=name,
        predictions=folder / f"{name}.predictions.parquet",
        score=0.7,
        seconds=1,
    )


@pytest.fixture(scope="module")
def flights() -> Workload:
    """Return flights with the only features that the small frame here has."""
    step = FeatureStep(transform="category", fields=("origin", "carrier"))
    return read_workload("flights").model_copy(update={"features": (step,)})


def test_an_evaluation_leaves_evidence_that_the_gates_can_judge(situation: Situation, flights: Workload) -> None:
    done = evaluate(
        situation.trained,
        situation.trained.as_trained,
        situation.prepared,
        flights,
        Flight.spec(),
        predict,
        situation.folder / "evaluation",
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
    means = evidence.tables["label_means"]
    assert means["test"]["mean"] == means["validation"]["mean"] == pytest.approx(situation.labels.mean())
    assert (means["test"]["of"], means["test"]["rows"]) == ("yes", ROWS)
    assert [verdict.line for verdict in judge(evidence, flights, COST).refused] == []


def test_predictions_are_kept_row_by_row(situation: Situation, flights: Workload) -> None:
    done = evaluate(
        situation.trained,
        situation.trained.as_trained,
        situation.prepared,
        flights,
        Flight.spec(),
        predict,
        situation.folder / "e",
    )
    kept = pl.read_parquet(done.answers.predictions)
    stations = ["trainer_probability", "exported_probability"]
    assert kept.columns == ["row", "label", "probability", "baseline_probability", *stations]
    assert kept["probability"].to_numpy() == pytest.approx(situation.answers)
    assert (kept["label"].to_numpy() == situation.labels).all()


def test_the_same_evaluation_has_the_same_digest(situation: Situation, flights: Workload) -> None:
    first, second = (
        evaluate(
            situation.trained,
            situation.trained.as_trained,
            situation.prepared,
            flights,
            Flight.spec(),
            predict,
            situation.folder / name,
        )
        for name in ("one", "two")
    )
    assert first.digest == second.digest


def test_a_graph_that_answers_otherwise_than_the_trainer_fails_parity(situation: Situation, flights: Workload) -> None:
    model = situation.trained.candidates[0].model
    table = pl.read_parquet(model).with_columns(
        pl.col("answer") + pl.when(pl.col("row") == 17).then(1e-3).otherwise(0.0)
    )
    table.with_columns(pl.col("answer").cast(pl.Float32)).write_parquet(model)
    done = evaluate(
        situation.trained,
        situation.trained.as_trained,
        situation.prepared,
        flights,
        Flight.spec(),
        predict,
        situation.folder / "e",
    )
    assert [verdict.gate for verdict in judge(read_evidence(done.evidence), flights, COST).refused] == ["parity"]


def test_a_hold_out_of_one_class_is_refused(situation: Situation, flights: Workload) -> None:
    test = situation.prepared.splits["test"].path
    pl.read_parquet(test).with_columns(late=pl.lit(False)).write_parquet(test)
    with pytest.raises(SplitError, match="cannot tell a good model from a bad one"):
        evaluate(
            situation.trained,
            situation.trained.as_trained,
            situation.prepared,
            flights,
            Flight.spec(),
            predict,
            situation.folder / "e",
        )


def test_every_slice_has_its_size_and_interval_and_small_ones_are_named(
    situation: Situation, flights: Workload
) -> None:
    done = evaluate(
        situation.trained,
        situation.trained.as_trained,
        situation.prepared,
        flights,
        Flight.spec(),
        predict,
        situation.folder / "e",
    )
    evidence = read_evidence(done.evidence)
    sizes = [measure.n for measure in evidence.named("auc") if str(measure.slice).startswith("origin=")]
    assert sum(size or 0 for size in sizes) == ROWS
    assert evidence.tables["slices_too_small"] == ["carrier=HA (25 rows)"]


def test_a_broken_slice_is_named(situation: Situation, flights: Workload) -> None:
    answers = situation.answers.copy()
    broken = pl.read_parquet(situation.prepared.splits["test"].path)["origin"].to_numpy() == "JFK"
    answers[broken] = np.random.default_rng(1).permutation(answers[broken])
    shuffled = candidate(situation.folder, "mlp", "challenger", answers)
    trained = trained_with((shuffled, situation.trained.candidates[1]))
    done = evaluate(
        trained, trained.as_trained, situation.prepared, flights, Flight.spec(), predict, situation.folder / "e"
    )
    refused = {verdict.gate: verdict for verdict in judge(read_evidence(done.evidence), flights, COST).refused}
    assert "slices" in refused
    assert "origin=JFK" in refused["slices"].reason
    assert "origin=EWR" not in refused["slices"].reason


def test_a_packaged_baseline_is_compared_with_the_next_one_and_not_with_itself(
    situation: Situation, flights: Workload
) -> None:
    network, trees = situation.trained.candidates
    floor = candidate(situation.folder, "linear", "baseline", situation.answers * 0 + 0.3)
    trained = trained_with((floor, trees, network)).model_copy(update={"chosen": "xgboost"})
    done = evaluate(
        trained, trained.as_trained, situation.prepared, flights, Flight.spec(), predict, situation.folder / "e"
    )
    evidence = read_evidence(done.evidence)
    details = {
        name: measure.detail for name in ("baseline", "other") if (measure := evidence.find(f"gain_over_{name}"))
    }
    assert details == {"baseline": "linear", "other": "mlp"}
    alone = trained_with((trees,)).model_copy(update={"chosen": "xgboost"})
    done = evaluate(
        alone, alone.as_trained, situation.prepared, flights, Flight.spec(), predict, situation.folder / "a"
    )
    only = read_evidence(done.evidence).find("gain_over_baseline")
    assert only is not None
    assert only.detail == "the packaged model is the only baseline"


def test_a_hold_out_that_judged_many_models_is_worn_out(tmp_path: Path, flights: Workload) -> None:
    for number in range(9):
        assert uses_measure(record_use(FolderStore(tmp_path), "rows", f"model {number}"), 0.004).detail == ""
    assert len(record_use(FolderStore(tmp_path), "rows", "model 3").uses) == 9
    assert len(record_use(FolderStore(tmp_path), "other rows", "model 3").uses) == 1
    measure = uses_measure(record_use(FolderStore(tmp_path), "rows", "model 9"), 0.004)
    assert "judged 10 models" in measure.detail
    # The largest of ten normal numbers is 1.54 on average.
    assert "1.5 standard errors (0.0062)" in measure.detail
    evidence = Evidence(workload="flights", model="m", split="test", measures=(measure,))
    assert judge(evidence, flights, COST).warnings == (measure.detail,)
    assert isinstance(measure, Measure)


JUDGE = """
import sys
from pathlib import Path
from components.evaluation.hold_out_uses import record_use
from components.store.folder import FolderStore
for number in range(10):
    record_use(FolderStore(Path(sys.argv[1])), "rows", f"model {number} of {sys.argv[2]}")
"""


def test_models_that_are_judged_at_once_are_all_counted(tmp_path: Path) -> None:
    judges = [subprocess.Popen([sys.executable, "-c", JUDGE, str(tmp_path), name]) for name in "abc"]
    assert [judge.wait(timeout=120) for judge in judges] == [0, 0, 0]
    assert len(record_use(FolderStore(tmp_path), "rows", "one more").uses) == 31
