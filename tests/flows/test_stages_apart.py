"""Every stage of a whole run in a fresh process and an empty folder: results alone go from one to the next, as JSON."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from pydantic import BaseModel

from components.artefacts.rollout import read_rollout, rollout_path
from components.builds.inputs import BuildInputs
from components.builds.packaging import PackagedBuild
from components.builds.part import ServedPart
from components.builds.results import Measured, Rehearsed
from components.catalog import Kind, find_kind
from components.compression.part import CompressionPart
from components.compression.results import Compressed
from components.data.audit.findings import Audited
from components.data.results import Expected, Prepared, Snapshot, Validated
from components.declaration.loading import contract_of, parse_workload
from components.declaration.workload import Workload
from components.evaluation.evidence import Evaluated
from components.evaluation.part import EvaluationPart
from components.gates.judge import GateReport
from components.gates.part import GatesPart
from components.monitoring.monitor import Monitored
from components.promotion.promote import Promotion
from components.registry.versions import Registered
from components.settings import Home
from components.training.part import TrainingPart
from components.training.results import Trained
from data_contracts.description.spec import ContractSpec

R = TypeVar("R", bound=BaseModel)

PROGRAM = Path(__file__).with_name("one_stage.py")
SECONDS = 240
# Says where a stage keeps what it makes, as environment variables; it is asked anew for every stage.
Place = Callable[[], dict[str, str]]


def one_home(folder: Path) -> Place:
    """Keep everything in one folder that every process sees."""
    return lambda: {"SLIPWAY_HOME": str(folder / "home")}


@pytest.fixture(params=[one_home])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    found: Place = request.param(tmp_path)
    return found


def plain(value: Any) -> Any:
    """Return an argument as plain values."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Kind):
        return value.name
    if isinstance(value, (tuple, list)):
        return [plain(one) for one in value]
    return msgspec.to_builtins(value)


@dataclass
class Apart:
    """Runs stages, each in a process and in a folder of its own."""

    place: Place
    folder: Path
    count: int = 0

    def run(self, stage: str, result: type[R], **given: Any) -> R:
        self.count += 1
        empty = self.folder / f"{self.count}-{stage}"
        empty.mkdir()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}
        done = subprocess.run(
            [sys.executable, "-P", str(PROGRAM), stage],
            input=msgspec.json.encode({name: plain(value) for name, value in given.items()}),
            capture_output=True,
            cwd=empty,
            env=environment | self.place(),
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{stage}: {done.stderr.decode()[-2000:]}"
        assert not list(empty.iterdir()), f"{stage} left something in its working folder"
        return result.model_validate_json(done.stdout)


def built(apart: Apart, workload: Workload, contract: ContractSpec) -> tuple[BuildInputs, PackagedBuild]:
    """Build, stage by stage, as the flow does."""
    shared = {"contract": contract, "kind": find_kind(workload.kind)}
    rows = {"contract": contract, "name": workload.name}
    snapshot = apart.run("ingest", Snapshot, source=workload.source, contract=contract)
    validated = apart.run("validate", Validated, snapshot=snapshot, **rows)
    expected = apart.run("expect", Expected, validated=validated, **rows)
    split = {"split": workload.split, "features": workload.features}
    prepared = apart.run("prepare", Prepared, validated=validated, contract=contract, **split)
    audited = apart.run("audit", Audited, prepared=prepared, audit=workload.audit, contract=contract)
    part = TrainingPart.of(workload)
    trained = apart.run("train", Trained, workload=part, prepared=prepared, **shared)
    smaller = {"workload": CompressionPart.of(workload), "trained": trained, "prepared": prepared}
    compressed = apart.run("compress", Compressed, **smaller, **shared)
    shipped = {"shipped": compressed.shipped, "prepared": prepared, **shared}
    evaluated = apart.run("evaluate", Evaluated, workload=EvaluationPart.of(workload), trained=trained, **shipped)
    served = {"workload": ServedPart.of(workload), "answers": evaluated.answers}
    rehearsed = apart.run("rehearse", Rehearsed, **served, **shipped)
    measured = Measured(
        prepared=prepared,
        audited=audited,
        trained=trained,
        compressed=compressed,
        evaluated=evaluated,
        rehearsed=rehearsed,
        usd_per_hour=0.085,
    )
    gates = apart.run("gate", GateReport, workload=GatesPart.of(workload), measured=measured)
    inputs = BuildInputs(**dict(measured), snapshot=snapshot, validated=validated, expected=expected, gates=gates)
    return inputs, apart.run("package", PackagedBuild, workload=workload, inputs=inputs, **shared)


@pytest.mark.slow
def test_a_whole_run_passes_with_every_stage_in_a_process_and_a_folder_of_its_own(
    document: dict[str, Any], place: Place, tmp_path: Path
) -> None:
    workload = parse_workload({**document, "serving": {"variants": {"allow": ["fp16"]}}}, where="sample.yaml")
    contract = contract_of(workload)
    apart = Apart(place, tmp_path / "processes")
    apart.folder.mkdir()
    inputs, packaged = built(apart, workload, contract)
    assert inputs.gates.passed, [verdict.line for verdict in inputs.gates.refused]
    known = {"workload": workload, "build": packaged, "trained": inputs.trained, "gates_passed": True}
    registered = apart.run("register", Registered, **known)
    assert registered.build_id == packaged.build_id
    promoted = apart.run("promote", Promotion, workload=workload, build=packaged, accept=["environment"])
    assert promoted.build_id == packaged.build_id
    monitored = apart.run("monitor", Monitored, workload=workload, build=packaged, prepared=inputs.prepared)
    assert monitored.drift.windows
    home = Home(Path(place()["SLIPWAY_HOME"]))
    assert read_rollout(rollout_path(home.room("rollouts"), workload.name), workload.name).champion == packaged.build_id
