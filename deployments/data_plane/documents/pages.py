"""What can be looked at: health, metrics, documents, and the metadata of the Open Inference Protocol."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

import msgspec

from deployments.data_plane.formats import columnar, model_metadata
from deployments.data_plane.formats.content import compressed
from deployments.data_plane.load.admission import discarded
from deployments.data_plane.model import Model
from deployments.data_plane.protocol import HTML, JSON, Reply, Request
from deployments.data_plane.tables.content_types import EXAMPLES
from deployments.data_plane.telemetry.exchange import Exchange

Handler = Callable[[Request], Awaitable[Reply]]

_RETRY = (("retry-after", "1"),)


class State(Protocol):
    """What the pages show of the service."""

    model: Model
    draining: bool
    exchange: Exchange
    price_per_hour: float


def pages_of(state: State, model_path: str) -> dict[str, tuple[str, Handler]]:
    """Return by path the method and the page; those of the model lie below ``model_path``."""
    shown = Pages(state)
    pages: dict[str, Handler] = {
        "/livez": shown.live,
        "/readyz": shown.ready,
        "/metrics": shown.metrics,
        "/openapi.json": shown.openapi,
        "/docs": shown.docs,
        **{path: partial(shown.example, kind) for path, kind in EXAMPLES.items()},
        "/v2": shown.server,
        "/v2/health/live": shown.live,
        "/v2/health/ready": shown.ready,
        model_path: shown.metadata,
        f"{model_path}/config": shown.configuration,
        f"{model_path}/ready": shown.model_ready,
    }
    compressing = {path: ("GET", _compressing(page)) for path, page in pages.items()}
    return compressing | {"/v2/repository/index": ("POST", shown.index)}


class Pages:
    """The pages of one service."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def live(self, request: Request) -> Reply:
        return 200, JSON, b'{"live":true}'

    async def ready(self, request: Request) -> Reply:
        # The model was warmed up and checked before there was a service: only draining can make it unready.
        return self._ready({"build": self._state.model.build_id})

    async def model_ready(self, request: Request) -> Reply:
        model = self._state.model
        return self._ready({"name": model.serving.workload, "build": model.build_id})

    def _ready(self, names: dict[str, str]) -> Reply:
        if self._state.draining:
            unready = {"ready": False, "reason": "draining", **names}
            return 503, (*JSON, *_RETRY), msgspec.json.encode(unready)
        return _json({"ready": True, **names})

    async def metrics(self, request: Request) -> Reply:
        from deployments.data_plane.telemetry import exposition

        return 200, (("content-type", exposition.CONTENT_TYPE),), scrape(self._state)

    async def openapi(self, request: Request) -> Reply:
        from deployments.data_plane.documents.openapi import describe

        return _json(describe(self._state.model))

    async def docs(self, request: Request) -> Reply:
        from deployments.data_plane.documents.docs_page import page

        return 200, HTML, page(self._state.model)

    async def example(self, kind: str, request: Request) -> Reply:
        from deployments.data_plane.documents.openapi_schemas import example_row

        model = self._state.model
        # In a thread: the first one imports pyarrow.
        written = await asyncio.to_thread(columnar.write_example, model, example_row(model.contract), kind)
        return 200, (("content-type", kind),), written

    async def server(self, request: Request) -> Reply:
        return _json(model_metadata.SERVER)

    async def metadata(self, request: Request) -> Reply:
        return _json(model_metadata.metadata(self._state.model))

    async def configuration(self, request: Request) -> Reply:
        return _json(model_metadata.configuration(self._state.model))

    async def index(self, request: Request) -> Reply:
        # What it may ask for is all that there is.
        await discarded(request)
        return _json(model_metadata.repository_index(self._state.model, self._state.draining))


def _compressing(page: Handler) -> Handler:
    async def answer(request: Request) -> Reply:
        return compressed(await page(request), request)

    return answer


def scrape(state: State) -> bytes:
    """Return the counts of the whole service as Prometheus reads them."""
    # Imported when somebody looks: starting does without.
    from deployments.data_plane.telemetry import exposition

    labels = {"build": state.model.build_id, "workload": state.model.serving.workload}
    watched = state.model.serving.answer.watched
    return exposition.render(state.exchange.total(), labels, state.price_per_hour, watched)


def _json(value: Any) -> Reply:
    return 200, JSON, msgspec.json.encode(value)
