"""The data plane as its users meet it: a process, a port, answers."""

import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from components.artefacts.build import open_build, seal
from components.artefacts.rollout import Rollout, promoted, rolled_back, write_rollout
from components.artefacts.storage import write_json
from components.builds.signing import ensure_key, public_key_path, sign_build
from data_contracts.flights import Flight
from deployments.data_plane.documents.openapi_schemas import example_row
from deployments.data_plane.grpc_api import open_inference_pb2 as messages
from tests.deployments.processes import Running, refused, wait_until

ROW = example_row(Flight.spec())
JSON = {"content-type": "application/json"}
HEAVY = ["torch", "lightning", "prefect", "mlflow", "great_expectations", "evidently", "pydantic", "polars", "onnx"]
HEAVY += ["pyarrow", "bentoml", "pandas"]

Serve = Callable[..., Running]


def test_golden_rows_are_answered_as_evaluated_one_by_one_and_together(serve: Serve, build: Path) -> None:
    running = serve("--build", build)
    golden = open_build(build).golden()
    together = running.post(golden.rows).json()
    assert running.build == together["build"] == open_build(build).build_id
    for row, expected, prediction in zip(golden.rows, golden.matrix()[:, 0], together["predictions"], strict=True):
        alone = running.post(row).json()["predictions"]
        assert alone == [pytest.approx(prediction)]
        assert prediction["probability"] == pytest.approx(expected, abs=golden.tolerance)
        assert prediction["late"] is bool(expected >= 0.5)


def test_concurrent_requests_each_get_their_own_answer(serve: Serve, build: Path) -> None:
    running = serve("--build", build)
    golden = open_build(build).golden()
    wrong: list[str] = []

    def ask(index: int) -> None:
        with httpx.Client(base_url=running.url, timeout=20) as client:
            for turn in range(30):
                place = (index + turn) % len(golden.rows)
                name = f"asked-{index}-{turn}"
                reply = client.post("/v1/predict", json=golden.rows[place], headers={"x-request-id": name}).json()
                answer = reply["predictions"][0]["probability"]
                if reply["request_id"] != name or abs(answer - golden.answers[place][0]) > golden.tolerance:
                    wrong.append(f"{name}: {reply}")

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("POST", "/v1/predict", json.dumps(ROW | {"distance": -1}), 422, {"field": "distance", "row": 0}),
        ("POST", "/v1/predict", json.dumps([ROW, ROW | {"origin": "X"}]), 422, {"field": "origin", "row": 1}),
        ("POST", "/v1/predict", json.dumps(ROW | {"dep_delay": 3.0}), 422, {"field": "dep_delay", "row": 0}),
        ("POST", "/v1/predict", "not json", 400, {"kind": "malformed"}),
        ("POST", "/v1/predict", json.dumps([ROW] * 501), 413, {"kind": "too_large"}),
        ("POST", "/v1/predict", " " * 500_001, 413, {"kind": "too_large"}),
        ("GET", "/v1/predict", None, 405, {"kind": "method_not_allowed"}),
        ("GET", "/nowhere", None, 404, {"kind": "not_found"}),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(
    shared_server: Running, method: str, path: str, body: str | None, status: int, said: dict[str, Any]
) -> None:
    reply = shared_server.client.request(method, path, content=body, headers=JSON)
    assert reply.status_code == status
    error = reply.json()["error"]
    assert {key: error[key] for key in said} == said
    assert error["reason"]


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/nowhere", "/readyz"])
def test_a_refusal_names_the_build_and_the_request(shared_server: Running, path: str) -> None:
    reply = shared_server.client.post(path, content="not json", headers=JSON | {"x-request-id": "mine"})
    assert (reply.json()["build"], reply.json()["request_id"]) == (shared_server.build, "mine")
    assert (reply.headers["x-build"], reply.headers["x-request-id"]) == (shared_server.build, "mine")
    unnamed = shared_server.client.post(path, content="not json", headers=JSON | {"x-request-id": "not a name"})
    assert unnamed.json()["request_id"] not in ("", "not a name")


