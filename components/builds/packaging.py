"""Put everything that a build must hold into one sealed folder; components/artefacts/build.py says what lies where."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field

from components.artefacts.build import GRAPH, open_build, seal
from components.artefacts.errors import BuildError
from components.artefacts.storage import digest_file, scratch_prefix
from components.builds.bento import pack_bento
from components.builds.core import Core, sample, stations_of, write_core
from components.builds.kept_builds import keep_build
from components.builds.serving_environment import REQUIREMENTS, serving_packages, write_requirements
from components.builds.signing import ensure_key, public_key_path, sign_build
from components.provenance import Package
from components.result import Result
from components.settings import Home
from components.store.reference import Reference

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
    core: Core,
    kind: str,
    documents: Mapping[str, bytes],
    dependencies: Mapping[str, Package],
    rehearsed: Mapping[str, str],
    home: Home,
    key: Path,
) -> PackagedBuild:
    """Write, seal and sign a build; ``key`` is the private key, made on first use.

    ``documents`` are finished files to take along under their names (evidence.json, card.md, ...). ``rehearsed`` are
    the digests of the files that the parity ladder was climbed with: BuildError if those that are packaged are others.
    """
    name, seed = core.workload.name, core.workload.seed
    home.room("builds").mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=home.room("builds"), prefix=scratch_prefix("build")))
    try:
        files = write_core(folder, core)
        _check_rehearsed(folder, files, rehearsed)
        for file, content in documents.items():
            (folder / file).write_bytes(content)
        reference = sample(core.scored, REFERENCE_ROWS, seed).drop(stations_of(core.shape))
        reference.write_parquet(folder / "reference.parquet")
        serving = serving_packages(kind)
        write_requirements(folder / REQUIREMENTS, serving)
        from components.builds.bill_of_materials import write_bill_of_materials

        write_bill_of_materials(
            folder / "bom.cdx.json",
            {**dependencies, **serving},
            serving,
            name=name,
            graphs=[folder / file for file in files if file.endswith(GRAPH)],
        )
        seal(folder, workload=name, kind=kind, created=datetime.now(UTC).isoformat(timespec="seconds"))
        sign_build(folder, ensure_key(key))
        target = keep_build(folder, home.store, public_key_path(key))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    stored = home.reference("builds", target.name)
    build = open_build(target, public_key_path(key))
    bento = pack_bento(build, home.room("bentoml"))
    return PackagedBuild(digest=build.seal, build_id=build.build_id, stored=stored, bento=bento)


def _check_rehearsed(folder: Path, files: Sequence[str], rehearsed: Mapping[str, str]) -> None:
    for name in files:
        if digest_file(folder / name) != rehearsed.get(name):
            raise BuildError(f"{name} is not the one that was rehearsed and judged: nothing was packaged; build again")
