"""What an operator may set for the service: limits, time-outs, folders. The build says the rest."""

from pathlib import Path
from typing import Literal

import msgspec

from components.artefacts.errors import ServingError


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one service; limits are of the whole service, its workers are told their share (``workers``)."""

    build: Path | None = None
    # Serve no other build than this.
    build_id: str | None = None
    rollout: Path | None = None
    workload: str | None = None
    # Serve nothing that the owner of this key did not sign.
    public_key: Path | None = None
    host: str = "127.0.0.1"
    port: int | None = None
    # Open Inference Protocol over gRPC; None: not served.
    grpc_port: int | None = None
    # Processes; None: as many as the machine has cores for, one where the application is mounted in another server.
    workers: int | None = None
    # Rows in one call of the model: more gives little more throughput and makes single rows wait.
    batch_rows: int = 256
    # How long a batch waits for more rows; 0 takes what one tick of the event loop brought.
    linger_seconds: float = 0.0
    # Requests and rows that may wait before more are refused with 503.
    queue_requests: int = 2_048
    queue_rows: int = 20_000
    # Tables (/v1/score) that may wait or be answered at once: each is as large as the build's limit allows.
    queue_tables: int = 8
    # Rows of one table; a small body can hold very many.
    table_rows: int = 1_000_000
    # What a table may unpack to, and the seconds of processor time that reading it may take. A process of its own for
    # each worker reads them; twice as much again is the most that one holds.
    table_bytes: int = 512_000_000
    table_seconds: int = 10
    deadline_seconds: float = 1.0
    # How long a body may take to come; a client that stops in the middle gets 408 and its connection closes.
    body_seconds: float = 30.0
    # Requests a second and client; 0 is no limit. A client is an address, or what this header says.
    rate_limit: float = 0.0
    client_header: str | None = None
    # Pages of these origins may read answers in a browser; "*": any.
    cors_origins: tuple[str, ...] = ()
    # After SIGTERM: unready, but answering, so that a gateway can turn away first.
    drain_seconds: float = 1.0
    # The process that this service belongs to: it stops when that one has ended, however. None: to nobody.
    owner: int | None = None
    poll_seconds: float = 0.25
    price_per_hour: float = 0.085
    access_log: float = 0.0
    # Address of an OpenTelemetry collector (OTLP over HTTP); None: what OTEL_EXPORTER_OTLP_ENDPOINT says, if anything.
    traces: str | None = None
    # Share of requests that are traced if their caller does not say.
    trace_share: float = 0.01
    predictions: Path | None = None
    # The prediction log's parts: a new one at this many rows, or after this time.
    part_rows: int = 50_000
    part_seconds: float = 10.0
    # Rows that may wait to be written; what does not fit is counted as lost, never waited for.
    log_rows: int = 500_000
    pii: Literal["drop", "hash"] = "drop"
    pii_key: Path | None = None
    # Where the workers of one service leave their counts for each other.
    exchange: Path | None = None

    def key(self) -> bytes:
        """Return the key of the prediction log's hashes, nothing if it makes none; ServingError if it is no key."""
        if self.pii != "hash":
            return b""
        if self.pii_key is None:
            raise ServingError("--pii hash needs --pii-key FILE: the key that the hashes are made with")
        try:
            key = self.pii_key.read_bytes().strip()
        except OSError as error:
            raise ServingError(f"cannot read the key {self.pii_key}: {error.strerror}") from None
        if not 16 <= len(key) <= 64:
            raise ServingError(f"the key {self.pii_key} has {len(key)} bytes; it must have 16 to 64")
        return key


def address_of(host: str, port: int) -> str:
    """Return host and port as addresses are written: one of IPv6 stands in brackets (RFC 3986, 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
