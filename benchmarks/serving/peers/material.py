"""What the peers share: the material, the request as pydantic, the build's predictor for one row."""

import os
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from components.artefacts.build import open_build
from components.artefacts.inference import Predictor, inference_of
from deployments.data_plane.formats.request import RowDecoder

FOLDER = Path(os.environ.get("SLIPWAY_BENCHMARK", "."))
THRESHOLD = 0.5


class FlightRow(BaseModel):
    """A request as one writes it by hand for FastAPI: the same fields and bounds as the contract."""

    model_config = ConfigDict(extra="forbid")

    scheduled_departure: datetime
    scheduled_arrival: int = Field(ge=0, le=1440)
    carrier: str = Field(min_length=2, max_length=2)
    origin: Literal["EWR", "JFK", "LGA"]
    destination: str = Field(min_length=3, max_length=3, pattern="^[A-Z]{3}$")
    distance: float = Field(gt=0, le=12_500)
    plane_age: int | None = Field(ge=-1, le=80)
    plane_seats: int | None = Field(ge=1, le=900)
    plane_engines: int | None = Field(ge=0, le=8)
    plane_manufacturer: str | None = Field(max_length=64)
    temperature: float | None = Field(ge=-80, le=140)
    dew_point: float | None = Field(ge=-100, le=100)
    humidity: float | None = Field(ge=0, le=100)
    wind_direction: int | None = Field(ge=0, le=360)
    wind_speed: float | None = Field(ge=0, le=250)
    precipitation: float | None = Field(ge=0, le=20)
    pressure: float | None = Field(ge=850, le=1100)
    visibility: float | None = Field(ge=0, le=100)


def predictor() -> Predictor:
    build = open_build(FOLDER / "build")
    return inference_of(build.manifest.kind).open(build.parts(), build.contract())


def decoder() -> RowDecoder:
    return RowDecoder(open_build(FOLDER / "build").contract(), 10_000)


def answer(probability: float) -> dict[str, Any]:
    return {"predictions": [{"probability": probability, "late": probability >= THRESHOLD}]}
