"""What a build is: an immutable folder whose manifest lists the SHA-256 of every file. No pickle.

    manifest.json       format, build id, workload, kind, when it was made, files -> sha256
    model.onnx          raw contract fields in, calibrated outputs out
    contract.json       ContractSpec: what a row must be
    serving.json        ServingSpec: how to answer
    recipe.json         the fitted transforms, to be read by people and tests (the graph holds them too)
    golden.json         held-out rows and the answers evaluated for them: a client in any language can check itself
    stations.json       what the trainer and the graph as exported answered for the golden rows
    evidence.json       what justified the build
    gates.json          how each gate judged it
    reference.parquet   hold-out rows with label and score (a sample if there are very many): what later
                        traffic and later challengers are compared with
    provenance.json     data digest, code version, seeds, hardware, stage keys
    dependencies.json   the exact dependency graph: package -> version, requires
    bom.cdx.json        the same as a CycloneDX bill of materials, with licences
    serving-requirements.txt  the exact packages that serving needs, nothing else
    uncommitted.diff    what differed from the recorded commit (only if something did)
    workload.yaml       the workload file as it was
    card.md             model card
    dossier.html        the evidence as a page for people
    model.sig           signature of all of this (OpenSSF model signing), if a key is set

The data plane reads builds with this module, so it imports msgspec and NumPy alone.
"""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from components.answer_shape import AnswerShape
from components.errors import BuildError
from components.storage import digest_file, digest_json, write_json
from data_contracts.spec import ContractSpec, read_contract

FORMAT = 2
MANIFEST = "manifest.json"
SIGNATURE = "model.sig"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The list of what a build holds; its id is derived from the digests, so a changed file changes the id."""

    format: int
    build_id: str
    workload: str
    kind: str
    created: str
    files: dict[str, str]


class ServingSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How a build answers: the shape of its answers, and the limits of the workload file's ``serving`` section."""

    workload: str
    answer: AnswerShape
    port: int
    max_rows: int
    max_body_bytes: int
    log_predictions: float


class Golden(msgspec.Struct, frozen=True, kw_only=True):
    """Held-out rows as a client would send them, and the numbers that were evaluated for each.

    ``columns`` names the numbers; ``tolerance`` is how far each may be off.
    """

    rows: list[dict[str, Any]]
    columns: tuple[str, ...]
    answers: list[list[float]]
    tolerance: float

    def matrix(self) -> NDArray[np.float64]:
        """Return the evaluated numbers, [rows, columns]."""
        return np.array(self.answers, dtype=np.float64).reshape(len(self.rows), len(self.columns))


class Stations(msgspec.Struct, frozen=True, kw_only=True):
    """What was answered for the golden rows on the way to the build, [rows][columns], and what a step may change."""

    trainer: list[list[float]]
    exported: list[list[float]]
    export_tolerance: float
    compression_tolerance: float


class Build(msgspec.Struct, frozen=True):
    """An opened build: its folder and manifest."""

    path: Path
    manifest: Manifest

    @property
    def build_id(self) -> str:
        return self.manifest.build_id

    @property
    def model(self) -> Path:
        return self.path / "model.onnx"

    def contract(self) -> ContractSpec:
        return read_contract((self.path / "contract.json").read_bytes())

    def serving(self) -> ServingSpec:
        return msgspec.json.decode((self.path / "serving.json").read_bytes(), type=ServingSpec)

    def environment_differences(self) -> list[str]:
        """Return what differed from the pinned packages when the build was made."""
        provenance = msgspec.json.decode((self.path / "provenance.json").read_bytes())
        return list(provenance.get("environment_differences", []))

    def stations(self) -> Stations:
        path = self.path / "stations.json"
        if not path.is_file():
            raise BuildError(
                f"build {self.build_id} has no stations.json, which its parity ladder needs: build it again"
            )
        return msgspec.json.decode(path.read_bytes(), type=Stations)

    def golden(self) -> Golden:
        return msgspec.json.decode((self.path / "golden.json").read_bytes(), type=Golden)


def seal(folder: Path, *, workload: str, kind: str, created: str) -> Manifest:
    """Write the manifest of a finished folder and return it."""
    files = {
        str(path.relative_to(folder)): digest_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (MANIFEST, SIGNATURE)
    }
    build_id = f"{workload}-{digest_json(files)[:12]}"
    manifest = Manifest(format=FORMAT, build_id=build_id, workload=workload, kind=kind, created=created, files=files)
    write_json(folder / MANIFEST, manifest)
    return manifest


def open_build(path: Path, public_key: Path | None = None) -> Build:
    """Open a build and check every file against its manifest; BuildError names the file that differs.

    With a public key the manifest must be signed by its owner.
    """
    try:
        manifest = msgspec.json.decode((path / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise BuildError(f"{path} is not a build: it has no {MANIFEST}") from None
    except msgspec.MsgspecError as error:
        raise BuildError(f"{path / MANIFEST} is not a manifest of format {FORMAT}: {error}") from error
    if manifest.format != FORMAT:
        raise BuildError(f"{path} has format {manifest.format}; this version reads format {FORMAT}: build it again")
    if manifest.build_id != f"{manifest.workload}-{digest_json(manifest.files)[:12]}":
        raise BuildError(f"{path / MANIFEST} was changed: its id {manifest.build_id} does not follow from its files")
    if public_key is not None:
        # Only then: it needs a tenth of a second and a library that reading a build does not.
        from components.builds.signature import check_signature

        check_signature(path / MANIFEST, path / SIGNATURE, public_key)
    for name, digest in manifest.files.items():
        file = path / name
        if not file.is_file():
            raise BuildError(f"build {manifest.build_id}: {name} is missing; it cannot be used, build it again")
        if digest_file(file) != digest:
            raise BuildError(f"build {manifest.build_id}: {name} is not what was built (digest differs); do not use it")
    return Build(path, manifest)
