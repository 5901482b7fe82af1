"""The data plane inside BentoML: in a Bento, or ``bentoml serve deployments.bento_service:Slipway`` with SLIPWAY_BUILD.

The Bento mounts the same ASGI application that Granian runs, so a request is checked, batched and answered by the same
code; BentoML adds its own server, health and metrics routes (with the service's own series), and packaging. This is the
one module of the service that imports bentoml; ``components.builds.bento`` packs it with a build.
"""

import os
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import bentoml
import msgspec
from bentoml.exceptions import BentoMLException

from components.artefacts.lifetime import end_in_order, when_it_ends
from deployments.data_plane.application import Application, check_length
from deployments.data_plane.documents.pages import scrape
from deployments.data_plane.formats.content import JSON_TYPE
from deployments.data_plane.options import Options
from deployments.data_plane.telemetry.tracing import Trace

# In a Bento the build lies beside the packages, and so does the key of who packed it: it finds what was damaged or
# mixed up. Against somebody who can change the Bento helps only a key from elsewhere: SLIPWAY_PUBLIC_KEY.
BESIDE = Path(__file__).resolve().parent.parent

# What is in flight is answered for so long.
FINISH_SECONDS = 10


def _options() -> Options:
    build, key = os.environ.get("SLIPWAY_BUILD"), os.environ.get("SLIPWAY_PUBLIC_KEY")
    packed, predictions = BESIDE / "signing.pub", os.environ.get("SLIPWAY_PREDICTIONS")
    return Options(
        build=Path(build) if build else BESIDE / "build",
        public_key=Path(key) if key else packed if packed.is_file() and not build else None,
        predictions=Path(predictions) if predictions else None,
    )


application = Application(_options())


class InProcess:
    """Rows that BentoML has read, as the service wants its requests."""

    method, path, client = "POST", "/v1/predict", "bentoml"
    send = sent = None

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._body = msgspec.json.encode(rows)
        self.trace: Trace | None = None
        self.request_id = ""

    def header(self, name: str) -> str | None:
        """Return a header; there is only what the body is."""
        return JSON_TYPE if name == "content-type" else None

    async def body(self, limit: int) -> bytes:
        """Return the rows as JSON; raises BodyTooLarge."""
        check_length(len(self._body), limit)
        return self._body


@bentoml.asgi_app(application, path="/", name="data_plane")
@bentoml.service(name="slipway", workers=1)
class Slipway:
    """Answers with a Slipway build."""

    def __init__(self) -> None:
        # BentoML's own workers outlive a supervisor that was killed, and hold its port.
        if bentoml.server_context.worker_index is not None:
            when_it_ends(os.getppid(), partial(end_in_order, FINISH_SECONDS, 1))

    @bentoml.api  # type: ignore[untyped-decorator]
    async def predict(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Answer rows as ``/v1/predict`` does, for BentoML's own clients; refusals have the same status and reason."""
        application.ensure_started()
        status, _, body = await application.service.answer(InProcess(rows))
        told = msgspec.json.decode(body)
        if status != HTTPStatus.OK:
            raise BentoMLException(_reason(told["error"]), error_code=HTTPStatus(status))
        predictions: list[dict[str, Any]] = told["predictions"]
        return predictions

    def __metrics__(self, told: str) -> str:
        """Return what Prometheus reads: what BentoML counts, and what the service does."""
        return told + scrape(application.service).decode()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def stop(self) -> None:
        """Write what is logged and not yet written: BentoML does not pass its own end on to what it mounts."""
        application.stop()


def _reason(error: dict[str, Any]) -> str:
    places = [f"{key} {error[key]}: " for key in ("field", "row") if error.get(key) is not None]
    return "".join(places) + str(error["reason"])
