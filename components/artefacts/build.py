"""What a build is: an immutable folder whose manifest lists the SHA-256 of every file. No pickle.

``open_build`` is the only door: it checks id, signature and every file, lets nothing else in, and what it read is what
is used. The id is that of what answers; how a build came about and was judged lies beside (``BESIDE``), signed as well.

    manifest.json       format, build id, workload, kind, when it was made, files -> sha256, names of graphs and assets
    <graph>.onnx        what answers, by the names that the kind gives; most have one, model: raw contract fields in,
                        calibrated outputs out
    assets/             further files that the kind answers with, or that people and tests read (of the tabular kind
                        recipe.json: the fitted transforms, which the graph holds too)
    contract.json       ContractSpec: what a row must be
    serving.json        ServingSpec: how to answer
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

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from components.artefacts.answer_shape import AnswerShape
from components.artefacts.errors import BuildError
from components.artefacts.inference import Parts
from components.artefacts.sealed_files import SealedFiles, sealed_files
from components.artefacts.storage import digest_bytes, digest_file, digest_json, write_json
from data_contracts.description.spec import ContractSpec, read_contract

FORMAT = 4
# Where the manifest names no graphs and assets; the only asset, which is not in a folder of its own, is a recipe.
UNNAMED = 3
BEFORE_ASSETS = "recipe.json"
# The same, and the id is that of all files, the clock's among them.
CLOCKED = 2
GRAPH, ASSETS = ".onnx", "assets/"
MANIFEST = "manifest.json"
SIGNATURE = "model.sig"
# The record of how a build came about and was judged. All other files answer, or are what answers are compared with,
# and make the id: a file that a later version adds does until it is named here.
BESIDE = frozenset(
    {
        "bom.cdx.json",
        "card.md",
        "dependencies.json",
        "dossier.html",
        "evidence.json",
        "gates.json",
        "provenance.json",
        "serving-requirements.txt",
        "stations.json",
        "uncommitted.diff",
        "workload.yaml",
    }
)
# Files up to this size are kept as they were read when a build is opened. A larger one is read and checked once more by
# who needs it; who knows that it will names it when opening.
KEPT_BYTES = 64 * 2**20
# The most that a manifest or a signature has: they are read before anything is known of them.
SEAL_BYTES = 16 * 2**20
# A workload or a kind: they become parts of paths, and of the names of modules.
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")

Document = TypeVar("Document")


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The list of what a build holds; its id is derived from digests, so a changed file that answers changes the id."""

    format: int
    build_id: str
    workload: str
    kind: str
    created: str
    files: dict[str, str]
    # What the kind answers with: name -> file.
    graphs: dict[str, str] = {}
    assets: dict[str, str] = {}

    @property
    def parts(self) -> tuple[str, ...]:
        """The files that the kind answers with."""
        return (*self.graphs.values(), *self.assets.values())


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


