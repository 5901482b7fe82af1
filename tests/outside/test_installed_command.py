"""The wheel in an empty environment, from a folder that is not the checkout: a build, a promotion, an answer."""

import json
import urllib.request

import pytest

from tests.outside.places import Place

pytestmark = pytest.mark.outside


def test_a_champion_that_was_built_elsewhere_answers_from_its_new_folder(champion: Place) -> None:
    served = champion.serve("shop.yaml")
    row = {"at": "2024-08-31T20:09:20", "amount": 19.26, "pieces": 7, "city": "Oslo", "kind": "b", "flag": False}
    request = urllib.request.Request(
        f"{served.url}/v1/predict", json.dumps(row).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert 0 < json.load(answer)["predictions"][0]["probability"] < 1
