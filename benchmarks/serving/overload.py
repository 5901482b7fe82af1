"""Far more than it can take: ``python -m benchmarks.serving.overload``.

wrk asks over thousands of connections without pause, while a probe asks like an ordinary client and notes status and
latency. Printed: what the probe saw before, during and after, what was refused, and the memory of the service.
"""

import argparse
import http.client
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.serving.contenders import CONTENDERS
from benchmarks.serving.load import started, write_script
from benchmarks.serving.model import Material, make_material
from benchmarks.serving.ports import free_port


@dataclass
class Probed:
    """What an ordinary client saw: statuses, and milliseconds of accepted and of refused requests."""

    statuses: Counter[int] = field(default_factory=Counter)
    accepted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)

    def line(self, name: str) -> str:
        """Return one line of the table."""
        cells = (name, dict(self.statuses), _percentiles(self.accepted), _percentiles(self.refused))
        return f"| {' | '.join(str(cell) for cell in cells)} |"


def main() -> None:
    """Overload the service and print what happened."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=6_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    contender = CONTENDERS[0]
    with tempfile.TemporaryDirectory(prefix="slipway-overload-") as folder:
        material = make_material(Path(folder))
        script = write_script(contender, material)
        port = free_port()
        with started(contender, material, port, core=0) as (server, _):
            before = probe(material, port, 3.0)
            memory = [rss(server)]
            command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{given.connections}", f"-d{given.seconds:g}s"]
            url = f"http://127.0.0.1:{port}{contender.path}"
            load = subprocess.Popen(
                [*command, "--timeout", "10", "-s", str(script), url], stdout=subprocess.PIPE, text=True
            )
            time.sleep(1)
            memory.append(rss(server))
            during = probe(material, port, given.seconds - 2)
            memory.append(rss(server))
            said, _ = load.communicate()
            recovered = seconds_until_well(material, port)
            after = probe(material, port, 3.0)
            memory.append(rss(server))
    lines = ["| when | statuses | accepted p50/p99 ms | refused p50/p99 ms |", "|---|---|---|---|"]
    lines += [before.line("before"), during.line("during"), after.line("after")]
    lines.append(f"\nMemory MB before, after 1 s, at the end, after: {', '.join(f'{value:.0f}' for value in memory)}")
    lines.append(f"Answering within 50 ms again {recovered:.1f} s after the load ended. wrk saw:\n{said}")
    sys.stdout.write("\n".join(lines) + "\n")


def probe(material: Material, port: int, seconds: float) -> Probed:
    """Ask a hundred times a second at most, over one connection."""
    probed = Probed()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        start = time.perf_counter()
        try:
            connection.request("POST", "/v1/predict", material.row(), {"content-type": "application/json"})
            reply = connection.getresponse()
            reply.read()
            status = reply.status
        except OSError:
            connection.close()
            status = 0
        milliseconds = (time.perf_counter() - start) * 1_000
        probed.statuses[status] += 1
        (probed.accepted if status == 200 else probed.refused).append(milliseconds)
        time.sleep(0.01)
    connection.close()
    return probed


def seconds_until_well(material: Material, port: int) -> float:
    """Return how long it takes until ten answers in a row come within 50 ms."""
    start = time.monotonic()
    while time.monotonic() - start < 60:
        probed = probe(material, port, 0.2)
        if not probed.refused and probed.accepted and max(probed.accepted) < 50:
            break
    return time.monotonic() - start


def rss(server: psutil.Process) -> float:
    """Return the megabytes of a server and its children."""
    return float(sum(process.memory_info().rss for process in (server, *server.children(recursive=True))) / 2**20)


def _percentiles(values: list[float]) -> str:
    """Return median and 99th percentile; with few values the latter is the largest."""
    if not values:
        return "-"
    ordered = sorted(values)
    return f"{ordered[len(ordered) // 2]:.1f} / {ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]:.1f}"


if __name__ == "__main__":
    main()
