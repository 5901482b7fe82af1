"""Settings of the installation, read from the environment, and the folders under SLIPWAY_HOME."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from components.artefacts.errors import HostError
from components.store.installation import StoreSettings, open_store
from components.store.reference import Reference
from components.store.store import Room, Store


@dataclass(frozen=True)
class Home:
    """The folder that holds everything Slipway writes on this machine, the rooms in it, and the store behind it."""

    root: Path
    # Of the store, if that is not the folder itself, and how much of it is kept in the folder.
    address: str = ""
    cache_gb: float = 20.0
    # Of secrets, if all machines are to have the same.
    keys: Path | None = None

    @property
    def store(self) -> Store:
        """Where what is made is committed and found again."""
        return open_store(self.root, self.address, self.cache_gb)

    def reference(self, room: Room, name: str, file: str = "") -> Reference:
        """Return how an entry of the store is named in a result."""
        return Reference(room, name, file, self.store)

    def key(self, name: str) -> Path:
        """Return the path of a secret, e.g. ``home.key("pii.key")``."""
        return (self.keys or self.room("keys")) / name

    def room(self, name: Room, *parts: str) -> Path:
        """Return a path in one of the rooms, e.g. ``home.room("builds", build_id)``; nothing is created."""
        return self.root.joinpath(name, *parts)


class Settings(StoreSettings):
    """What an installation may set through ``SLIPWAY_*`` environment variables."""

    model_config = SettingsConfigDict(env_prefix="SLIPWAY_", extra="forbid", frozen=True)

    tracking_uri: str | None = Field(None, description="MLflow tracking server; a SQLite file in the home if not set.")
    price_per_hour: float = Field(
        0.085,
        ge=0,
        description="What this machine costs, USD per hour; the default is a common on-demand price of 2 vCPU.",
    )
    watts: float = Field(
        7.0,
        ge=0,
        description="What this machine draws while it trains, where nothing counts it; the default is two vCPU at the "
        "3.5 W each that cloudcarbonfootprint.org gives for fully used ones.",
    )
    prices: Path | None = Field(
        None, description="List of cards with their prices (YAML), for estimates; the one of the package if not set."
    )
    signing_key: Path | None = Field(
        None, description="Private key that builds are signed with (PEM); made in the home on first use if not set."
    )
    threads: int | None = Field(None, ge=1, description="CPU threads for training; all of the machine if not set.")

    def key(self) -> Path:
        """Return the path of the signing key."""
        if self.store and self.signing_key is None:
            raise HostError(
                "SLIPWAY_STORE is set and SLIPWAY_SIGNING_KEY is not: no other machine would take what is signed with "
                "a key of this home alone. Set it to a path that holds the same key on each (made on first use)"
            )
        return (self.signing_key or self.folder().room("keys", "signing.pem")).expanduser().resolve()

    def folder(self) -> Home:
        """Return the home as an absolute path, with the store behind it."""
        # Without a shared store each home keeps its own.
        shared = self.signing_key.expanduser().resolve().parent if self.store and self.signing_key else None
        return Home(self.root, self.store, self.cache_gb, shared)
