"""mosec: a Rust front, Python workers behind it, dynamic batching; decoded with msgspec from the contract."""

from typing import Any

from mosec import Server, ValidationError, Worker

from benchmarks.serving.peers.material import answer, decoder, predictor
from deployments.data_plane.formats.request import InvalidRow, MalformedRequest


class Flights(Worker):
    def __init__(self) -> None:
        super().__init__()
        self._predictor = predictor()
        self._decoder = decoder()

    def deserialize(self, data: bytes) -> Any:
        try:
            return self._decoder.decode(data)[0]
        except (InvalidRow, MalformedRequest) as error:
            raise ValidationError(str(error)) from error

    def forward(self, data: list[Any]) -> list[dict[str, Any]]:
        answers = self._predictor.predict(self._predictor.tensors(data))
        return [answer(probability) for probability in answers.tolist()]


if __name__ == "__main__":
    server = Server()
    server.append_worker(Flights, num=1, max_batch_size=64, max_wait_time=1, start_method="fork")
    server.run()
