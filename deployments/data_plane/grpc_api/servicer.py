"""The Open Inference Protocol over gRPC, in the same event loop and through the same queue as everything else.

Started only with ``--grpc-port``: importing gRPC takes longer than the rest of the service.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from deployments.data_plane import open_inference
from deployments.data_plane.grpc_api import open_inference_pb2 as messages
from deployments.data_plane.grpc_api.tensors import contents_of, tensors_of
from deployments.data_plane.refusals import UnknownModel
from deployments.data_plane.service import Service

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

Method = Callable[[Any, Any], Awaitable[Any]]


async def start_grpc(service: Service, host: str, port: int) -> Any:
    """Start a gRPC server beside the HTTP one and return it; several workers may share the port."""
    limit = service.model.serving.max_body_bytes
    options = [("grpc.so_reuseport", 1), ("grpc.max_receive_message_length", limit)]
    server = grpc.aio.server(options=options)
    server.add_generic_rpc_handlers((_handler(Servicer(service)),))
    server.add_insecure_port(f"{host}:{port}")
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
    }
    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            name: grpc.unary_unary_rpc_method_handler(
                servicer.guarded(name, method),
                request_deserializer=message.FromString,
                response_serializer=lambda reply: reply.SerializeToString(),
            )
            for name, (method, message) in methods.items()
        },
    )


class Servicer:
    """Translates between messages and the service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def guarded(self, name: str, method: Method) -> Method:
        """Return a method whose failures become status codes, counted like those of HTTP."""

        async def call(request: Any, context: Any) -> Any:
            metrics = self._service.metrics
            start = time.perf_counter()
            metrics.in_flight += 1
            status = grpc.StatusCode.OK
            try:
                return await method(request, context)
            except grpc.aio.AbortError:
                raise
            except Exception as error:  # the boundary of the service, as in Service.answer
                refusal = self._service.note_failure(error, f"grpc {name}")
                status = STATUSES.get(refusal.status, grpc.StatusCode.INTERNAL)
                request_id = self._service.request_id(getattr(request, "id", None))
                told = (("x-build", self._service.model.build_id), ("x-request-id", request_id))
                await context.abort(status, refusal.text, told)
            finally:
                metrics.in_flight -= 1
                metrics.latency.observe(time.perf_counter() - start)
                metrics.count_answer(f"grpc:{name}", status.value[0])

        return call

    async def server_live(self, request: Any, context: Any) -> Any:
        return messages.ServerLiveResponse(live=True)

    async def server_ready(self, request: Any, context: Any) -> Any:
        return messages.ServerReadyResponse(ready=not self._service.draining)

    async def model_ready(self, request: Any, context: Any) -> Any:
        self._check_model(request.name, request.version)
        return messages.ModelReadyResponse(ready=not self._service.draining)

    async def server_metadata(self, request: Any, context: Any) -> Any:
        return messages.ServerMetadataResponse(**open_inference.SERVER)

    async def model_metadata(self, request: Any, context: Any) -> Any:
        self._check_model(request.name, request.version)
        return messages.ModelMetadataResponse(
            versions=[self._service.model.build_id], **open_inference.metadata(self._service.model)
        )

    async def model_infer(self, request: Any, context: Any) -> Any:
        self._check_model(request.model_name, request.model_version)
        remaining, client = context.time_remaining(), context.peer().rpartition(":")[0]
        wanted = [output.name for output in request.outputs]
        answered = await self._service.answer_tensors(tensors_of(request), wanted, request.id, remaining, client)
        outputs = [
            messages.ModelInferResponse.InferOutputTensor(
                name=name, datatype=datatype, shape=[len(values)], contents=contents_of(datatype, values)
            )
            for name, datatype, values in answered.outputs
        ]
        return messages.ModelInferResponse(
            model_name=answered.model.serving.workload,
            model_version=answered.model.build_id,
            id=answered.request_id,
            outputs=outputs,
        )

    def _check_model(self, name: str, version: str) -> None:
        model = self._service.model
        if name != model.serving.workload or version not in ("", model.build_id):
            raise UnknownModel(
                f"{name} {version}".strip() + f" is not served here; {model.serving.workload} {model.build_id} is"
            )
