"""Serving side by side: ``python -m benchmarks.serving [--seconds S] [--connections ...] [--only NAME] [--json FILE]``.

The same model, row and cores for everybody: the server on one core, wrk on another. Rounds are interleaved and the
median is taken, because neighbours make noise; CPU time a request hardly depends on them.
"""

import argparse
import os
import platform
import statistics
import sys
import tempfile
from pathlib import Path

import msgspec

from benchmarks.serving.contenders import CONTENDERS
from benchmarks.serving.load import Measured, measure, started, write_script
from benchmarks.serving.model import make_material
from benchmarks.serving.ports import free_port

SERVER_CORE, LOAD_CORE = 0, 1
# What was declared before anything was measured: times the requests/s of each.
GOALS = {
    "FastAPI + PyTorch": 4.0,
    "BentoML API": 10.0,
    "mosec": 1.0,
    "LitServe": 1.0,
    "Granian constant": 0.5,
    "Granian constant, body read": 0.5,
}
P99_MS = 100.0


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="of load for each figure")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--connections", type=int, nargs="+", default=[8, 32, 256, 1024])
    parser.add_argument("--only", nargs="+", help="names of contenders, or their beginnings")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    given = parser.parse_args()
    if (os.cpu_count() or 1) < 2:
        parser.error("this needs two cores: one for the server, one for the load")
    chosen = [
        contender
        for contender in CONTENDERS
        if given.only is None or any(contender.name.lower().startswith(name.lower()) for name in given.only)
    ]
    figures: list[Measured] = []
    ready: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="slipway-benchmark-") as folder:
        material = make_material(Path(folder))
        for number in range(given.rounds):
            for contender in chosen:
                port = free_port()
                script = write_script(contender, material)
                with started(contender, material, port, SERVER_CORE) as (server, seconds):
                    ready[contender.name] = min(seconds, ready.get(contender.name, seconds))
                    for connections in given.connections:
                        figure = measure(contender, server, port, connections, given.seconds, script, LOAD_CORE)
                        figures.append(figure)
                        sys.stderr.write(f"round {number + 1} {figure}\n")
    if given.json:
        document = {"machine": machine(), "ready_seconds": ready, "figures": [figure.plain() for figure in figures]}
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    sys.stdout.write(table(figures, given.connections) + "\n\n" + goals(figures, given.connections) + "\n")


def table(figures: list[Measured], connections: list[int]) -> str:
    """Return the medians as Markdown: requests/s, share of the first contender, p99, CPU time."""
    names = list(dict.fromkeys(figure.contender for figure in figures))
    lines = [
        "| server | connections | requests/s | slipway is | p99 ms | CPU us/request | errors | MB |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for count in connections:
        reference = _median(figures, names[0], count, "requests_per_second")
        for name in names:
            rate = _median(figures, name, count, "requests_per_second")
            cells = (
                name,
                str(count),
                f"{rate:,.0f}",
                f"{reference / rate:.2f}x" if rate else "-",
                f"{_median(figures, name, count, 'p99_ms'):.1f}",
                f"{_median(figures, name, count, 'cpu_us_per_request'):.1f}",
                f"{_median(figures, name, count, 'errors'):.0f}",
                f"{_median(figures, name, count, 'rss_mb'):.0f}",
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def goals(figures: list[Measured], connections: list[int]) -> str:
    """Return how the first contender stands against the goals, as Markdown; who was not measured is left out."""
    names = list(dict.fromkeys(figure.contender for figure in figures))
    lines = [
        f"| goal for {names[0]} | {' | '.join(str(count) for count in connections)} |",
        f"|---|{'--:|' * len(connections)}",
    ]
    for name, factor in GOALS.items():
        if name in names:
            ratios = [_ratio(figures, names[0], name, count) for count in connections]
            cells = [f"{ratio:.2f} {'met' if ratio >= factor else '**missed**'}" for ratio in ratios]
            lines.append(f"| requests/s of {name}, at least {factor:g}x | {' | '.join(cells)} |")
    slowest = [_median(figures, names[0], count, "p99_ms") for count in connections]
    cells = [f"{value:.1f} {'met' if value < P99_MS else '**missed**'}" for value in slowest]
    lines.append(f"| p99 under {P99_MS:g} ms | {' | '.join(cells)} |")
    return "\n".join(lines)


def _ratio(figures: list[Measured], ours: str, other: str, connections: int) -> float:
    """Return how many times as many requests/s; infinite for one that did not answer."""
    rate = _median(figures, other, connections, "requests_per_second")
    return _median(figures, ours, connections, "requests_per_second") / rate if rate else float("inf")


def _median(figures: list[Measured], name: str, connections: int, key: str) -> float:
    values = [
        getattr(figure, key) for figure in figures if (figure.contender, figure.connections) == (name, connections)
    ]
    return statistics.median(values) if values else float("nan")


def machine() -> dict[str, str | int]:
    """Describe where this runs."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    flags = next((line.split(":", 1)[1].split() for line in text.splitlines() if line.startswith("flags")), [])
    model = next((line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")), "")
    special = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    return {
        "cpu": model,
        "cores": os.cpu_count() or 1,
        "flags": " ".join(special),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    main()
