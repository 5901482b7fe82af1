"""tritonclient as its users use it: over HTTP and gRPC, by its defaults and with its options, the evaluated answers."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.outside.places import Place

pytestmark = pytest.mark.outside

CLIENT = Path(__file__).parent / "triton_client.py"


def test_every_way_of_tritonclient_gives_the_evaluated_answers(champion: Place, triton: Path) -> None:
    served = champion.serve("shop.yaml", "--grpc-port", "0")
    (golden,) = champion.home.glob("builds/*/golden.json")
    evaluated = json.loads(golden.read_text())
    rows = champion.folder / "rows.json"
    # Neither BYTES nor INT64 can say that a value is missing: rows that are whole are sent.
    whole = [place for place, row in enumerate(evaluated["rows"]) if None not in row.values()]
    rows.write_text(json.dumps([evaluated["rows"][place] for place in whole]))
    addresses = [served.url.removeprefix("http://"), served.said["grpc"]]
    done = subprocess.run(
        [triton, CLIENT, *addresses, "shop", rows], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) == 2 * 2 * 3 * 3 + 2 * 3 + 2
    expected = [evaluated["answers"][place][0] for place in whole]
    for way, outputs in found.items():
        assert outputs["probability"] == pytest.approx(expected, abs=1e-6), way
        assert outputs["returned"] == found["tritonclient.http.aio"]["returned"], way
