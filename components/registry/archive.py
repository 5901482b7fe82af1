"""A build as one file: out of one home as a Bento, into another after its digests and its signature were checked.

Only the build is taken from the file. The Bento's code is not signed, so it is packed anew with the code of the
installation that imports it.
"""

import lzma
import shutil
import tarfile
import tempfile
from pathlib import Path

from components.artefacts.build import SIGNATURE, Build, open_build
from components.artefacts.errors import BuildError
from components.artefacts.storage import scratch_prefix
from components.builds.bento import export_bento, pack_bento
from components.builds.kept_builds import keep_build, workload_document
from components.builds.signing import ensure_key, public_key_path, sign_build
from components.evaluation.evidence import parse_evidence
from components.gates.judge import GateReport
from components.registry.versions import PARAMETERS, Registered, RunFacts, register_build
from components.settings import Home, Settings

ENDING = ".bento"
# Where a build lies in a Bento, which is a packed tar.
INSIDE = "src/build/"
LARGEST = 8 * 2**30


def export_build(build: Build, home: Home, target: Path) -> Path:
    """Write a build, packed as a Bento, to one file; BuildError if the file is there already or is called otherwise."""
    if target.suffix != ENDING:
        raise BuildError(f"{target} must end in {ENDING}, by which BentoML knows its files")
    if target.exists():
        raise BuildError(f"{target} exists already; it is not overwritten")
    if not target.parent.is_dir():
        raise BuildError(f"cannot write {target}: there is no folder {target.parent}")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".export-") as scratch:
        # Packed anew, from the build that was checked: nobody has signed what lies in BentoML's store.
        store = Path(scratch, "store")
        export_bento(pack_bento(build, store), store, Path(scratch, target.name)).replace(target)
    return target


def _unpacked(source: Path, folder: Path) -> Path:
    """Unpack the build in an exported file, and nothing else of it; BuildError if there is none."""
    if not source.is_file():
        raise BuildError(f"{source} does not exist: give a file that 'slipway export' wrote")
    try:
        with tarfile.open(source) as archive:
            members = [one for one in archive if one.isfile() and one.name.removeprefix("./").startswith(INSIDE)]
            if (size := sum(one.size for one in members)) > LARGEST:
                raise BuildError(f"{source} unpacks to {size:,} bytes; at most {LARGEST:,} are taken in")
            # The filter refuses places outside of the folder, links and devices.
            archive.extractall(folder, members=members, filter="data")
    except (tarfile.TarError, lzma.LZMAError, EOFError) as error:
        raise BuildError(f"{source} is not a file that 'slipway export' wrote: {error}") from error
    if not members:
        raise BuildError(f"{source} holds no Slipway build: it has nothing in {INSIDE}")
    return folder / INSIDE


def import_build(source: Path, home: Home, settings: Settings, key: Path) -> Registered:
    """Take a build out of an exported file, check it, keep it among the builds and register it.

    ``key`` is the public key that must have signed it; if it is another's, the build is signed anew with the key of
    this home, which ``check``, ``promote`` and ``serve`` ask for. Raises BuildError if the file holds no build, or one
    that was changed or signed by somebody else; nothing is kept of it then.
    """
    with tempfile.TemporaryDirectory(prefix="slipway-import-") as scratch:
        opened = open_build(_unpacked(source, Path(scratch)), key)
        home.room("builds").mkdir(parents=True, exist_ok=True)
        # Beside the others, so that it gets its place among them in one step.
        folder = Path(tempfile.mkdtemp(dir=home.room("builds"), prefix=scratch_prefix("import")))
        try:
            opened.write_to(folder)
            own = public_key_path(ensure_key(settings.key()))
            if own.read_bytes() != key.read_bytes():
                # Whoever takes it in vouches for it: here, every door asks for the key of this home.
                (folder / SIGNATURE).unlink()
                sign_build(folder, settings.key())
            build = open_build(keep_build(folder, home.store, own), own)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    pack_bento(build, home.room("bentoml"))
    evidence = parse_evidence(build.read("evidence.json"), where=f"evidence.json of build {build.build_id}")
    document = workload_document(build)
    facts = RunFacts(
        gates_passed=GateReport.model_validate_json(build.read("gates.json")).passed,
        metrics={measure.name: measure.value for measure in evidence.measures if measure.slice is None},
        parameters={name: document[name] for name in PARAMETERS},
        metric=document["goal"]["metric"],
        tags={"workload": build.manifest.workload, "goal": document["goal"]["statement"]},
    )
    return register_build(build, facts, home, settings)
