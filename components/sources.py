"""Where rows come from: a Python callable, a Parquet file or a CSV file, opened as a lazy frame."""

import hashlib
import importlib
import importlib.metadata
import importlib.util
from pathlib import Path

import polars as pl

from components.declaration import Source
from components.errors import SourceError
from components.storage import digest_file, digest_json
from data_contracts.spec import ContractSpec


def open_source(source: Source, contract: ContractSpec) -> pl.LazyFrame:
    """Return the rows of a source, nothing read yet; SourceError if it is missing or cannot be read."""
    if source.python is not None:
        return _call(source.python)
    path = Path(str(source.path))
    if not path.exists():
        raise SourceError(f"source {path} does not exist (looked from {Path.cwd()})")
    if path.suffix == ".parquet":
        return pl.scan_parquet(path)
    # Every value is text at first: the contract says what it is, not a guess from the first rows.
    return pl.scan_csv(path, infer_schema=False)


def source_fingerprint(source: Source) -> str | None:
    """Return a digest of what the source is made of, or None when that cannot be known without reading it all."""
    if source.python is not None:
        module = source.python.partition(":")[0]
        spec = importlib.util.find_spec(module)
        code = digest_file(Path(spec.origin)) if spec and spec.origin else module
        return digest_json([source.python, code, {name: _package_digest(name) for name in source.packages}])
    path = Path(str(source.path))
    return digest_json([str(path), digest_file(path)]) if path.is_file() else None


def describe_source(source: Source) -> str:
    """Say in a few words where the rows come from."""
    if source.python is not None:
        return source.python + (f" (packages: {', '.join(source.packages)})" if source.packages else "")
    return str(source.path)


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
    except ImportError as error:
        raise SourceError(f"source {reference}: module '{module_name}' cannot be imported: {error}") from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise SourceError(f"source {reference}: module '{module_name}' has no function '{function_name}'")
    frame = function()
    if isinstance(frame, pl.DataFrame):
        return frame.lazy()
    if not isinstance(frame, pl.LazyFrame):
        raise SourceError(f"source {reference} returned a {type(frame).__name__}, not a Polars frame")
    return frame
