"""Results of stages as they are kept: paths are written from the home, so that it can be moved and copied."""

import json
from typing import Any

from prefect.serializers import JSONSerializer
from pydantic import Field

from components.settings import Settings

# How the home is written; no path begins so.
HOME = "${SLIPWAY_HOME}/"


class HomeSerializer(JSONSerializer[Any]):
    """Prefect's own JSON, with every text that begins with the home's path written from the home."""

    type: str = Field(default="slipway-home", frozen=True)

    def dumps(self, obj: Any) -> bytes:
        return super().dumps(obj).replace(_begin(_home()), _begin(HOME))

    def loads(self, blob: bytes) -> Any:
        return super().loads(blob.replace(_begin(HOME), _begin(_home())))


def placed(text: str) -> str:
    """Return a text of a kept result as it is in this home."""
    return text.replace(HOME, _home(), 1) if text.startswith(HOME) else text


def _home() -> str:
    return f"{Settings().folder().root}/"


def _begin(path: str) -> bytes:
    return json.dumps(path)[:-1].encode()
