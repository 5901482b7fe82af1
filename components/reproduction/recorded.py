"""What a build remembers of how it was made: code, data, packages, training and metrics, read from its files.

Read leniently: builds of other versions of the code may hold more.
"""

from typing import Any

import msgspec

from components.artefacts.build import Build
from components.artefacts.errors import BuildError
from components.declaration.metrics import known_metrics
from components.evaluation.evidence import Evidence, parse_evidence
from components.provenance import Package
from components.training.results import TrainingRecord

DIFF = "uncommitted.diff"


class RecordedCode(msgspec.Struct, frozen=True):
    """The code a build was made by."""

    commit: str | None
    version: str
    # Path in the repository, or an absolute one outside of it, to the first characters of the SHA-256.
    files: dict[str, str] = msgspec.field(default_factory=dict)


class RecordedData(msgspec.Struct, frozen=True):
    """Digests of the data at each stage."""

    snapshot: str
    validated: str
    prepared: str


class RecordedMachine(msgspec.Struct, frozen=True):
    """The machine a build was made on, as far as it may change a model."""

    processor: str
    cores: int
    python: str


class _Provenance(msgspec.Struct, frozen=True):
    code: RecordedCode
    data: RecordedData
    machine: RecordedMachine
    training: dict[str, Any]


class Recorded(msgspec.Struct, frozen=True):
    """Everything that a repetition needs, and is compared with."""

    build: Build
    code: RecordedCode
    diff: bytes
    data: RecordedData
    machine: RecordedMachine
    packages: dict[str, Package]
    training: TrainingRecord
    metrics: dict[str, float]


def read_recorded(build: Build) -> Recorded:
    """Read what a build remembers; BuildError if it is too old to remember enough."""
    try:
        provenance = msgspec.json.decode(build.read("provenance.json"), type=_Provenance)
        packages = msgspec.json.decode(build.read("dependencies.json"), type=dict[str, Package])
        training = TrainingRecord.model_validate(provenance.training)
    except (BuildError, ValueError) as error:
        raise BuildError(
            f"build {build.build_id} does not remember enough to be made again: its provenance.json or "
            "dependencies.json is of another format; it was made before 'slipway reproduce' was there, or by a later "
            "version"
        ) from error
    return Recorded(
        build=build,
        code=provenance.code,
        diff=build.read(DIFF) if build.holds(DIFF) else b"",
        data=provenance.data,
        machine=provenance.machine,
        packages=packages,
        training=training,
        metrics=_metrics(parse_evidence(build.read("evidence.json"), where=f"evidence.json of build {build.build_id}")),
    )


def _metrics(evidence: Evidence) -> dict[str, float]:
    """Return the quality of the packaged model on the whole hold-out; what it took is not part of that."""
    known = known_metrics()
    return {m.name: m.value for m in evidence.measures if m.slice is None and m.name in known}