def test_a_body_without_a_length_is_limited_too(shared_server: Running) -> None:
    reply = shared_server.client.post("/v1/predict", content=(b" " * 100_000 for _ in range(6)), headers=JSON)
    assert reply.status_code == 413


def test_health_metrics_and_documents_are_there(serve: Serve, build: Path) -> None:
    running = serve("--build", build)
    client = running.client
    running.post(ROW)
    running.post(ROW | {"distance": -1})
    assert client.get("/livez").json() == {"live": True}
    assert client.get("/readyz").json() == {"ready": True, "build": running.build}
    metrics = client.get("/metrics").text
    assert 'slipway_requests_total{path="/v1/predict",status="200"} 1.0' in metrics
    assert 'slipway_errors_total{kind="invalid_row"} 1.0' in metrics
    assert f'slipway_build_info{{build="{running.build}",workload="flights"}} 1.0' in metrics
    document = client.get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert set(document["components"]["schemas"]["Row"]["properties"]) == set(ROW)
    example = document["paths"]["/v1/predict"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    assert running.post(example["two rows"]["value"]).status_code == 200
    page = client.get("/docs").text
    assert "wind_speed" in page
    assert "https://" not in page


def test_a_promotion_and_a_rollback_change_over_without_a_failed_request(
    serve: Serve, build: Path, other_build: Path, tmp_path: Path
) -> None:
    first, second = open_build(build), open_build(other_build)
    document = tmp_path / "rollouts" / "flights.json"
    rollout = promoted(Rollout(workload="flights"), first.build_id, build, "first")
    write_rollout(document, rollout)
    running = serve("--rollout", document)
    expected = {opened.build_id: opened.golden().answers[0][0] for opened in (first, second)}
    row = first.golden().rows[0]
    seen: list[str] = []
    failed: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=running.url, timeout=20) as client:
            while not stop.is_set():
                reply = client.post("/v1/predict", json=row)
                answer = reply.json()
                if reply.status_code != 200 or answer["predictions"][0]["probability"] != pytest.approx(
                    expected[answer["build"]], abs=1e-5
                ):
                    failed.append(reply.text)
                seen.append(answer.get("build", ""))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        wait_until(lambda: seen[-1:] == [first.build_id])
        rollout = promoted(rollout, second.build_id, other_build, "better")
        write_rollout(document, rollout)
        wait_until(lambda: seen[-1:] == [second.build_id])
        write_rollout(document, rolled_back(rollout, "worse"))
        wait_until(lambda: seen[-1:] == [first.build_id])
    finally:
        stop.set()
        thread.join()
    assert not failed
    assert seen[0] == seen[-1] == first.build_id
    assert second.build_id in seen


