"""The one door to object storage: objects by key, written unconditionally or on a condition, by obstore.

S3, and what speaks as it does; address, credentials and region come from the usual environment variables
(AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION).
"""

import hashlib
import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

from components.store.store import ConflictError, Document, StoreError

if TYPE_CHECKING:
    from obstore import PutMode
    from obstore.store import ObjectStore

SECONDS = 30
RETRIES = 5
# Of a file that is fetched.
CHUNK = 8 * 2**20


class Bucket:
    """The objects below an address."""

    def __init__(self, address: str, objects: "ObjectStore") -> None:
        self.address = address.rstrip("/")
        self._objects = objects

    def get(self, key: str) -> Document | None:
        """Return an object and its version, None if there is none."""
        with self._told(f"{key} cannot be read"):
            try:
                found = obstore.get(self._objects, key)
                return Document(bytes(found.bytes()), str(found.meta["e_tag"]))
            except FileNotFoundError:
                return None

    def put(self, key: str, data: bytes, seen: str | None, *, unique: bool = False) -> str:
        """Write an object unless it is another version than was ``seen`` (None: none); ConflictError if it is.

        ``unique``: nobody else writes these bytes, so if they are there, they are ours: an answer was lost on the way.
        """
        mode: PutMode = "create" if seen is None else {"e_tag": seen}
        with self._told(f"{key} cannot be written"):
            try:
                written = obstore.put(self._objects, key, data, mode=mode)
                return str(written["e_tag"])
            except (AlreadyExistsError, PreconditionError, FileNotFoundError) as error:
                if unique and (found := self.get(key)) is not None and found.data == data:
                    return found.version
                raise ConflictError(
                    f"{self.address}/{key} was written by somebody else since it was read: nothing was written"
                ) from error

    def replace(self, key: str, data: bytes) -> str:
        """Write an object, whatever it was, and return its version."""
        with self._told(f"{key} cannot be written"):
            return str(obstore.put(self._objects, key, data, mode="overwrite")["e_tag"])

    def upload(self, key: str, file: Path) -> None:
        """Write a file of this machine, in parts if it is large; readers see it whole or not."""
        with self._told(f"{key} cannot be written"):
            obstore.put(self._objects, key, file)

    def download(self, key: str, file: Path, digest: str) -> None:
        """Write an object into a file of this machine; StoreError if it is not there, or its SHA-256 is another."""
        found = hashlib.sha256()
        with self._told(f"{key} cannot be read"), file.open("wb") as out:
            try:
                for chunk in obstore.get(self._objects, key).stream(min_chunk_size=CHUNK):
                    found.update(chunk)
                    out.write(chunk)
            except FileNotFoundError as error:
                raise StoreError(f"{self.address}/{key} is not there, though an entry names it") from error
        if found.hexdigest() != digest:
            raise StoreError(f"{self.address}/{key} is not what was stored (its digest differs): do not use it")

    def age(self, key: str) -> datetime | None:
        """Return when an object was written, None if there is none."""
        with self._told(f"{key} cannot be looked at"):
            try:
                return obstore.head(self._objects, key)["last_modified"]
            except FileNotFoundError:
                return None

    def names(self, prefix: str) -> tuple[str, ...]:
        """Return the names directly below a prefix that ends in "/", in order, without it."""
        with self._told(f"{prefix} cannot be listed"):
            listed = obstore.list_with_delimiter(self._objects, prefix)["objects"]
        return tuple(sorted(one["path"].rpartition("/")[2] for one in listed))

    def below(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        """Yield every key below a prefix, and when it was written."""
        with self._told(f"{prefix} cannot be listed"):
            for page in obstore.list(self._objects, prefix):
                for one in page:
                    yield one["path"], one["last_modified"]

    def delete(self, key: str) -> None:
        """Delete an object; one that is not there is deleted already."""
        with self._told(f"{key} cannot be deleted"):
            try:
                obstore.delete(self._objects, key)
            except FileNotFoundError:
                return

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Say which store it was, and what to look at, where it cannot be reached."""
        try:
            yield
        except (BaseError, ValueError) as error:
            said = " ".join(str(error).split())[:300]
            raise StoreError(
                f"store {self.address}: {what}: {said}; look at SLIPWAY_STORE, AWS_ENDPOINT_URL, AWS_REGION and the "
                "credentials"
            ) from error


def open_bucket(address: str) -> Bucket:
    """Open what SLIPWAY_STORE names: ``s3://bucket/prefix``, or ``module:function`` that returns a store of obstore's.

    Raises StoreError for anything else.
    """
    scheme, separator, _ = address.partition("://")
    try:
        if separator and scheme == "s3":
            return Bucket(address, _open_s3(address))
        if not separator and ":" in address:
            return Bucket(address, _function(address)())
    except (BaseError, ValueError, ImportError, AttributeError) as error:
        raise StoreError(f"SLIPWAY_STORE is '{address}', which cannot be opened: {' '.join(str(error).split())}") from (
            error
        )
    raise StoreError(
        f"SLIPWAY_STORE is '{address}': neither s3://BUCKET/PREFIX nor MODULE:FUNCTION; without it the store is the "
        "folder SLIPWAY_HOME"
    )


def _open_s3(address: str) -> "ObjectStore":
    from obstore.store import S3Store

    return S3Store.from_url(
        address,
        # An address with http is given for a server in the same network.
        client_options={
            "allow_http": os.environ.get("AWS_ENDPOINT_URL", "").startswith("http:"),
            "connect_timeout": "10s",
            # Between two parts of an answer; a large file may take as long as it takes.
            "read_timeout": "30s",
            "timeout": "1d",
        },
        retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=SECONDS)},
    )


def _function(address: str) -> "Callable[[], ObjectStore]":
    module, _, name = address.partition(":")
    function: Callable[[], ObjectStore] = getattr(importlib.import_module(module), name)
    return function
