"""Who is compared: how each server is started on a port, and what it is."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

PEERS = "benchmarks.serving.peers"
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Contender:
    """A server: its command, with PORT and FOLDER to be filled in, and what it does."""

    name: str
    what: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    # A constant does not answer with a probability.
    answers: bool = True
    path: str = "/v1/predict"
    # Name of the argument that the body must wrap the row in.
    wrapped: str | None = None

    def body(self, row: bytes) -> bytes:
        """Return the row as this server wants it."""
        return b'{"%b":%b}' % (self.wrapped.encode(), row) if self.wrapped else row

    def filled(self, port: int, folder: Path) -> list[str]:
        """Return the command for a port and a folder."""
        return [part.replace("PORT", str(port)).replace("FOLDER", str(folder)) for part in self.command]


def _granian(target: str, interface: str = "rsgi") -> tuple[str, ...]:
    return (
        *(str(BIN / "granian"), f"{PEERS}.{target}", "--interface", interface, "--host", "127.0.0.1", "--port", "PORT"),
        *("--loop", "uvloop", "--no-ws", "--http", "1", "--backlog", "4096", "--backpressure", "8192"),
        *("--log-level", "critical", "--workers", "1"),
    )


def _uvicorn(target: str) -> tuple[str, ...]:
    return (
        *(str(BIN / "uvicorn"), f"{PEERS}.{target}", "--host", "127.0.0.1", "--port", "PORT", "--loop", "uvloop"),
        *("--http", "httptools", "--no-access-log", "--log-level", "error", "--backlog", "4096"),
    )


_OURS = (
    *(sys.executable, "-m", "deployments.data_plane", "--build", "FOLDER/build", "--port", "PORT"),
    # As many as the others have.
    *("--workers", "1"),
)

CONTENDERS = (
    Contender(
        "slipway",
        "the data plane: validation, metrics, every prediction logged",
        (*_OURS, "--predictions", "FOLDER/predictions"),
    ),
    Contender("slipway, no log", "the same without the prediction log", _OURS),
    Contender(
        "slipway, ASGI", "the same with the log, through Granian's ASGI", _granian("asgi_application:app", "asgi")
    ),
    Contender(
        "FastAPI + PyTorch",
        "FastAPI, pydantic, eager PyTorch, uvicorn with uvloop and httptools",
        _uvicorn("fastapi_torch:app"),
    ),
    Contender(
        "BentoML API",
        "a typed BentoML API, the same ONNX graph",
        (str(BIN / "bentoml"), "serve", f"{PEERS}.bento_api:Flights", "--host", "127.0.0.1", "--port", "PORT"),
        {"BENTOML_DO_NOT_TRACK": "True"},
        wrapped="row",
    ),
    Contender(
        "mosec",
        "mosec with dynamic batching (64 rows, 1 ms), msgspec, the same graph",
        (
            sys.executable,
            "-m",
            f"{PEERS}.mosec_server",
            "--address",
            "127.0.0.1",
            "--port",
            "PORT",
            "--log-level",
            "error",
        ),
        path="/inference",
    ),
    Contender(
        "LitServe",
        "LitServe with dynamic batching (64 rows, 1 ms), pydantic, the same graph",
        (sys.executable, "-m", f"{PEERS}.litserve_server"),
        {"PORT": "PORT"},
    ),
    Contender(
        "uvicorn + msgspec", "uvicorn, msgspec, ONNX Runtime, one call a request", _uvicorn("uvicorn_msgspec:app")
    ),
    Contender(
        "Granian constant",
        "the ceiling: a constant, the body not even read",
        _granian("granian_constant:blind"),
        answers=False,
    ),
    Contender(
        "Granian constant, body read",
        "a constant after reading the body",
        _granian("granian_constant:reading"),
        answers=False,
    ),
)
