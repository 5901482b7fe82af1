"""The store of this installation, as the environment names it."""

import functools
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from components.store.folder import FolderStore
from components.store.store import Store


class StoreSettings(BaseSettings):
    """Where everything lies: ``SLIPWAY_HOME``, ``SLIPWAY_STORE`` and ``SLIPWAY_CACHE_GB``."""

    model_config = SettingsConfigDict(env_prefix="SLIPWAY_", extra="ignore", frozen=True)

    home: Path = Field(Path(".slipway"), description="Folder for everything Slipway writes on this machine.")
    store: str = Field(
        "",
        description="Where what is made lies, if other machines are to reach it: s3://bucket/prefix (endpoint and "
        "credentials by AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY). The home if not set.",
    )
    cache_gb: float = Field(20.0, gt=0, description="How much of such a store is kept in the home, at most, in GB.")

    @property
    def root(self) -> Path:
        """The home as an absolute path."""
        return self.home.expanduser().resolve()


def open_store(root: Path, address: str, cache_gb: float) -> Store:
    """Open a store: the folder ``root``, or object storage with ``root`` as its cache; StoreError for a bad address."""
    return _opened(root, address, cache_gb) if address else FolderStore(root)


@functools.lru_cache(maxsize=8)
def _opened(root: Path, address: str, cache_gb: float) -> Store:
    # One client, and one note of what this process uses, however often it is asked for.
    from components.store.bucket import open_bucket
    from components.store.object_store import ObjectStore

    return ObjectStore(root, open_bucket(address), round(cache_gb * 1e9))


def installed_store() -> Store:
    """Return the store that the environment names."""
    settings = StoreSettings()
    return open_store(settings.root, settings.store, settings.cache_gb)
