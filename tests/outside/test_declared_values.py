"""A workload file with a value that cannot be: one line that names the key, exit code 2, and nothing was written."""

import pytest

from tests.outside.places import Place, one_clear_line

pytestmark = pytest.mark.outside

REFUSED = {
    "june31.yaml": ["line 16", "split.train.end", "2024-06-31"],
    "gates_twice.yaml": ["line 27", "'gates' stands there twice, first in line 25"],
    "behaviour_no.yaml": ["gates.behaviour.0.set.city", "line 32", "NO is a truth value in YAML", "write it in quotes"],
    "behaviour_half.yaml": ["gates.behaviour.0.set.pieces", "2.7"],
    "behaviour_word.yaml": ["gates.behaviour.0.set.pieces", "'many'"],
}


def test_a_value_that_cannot_be_is_refused_when_the_file_is_read(shop: Place) -> None:
    for name, told in REFUSED.items():
        done = shop.run("slipway", "build", name, expect=2)
        line = one_clear_line(done)
        for part in told:
            assert part in line, (name, line)
        assert not list(shop.home.glob("snapshots/*")), name
