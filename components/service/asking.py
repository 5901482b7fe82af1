"""A data plane asked over HTTP, as any client would."""

import http.client
from typing import Any

import msgspec

from components.artefacts.errors import ServingError


def ask(connection: http.client.HTTPConnection, body: bytes) -> dict[str, Any]:
    """Post a JSON row or list of rows to /v1/predict; ServingError if the answer is not 200."""
    connection.request("POST", "/v1/predict", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = response.read()
    if response.status != 200:
        raise ServingError(f"the data plane answered {response.status}: {answer[:300].decode(errors='replace')}")
    decoded: dict[str, Any] = msgspec.json.decode(answer)
    return decoded
