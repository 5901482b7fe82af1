"""What a command does while its temporary Prefect server starts."""

import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from components.artefacts.errors import HostError
from flows.temporary_server import TemporaryServer


def idle() -> "subprocess.Popen[bytes]":
    """Start a process that waits until it is ended."""
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)


def answer(listening: socket.socket, status: str) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.recv(1000)
        connection.sendall(f"HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n".encode())


def test_steps_are_taken_until_the_server_answers(tmp_path: Path) -> None:
    taken = []
    with socket.create_server(("127.0.0.1", 0)) as listening, idle() as process:

        def last() -> None:
            taken.append("last")
            answer(listening, "200 OK")

        server = TemporaryServer(process, listening.getsockname()[1], tmp_path / "log")
        server.wait(meanwhile=[lambda: taken.append("first"), last, lambda: taken.append("too late")])
        process.kill()
    assert taken == ["first", "last"]


def test_a_server_is_waited_for_when_no_step_is_left_and_asked_again_until_it_is_well(tmp_path: Path) -> None:
    taken: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listening, idle() as process:

        def serve() -> None:
            answer(listening, "503 Service Unavailable")
            answer(listening, "200 OK")

        server = TemporaryServer(process, listening.getsockname()[1], tmp_path / "log")
        serving = threading.Timer(0.2, serve)
        serving.start()
        server.wait(meanwhile=[lambda: taken.append("only")])
        serving.join()
        process.kill()
    assert taken == ["only"]


def test_a_server_that_ended_is_one_line_of_its_log(tmp_path: Path) -> None:
    with idle() as process:
        process.kill()
        process.wait()
        log = tmp_path / "log"
        log.write_text("Traceback\nOSError: the disk is full\n")
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
        with pytest.raises(HostError, match="did not start: OSError: the disk is full; its log is"):
            TemporaryServer(process, port, log).wait()
