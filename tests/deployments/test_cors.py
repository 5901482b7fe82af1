"""Pages of origins that were named may ask and read in a browser; by default none may."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from components.artefacts.errors import ServingError
from deployments.data_plane.cors import check_origin
from tests.deployments.processes import Running, refused, servers
from tests.deployments.small_build import Sample

PAGE = "https://app.example:8443"
ASKING = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}


@pytest.fixture(scope="module")
def running(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with servers(tmp_path_factory.mktemp("cors")) as start:
        yield start("--build", build, "--cors-origin", PAGE, "--cors-origin", "HTTP://Localhost:3000")


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/score", "/v2/models/flights/infer", "/docs"])
@pytest.mark.parametrize("origin", [PAGE, "http://localhost:3000"])
def test_a_page_is_told_what_it_may_send(running: Running, path: str, origin: str) -> None:
    reply = running.client.options(path, headers=ASKING | {"origin": origin})
    assert (reply.status_code, reply.content) == (204, b"")
    assert reply.headers["access-control-allow-origin"] == origin
    assert reply.headers["vary"] == "origin"
    assert reply.headers["access-control-allow-methods"] == ("GET, HEAD" if path == "/docs" else "POST")
    assert "content-type" in reply.headers["access-control-allow-headers"].split(", ")


def test_answers_and_refusals_can_be_read(running: Running, sample: Sample) -> None:
    for rows, status in ((sample.rows(2), 200), (sample.rows(300), 200), ([{}], 422)):
        reply = running.post(rows, headers={"origin": PAGE})
        assert reply.status_code == status
        assert reply.headers["access-control-allow-origin"] == PAGE
        assert "x-request-id" in reply.headers["access-control-expose-headers"]
    unknown = running.client.post("/v1/nowhere", headers={"origin": PAGE})
    assert (unknown.status_code, unknown.headers["access-control-allow-origin"]) == (404, PAGE)


@pytest.mark.parametrize("origin", ["https://app.example", "https://app.example:8443.evil.example", "null", None])
def test_other_pages_are_told_nothing(running: Running, sample: Sample, origin: str | None) -> None:
    headers = {} if origin is None else {"origin": origin}
    for reply in (
        running.post(sample.rows(1), headers=headers),
        running.client.options("/v1/predict", headers=ASKING | headers),
    ):
        assert "access-control-allow-origin" not in reply.headers
        assert reply.headers["vary"] == "origin"


def test_any_page_may_if_that_is_said(serve: Callable[..., Running], build: Path, sample: Sample) -> None:
    running = serve("--build", build, "--cors-origin", "*")
    assert running.post(sample.rows(1), headers={"origin": PAGE}).headers["access-control-allow-origin"] == "*"


def test_by_default_there_is_nothing_of_it(shared_server: Running, sample: Sample) -> None:
    assert shared_server.client.options("/v1/predict", headers=ASKING | {"origin": PAGE}).status_code == 405
    reply = shared_server.post(sample.rows(1), headers={"origin": PAGE})
    assert not [name for name in reply.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "text", ["app.example", "https://app.example/", "https://a b", "ftp://x", "", "null", "https://"]
)
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(ServingError, match="is not an origin"):
        check_origin(text)


def test_the_command_line_says_so_in_one_line(build: Path) -> None:
    code, told = refused("--build", build, "--cors-origin", "app.example")
    assert code == 2
    assert "'app.example' is not an origin: write https://app.example.org" in told
    assert told.count("\n") == 1
