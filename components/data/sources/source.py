"""Where rows come from: files, a database or a Python callable, opened as one lazy frame."""

import hashlib
import importlib.metadata
import tempfile
import weakref
from pathlib import Path

import polars as pl

from components.artefacts.errors import SourceError
from components.artefacts.storage import digest_file, digest_json
from components.data.sources.found_files import files_below, matching_files
from components.data.sources.rewriting import as_in_source, rewritten
from components.data.sources.source_files import Opened, find_files, is_remote, open_files
from components.data.sources.source_tables import open_query, public_uri
from components.declaration.source import Source
from components.imported_code import code_of
from components.user_code import find_function, told_of_theirs
from data_contracts.description.spec import ContractSpec


def open_source(source: Source, contract: ContractSpec, scratch: Path | None = None) -> Opened:
    """Open a source; SourceError if it is missing or cannot be read.

    What must be unpacked or fetched first goes to ``scratch``, which has to live as long as the frame is used; if it
    is not given, to a temporary folder that goes with the frame.
    """
    if source.python is not None:
        return Opened(rewritten(_call(source.python), source, contract), source)
    if scratch is None:
        folder = tempfile.TemporaryDirectory(prefix="slipway-source-")
        opened = _open(source, contract, Path(folder.name))
        weakref.finalize(opened.rows, folder.cleanup)
        return opened
    return _open(source, contract, scratch)


def source_fingerprint(source: Source) -> str | dict[str, str] | None:
    """Return a digest of what the source is made of, or None when that cannot be known without reading it all.

    What a function reads is known if the workload file says so: then its code, all that this imports, the packages and
    the files make a digest each.
    """
    if source.python is not None:
        return _of_function(source)
    if source.path is None or is_remote(source.path):
        return None
    files = {str(file): digest_file(file) for file in find_files(source)}
    return digest_json([source.model_dump(mode="json"), files])


def source_modules(source: Source) -> tuple[str, ...]:
    """Return the modules of the user's that are run to read the source."""
    return (source.python.partition(":")[0],) if source.python is not None else ()


def _of_function(source: Source) -> dict[str, str] | None:
    packages = {f"package {name} of the source": _package_digest(name) for name in source.packages}
    read = {f"{pattern}, which the source reads": _digest_read(pattern) for pattern in source.reads}
    code = code_of(source_modules(source))
    if not (packages or read) or code.unseen or None in packages.values():
        return None
    written = {f"{name}, code of the source": digest for name, digest in code.digests().items()}
    installed = {f"package {name} of the source's code": version for name, version in code.packages.items()}
    return {**written, **installed, **{name: digest for name, digest in packages.items() if digest}, **read}


def _digest_read(pattern: str) -> str:
    """Return a digest over the names and the bytes of the files that a function says it reads."""
    path = Path(pattern)
    found = [path] if path.is_file() else files_below(path) if path.is_dir() else matching_files(pattern)
    if not found:
        raise SourceError(f"source.reads: {pattern} is no file, folder or pattern of files (looked from {Path.cwd()})")
    return digest_json({str(file): digest_file(file) for file in found})


def describe_source(source: Source) -> str:
    """Say in a few words where the rows come from, without passwords."""
    if source.python is not None:
        return source.python + (f" (packages: {', '.join(source.packages)})" if source.packages else "")
    if source.sql is not None:
        return f"{public_uri(source.uri or '')}: {' '.join(source.sql.split())[:200]}"
    return str(source.path)


def _open(source: Source, contract: ContractSpec, scratch: Path) -> Opened:
    asked = as_in_source(contract, source)
    if source.sql is not None:
        opened = Opened(open_query(source, asked, scratch), source)
    else:
        opened = open_files(source, asked, scratch)
    return opened._replace(rows=rewritten(opened.rows, source, contract))


def _package_digest(name: str) -> str | None:
    """Return a digest over an installed package's files; None for one that is run from a folder of its own."""
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        raise SourceError(f"source: the package '{name}' is not installed; pip install {name}") from None
    files = sorted(distribution.files or [], key=str)
    # One that is worked on: its metadata lie beside its sources, or a path file names the folder of these.
    is_elsewhere = any(file.suffix == ".pth" or "egg-info" in str(file) for file in files)
    if is_elsewhere or not files:
        return None
    total = hashlib.sha256(distribution.version.encode())
    for file in files:
        place = Path(str(file.locate()))
        # What Python compiles for itself says nothing of what is in a package.
        if place.is_file() and place.suffix != ".pyc":
            total.update(f"{file} {digest_file(place)}\n".encode())
    return total.hexdigest()


def _call(reference: str) -> pl.LazyFrame:
    function = find_function(reference, f"source {reference}", SourceError)
    with told_of_theirs(f"source {reference} failed, called without arguments", SourceError):
        frame = function()
    if isinstance(frame, pl.DataFrame):
        return frame.lazy()
    if not isinstance(frame, pl.LazyFrame):
        raise SourceError(f"source {reference} returned a {type(frame).__name__}, not a Polars frame")
    return frame