class Build(msgspec.Struct, frozen=True, kw_only=True):
    """A build that was opened: where it lies, its manifest, and its files as they were when they were checked.

    ``public_key`` is the one that it was asked for with: whoever opens it again asks the same.
    """

    path: Path
    manifest: Manifest
    sealed: bytes
    signature: bytes | None = None
    public_key: Path | None = None
    contents: Mapping[str, bytes]

    def __repr__(self) -> str:
        return f"Build({self.build_id}, {self.path})"

    @property
    def build_id(self) -> str:
        return self.manifest.build_id

    @property
    def seal(self) -> str:
        """What tells this sealing of the build from others: the same answers may be judged more than once."""
        return digest_bytes(self.sealed)[:12]

    def holds(self, name: str) -> bool:
        """Say whether a file belongs to the build."""
        return name in self.manifest.files

    def read(self, name: str) -> bytes:
        """Return the bytes of a file as they were built; BuildError if it holds none, or they were changed since."""
        if not self.holds(name):
            raise BuildError(f"build {self.build_id} has no {name}: build it again")
        if (kept := self.contents.get(name)) is not None:
            return kept
        with sealed_files(self.path) as files:
            data = _checked(files, name, self.manifest)
        assert data is not None
        return data

    def parts(self) -> Parts:
        """Return the graphs and assets that the kind answers with, as they were built."""
        manifest = self.manifest
        graphs, assets = (
            {name: self.read(file) for name, file in named.items()} for named in (manifest.graphs, manifest.assets)
        )
        return Parts(graphs, assets)

    def document(self, name: str, kind: type[Document]) -> Document:
        """Return a JSON file of the build; BuildError if it is not what this version writes under the name."""
        try:
            return msgspec.json.decode(self.read(name), type=kind)
        except (msgspec.MsgspecError, ValueError) as error:
            raise BuildError(f"build {self.build_id}: {name} is of another format: {error}; build it again") from error

    def contract(self) -> ContractSpec:
        try:
            return read_contract(self.read("contract.json"))
        except (msgspec.MsgspecError, ValueError) as error:
            raise BuildError(f"build {self.build_id}: its contract is of another format: {error}") from error

    def serving(self) -> ServingSpec:
        return self.document("serving.json", ServingSpec)

    def environment_differences(self) -> list[str]:
        """Return what differed from the pinned packages when the build was made."""
        return list(self.document("provenance.json", dict[str, Any]).get("environment_differences", []))

    def stations(self) -> Stations:
        return self.document("stations.json", Stations)

    def golden(self) -> Golden:
        return self.document("golden.json", Golden)

    def released(self) -> "Build":
        """Return the build without what was read of it: a file that is needed later is read and checked again."""
        return msgspec.structs.replace(self, contents={})

    def write_to(self, folder: Path) -> None:
        """Write every file of the build as it was checked, with manifest and signature, into a folder."""
        for name in self.manifest.files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(self.read(name))
        (folder / MANIFEST).write_bytes(self.sealed)
        if self.signature is not None:
            (folder / SIGNATURE).write_bytes(self.signature)

    def asked_for(self) -> list[str]:
        """Return the options with which the data plane opens this very build, asking for the same key."""
        signed = ["--public-key", str(self.public_key)] if self.public_key else []
        return ["--build", str(self.path), "--build-id", self.build_id, *signed]


def seal(folder: Path, *, workload: str, kind: str, created: str) -> Manifest:
    """Write the manifest of a finished folder and return it: graphs lie there by their names, assets in a folder."""
    files = {
        path.relative_to(folder).as_posix(): digest_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (MANIFEST, SIGNATURE)
    }
    graphs, assets = _named(files)
    manifest = Manifest(
        format=FORMAT,
        build_id=f"{workload}-{_identity(files, FORMAT)}",
        workload=workload,
        kind=kind,
        created=created,
        files=files,
        graphs=graphs,
        assets=assets,
    )
    write_json(folder / MANIFEST, manifest)
    return manifest


def _named(files: Iterable[str], version: int = FORMAT) -> tuple[dict[str, str], dict[str, str]]:
    """Return which files are graphs and which are assets, by their names; they follow from where a file lies."""
    graphs = {name.removesuffix(GRAPH): name for name in files if name.endswith(GRAPH) and "/" not in name}
    if version != FORMAT:
        return graphs, {name: name for name in files if name == BEFORE_ASSETS}
    return graphs, {name.removeprefix(ASSETS): name for name in files if name.startswith(ASSETS)}


def _identity(files: Mapping[str, str], version: int) -> str:
    answering = {name: digest for name, digest in files.items() if version == CLOCKED or name not in BESIDE}
    return digest_json(answering)[:12]


