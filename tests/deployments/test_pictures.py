"""A service that answers pictures: the event loop is free while they are read."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from components.artefacts.inference import Batch, Row
from data_contracts.digits import read_rows
from deployments.data_plane.model import Model, load_model
from deployments.data_plane.options import Options
from deployments.data_plane.service import Service
from deployments.data_plane.telemetry.metrics import Metrics
from tests.kinds.image.example import make_example
from tests.kinds.laws import sealed


class Asked:
    """A request as a server hands it over."""

    trace = sent = send = None
    client, request_id = "127.0.0.1", ""

    def __init__(self, method: str, path: str, content_type: str = "", body: bytes = b"") -> None:
        self.method, self.path = method, path
        self._content_type, self._body = content_type, body

    def header(self, name: str) -> str | None:
        return self._content_type if name == "content-type" else None

    async def body(self, limit: int) -> bytes:
        return self._body


class Waiting:
    """A predictor that reads a picture only after it was told to, and knows in which thread it did."""

    def __init__(self, predictor: Any) -> None:
        self._predictor = predictor
        self.began, self.go_on = threading.Event(), threading.Event()
        self.threads = set[str]()

    inputs = ("pixels",)

    def tensors(self, rows: list[Row]) -> Batch:
        self.threads.add(threading.current_thread().name)
        self.began.set()
        assert self.go_on.wait(60)
        found: Batch = self._predictor.tensors(rows)
        return found

    def predict(self, batch: Batch) -> Any:
        return self._predictor.predict(batch)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("digits")
    return load_model(sealed(make_example(folder), "image", folder / "build"), check=False)


def test_the_service_says_that_it_lives_while_pictures_are_read(model: Model, tmp_path: Path) -> None:
    predictor: Any = Waiting(model.predictor)
    service = Service(msgspec.structs.replace(model, predictor=predictor), Options(), Metrics())
    digit = read_rows().first().collect()["picture"].item()
    requests = [("image/png", digit), ("image/png", b"no picture"), ("image/png", digit), ("image/png", digit[:60])]

    async def run() -> list[Any]:
        asked = [asyncio.create_task(service.answer(Asked("POST", "/v1/predict", *one))) for one in requests]
        while not predictor.began.is_set():
            await asyncio.sleep(0)
        alive = await service.answer(Asked("GET", "/livez"))
        predictor.go_on.set()
        return [alive, *await asyncio.gather(*asked)]

    alive, *replies = asyncio.run(run())
    assert alive[0] == 200
    assert [reply[0] for reply in replies] == [200, 422, 200, 422]
    assert [msgspec.json.decode(replies[place][2])["error"]["reason"] for place in (1, 3)] == [
        "cannot be read as a picture"
    ] * 2
    assert predictor.threads == {"large-rows_0"}
