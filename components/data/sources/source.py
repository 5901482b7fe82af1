"""Where rows come from: files, a database or a Python callable, opened as one lazy frame."""

import hashlib
import importlib
import importlib.metadata
import importlib.util
import tempfile
import weakref
from pathlib import Path

import polars as pl

from components.data.sources.source_files import Opened, find_files, is_remote, open_files
from components.data.sources.source_tables import open_query, public_uri
from components.declaration import Source
from components.errors import SourceError
from components.storage import digest_file, digest_json
from components.user_code import told
from data_contracts.spec import ContractSpec


def open_source(source: Source, contract: ContractSpec, scratch: Path | None = None) -> Opened:
    """Open a source; SourceError if it is missing or cannot be read.

    What must be unpacked or fetched first goes to ``scratch``, which has to live as long as the frame is used; if it
    is not given, to a temporary folder that goes with the frame.
    """
    if source.python is not None:
        return Opened(_call(source.python), source)
    if scratch is None:
        folder = tempfile.TemporaryDirectory(prefix="slipway-source-")
        opened = _open(source, contract, Path(folder.name))
        weakref.finalize(opened.rows, folder.cleanup)
        return opened
    return _open(source, contract, scratch)


def source_fingerprint(source: Source) -> str | None:
    """Return a digest of what the source is made of, or None when that cannot be known without reading it all."""
    if source.python is not None:
        module = source.python.partition(":")[0]
        file = _module_file(source.python)
        code = digest_file(file) if file is not None else module
        return digest_json([source.python, code, {name: _package_digest(name) for name in source.packages}])
    if source.path is None or is_remote(source.path):
        return None
    files = {str(file): digest_file(file) for file in find_files(source)}
    return digest_json([source.model_dump(mode="json"), files])


def describe_source(source: Source) -> str:
    """Say in a few words where the rows come from, without passwords."""
    if source.python is not None:
        return source.python + (f" (packages: {', '.join(source.packages)})" if source.packages else "")
    if source.sql is not None:
        return f"{public_uri(source.uri or '')}: {' '.join(source.sql.split())[:200]}"
    return str(source.path)


def _open(source: Source, contract: ContractSpec, scratch: Path) -> Opened:
    if source.sql is not None:
        return Opened(open_query(source, contract, scratch), source)
    return open_files(source, contract, scratch)


def _module_file(reference: str) -> Path | None:
    module = reference.partition(":")[0]
    try:
        spec = importlib.util.find_spec(module)
    except (Exception, SystemExit) as error:
        # Looking for a module imports the package that it is in.
        raise SourceError(f"source {reference}: module '{module}' cannot be imported: {told(error)}") from error
    return Path(spec.origin) if spec and spec.origin and Path(spec.origin).is_file() else None


def _package_digest(name: str) -> str:
    """Return a digest over the recorded hashes of an installed package's files, and its version."""
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        raise SourceError(f"source: the package '{name}' is not installed; pip install {name}") from None
    total = hashlib.sha256(distribution.version.encode())
    for file in sorted(distribution.files or [], key=str):
        if file.hash is not None:
            total.update(f"{file} {file.hash.value}\n".encode())
    return total.hexdigest()


def _call(reference: str) -> pl.LazyFrame:
    module_name, _, function_name = reference.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        # The module is the user's own and may raise anything, and so may the function.
        raise SourceError(f"source {reference}: module '{module_name}' cannot be imported: {told(error)}") from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise SourceError(f"source {reference}: module '{module_name}' has no function '{function_name}'")
    try:
        frame = function()
    except (Exception, SystemExit) as error:
        raise SourceError(f"source {reference} failed, called without arguments: {told(error)}") from error
    if isinstance(frame, pl.DataFrame):
        return frame.lazy()
    if not isinstance(frame, pl.LazyFrame):
        raise SourceError(f"source {reference} returned a {type(frame).__name__}, not a Polars frame")
    return frame
