"""Put everything that a build must hold into one sealed folder; components/delivery/build.py says what lies where."""

import math
import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, Field

from components.declaration import Workload
from components.delivery.bento import pack_bento
from components.delivery.bill_of_materials import write_bill_of_materials
from components.delivery.build import Golden, ServingSpec, Stations, seal
from components.delivery.serving_environment import REQUIREMENTS, serving_packages, write_requirements
from components.delivery.signing import ensure_key, sign_build
from components.errors import BuildError
from components.provenance import CodeVersion, Package
from components.settings import Home
from components.storage import digest_file, write_atomically, write_json
from data_contracts.spec import ContractSpec

GOLDEN_ROWS = 64
# What answers, and what its answers are compared with: rehearsed before it is judged, and packaged unchanged.
CORE = ("model.onnx", "recipe.json", "contract.json", "serving.json", "golden.json", "stations.json")
REFERENCE_ROWS = 50_000


class PackagedBuild(BaseModel):
    """A sealed build."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    digest: str
    build_id: str
    path: Path
    bento: str = Field(description="Tag of the Bento in the home's BentoML store.")


def package_build(
    workload: Workload,
    contract: ContractSpec,
    home: Home,
    *,
    model: Path,
    recipe: Path,
    test_rows: Path,
    answers: pl.DataFrame,
    documents: Mapping[str, Path],
    card: str,
    provenance: Mapping[str, Any],
    code: CodeVersion,
    dependencies: Mapping[str, Package],
    key: Path,
    rehearsed: Mapping[str, str],
    decision_threshold: float | None = None,
) -> PackagedBuild:
    """Write, seal and sign a build; ``key`` is the private key, made on first use.

    ``test_rows`` is the raw hold-out, ``answers`` what was evaluated for each of its rows in order (probability,
    trainer, exported); ``documents`` are finished files to take along under their names (evidence.json, gates.json,
    ...). ``rehearsed`` are the digests of the files that the parity ladder was climbed with: BuildError if those that
    are packaged are others.
    """
    scored = scored_rows(test_rows, answers, contract)
    home.room("builds").mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=home.room("builds"), prefix=".build."))
    try:
        write_core(folder, workload, contract, model, recipe, scored, decision_threshold)
        _check_rehearsed(folder, rehearsed)
        for name, path in documents.items():
            shutil.copyfile(path, folder / name)
        reference = _sample(scored, REFERENCE_ROWS, workload.seed).drop("trainer", "exported")
        reference.write_parquet(folder / "reference.parquet")
        write_json(folder / "provenance.json", {**provenance, "code": _code(provenance, code)})
        write_json(folder / "dependencies.json", dependencies)
        write_requirements(folder / REQUIREMENTS)
        write_bill_of_materials(
            folder / "bom.cdx.json",
            {**dependencies, **serving_packages()},
            serving_packages(),
            name=workload.name,
            model=folder / "model.onnx",
        )
        if code.diff or code.untracked:
            notes = "".join(f"untracked: {name}\n" for name in code.untracked)
            write_atomically(folder / "uncommitted.diff", (notes + code.diff).encode())
        document = workload.model_dump(mode="json", exclude_defaults=False)
        write_atomically(folder / "workload.yaml", yaml.safe_dump(document, sort_keys=False).encode())
        write_atomically(folder / "card.md", card.encode())
        created = datetime.now(UTC).isoformat(timespec="seconds")
        manifest = seal(folder, workload=workload.name, kind=workload.kind, created=created)
        sign_build(folder, ensure_key(key))
        target = home.room("builds", manifest.build_id)
        folder.chmod(0o755)
        if target.exists():
            shutil.rmtree(folder)
        else:
            folder.rename(target)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    bento = pack_bento(target, home.room("bentoml"))
    return PackagedBuild(digest=manifest.build_id, build_id=manifest.build_id, path=target, bento=bento)


def scored_rows(test_rows: Path, answers: pl.DataFrame, contract: ContractSpec) -> pl.DataFrame:
    """Return the hold-out's inputs and label beside what was answered for each row: probability, trainer, exported."""
    rows = pl.read_parquet(test_rows).select(*(field.name for field in contract.inputs), contract.label.name)
    return rows.hstack(answers.select("probability", "trainer", "exported"))


def write_core(
    folder: Path,
    workload: Workload,
    contract: ContractSpec,
    model: Path,
    recipe: Path,
    scored: pl.DataFrame,
    decision_threshold: float | None,
) -> None:
    """Write what a build needs to answer and to be compared: the files of ``CORE``."""
    shutil.copyfile(model, folder / "model.onnx")
    shutil.copyfile(recipe, folder / "recipe.json")
    write_json(folder / "contract.json", contract)
    write_json(folder / "serving.json", _serving(workload, contract, decision_threshold))
    golden = _sample(scored, GOLDEN_ROWS, workload.seed)
    write_json(folder / "golden.json", golden_of(golden, contract, workload.gates.parity))
    stations = Stations(
        trainer=golden["trainer"].cast(pl.Float64).to_list(),
        exported=golden["exported"].cast(pl.Float64).to_list(),
        export_tolerance=workload.gates.parity,
        compression_tolerance=workload.serving.variants.answer_change,
    )
    write_json(folder / "stations.json", stations)


def _check_rehearsed(folder: Path, rehearsed: Mapping[str, str]) -> None:
    for name in CORE:
        if digest_file(folder / name) != rehearsed.get(name):
            raise BuildError(f"{name} is not the one that was rehearsed and judged: nothing was packaged; build again")


def _code(provenance: Mapping[str, Any], code: CodeVersion) -> dict[str, Any]:
    return {**provenance.get("code", {}), "version": code.version, "commit": code.commit}


def _serving(workload: Workload, contract: ContractSpec, decision_threshold: float | None) -> ServingSpec:
    serving = workload.serving
    return ServingSpec(
        workload=workload.name,
        label=contract.label.name,
        # What wrong answers cost decides, where the workload file says it.
        decision_threshold=serving.decision_threshold if decision_threshold is None else decision_threshold,
        port=serving.port,
        max_rows=serving.max_rows,
        max_body_bytes=serving.max_body_bytes,
        log_predictions=serving.log_predictions,
    )


def _sample(frame: pl.DataFrame, rows: int, seed: int) -> pl.DataFrame:
    return frame.sample(rows, seed=seed) if len(frame) > rows else frame


def golden_of(chosen: pl.DataFrame, contract: ContractSpec, tolerance: float) -> Golden:
    """Return rows as a client would send them, with the probability that was evaluated for each."""
    return Golden(
        rows=json_rows(chosen, contract),
        probabilities=chosen["probability"].cast(pl.Float64).to_list(),
        tolerance=tolerance,
    )


def json_rows(frame: pl.DataFrame, contract: ContractSpec) -> list[dict[str, Any]]:
    """Return the input fields of contract rows as plain JSON values: ISO 8601 moments, null for missing."""
    names = [field.name for field in contract.inputs]
    rows = frame.select(names).to_dicts()
    encoded = msgspec.json.decode(msgspec.json.encode(rows))
    return [{name: _finite(value) for name, value in row.items()} for row in encoded]


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
