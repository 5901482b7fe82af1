"""Which server a command uses, and what it says of one that it cannot reach."""

import http.server
import os
import threading
from collections.abc import Iterator

import pytest

from components.artefacts.errors import HostError
from flows.orchestrator import PROXIES, check_reachable, no_heartbeats, spare_loopback_the_proxy


class Health(http.server.BaseHTTPRequestHandler):
    """Answers as many servers do that are none of Prefect's: 404 but where it is asked for its health."""

    def do_GET(self) -> None:
        self.send_response({"/api/health": 200, "/closed/health": 401}.get(self.path, 404))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_server_that_answers_or_wants_a_key_is_taken(address: str) -> None:
    check_reachable(f"{address}/api")
    check_reachable(f"{address}/api/")
    check_reachable(f"{address}/closed")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://127.0.0.1:9/api", r"PREFECT_API_URL=http://127.0.0.1:9/api \(.*refused\): start it"),
        ("{address}", r"\(status 404\): start it \('prefect server start'\), or unset PREFECT_API_URL"),
        ("127.0.0.1:4200", "give an address such as http://127.0.0.1:4200/api"),
    ],
)
def test_one_that_cannot_be_used_is_one_line_with_what_to_do(url: str, told: str, address: str) -> None:
    with pytest.raises(HostError, match=told):
        check_reachable(url.replace("{address}", address))


@pytest.mark.parametrize(("before", "after"), [("", "127.0.0.1,localhost,::1"), ("a.b", "a.b,127.0.0.1,localhost,::1")])
def test_addresses_of_this_machine_go_past_a_proxy(before: str, after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", before)
    spare_loopback_the_proxy()
    assert os.environ["NO_PROXY"] == before
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", before)
    spare_loopback_the_proxy()
    assert os.environ["NO_PROXY"] == os.environ["no_proxy"] == after


def test_no_thread_for_signs_of_life_is_waited_for_unless_they_were_asked_for() -> None:
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, get_current_settings, temporary_settings

    with no_heartbeats():
        assert get_current_settings().flows.heartbeat_frequency is None
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: 45}), no_heartbeats():
        assert get_current_settings().flows.heartbeat_frequency == 45