def test_a_damaged_champion_is_refused_and_the_old_one_keeps_answering(
    serve: Serve, build: Path, other_build: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(other_build, damaged)
    graph = (damaged / "model.onnx").read_bytes()
    (damaged / "model.onnx").write_bytes(graph[:-1] + bytes([graph[-1] ^ 1]))
    document = tmp_path / "flights.json"
    rollout = promoted(Rollout(workload="flights"), open_build(build).build_id, build, "first")
    write_rollout(document, rollout)
    running = serve("--rollout", document)
    write_rollout(document, promoted(rollout, open_build(other_build).build_id, damaged, "bad luck"))
    wait_until(lambda: 'slipway_build_changes_total{kind="refused"} 1.0' in running.client.get("/metrics").text)
    assert running.post(ROW).json()["build"] == open_build(build).build_id
    assert "model.onnx is not what was built" in running.log.read_text()


def test_another_build_in_the_place_of_the_champion_is_not_served(
    build: Path, other_build: Path, tmp_path: Path
) -> None:
    (champion, other), document = (open_build(build), open_build(other_build)), tmp_path / "flights.json"
    told = f"{other_build} holds {other.build_id}, not {champion.build_id}: do not use it\n"
    write_rollout(document, promoted(Rollout(workload="flights"), champion.build_id, other_build, "mixed up"))
    assert refused("--rollout", document) == (6, told)
    assert refused("--build", other_build, "--build-id", champion.build_id) == (6, told)


def test_a_build_that_does_not_answer_its_golden_rows_is_not_served(build: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    shutil.copytree(build, wrong)
    golden = json.loads((wrong / "golden.json").read_text())
    golden["answers"][3][0] += 0.01
    write_json(wrong / "golden.json", golden)
    seal(wrong, workload="flights", kind="tabular", created="2026-11-21T00:00:00+00:00")
    code, errors = refused("--build", wrong)
    assert code == 7
    assert "golden row 3" in errors
    assert len(errors.strip().splitlines()) == 1


def test_bad_input_gives_one_line_and_a_code(build: Path, tmp_path: Path) -> None:
    assert refused("--build", tmp_path / "nothing") == (
        6,
        f"{tmp_path / 'nothing'} is not a build: there is no such folder\n",
    )
    code, errors = refused("--rollout", tmp_path / "flights.json")
    assert (code, "nothing was promoted for flights" in errors) == (6, True)
    code, errors = refused("--build", build, "--workload", "taxis")
    assert (code, "not of taxis" in errors) == (6, True)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, errors = refused("--build", build, "--port", str(port))
        assert (code, f"port {port} of 127.0.0.1 is in use; give another one with --port" in errors) == (8, True)
        code, errors = refused("--build", build, "--grpc-port", str(port))
        assert (code, f"port {port} of 127.0.0.1 is in use; give another one with --grpc-port" in errors) == (8, True)
    for host in ("a" * 300, "no such host"):
        code, errors = refused("--build", build, "--host", host)
        assert (code, errors.startswith("cannot listen on"), errors.count("\n")) == (8, True, 1)
    for option in ("--port", "--grpc-port", "--workers", "--queue-rows"):
        code, errors = refused("--build", build, f"{option}={'9' * 5_000}")
        assert (code, errors.count("\n"), len(errors) < 300) == (2, 1, True)


def test_an_address_of_ipv6_stands_in_brackets_and_a_client_has_one_name(serve: Serve, build: Path) -> None:
    running = serve("--build", build, "--host", "::1", "--grpc-port", "0", "--rate-limit", "0.001")
    assert running.url.startswith("http://[::1]:")
    assert running.grpc.startswith("[::1]:")
    assert running.post(ROW).status_code == 200
    with grpc.insecure_channel(running.grpc) as channel:
        ask = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        request = messages.ModelInferRequest(model_name="flights").SerializeToString()
        with pytest.raises(grpc.RpcError) as limited:
            ask(request, timeout=10)
    assert limited.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_stop_signal_ends_the_service_with_success(serve: Serve, build: Path) -> None:
    assert serve("--build", build).stop() == 0


def test_the_service_imports_nothing_heavy(build: Path) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from deployments.data_plane import __main__, server\n"
        "from deployments.data_plane.documents import docs_page, openapi\n"
        "from deployments.data_plane.telemetry import exposition\n"
        "from deployments.data_plane.application import Application\n"
        "from deployments.data_plane.options import Options\n"
        f"Application(Options(build=Path({str(build)!r})))\n"
        f"print([name for name in {HEAVY} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_with_a_public_key_only_signed_builds_are_served(serve: Serve, build: Path, tmp_path: Path) -> None:
    key = ensure_key(tmp_path / "signing.pem")
    signed = tmp_path / "signed"
    shutil.copytree(build, signed)
    code, errors = refused("--build", signed, "--public-key", public_key_path(key))
    assert (code, "is not signed" in errors) == (6, True)
    sign_build(signed, key)
    assert serve("--build", signed, "--public-key", public_key_path(key)).post(ROW).status_code == 200
