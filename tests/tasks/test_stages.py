"""Each stage alone, on real rows: what it promises, and what it refuses."""

import itertools
import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import polars as pl
import pytest

from components.artefacts.build import Build, open_build, seal
from components.artefacts.errors import BuildError, ContractError, GateError, SourceError, SplitError, WorkloadError
from components.artefacts.rollout import promoted, read_rollout, rollout_path, write_rollout
from components.builds.signing import ensure_key, sign_build
from components.catalog import find_kind
from components.declaration.loading import contract_of, parse_workload
from components.evaluation.evidence import read_evidence
from components.faults.graph import wrong_normaliser
from components.promotion.record import PromotionRecord
from components.promotion.roles import challenger_of, champion_of
from components.promotion.rollback import roll_back
from components.scoring.score import score_file
from components.settings import Home, Settings
from tasks.monitor import monitor
from tasks.package import package
from tasks.promote import page, promote
from tasks.register import register
from tests.tasks.staging import Staged, ingested, prepared_of, validated_of

AFTERWARDS = ["dep_delay", "dep_time", "arr_time", "air_time", "late"]


def test_the_same_rows_give_the_same_snapshot(staged: Staged) -> None:
    again = ingested(staged.workload, staged.home)
    assert again.digest == staged.snapshot.digest
    assert len(list(staged.home.room("snapshots").iterdir())) == 1


def test_no_row_is_lost_between_snapshot_and_quarantine(staged: Staged) -> None:
    validated = staged.validated
    assert validated.rows + validated.quarantined == staged.snapshot.rows
    assert validated.quarantine is not None
    refused = pl.read_parquet(validated.quarantine)
    assert len(refused) == validated.quarantined > 0
    assert validated.reasons == {"late: missing": validated.quarantined}
    assert refused["position"].is_unique().all()


def test_the_dataset_was_judged_and_the_docs_are_there(staged: Staged) -> None:
    assert len(staged.expected.expectations) == 4
    assert all(result.success for result in staged.expected.expectations)
    assert staged.expected.docs is not None
    assert list(staged.expected.docs.rglob("index.html"))


def test_splits_are_in_order_of_time_and_the_recipe_saw_the_training_split_alone(staged: Staged) -> None:
    splits = [staged.prepared.splits[name] for name in ("train", "validation", "test", "monitor")]
    times = [pl.read_parquet(split.path)["scheduled_departure"] for split in splits]
    for earlier, later in itertools.pairwise(times):
        assert earlier.max() < later.min()  # type: ignore[operator]
    train = pl.read_parquet(splits[0].path)
    recipe = msgspec.json.decode(staged.prepared.assets["recipe.json"].read_bytes())
    distance = next(step for step in recipe["steps"] if step["field"] == "distance")
    assert distance["centre"] == pytest.approx(train["distance"].mean())


@pytest.mark.parametrize("field", AFTERWARDS)
def test_what_is_known_only_afterwards_cannot_become_a_feature(
    staged: Staged, document: dict[str, Any], field: str
) -> None:
    steps = [*document["features"], {"transform": "standardise", "fields": [field]}]
    workload = parse_workload({**document, "features": steps}, where="sample.yaml")
    with pytest.raises(WorkloadError, match=f"'{field}' is known only after the outcome"):
        prepared_of(workload, staged.validated, staged.home)


def test_the_packaged_graph_takes_only_what_is_known_before_departure(staged: Staged) -> None:
    inputs = {tensor.name for tensor in onnx.load_model_from_string(staged.build.read("model.onnx")).graph.input}
    assert inputs <= {field.name for field in staged.build.contract().inputs}
    assert inputs.isdisjoint(AFTERWARDS)


def test_two_candidates_are_trained_and_the_chosen_one_is_compared(staged: Staged) -> None:
    trained = staged.trained
    assert {candidate.role for candidate in trained.candidates} == {"baseline", "challenger"}
    assert trained.comparison is not None
    assert trained.comparison.low <= trained.comparison.difference <= trained.comparison.high
    assert trained.hardware.reason


