"""The end of a service, whoever ends it and however: nobody is left, the port is free, one line says what happened."""

import contextlib
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.outside.places import PATIENCE_SECONDS, Place, Served, free_port, processes_of, wait_until

pytestmark = pytest.mark.outside

# What `slipway serve` says that it takes at most.
STOP_SECONDS = 15


@pytest.fixture(autouse=True)
def _in_front() -> Iterator[None]:
    """Start commands as in front of a terminal; what a script puts into the background ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def gone(place: Place, served: Served) -> None:
    """Wait until nothing of a place runs, and take the port that the service had."""
    wait_until(lambda: not processes_of(place), "every process ends", STOP_SECONDS)
    address = urlsplit(served.url)
    assert address.port
    with socket.socket() as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((address.hostname, address.port))
        found.listen(1)


def said(served: Served) -> list[str]:
    return served.log.read_text().splitlines()


def serve_bento(place: Place) -> Served:
    """Serve the champion's Bento by BentoML's own command, and return it once it answers."""
    (bento,) = (place.home / "bentoml" / "bentos").glob("*/*/bento.yaml")
    place.variables |= {"BENTOML_HOME": str(place.home / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"}
    port, log = free_port(), place.folder / "bento.log"
    with log.open("w") as said:
        words = ("bentoml", "serve", bento.parent, "--host", "127.0.0.1", "--port", str(port))
        process = place.start(*words, stdout=said, stderr=said)
    served = Served(process, f"http://127.0.0.1:{port}", {}, log)

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{served.url}/readyz").status_code == 200
        return False

    wait_until(answers, "the Bento serves")
    return served


def data_plane(place: Place) -> int:
    """Return the process that holds the workers of the one service."""
    return next(
        process for process, command in processes_of(place).items() if "-m deployments.data_plane --owner" in command
    )


def test_nobody_is_left_of_a_service_whose_command_is_killed(champion: Place) -> None:
    served = champion.serve("shop.yaml", "--workers", "2")
    assert len(processes_of(champion)) >= 4
    served.process.kill()
    served.process.wait()
    gone(champion, served)


def test_nobody_is_left_of_a_service_whose_parent_is_killed(champion: Place) -> None:
    served = champion.serve("shop.yaml", "--workers", "2")
    os.kill(data_plane(champion), signal.SIGKILL)
    assert served.process.wait(STOP_SECONDS) == 7
    assert said(served)[-1].endswith("the service was ended from outside, by SIGKILL; start it again")
    gone(champion, served)


def test_nobody_is_left_of_a_bento_whose_parent_is_killed(champion: Place) -> None:
    """BentoML's own supervisor dies."""
    served = serve_bento(champion)
    assert len(processes_of(champion)) > 1
    served.process.kill()
    served.process.wait()
    gone(champion, served)


def test_a_service_whose_processes_are_all_told_to_end_drains_first(champion: Place) -> None:
    """As a supervisor of control groups does: the command, its child and the workers get SIGTERM at once."""
    served = champion.serve("shop.yaml", "--workers", "2")
    for process in processes_of(champion):
        os.kill(process, signal.SIGTERM)
    wait_until(lambda: said(served), "it says that it stops", STOP_SECONDS)
    with contextlib.suppress(httpx.TransportError):
        assert httpx.get(f"{served.url}/readyz").status_code == 503
    assert served.process.wait(STOP_SECONDS) == 0
    (line,) = said(served)
    assert line.startswith("slipway: stopping")
    gone(champion, served)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_service_that_is_asked_to_stop_drains_first(champion: Place, number: int) -> None:
    served = champion.serve("shop.yaml")
    os.killpg(served.process.pid, number)
    wait_until(lambda: said(served), "it says that it stops", STOP_SECONDS)
    # In the first second of stopping it still answers, and tells a gateway to turn elsewhere.
    with contextlib.suppress(httpx.TransportError):
        assert httpx.get(f"{served.url}/readyz").status_code == 503
    assert served.process.wait(STOP_SECONDS) == 0
    (line,) = said(served)
    assert line.startswith("slipway: stopping: what is in flight is answered, within 15 s")
    gone(champion, served)


def test_a_service_that_is_asked_twice_ends_at_once(champion: Place) -> None:
    served = champion.serve("shop.yaml")
    # A stopped process does not stop: only the end that needs no cooperation helps.
    os.kill(data_plane(champion), signal.SIGSTOP)
    os.killpg(served.process.pid, signal.SIGINT)
    wait_until(lambda: said(served), "it says that it stops", STOP_SECONDS)
    os.killpg(served.process.pid, signal.SIGINT)
    assert served.process.wait(5) == 0
    assert len(said(served)) == 1
    gone(champion, served)


def test_nobody_is_left_of_a_promotion_that_is_killed_while_it_asks_the_build(champion: Place) -> None:
    # Nothing serves yet: what is promoted is asked first.
    shutil.rmtree(champion.home / "rollouts")
    process = champion.start("slipway", "promote", "shop.yaml")
    wait_until(
        lambda: any("deployments.data_plane" in command for command in processes_of(champion).values()),
        "it is served",
        PATIENCE_SECONDS,
    )
    process.kill()
    process.communicate()
    wait_until(lambda: not processes_of(champion), "every process ends", STOP_SECONDS)
