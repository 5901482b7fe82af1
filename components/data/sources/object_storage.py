"""Objects in S3, or in what speaks as it does, as files of a source: find them, fetch those that must be read whole.

Credentials, region and endpoint come from the usual environment variables (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
AWS_REGION, AWS_ENDPOINT_URL).
"""

import fnmatch
import os
import shutil
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from components.artefacts.errors import SourceError

SECONDS = 30


def find_objects(path: str) -> list[str]:
    """Return the addresses of an object, of those under a prefix that ends in "/", or of a pattern; sorted.

    Raises SourceError if there are none, or the storage cannot be reached.
    """
    from pyarrow.fs import FileSelector, FileType

    parts = urlsplit(path)
    if parts.scheme != "s3":
        raise SourceError(f"source {path}: '{parts.scheme}' is not one of s3; other sources are files, sql and python")
    pattern = f"{parts.netloc}{parts.path}"
    fixed = pattern[: min((pattern.find(sign) for sign in "*?[" if sign in pattern), default=len(pattern))]
    try:
        if fixed == pattern and not pattern.endswith("/"):
            found = [pattern] if _storage().get_file_info(pattern).type == FileType.File else []
        else:
            below = FileSelector(fixed.rpartition("/")[0], recursive=True, allow_not_found=True)
            listed = [info.path for info in _storage().get_file_info(below) if info.type == FileType.File]
            found = [name for name in listed if fixed == pattern or _matches(name, pattern)]
    except OSError as error:
        raise SourceError(f"source {path} cannot be read: {' '.join(str(error).split())[:300]}") from error
    if not found:
        raise SourceError(f"source {path} does not exist, or matches no object")
    return [f"s3://{name}" for name in sorted(found)]


def fetch(address: str, scratch: Path) -> Path:
    """Copy an object into ``scratch``, as a file with its endings: its name may be longer than a file's can be."""
    endings = "".join(suffix[:20] for suffix in PurePosixPath(address).suffixes[-2:])
    target = scratch / f"fetched-{len(list(scratch.iterdir()))}{endings}"
    try:
        with (
            _storage().open_input_stream(address.removeprefix("s3://"), compression=None) as stream,
            target.open("wb") as out,
        ):
            shutil.copyfileobj(stream, out, 2**20)
    except OSError as error:
        raise SourceError(f"source {address} cannot be read: {' '.join(str(error).split())[:300]}") from error
    return target


def _matches(name: str, pattern: str) -> bool:
    # A star stays within its folder, as in a pattern of local files; two go through them.
    return fnmatch.fnmatchcase(name, pattern) and ("**" in pattern or name.count("/") == pattern.count("/"))


def _storage() -> Any:
    from pyarrow.fs import S3FileSystem

    endpoint = urlsplit(os.environ.get("AWS_ENDPOINT_URL", ""))
    return S3FileSystem(
        region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
        endpoint_override=endpoint.netloc or None,
        scheme=endpoint.scheme or None,
        request_timeout=SECONDS,
        connect_timeout=SECONDS,
    )