def test_evidence_holds_every_metric_with_an_interval(staged: Staged) -> None:
    evidence = read_evidence(staged.evaluated.evidence)
    for name in ("auc", "pr_auc", "log_loss", "brier"):
        measure = evidence.find(name)
        assert measure is not None
        assert measure.low is not None
        assert measure.high is not None
        assert measure.low < measure.value < measure.high
        assert measure.n == staged.prepared.splits["test"].rows


def test_the_graph_answers_what_the_trainer_answered(staged: Staged) -> None:
    parity = read_evidence(staged.evaluated.evidence).find("parity")
    assert parity is not None
    assert parity.value <= 1e-5


def test_gates_quote_the_goal_and_pass_on_the_sample(staged: Staged) -> None:
    assert staged.gates.goal == staged.workload.goal.statement
    assert staged.gates.passed, [verdict.line for verdict in staged.gates.refused]


def test_a_build_is_sealed_holds_no_pickle_and_knows_where_it_comes_from(staged: Staged) -> None:
    build = staged.build
    assert not [name for name in build.manifest.files if name.endswith((".pkl", ".pickle", ".joblib", ".pt", ".ckpt"))]
    provenance = msgspec.json.decode((build.path / "provenance.json").read_bytes())
    assert provenance["data"]["snapshot"] == staged.snapshot.digest
    assert provenance["seeds"]["workload"] == staged.workload.seed
    assert provenance["code"]["version"]
    dependencies = msgspec.json.decode((build.path / "dependencies.json").read_bytes())
    assert dependencies["slipway"]["requires"]
    assert dependencies["torch"]["version"].startswith("2.")


def test_packaging_the_same_again_gives_the_same_build(staged: Staged) -> None:
    again = register.fn(staged.workload, staged.packaged, staged.trained, True, staged.home, staged.settings)
    assert again == staged.registered


def test_the_rehearsal_climbed_every_rung_and_budgeted_every_stage(staged: Staged) -> None:
    evidence = read_evidence(staged.build.path / "evidence.json")
    rungs = [rung["name"] for rung in evidence.tables["ladder"]]
    assert rungs == ["export", "compression", "packaged graph", "optimised graph", "clean process", "live"]
    stages = {stage["name"]: stage["p50_us"] for stage in evidence.tables["stages"]["stages"]}
    assert stages["model"] > 0
    assert stages["preprocess"] > 0
    verdicts = {verdict.gate: verdict.state for verdict in staged.gates.verdicts}
    assert verdicts["parity-ladder"] == verdicts["stage-budget"] == "passed"
    page = (staged.build.path / "dossier.html").read_text()
    assert "Parity ladder" in page
    assert "Where the time of a request goes" in page


def test_only_what_was_rehearsed_is_packaged(staged: Staged) -> None:
    other = next(one.name for one in staged.trained.candidates if one.name != staged.trained.chosen)
    swapped = staged.trained.model_copy(update={"chosen": other}).as_trained
    compressed = staged.inputs.compressed.model_copy(update={"shipped": swapped})
    inputs = staged.inputs.model_copy(update={"compressed": compressed})
    builds, contract = set(staged.home.room("builds").iterdir()), contract_of(staged.workload)
    with pytest.raises(BuildError, match=r"model\.onnx is not the one that was rehearsed"):
        package.fn(staged.workload, inputs, find_kind("tabular"), contract, staged.home, staged.settings)
    assert set(staged.home.room("builds").iterdir()) == builds


