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

from components.answer_shape import AnswerShape
from components.declaration import Workload
from components.delivery.bento import pack_bento
from components.delivery.build import Golden, ServingSpec, seal
from components.delivery.signing import ensure_key, sign_build
from components.provenance import CodeVersion, Package
from components.settings import Home
from components.storage import scratch_prefix, write_atomically, write_json
from data_contracts.spec import ContractSpec

GOLDEN_ROWS = 64
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
    shape: AnswerShape,
    documents: Mapping[str, Path],
    card: str,
    provenance: Mapping[str, Any],
    code: CodeVersion,
    dependencies: Mapping[str, Package],
    key: Path,
) -> PackagedBuild:
    """Write, seal and sign a build; ``key`` is the private key, made on first use.

    ``test_rows`` is the raw hold-out, ``answers`` the numbers evaluated for each of its rows in order,
    with the columns of ``shape``;
    ``documents`` are finished files to take along under their names (evidence.json, gates.json, ...).
    """
    rows = pl.read_parquet(test_rows).select(*(field.name for field in contract.inputs), contract.label.name)
    scored = rows.hstack(answers.select(shape.columns))
    home.room("builds").mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=home.room("builds"), prefix=scratch_prefix("build")))
    try:
        shutil.copyfile(model, folder / "model.onnx")
        shutil.copyfile(recipe, folder / "recipe.json")
        for name, path in documents.items():
            shutil.copyfile(path, folder / name)
        write_json(folder / "contract.json", contract)
        write_json(folder / "serving.json", _serving(workload, shape))
        write_json(folder / "golden.json", golden_of(scored, contract, shape, workload.gates.parity, workload.seed))
        _sample(scored, REFERENCE_ROWS, workload.seed).write_parquet(folder / "reference.parquet")
        write_json(folder / "provenance.json", provenance)
        write_json(folder / "dependencies.json", dependencies)
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


def _serving(workload: Workload, shape: AnswerShape) -> ServingSpec:
    serving = workload.serving
    return ServingSpec(
        workload=workload.name,
        answer=shape,
        port=serving.port,
        max_rows=serving.max_rows,
        max_body_bytes=serving.max_body_bytes,
        log_predictions=serving.log_predictions,
    )


def _sample(frame: pl.DataFrame, rows: int, seed: int) -> pl.DataFrame:
    return frame.sample(rows, seed=seed) if len(frame) > rows else frame


def golden_of(scored: pl.DataFrame, contract: ContractSpec, shape: AnswerShape, tolerance: float, seed: int) -> Golden:
    """Choose rows as a client would send them, with the numbers that were evaluated for each.

    ``tolerance`` is in units of the shape's scale.
    """
    chosen = _sample(scored, GOLDEN_ROWS, seed)
    return Golden(
        rows=json_rows(chosen, contract),
        columns=shape.columns,
        answers=[list(row) for row in chosen.select(pl.col(shape.columns).cast(pl.Float64)).iter_rows()],
        tolerance=tolerance * shape.scale,
    )


def json_rows(frame: pl.DataFrame, contract: ContractSpec) -> list[dict[str, Any]]:
    """Return the input fields of contract rows as plain JSON values: ISO 8601 moments, null for missing."""
    names = [field.name for field in contract.inputs]
    rows = frame.select(names).to_dicts()
    encoded = msgspec.json.decode(msgspec.json.encode(rows))
    return [{name: _finite(value) for name, value in row.items()} for row in encoded]


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
