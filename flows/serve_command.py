"""The command ``slipway serve``: the data plane with this installation's key, folders and price."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from components.settings import Settings
from flows import serving_output


class Pii(StrEnum):
    """What the prediction log does with the contract's pii fields."""

    drop = "drop"
    hash = "hash"


def serve(
    workload: Annotated[
        str, typer.Argument(help="Name of a workload in deployments/, or the path of a workload file ending in .yaml.")
    ],
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="0: a free one. Else the file's.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Worker processes; one a usable core if not given.")
    ] = None,
    grpc_port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="Serve gRPC (Open Inference Protocol) too; 0: a free one."),
    ] = None,
    deadline_seconds: Annotated[
        float | None, typer.Option(min=0, help="What waited longer gets 504 (1 s if not given).")
    ] = None,
    body_seconds: Annotated[
        float | None, typer.Option(min=0, help="A body that takes longer to come gets 408 (30 s).")
    ] = None,
    queue_requests: Annotated[
        int | None, typer.Option(min=1, help="Requests being answered before more get 503 (2,048).")
    ] = None,
    queue_rows: Annotated[int | None, typer.Option(min=1, help="Rows that wait before more get 503 (20,000).")] = None,
    table_rows: Annotated[int | None, typer.Option(min=1, help="Rows of a table before 413 (1,000,000).")] = None,
    rate_limit: Annotated[
        float | None, typer.Option(min=0, help="Requests a second and client before more get 429; 0: no limit.")
    ] = None,
    client_header: Annotated[
        str | None, typer.Option(help="Header that names the client; its address if not given.")
    ] = None,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(help="Pages of this origin may read answers in a browser; may be repeated. '*': any."),
    ] = None,
    access_log: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of requests that are a JSON line on standard error.")
    ] = None,
    pii: Annotated[Pii | None, typer.Option(help="What the prediction log does with pii fields (drop).")] = None,
    pii_key: Annotated[Path | None, typer.Option(help="Key for --pii hash: a file of 16 to 64 bytes.")] = None,
    traces: Annotated[str | None, typer.Option(help="Address of an OpenTelemetry collector.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")] = False,
) -> None:
    """Serve the champion until stopped; a promotion or rollback takes effect without a restart."""
    from components.builds.signing import public_key_path
    from components.declaration.loading import read_workload
    from components.promotion.roles import champion_of
    from components.promotion.rollouts import followed
    from components.service.follow import serve_champion

    declared = read_workload(workload)
    settings = Settings()
    home = settings.folder()
    champion = champion_of(declared, home, settings)
    options = {
        "host": host,
        "port": declared.serving.port if port is None else port,
        "workers": workers,
        "grpc-port": grpc_port,
        "price-per-hour": settings.price_per_hour,
        "deadline-seconds": deadline_seconds,
        "body-seconds": body_seconds,
        "queue-requests": queue_requests,
        "queue-rows": queue_rows,
        "table-rows": table_rows,
        "rate-limit": rate_limit,
        "client-header": client_header,
        "cors-origin": cors_origin,
        "access-log": access_log,
        "pii": pii,
        "pii-key": pii_key,
        "traces": traces,
    }
    with followed(home, declared.name) as document:
        code = serve_champion(
            declared.name,
            document,
            home,
            key=public_key_path(settings.key()),
            options=options,
            ready=lambda endpoint: serving_output.print_endpoint(endpoint, champion, as_json),
        )
    raise typer.Exit(code)
