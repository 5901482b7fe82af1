"""What can be looked at: health, metrics, documents, and the metadata of the Open Inference Protocol."""

import asyncio
from collections.abc import Awaitable, Callable
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

    async def live(request: Request) -> Reply:
        return 200, JSON, b'{"live":true}'

    async def ready(request: Request) -> Reply:
        # The model was warmed up and checked before there was a service: only draining can make it unready.
        if state.draining:
            return _unready({"build": state.model.build_id})
        return _json({"ready": True, "build": state.model.build_id})

    async def model_ready(request: Request) -> Reply:
        names = {"name": state.model.serving.workload, "build": state.model.build_id}
        return _unready(names) if state.draining else _json({"ready": True, **names})

    async def metrics(request: Request) -> Reply:
        from deployments.data_plane.telemetry import exposition

        return 200, (("content-type", exposition.CONTENT_TYPE),), scrape(state)

    async def openapi(request: Request) -> Reply:
        from deployments.data_plane.documents.openapi import describe

        return _json(describe(state.model))

    def example(kind: str) -> Handler:
        async def table(request: Request) -> Reply:
            from deployments.data_plane.documents.openapi_schemas import example_row

            model = state.model
            # In a thread: the first one imports pyarrow.
            written = await asyncio.to_thread(columnar.write_example, model, example_row(model.contract), kind)
            return 200, (("content-type", kind),), written

        return table

    async def docs(request: Request) -> Reply:
        from deployments.data_plane.documents.docs_page import page

        return 200, HTML, page(state.model)

    async def server(request: Request) -> Reply:
        return _json(model_metadata.SERVER)

    async def metadata(request: Request) -> Reply:
        return _json(model_metadata.metadata(state.model))

    async def configuration(request: Request) -> Reply:
        return _json(model_metadata.configuration(state.model))

    async def index(request: Request) -> Reply:
        # What it may ask for is all that there is.
        await discarded(request)
        return _json(model_metadata.repository_index(state.model, state.draining))

    pages: dict[str, Handler] = {
        "/livez": live,
        "/readyz": ready,
        "/metrics": metrics,
        "/openapi.json": openapi,
        "/docs": docs,
        **{path: example(kind) for path, kind in EXAMPLES.items()},
        "/v2": server,
        "/v2/health/live": live,
        "/v2/health/ready": ready,
        model_path: metadata,
        f"{model_path}/config": configuration,
        f"{model_path}/ready": model_ready,
    }
    compressing = {path: ("GET", _compressing(page)) for path, page in pages.items()}
    return compressing | {"/v2/repository/index": ("POST", index)}


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


def _unready(names: dict[str, str]) -> Reply:
    return 503, (*JSON, *_RETRY), msgspec.json.encode({"ready": False, "reason": "draining", **names})


def _json(value: Any) -> Reply:
    return 200, JSON, msgspec.json.encode(value)
