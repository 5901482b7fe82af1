"""LitServe: FastAPI in front, a worker process, dynamic batching; pydantic validates."""

import os
from typing import Any

import litserve

from benchmarks.serving.peers.material import FlightRow, answer, predictor


class Flights(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self._predictor = predictor()

    def decode_request(self, request: FlightRow) -> dict[str, Any]:
        return request.model_dump()

    def batch(self, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return inputs

    def predict(self, x: list[dict[str, Any]]) -> list[float]:
        answers: list[float] = self._predictor.predict(
            self._predictor.tensors([tuple(row.values()) for row in x])
        ).tolist()
        return answers

    def unbatch(self, output: list[float]) -> list[float]:
        return output

    def encode_response(self, output: float) -> dict[str, Any]:
        return answer(output)


if __name__ == "__main__":
    api = Flights(max_batch_size=64, batch_timeout=0.001, api_path="/v1/predict")
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1, timeout=30)
    server.run(
        host="127.0.0.1", port=int(os.environ["PORT"]), num_api_servers=1, log_level="error", generate_client_file=False
    )
