"""Put everything that a build must hold into one sealed folder; components/artefacts/build.py says what lies where."""

import math
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import yaml
from pydantic import Field

from components.artefacts.answer_shape import AnswerShape
from components.artefacts.build import ASSETS, GRAPH, Golden, ServingSpec, Stations, open_build, seal
from components.artefacts.errors import BuildError
from components.artefacts.inference import Parts
from components.artefacts.storage import digest_file, scratch_prefix, write_atomically, write_json
from components.builds.bento import pack_bento
from components.builds.kept_builds import keep_build
from components.builds.part import ServedPart
from components.builds.serving_environment import REQUIREMENTS, serving_packages, write_requirements
from components.builds.signing import ensure_key, public_key_path, sign_build
from components.data.pseudonyms import without_pii
from components.declaration.workload import Workload
from components.provenance import CodeVersion, Package
from components.result import Result
from components.settings import Home
from components.store.reference import Reference
from data_contracts.description.spec import ContractSpec

GOLDEN_ROWS = 64
# Where the answers of the graphs and assets are described, and what they are compared with.
CORE = ("contract.json", "serving.json", "golden.json", "stations.json")
REFERENCE_ROWS = 50_000


class PackagedBuild(Result):
    """A sealed build."""

    digest: str = Field(description="Of its manifest: of what answers, and of how it was judged.")
    build_id: str
    stored: Reference = Field(alias="path")
    bento: str = Field(description="Tag of the Bento in the home's BentoML store.")

    @property
    def path(self) -> Path:
        return self.stored.local()


def package_build(
    workload: Workload,
    contract: ContractSpec,
    home: Home,
    *,
    shipped: Parts,
    test_rows: Path,
    answers: pl.DataFrame,
    shape: AnswerShape,
    documents: Mapping[str, Path],
    card: str,
    provenance: Mapping[str, Any],
    code: CodeVersion,
    dependencies: Mapping[str, Package],
    key: Path,
    rehearsed: Mapping[str, str],
) -> PackagedBuild:
    """Write, seal and sign a build; ``key`` is the private key, made on first use.

    ``test_rows`` is the raw hold-out, ``answers`` what was evaluated for each of its rows in order, with the columns of
    ``shape`` and the same of the trainer and the graph as exported; ``documents`` are finished files to take along
    under their names (evidence.json, gates.json, ...). ``rehearsed`` are the digests of the files that the parity
    ladder was climbed with: BuildError if those that are packaged are others.
    """
    scored = scored_rows(test_rows, answers, shape, contract, home)
    home.room("builds").mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=home.room("builds"), prefix=scratch_prefix("build")))
    try:
        core = write_core(folder, ServedPart.of(workload), contract, shipped, scored, shape)
        _check_rehearsed(folder, core, rehearsed)
        for name, path in documents.items():
            shutil.copyfile(path, folder / name)
        reference = _sample(scored, REFERENCE_ROWS, workload.seed).drop(_stations_of(shape))
        reference.write_parquet(folder / "reference.parquet")
        write_json(folder / "provenance.json", provenance)
        write_json(folder / "dependencies.json", dependencies)
        serving = serving_packages(workload.kind)
        write_requirements(folder / REQUIREMENTS, serving)
        from components.builds.bill_of_materials import write_bill_of_materials

        write_bill_of_materials(
            folder / "bom.cdx.json",
            {**dependencies, **serving},
            serving,
            name=workload.name,
            graphs=[folder / name for name in core if name.endswith(GRAPH)],
        )
        if code.diff or code.untracked:
            notes = "".join(f"untracked: {name}\n" for name in code.untracked)
            write_atomically(folder / "uncommitted.diff", (notes + code.diff).encode())
        document = workload.model_dump(mode="json", exclude_defaults=False)
        write_atomically(folder / "workload.yaml", yaml.safe_dump(document, sort_keys=False).encode())
        write_atomically(folder / "card.md", card.encode())
        created = datetime.now(UTC).isoformat(timespec="seconds")
        seal(folder, workload=workload.name, kind=workload.kind, created=created)
        sign_build(folder, ensure_key(key))
        target = keep_build(folder, home.store, public_key_path(key))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    stored = home.reference("builds", target.name)
    build = open_build(target, public_key_path(key))
    bento = pack_bento(build, home.room("bentoml"))
    return PackagedBuild(digest=build.seal, build_id=build.build_id, stored=stored, bento=bento)


def scored_rows(
    test_rows: Path, answers: pl.DataFrame, shape: AnswerShape, contract: ContractSpec, home: Home
) -> pl.DataFrame:
    """Return the hold-out's inputs and label beside what was answered for each row at each station before the build.

    No value of a pii field is left in it; what is answered does not depend on these, for no feature may be one.
    """
    held = pl.read_parquet(test_rows, glob=False)
    rows = without_pii(held.select(*(field.name for field in contract.inputs), contract.label.name), contract, home)
    return rows.hstack(answers.select(*shape.columns, *_stations_of(shape)))


def _stations_of(shape: AnswerShape) -> list[str]:
    return [f"{station}_{name}" for station in ("trainer", "exported") for name in shape.columns]


def write_core(
    folder: Path,
    workload: ServedPart,
    contract: ContractSpec,
    shipped: Parts,
    scored: pl.DataFrame,
    shape: AnswerShape,
) -> list[str]:
    """Write what a build needs to answer and to be compared; return the names of the files.

    They are rehearsed before the build is judged, and packaged unchanged.
    """
    named = {f"{name}{GRAPH}": file for name, file in shipped.graphs.items()}
    named |= {f"{ASSETS}{name}": file for name, file in shipped.assets.items()}
    for name, file in named.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(file if isinstance(file, bytes) else file.read_bytes())
    write_json(folder / "contract.json", contract)
    write_json(folder / "serving.json", _serving(workload, shape))
    golden = _sample(scored, GOLDEN_ROWS, workload.seed)
    write_json(folder / "golden.json", golden_of(golden, contract, shape, workload.gates.parity))
    stations = Stations(
        trainer=_numbers(golden, [f"trainer_{name}" for name in shape.columns]),
        exported=_numbers(golden, [f"exported_{name}" for name in shape.columns]),
        export_tolerance=workload.gates.parity * shape.scale,
        compression_tolerance=workload.serving.variants.answer_change * shape.scale,
    )
    write_json(folder / "stations.json", stations)
    return [*named, *CORE]


def _numbers(frame: pl.DataFrame, columns: Sequence[str]) -> list[list[float]]:
    return [list(row) for row in frame.select(pl.col(columns).cast(pl.Float64)).iter_rows()]


def _check_rehearsed(folder: Path, core: Sequence[str], rehearsed: Mapping[str, str]) -> None:
    for name in core:
        if digest_file(folder / name) != rehearsed.get(name):
            raise BuildError(f"{name} is not the one that was rehearsed and judged: nothing was packaged; build again")


def _serving(workload: ServedPart, shape: AnswerShape) -> ServingSpec:
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


def golden_of(chosen: pl.DataFrame, contract: ContractSpec, shape: AnswerShape, tolerance: float) -> Golden:
    """Return rows as a client would send them, with the numbers that were evaluated for each.

    ``tolerance`` is in units of the shape's scale.
    """
    return Golden(
        rows=json_rows(chosen, contract),
        columns=shape.columns,
        answers=_numbers(chosen, shape.columns),
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
