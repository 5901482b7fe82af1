"""``slipway serve`` as a process of its own: what it hands to the data plane, and what it says."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from components.artefacts.build import open_build
from components.artefacts.rollout import Rollout, promoted, rollout_path, write_rollout
from components.builds.signing import ensure_key, sign_build
from components.settings import Home
from tests.deployments.processes import wait_until
from tests.deployments.small_build import draw_sample, write_build

PROGRAM = [sys.executable, "-c", "from flows.command_line import main; main()", "serve", "flights", "--port", "0"]

Command = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with a signed champion."""
    home = Home(tmp_path_factory.mktemp("home"))
    build = open_build(write_build(draw_sample(), home.room("builds", "small")))
    key = home.room("keys", "signing.pem")
    ensure_key(key)
    sign_build(build.path, key)
    _promote(home, build.path)
    return home


@pytest.fixture
def serve(home: Home, tmp_path: Path) -> Iterator[Command]:
    """Start the command; its standard error is the file ``said`` of the test's folder."""
    processes: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **variables: str) -> "subprocess.Popen[str]":
        environment = os.environ | {"SLIPWAY_HOME": str(home.root)} | variables
        with (tmp_path / "said").open("w") as said:
            process = subprocess.Popen(
                [*PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=said, text=True, env=environment
            )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def _promote(home: Home, build: Path) -> None:
    document = rollout_path(home.room("rollouts"), "flights")
    build_id = open_build(build).build_id if build.is_dir() else build.name
    write_rollout(document, promoted(Rollout(workload="flights"), build_id, build, "test"))


def _address(process: "subprocess.Popen[str]") -> dict[str, Any]:
    assert process.stdout
    document = ""
    while not document.endswith("}\n"):
        line = process.stdout.readline()
        assert line, "it ended before it answered"
        document += line
    told: dict[str, Any] = json.loads(document)
    return told


def test_the_machines_price_reaches_the_service_and_its_reports_reach_the_terminal(
    serve: Command, home: Home, tmp_path: Path
) -> None:
    process = serve("--json", SLIPWAY_PRICE_PER_HOUR="1e12")
    url = _address(process)["url"]
    row = open_build(home.room("builds", "small")).golden().rows[0]
    assert httpx.post(f"{url}/v1/predict", json=row).status_code == 200

    def cost() -> float:
        told = [line.split() for line in httpx.get(f"{url}/metrics").text.splitlines()]
        return next(float(line[1]) for line in told if line[0] == "slipway_model_usd_per_1000")

    # At the price of an ordinary machine this would be far below a cent.
    wait_until(lambda: cost() > 1)
    _promote(home, tmp_path / "nowhere")
    wait_until(lambda: '"event":"build refused"' in (tmp_path / "said").read_text())
    _promote(home, home.room("builds", "small"))
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0


def test_what_does_not_start_is_one_line(serve: Command, tmp_path: Path) -> None:
    assert serve("--host", "203.0.113.1").wait(timeout=60) == 8
    said = (tmp_path / "said").read_text()
    assert said.startswith("slipway: the data plane did not start: ")
    assert "cannot listen on 203.0.113.1:0" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--access-log", "2"], "Invalid value for '--access-log'"),
        (["--pii", "keep"], "'keep' is not one of 'drop', 'hash'"),
        (["--pii", "hash"], "--pii hash needs --pii-key FILE"),
        (["--client-header", "x client"], "'x client' is not the name of a header"),
        (["--queue", "3"], "No such option: --queue"),
    ],
)
def test_a_bad_option_is_one_line_and_exit_code_2(
    serve: Command, tmp_path: Path, arguments: list[str], reason: str
) -> None:
    assert serve(*arguments).wait(timeout=60) == 2
    said = (tmp_path / "said").read_text()
    assert said.startswith("slipway: ")
    assert reason in said
    assert said.count("\n") == 1


def test_the_services_options_reach_it(serve: Command, home: Home, tmp_path: Path) -> None:
    key = tmp_path / "pii.key"
    key.write_text("sixteen bytes or more")
    options = ("--grpc-port", "0", "--workers", "1", "--rate-limit", "0.01", "--client-header", "X-Client")
    logged = ("--access-log", "1", "--pii", "hash", "--pii-key", str(key))
    told = _address(serve("--json", *options, *logged))
    assert (told["workers"], told["because"]) == (1, "asked for")
    with grpc.insecure_channel(told["grpc"]) as channel:
        grpc.channel_ready_future(channel).result(timeout=20)
    row = open_build(home.room("builds", "small")).golden().rows[0]
    asked = [
        httpx.post(f"{told['url']}/v1/predict", json=row, headers={"x-client": name}).status_code for name in "aab"
    ]
    assert asked == [200, 429, 200]
    wait_until(lambda: (tmp_path / "said").read_text().count('"event":"request"') == 3)