def open_build(
    path: Path, public_key: Path | None = None, *, build_id: str | None = None, load_parts: bool = False
) -> Build:
    """Open a build: its manifest must list every file in the folder and each file must be what it lists.

    With a public key the manifest must be signed by its owner, with a ``build_id`` it must be that build;
    ``load_parts``: keep graphs and assets whatever their size. Raises BuildError that names what differs.
    """
    with sealed_files(path) as files:
        sealed, signature = _read_seal(files, path)
        manifest = _read_manifest(sealed, path)
        if build_id is not None and manifest.build_id != build_id:
            raise BuildError(f"{path} holds {manifest.build_id}, not {build_id}: do not use it")
        if public_key is not None:
            # Only then: it needs a tenth of a second and a library that reading a build does not.
            from components.artefacts.signature import check_signature

            check_signature(sealed, signature, public_key, where=path)
        listed = {*manifest.files, MANIFEST, SIGNATURE}
        if extra := [name for name in files.names() if name not in listed]:
            raise BuildError(
                f"build {manifest.build_id}: {', '.join(extra[:3])} in {path} is not part of it; do not use it"
            )
        contents, whole = {}, manifest.parts if load_parts else ()
        for name in manifest.files:
            data = _checked(files, name, manifest, limit=sys.maxsize if name in whole else KEPT_BYTES)
            if data is not None:
                contents[name] = data
    return Build(
        path=path, manifest=manifest, sealed=sealed, signature=signature, public_key=public_key, contents=contents
    )


def _read_seal(files: SealedFiles, path: Path) -> tuple[bytes, bytes | None]:
    try:
        sealed = files.read(MANIFEST, SEAL_BYTES)
    except FileNotFoundError:
        raise BuildError(f"{path} is not a build: it has no {MANIFEST}") from None
    try:
        return sealed, files.read(SIGNATURE, SEAL_BYTES)
    except FileNotFoundError:
        return sealed, None


def _read_manifest(sealed: bytes, path: Path) -> Manifest:
    """Return a manifest that follows from itself; BuildError if it does not, or is of another format."""
    try:
        manifest = msgspec.json.decode(sealed, type=Manifest)
    except (msgspec.MsgspecError, ValueError) as error:
        raise BuildError(f"{path / MANIFEST} is not a manifest of format {FORMAT}: {error}") from error
    if manifest.format not in (CLOCKED, UNNAMED, FORMAT):
        raise BuildError(
            f"{path} has format {manifest.format}; this version reads formats {CLOCKED} to {FORMAT}: build it again"
        )
    if manifest.build_id != f"{manifest.workload}-{_identity(manifest.files, manifest.format)}":
        raise BuildError(f"{path / MANIFEST} was changed: its id {manifest.build_id} does not follow from its files")
    if not (NAME.fullmatch(manifest.workload) and NAME.fullmatch(manifest.kind)):
        raise BuildError(
            f"{path / MANIFEST} is of workload {manifest.workload!r}, kind {manifest.kind!r}: no such names"
        )
    for name in manifest.files:
        if "\0" in name or any(part in ("", ".", "..") for part in name.split("/")) or name in (MANIFEST, SIGNATURE):
            raise BuildError(
                f"{path / MANIFEST} lists {name!r}, which is no name of a file in it: do not use this build"
            )
    graphs, assets = _named(manifest.files, manifest.format)
    if manifest.format == FORMAT and (manifest.graphs, manifest.assets) != (graphs, assets):
        raise BuildError(f"{path / MANIFEST} was changed: its names of graphs and assets are not those of its files")
    return msgspec.structs.replace(manifest, graphs=graphs, assets=assets)


def _checked(files: SealedFiles, name: str, manifest: Manifest, limit: int = sys.maxsize) -> bytes | None:
    """Return the bytes of a listed file, None if there are more than ``limit``; BuildError if they are others."""
    try:
        digest, data = files.read_up_to(name, limit)
    except FileNotFoundError:
        raise BuildError(f"build {manifest.build_id}: {name} is missing; it cannot be used, build it again") from None
    if digest != manifest.files[name]:
        raise BuildError(f"build {manifest.build_id}: {name} is not what was built (digest differs); do not use it")
    return data
