"""One server under load: started on one core, asked by wrk from another, measured from both sides."""

import http.client
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
import psutil

from benchmarks.serving.contenders import Contender
from benchmarks.serving.model import Material

START_SECONDS = 60.0


@dataclass(frozen=True)
class Measured:
    """What wrk and the operating system saw; latencies in milliseconds."""

    contender: str
    connections: int
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    errors: int
    cpu_us_per_request: float
    rss_mb: float

    def plain(self) -> dict[str, Any]:
        return asdict(self)


@contextmanager
def started(contender: Contender, material: Material, port: int, core: int) -> Iterator[tuple[psutil.Process, float]]:
    """Start a server on a core; yield its process and the seconds until it answered. It is always stopped again."""
    given = {key: value.replace("PORT", str(port)) for key, value in contender.environment.items()}
    environment = os.environ | given | {"SLIPWAY_BENCHMARK": str(material.folder)}
    log = material.folder / "server.log"
    start = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *contender.filled(port, material.folder)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    try:
        _wait(contender, material, port, process, log)
        yield psutil.Process(process.pid), time.perf_counter() - start
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(contender: Contender, material: Material, port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until the server answers the row, and check that it answers as the model does."""
    expected = msgspec.json.decode((material.build / "golden.json").read_bytes())["answers"][0][0]
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request(
                "POST", contender.path, contender.body(material.row()), {"content-type": "application/json"}
            )
            reply = connection.getresponse()
            body = reply.read()
        except OSError:
            time.sleep(0.02)
            continue
        finally:
            connection.close()
        if reply.status != 200:
            raise RuntimeError(f"{contender.name} answered {reply.status}: {body[:300]!r}")
        answer = msgspec.json.decode(body)["predictions"][0]["probability"]
        if contender.answers and abs(answer - expected) > 1e-4:
            raise RuntimeError(f"{contender.name} answers {answer}, the model {expected}")
        return
    raise RuntimeError(f"{contender.name} did not start: {log.read_text()[-2_000:]}")


def measure(
    contender: Contender, server: psutil.Process, port: int, connections: int, seconds: float, script: Path, core: int
) -> Measured:
    """Ask for some seconds, after a second of warming up."""
    url = f"http://127.0.0.1:{port}{contender.path}"
    command = [
        "taskset",
        "-c",
        str(core),
        "wrk",
        "-t1",
        f"-c{connections}",
        "--latency",
        "--timeout",
        "10",
        "-s",
        str(script),
    ]
    subprocess.run([*command, "-d1s", url], capture_output=True, check=True)
    before = _cpu_seconds(server)
    done = subprocess.run([*command, f"-d{seconds:g}s", url], capture_output=True, text=True, check=True)
    used = _cpu_seconds(server) - before
    said = done.stdout
    requests = int(_number(r"(\d+) requests in", said))
    errors = sum(int(_number(pattern, said)) for pattern in (r"Non-2xx or 3xx responses: (\d+)", r"timeout (\d+)"))
    family = [server, *server.children(recursive=True)]
    return Measured(
        contender=contender.name,
        connections=connections,
        requests_per_second=_number(r"Requests/sec:\s+([\d.]+)", said),
        p50_ms=_latency("50%", said),
        p99_ms=_latency("99%", said),
        errors=errors,
        cpu_us_per_request=used / max(1, requests) * 1e6,
        rss_mb=sum(process.memory_info().rss for process in family) / 2**20,
    )


def _cpu_seconds(server: psutil.Process) -> float:
    times = [process.cpu_times() for process in (server, *server.children(recursive=True))]
    return float(sum(time_.user + time_.system for time_ in times))


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    return float(found[1]) if found else 0.0


def _latency(share: str, text: str) -> float:
    found = re.search(rf"^\s+{share}\s+([\d.]+)(us|ms|s)\s*$", text, re.MULTILINE)
    return float(found[1]) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[found[2]] if found else float("nan")


def write_script(contender: Contender, material: Material) -> Path:
    """Write what wrk sends to a contender; returns the script."""
    body = material.folder / "body.json"
    body.write_bytes(contender.body(material.row()))
    script = material.folder / "post.lua"
    script.write_text(
        'wrk.method = "POST"\n'
        f'local file = io.open("{body}", "rb")\n'
        'wrk.body = file:read("*a")\n'
        "file:close()\n"
        'wrk.headers["content-type"] = "application/json"\n'
    )
    return script
