"""What a kind measures joins the evidence, and takes no name of what is measured of every kind."""

import pytest

from components.evaluation.evidence import Evidence, Measure
from components.evaluation.further import Further, with_further

EVIDENCE = Evidence(
    workload="w", model="m", split="test", measures=(Measure(name="parity", value=0.1, source="s"),), tables={"bins": 1}
)


def test_measures_and_tables_join_the_evidence() -> None:
    own = Measure(name="sharpness", value=2, source="kind")
    found = with_further(EVIDENCE, Further((own,), {"pictures": []}))
    assert [one.name for one in found.measures] == ["parity", "sharpness"]
    assert found.tables == {"bins": 1, "pictures": []}


@pytest.mark.parametrize(
    "more", [Further((Measure(name="parity", value=0, source="kind"),)), Further(tables={"bins": 2})]
)
def test_no_kind_says_anew_what_is_measured_of_every_kind(more: Further) -> None:
    with pytest.raises(AssertionError, match=r"need names of their own: (parity|bins)"):
        with_further(EVIDENCE, more)
