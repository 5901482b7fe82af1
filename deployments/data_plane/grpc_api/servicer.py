"""The Open Inference Protocol over gRPC, in the same event loop and through the same queue as everything else.

Started only with ``--grpc-port``: importing gRPC takes longer than the rest of the service.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

import grpc
from google.protobuf.message import DecodeError

from deployments.data_plane.formats import model_metadata
from deployments.data_plane.formats.request import MalformedRequest
from deployments.data_plane.grpc_api import open_inference_pb2 as messages
from deployments.data_plane.grpc_api.tensors import reply_of, tensors_of, wants_raw
from deployments.data_plane.options import address_of
from deployments.data_plane.refusals import UnknownModel
from deployments.data_plane.service import Service
from deployments.data_plane.telemetry.tracing import Trace

SERVICE = "inference.GRPCInferenceService"

# Status codes by what HTTP would say.
STATUSES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.INVALID_ARGUMENT,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}

# What is noted where the client did not wait; no HTTP client ever sees it.
GONE = 499
# The one method that answers rows.
ANSWERING = "ModelInfer"


class Call:
    """One call, as the service wants to know it."""

    method = "gRPC"

    def __init__(self, name: str, request: Any, context: Any) -> None:
        self._said = dict(context.invocation_metadata() or ())
        self.path = f"/{SERVICE}/{name}"
        # "ipv4:127.0.0.1:40000" or "ipv6:%5B::1%5D:40000": over HTTP the same client has the same name.
        self.client = unquote(context.peer()).partition(":")[2].rpartition(":")[0]
        self.request_id: str = getattr(request, "id", "")
        self.remaining: float | None = context.time_remaining()
        self.trace: Trace | None = None

    def header(self, name: str) -> str | None:
        """Return what the call's metadata say under a name in lower case."""
        return self._said.get(name)


Method = Callable[[Any, Call], Awaitable[Any]]
Handler = Callable[[Any, Any], Awaitable[Any]]


async def start_grpc(service: Service, host: str, port: int) -> Any:
    """Start a gRPC server beside the HTTP one and return it; several workers may share the port."""
    limit = service.model.serving.max_body_bytes
    options = [("grpc.so_reuseport", 1), ("grpc.max_receive_message_length", limit)]
    server = grpc.aio.server(options=options)
    server.add_generic_rpc_handlers((_handler(Servicer(service)),))
    server.add_insecure_port(address_of(host, port))
    await server.start()
    return server


def _handler(servicer: "Servicer") -> Any:
    methods: dict[str, tuple[Method, Any]] = {
        "ServerLive": (servicer.server_live, messages.ServerLiveRequest),
        "ServerReady": (servicer.server_ready, messages.ServerReadyRequest),
        "ModelReady": (servicer.model_ready, messages.ModelReadyRequest),
        "ServerMetadata": (servicer.server_metadata, messages.ServerMetadataRequest),
        "ModelMetadata": (servicer.model_metadata, messages.ModelMetadataRequest),
        "ModelInfer": (servicer.model_infer, messages.ModelInferRequest),
        "ModelConfig": (servicer.model_config, messages.ModelConfigRequest),
        "RepositoryIndex": (servicer.repository_index, messages.RepositoryIndexRequest),
    }
    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            name: grpc.unary_unary_rpc_method_handler(
                # Decoded by us: what gRPC cannot decode it calls an unknown error, as if it were ours.
                servicer.guarded(name, method, message),
                response_serializer=lambda reply: reply.SerializeToString(),
            )
            for name, (method, message) in methods.items()
        },
    )


class Servicer:
    """Translates between messages and the service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def guarded(self, name: str, method: Method, message: Any) -> Handler:
        """Return a method whose calls and failures are counted, logged and traced like requests over HTTP."""

        async def handle(body: bytes, context: Any) -> Any:
            service = self._service
            try:
                request = message.FromString(body)
            except DecodeError:
                error = MalformedRequest(f"the message is not a {name}Request of the Open Inference Protocol")
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, service.note_failure(error, f"grpc:{name}").text)
            call = Call(name, request, context)
            metrics, status, code, size = service.metrics, 200, grpc.StatusCode.OK, 0
            # Like probes over HTTP, those that ask for health and metadata tell nothing.
            if service.tracing is not None and name == ANSWERING:
                call.trace = service.tracing.begin(call.header("traceparent"))
            start = time.perf_counter()
            metrics.in_flight += 1
            try:
                if name == ANSWERING:
                    call.request_id = call.request_id or service.admission.request_id(call.header("x-request-id"))
                reply = await method(request, call)
                size = reply.ByteSize()
                return reply
            except asyncio.CancelledError:
                status, code = GONE, grpc.StatusCode.CANCELLED
                raise
            except Exception as error:  # the boundary of the service, as in Service.answer
                refusal = service.note_failure(error, call.path)
                status, code = refusal.status, STATUSES.get(refusal.status, grpc.StatusCode.INTERNAL)
                call.request_id = service.admission.request_id(call.request_id)
                retry = [header for header in refusal.headers if header[0] == "retry-after"]
                told = (*retry, ("x-build", service.model.build_id), ("x-request-id", call.request_id))
                await context.abort(code, refusal.text, told)
            finally:
                metrics.in_flight -= 1
                seconds = time.perf_counter() - start
                metrics.latency.observe(seconds)
                metrics.count_answer(f"grpc:{name}", code.value[0])
                service.access_log.note(call, status, size, seconds, service.model.build_id)
                if service.tracing is not None and call.trace is not None:
                    call.trace.grpc_status = code.value[0]
                    service.tracing.end(call.trace, call.path, status, service.model.build_id, call.request_id)

        return handle

    async def server_live(self, request: Any, call: Call) -> Any:
        return messages.ServerLiveResponse(live=True)

    async def server_ready(self, request: Any, call: Call) -> Any:
        return messages.ServerReadyResponse(ready=not self._service.draining)

    async def model_ready(self, request: Any, call: Call) -> Any:
        self._check_model(request.name, request.version)
        return messages.ModelReadyResponse(ready=not self._service.draining)

    async def server_metadata(self, request: Any, call: Call) -> Any:
        return messages.ServerMetadataResponse(**model_metadata.SERVER)

    async def model_metadata(self, request: Any, call: Call) -> Any:
        self._check_model(request.name, request.version)
        return messages.ModelMetadataResponse(**model_metadata.metadata(self._service.model))

    async def model_config(self, request: Any, call: Call) -> Any:
        self._check_model(request.name, request.version)
        config = messages.ModelConfig(**model_metadata.configuration(self._service.model))
        return messages.ModelConfigResponse(config=config)

    async def repository_index(self, request: Any, call: Call) -> Any:
        models = model_metadata.repository_index(self._service.model, self._service.draining)
        return messages.RepositoryIndexResponse(models=models)

    async def model_infer(self, request: Any, call: Call) -> Any:
        self._check_model(request.model_name, request.model_version)
        wanted = [output.name for output in request.outputs]
        answered = await self._service.answer_tensors(tensors_of(request), wanted, call)
        model = answered.model
        return reply_of(
            answered.outputs, model.serving.workload, model.build_id, answered.request_id, wants_raw(request)
        )

    def _check_model(self, name: str, version: str) -> None:
        model = self._service.model
        if name != model.serving.workload or version not in ("", model.build_id):
            raise UnknownModel(
                f"{name} {version}".strip() + f" is not served here; {model.serving.workload} {model.build_id} is"
            )