def test_a_build_whose_normaliser_was_broken_is_refused_with_the_rung_named(staged: Staged, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(staged.build.path, folder)
    model = onnx.load(folder / "model.onnx")
    assert wrong_normaliser(model)
    onnx.save(model, folder / "model.onnx")
    seal(folder, workload=staged.workload.name, kind="tabular", created="2026-11-21T00:00:00+00:00")
    broken = open_build(folder)
    with pytest.raises(GateError, match="parity-ladder: rung 'packaged graph' does not hold"):
        promote.fn(staged.workload, broken, staged.home, staged.settings, accept=("parity-ladder",), dry_run=True)


def test_a_promotion_serves_what_was_evaluated_and_a_rollback_needs_a_predecessor(staged: Staged) -> None:
    workload, home, settings = staged.workload, staged.home, staged.settings
    build = challenger_of(workload, None, home, settings)
    assert build.build_id == staged.packaged.build_id
    document = rollout_path(home.room("rollouts"), workload.name)
    rehearsed = promote.fn(workload, build, home, settings, accept=("environment",), dry_run=True)
    assert rehearsed.live.max_difference <= 1e-5
    assert not document.exists()
    promotion = promote.fn(workload, build, home, settings, accept=("environment",))
    assert read_rollout(document, workload.name).champion == promotion.build_id
    assert read_rollout(document, workload.name).history[-1].evidence == promotion.evidence.name
    record = PromotionRecord.model_validate_json(promotion.evidence.read_bytes())
    assert (record.outcome, record.champion, record.gates) == ("promoted", None, promotion.gates)
    assert champion_of(workload, home, settings).build_id == build.build_id
    with pytest.raises(BuildError, match="no earlier champion"):
        roll_back(workload, home, settings, reason="test")


def test_a_champion_that_cannot_be_compared_leaves_the_promotion_to_a_person(staged: Staged, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    rollout = rollout_path(home.room("rollouts"), staged.workload.name)
    rollout.parent.mkdir(parents=True)
    gone = promoted(read_rollout(rollout, staged.workload.name), "flights-gone", tmp_path / "gone", "test")
    write_rollout(rollout, gone)
    arguments = (staged.workload, staged.build, home, staged.settings)
    with pytest.raises(GateError, match=r"champion: the champion flights-gone cannot be compared: .* is not a build"):
        promote.fn(*arguments, accept=("environment",), dry_run=True)
    accepted = promote.fn(*arguments, accept=("environment", "champion"), dry_run=True)
    assert accepted.replaced == "flights-gone"


def worse_challenger(staged: Staged, folder: Path, rows: pl.Expr) -> Build:
    """Return a copy of the build that was evaluated with noise that leans to the wrong side in some rows."""
    shutil.copytree(staged.build.path, folder)
    scored = pl.read_parquet(folder / "reference.parquet")
    noise = pl.Series(np.random.default_rng(0).random(scored.height).astype(np.float32))
    worse = pl.when(rows).then(noise / (1 + pl.col("late"))).otherwise("probability").cast(pl.Float32)
    scored.with_columns(worse.alias("probability")).write_parquet(folder / "reference.parquet")
    seal(folder, workload=staged.workload.name, kind="tabular", created="2026-11-21T00:00:00+00:00")
    sign_build(folder, ensure_key(staged.settings.key()))
    return open_build(folder)


def served_by(staged: Staged, home: Home) -> Path:
    """Make the build of the sample the champion of a home and return the rollout document."""
    rollout = rollout_path(home.room("rollouts"), staged.workload.name)
    rollout.parent.mkdir(parents=True)
    empty = read_rollout(rollout, staged.workload.name)
    return write_rollout(rollout, promoted(empty, staged.build.build_id, staged.build.path, "test"))


# The planted answers are not those of the graph, which live-parity says too; the champion's gates refuse by themselves.
OTHERS = ("environment", "live-parity")


def test_a_better_champion_keeps_its_place_and_the_refusal_is_on_record(
    staged: Staged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    # Without a Prefect run there is nowhere to show it.
    monkeypatch.setattr("tasks.promote.show", lambda name, markdown: shown.append(f"{name}: {markdown}"))
    home, build = Home(tmp_path / "home"), worse_challenger(staged, tmp_path / "worse", pl.lit(True))
    rollout = served_by(staged, home)
    known, arguments = rollout.read_bytes(), (staged.workload, build, home, staged.settings)
    told = (
        r"is not promoted: failed champion: In AUC the model is .* worse than the champion .*; would pass with at "
        r"least .* on .* (days|rows)"
    )
    with pytest.raises(GateError, match=told):
        promote.fn(*arguments, accept=OTHERS)
    assert rollout.read_bytes() == known
    (written,) = (rollout.parent / staged.workload.name).iterdir()
    record = PromotionRecord.model_validate_json(written.read_bytes())
    assert (record.outcome, record.build_id, record.champion) == ("refused", build.build_id, staged.build.build_id)
    whole = record.evidence.find("gain_over_champion")
    assert whole is not None
    assert whole.high is not None
    assert whole.high < -staged.workload.gates.champion_margin
    assert record.evidence.find("gain_over_champion", "origin=JFK") is not None
    assert len(shown) == 1
    assert f"| build | {build.build_id}: refused |" in shown[0]
    assert shown[0].startswith("promote: ## ✗ Refused: of ")
    assert "- ✗ **champion** failed: " in shown[0]


def test_a_better_champion_can_be_given_up_by_name_and_what_was_judged_is_shown(staged: Staged, tmp_path: Path) -> None:
    home, build = Home(tmp_path / "home"), worse_challenger(staged, tmp_path / "worse", pl.lit(True))
    served_by(staged, home)
    accept = (*OTHERS, "champion", "champion-slices")
    accepted = promote.fn(staged.workload, build, home, staged.settings, accept=accept, dry_run=True)
    assert accepted.replaced == staged.build.build_id
    record = PromotionRecord.model_validate_json(accepted.evidence.read_bytes())
    assert (record.outcome, record.accepted) == ("dry run", tuple(sorted(accept)))
    assert record.evidence.named("gain_over_champion") == accepted.gains
    shown = page(record, accepted.evidence)
    assert f"| build | {build.build_id}: dry run |" in shown
    assert f"gain in auc over {staged.build.build_id} on the same rows" in shown
    assert "| the whole |" in shown
    assert "| origin=JFK |" in shown


def test_a_champion_that_is_better_in_one_slice_keeps_its_place(staged: Staged, tmp_path: Path) -> None:
    home, build = Home(tmp_path / "home"), worse_challenger(staged, tmp_path / "worse", pl.col("origin") == "JFK")
    served_by(staged, home)
    with pytest.raises(
        GateError, match=r"failed champion-slices: .* slices the model is surely more than .*origin=JFK \("
    ):
        promote.fn(staged.workload, build, home, staged.settings, accept=(*OTHERS, "champion"))


def test_a_gate_that_fails_live_stops_the_promotion_and_changes_nothing(
    staged: Staged, document: dict[str, Any], tmp_path: Path
) -> None:
    goal = {
        **document["goal"],
        "statement": "AUC at least 0.55, p95 under 0.001 ms, p99 900 ms, training 1 USD, 0.1 USD for 1,000 rows.",
        "latency_p95_ms": 0.001,
    }
    strict = parse_workload({**document, "goal": goal}, where="sample.yaml")
    before = rollout_path(staged.home.room("rollouts"), strict.name)
    known = before.read_bytes() if before.exists() else None
    with pytest.raises(GateError, match=r"is not promoted: .*latency"):
        promote.fn(strict, staged.build, staged.home, staged.settings, accept=("environment",))
    assert (before.read_bytes() if before.exists() else None) == known


def test_monitoring_finds_the_winter(staged: Staged) -> None:
    monitored = monitor.fn(staged.workload, staged.build, staged.prepared, staged.home)
    assert [window.window for window in monitored.drift.windows] == ["2013-11", "2013-12"]
    assert "temperature" in monitored.drift.drifted
    assert "carrier" not in monitored.drift.drifted
    assert all(quality.low < quality.value < quality.high for quality in monitored.quality)
    assert monitored.report.is_file()


@pytest.mark.parametrize("ending", ["parquet", "csv", "arrow"])
def test_a_scored_file_holds_every_row_with_its_answer_or_its_reasons(
    staged: Staged, flights_frame: pl.DataFrame, tmp_path: Path, ending: str
) -> None:
    contract = contract_of(staged.workload)
    rows = flights_frame.select(field.name for field in contract.inputs).head(200)
    rows = rows.with_columns(
        pl.when(pl.int_range(pl.len()) == 7).then(pl.lit(-5.0)).otherwise("distance").alias("distance")
    )
    source, target = tmp_path / "in.parquet", tmp_path / f"out.{ending}"
    rows.write_parquet(source)
    scored = score_file(staged.build, source, target)
    assert (scored.rows, scored.refused, scored.refusals) == (200, 1, {"distance: not above 0": 1})
    read = {"parquet": pl.read_parquet, "csv": pl.read_csv, "arrow": pl.read_ipc}[ending]
    written = read(target)
    assert written["probability"].is_null().arg_true().to_list() == [7]
    good = rows.filter(pl.col("distance") > 0)
    good.write_parquet(source)
    expected = find_kind("tabular").predict_file(staged.build.parts(), contract, source)
    np.testing.assert_allclose(written["probability"].drop_nulls().to_numpy(), expected, atol=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet", target.name]


# What a user can get wrong with the data: one clear line, nothing half-written.


def with_source(document: dict[str, Any], frame: pl.DataFrame, folder: Path) -> Any:
    path = folder / "rows.parquet"
    frame.write_parquet(path)
    return parse_workload({**document, "source": {"path": str(path)}}, where="sample.yaml")


def test_a_missing_source_is_named(document: dict[str, Any], home: Home) -> None:
    workload = parse_workload({**document, "source": {"path": "/nowhere/rows.parquet"}}, where="sample.yaml")
    with pytest.raises(SourceError, match=r"/nowhere/rows\.parquet does not exist"):
        ingested(workload, home)


def test_an_empty_source_is_refused(
    document: dict[str, Any], flights_frame: pl.DataFrame, home: Home, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match="has no rows"):
        ingested(with_source(document, flights_frame.head(0), tmp_path), home)
    assert not list(home.room("snapshots").glob("*"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda frame: frame.drop("carrier"), "no column 'carrier'"),
        (lambda frame: frame.rename({"distance": "distanse"}), r"'distance' \(did 'distanse' mean this\?\)"),
        (lambda frame: frame.with_columns(pl.lit("far").alias("distance")), "'distance' is of the type number"),
    ],
)
def test_a_column_that_is_missing_renamed_or_of_another_type_is_named(
    document: dict[str, Any], flights_frame: pl.DataFrame, home: Home, tmp_path: Path, change: Any, told: str
) -> None:
    with pytest.raises(ContractError, match=told):
        ingested(with_source(document, change(flights_frame), tmp_path), home)
    assert not list(home.room("snapshots").glob("*"))


def test_half_of_the_rows_broken_stops_the_run_and_keeps_the_quarantine(
    document: dict[str, Any], flights_frame: pl.DataFrame, home: Home, tmp_path: Path
) -> None:
    broken = flights_frame.with_columns(
        pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.lit(-1.0)).otherwise("distance").alias("distance")
    )
    workload = with_source(document, broken, tmp_path)
    snapshot = ingested(workload, home)
    with pytest.raises(ContractError, match=r"break Flight; the contract tolerates 5\.00%") as refusal:
        validated_of(workload, snapshot, home)
    file = Path(str(refusal.value).rsplit(" ", 1)[1])
    kept = pl.read_parquet(file)
    assert kept.filter(pl.col("reasons").list.contains("distance: not above 0")).height == (len(broken) + 1) // 2


def test_a_label_with_one_class_is_refused(
    document: dict[str, Any], flights_frame: pl.DataFrame, home: Home, tmp_path: Path
) -> None:
    october = pl.col("scheduled_departure").dt.month() == 10
    flat = flights_frame.with_columns(pl.when(october).then(pl.lit(False)).otherwise("late").alias("late"))
    workload = with_source(document, flat, tmp_path)
    validated = validated_of(workload, ingested(workload, home), home)
    with pytest.raises(SplitError, match="test"):
        prepared_of(workload, validated, home)
    assert not list(home.room("prepared").glob("[!.]*"))


def test_a_damaged_build_is_neither_promoted_nor_served(staged: Staged, tmp_path: Path) -> None:
    home = Home(tmp_path / "copy")
    copy = home.room("builds", staged.packaged.build_id)
    shutil.copytree(staged.packaged.path, copy)
    (copy / "model.onnx").write_bytes(b"not what was built")
    with pytest.raises(BuildError, match=r"model\.onnx is not what was built"):
        open_build(copy)
    with pytest.raises(BuildError, match=r"model\.onnx is not what was built"):
        challenger_of(staged.workload, staged.packaged.build_id, home, Settings())
