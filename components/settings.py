"""Settings of the installation, read from the environment, and the folders under SLIPWAY_HOME."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

Room = Literal[
    "snapshots",  # immutable Parquet, named after its content
    "validated",  # which rows of a snapshot are kept
    "quarantine",  # refused rows with their reasons
    "prepared",  # splits, features and the fitted recipe
    "training",  # checkpoints and candidate models
    "evaluations",  # predictions on the hold-out, evidence
    "builds",  # what can be promoted
    "rollouts",  # who serves, one document a workload
    "reports",  # pages for people
    "predictions",  # the prediction log of the data plane
    "runs",  # what ran when and why
    "registry",  # MLflow's database and artifacts
    "prefect",  # the orchestrator's database
    "bentoml",  # Bento store
    "keys",  # the key that builds are signed with
]


@dataclass(frozen=True)
class Home:
    """The folder that holds everything Slipway writes, and the rooms in it."""

    root: Path

    def room(self, name: Room, *parts: str) -> Path:
        """Return a path in one of the rooms, e.g. ``home.room("builds", build_id)``; nothing is created."""
        return self.root.joinpath(name, *parts)


class Settings(BaseSettings):
    """What an installation may set through ``SLIPWAY_*`` environment variables."""

    model_config = SettingsConfigDict(env_prefix="SLIPWAY_", extra="forbid", frozen=True)

    home: Path = Field(Path(".slipway"), description="Folder for everything Slipway writes.")
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
        return (self.signing_key or self.folder().room("keys", "signing.pem")).expanduser().resolve()

    def folder(self) -> Home:
        """Return the home as an absolute path."""
        return Home(self.home.expanduser().resolve())
