"""Two records of builds compared: what is the same, what is equal, what differs and why."""

from pathlib import Path

from components.artefacts.build import Build, Manifest
from components.provenance import Package
from components.reproduction.comparison import Reproduction, compare
from components.reproduction.environment import environment_changes
from components.reproduction.recorded import Recorded, RecordedCode, RecordedData, RecordedMachine
from components.training.results import CandidateRecord, HardwareChoice, Stopped, TrainingRecord


def record(
    model: str = "a",
    *,
    packaged: str | None = None,
    auc: float = 0.7,
    threads: int = 2,
    stopped: Stopped = "finished",
    prepared: str = "p",
) -> Recorded:
    manifest = Manifest(
        format=4,
        build_id=f"flights-{model}",
        workload="flights",
        kind="tabular",
        created="",
        files={"model.onnx": packaged or model, "assets/recipe.json": "r"},
        graphs={"model": "model.onnx"},
        assets={"recipe.json": "assets/recipe.json"},
    )
    training = {
        "candidates": (CandidateRecord(name="network", digest=model, score=auc, seconds=1.0, stopped=stopped),),
        "chosen": "network",
        "hardware": HardwareChoice(device="cpu", precision="32-true", compile=False, threads=threads, reason="a test"),
        "seconds": 1.0,
        "cost_usd": 0.0,
        "seed": 1,
    }
    return Recorded(
        build=Build(path=Path(), manifest=manifest, sealed=b"", contents={}),
        code=RecordedCode(commit=None, version="0.1.0"),
        diff=b"",
        data=RecordedData(snapshot="s", validated="v", prepared=prepared),
        machine=RecordedMachine(processor="p", cores=2, python="3.11.7"),
        packages={"polars": Package("2.1.0", ()), "gone": Package("1.0", ())},
        training=TrainingRecord.model_validate(training),
        metrics={"auc": auc},
    )


def verdict(recorded: Recorded, again: Recorded, *, asked: tuple[float, float] = (0.7, 0.7)) -> Reproduction:
    figures = ({"auc, asked again": asked[0]}, {"auc, asked again": asked[1]})
    return compare(recorded, again, figures, code="commit", environment=[], tolerance=0.005, seconds=1.0)


def test_the_same_bytes_are_identical_whatever_it_took() -> None:
    found = verdict(record(), record(threads=1))
    assert (found.verdict, found.differences, found.causes) == ("identical", (), ())
    assert found.held


def test_another_model_with_the_same_metrics_is_equal_and_what_changed_is_named() -> None:
    found = verdict(record(), record("b", auc=0.7001, threads=1, stopped="time cap"))
    assert found.verdict == "equal"
    assert found.differences == (
        "network is another model (0.700000 recorded, 0.700100 now)",
        "model.onnx has other bytes",
    )
    assert found.causes == (
        "hardware.threads was 2, now 1",
        "a cap ended the training of network (finished, now time cap): where depends on the clock",
    )


def test_a_metric_beyond_the_tolerance_is_a_difference() -> None:
    found = verdict(record(), record("b", auc=0.69))
    assert found.verdict == "different"
    assert "auc: 0.700000 recorded, 0.690000 now" in found.differences
    assert not found.held


def test_a_graph_that_answers_otherwise_is_found_though_every_record_says_the_same() -> None:
    found = verdict(record("tampered"), record(), asked=(0.5, 0.7))
    assert found.verdict == "different"
    assert found.differences[0] == "auc, asked again: 0.500000 recorded, 0.700000 now"


def test_a_graph_that_is_not_the_one_of_its_own_record_is_a_difference() -> None:
    found = verdict(record(packaged="swapped"), record())
    assert found.verdict == "different"
    assert found.differences[0] == "model.onnx is not the network that the build's own record names"


def test_other_data_are_named() -> None:
    assert "the prepared data are other ones: p, now q" in verdict(record(), record(prepared="q")).differences


def test_packages_and_machine_that_changed_are_named() -> None:
    now = {"polars": Package("2.2.0", ()), "new": Package("1.0", ())}
    machine = RecordedMachine(processor="p", cores=4, python="3.11.7")
    assert environment_changes(record(), now, machine) == [
        "gone was 1.0, is not there",
        "new was not there, is 1.0",
        "polars was 2.1.0, is 2.2.0",
        "cores: was 2, is 4",
    ]
