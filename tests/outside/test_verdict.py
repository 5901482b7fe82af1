"""What somebody sees of a run whose split is not by time: it ends well, in at most 40 lines; its page needs no net."""

import re

import pytest

from tests.outside.places import Place

pytestmark = pytest.mark.outside


def test_a_run_without_a_monitored_period_ends_well_and_says_what_came_of_it_in_forty_lines(shop: Place) -> None:
    workload = (shop.folder / "shop.yaml").read_text()
    workload = re.sub(r"split:\n(?:  .*\n)+", "split: {by: random}\n", workload)
    (shop.folder / "shop.yaml").write_text(workload)
    ended = shop.run("slipway", "run", "shop.yaml", expect=0)
    lines = ended.stdout.rstrip().splitlines()
    assert len(lines) <= 40, ended.stdout
    assert re.match(r"shop: promoted\. shop-[0-9a-f]{12} serves", lines[0])
    said = " ".join(" ".join(lines).split())
    assert "nothing to look at: a split by random has no later rows" in said
    assert "good for Ranking: of a row that is yes" in said
    assert re.search(r"^dossier +\S+dossier\.html$", ended.stdout, flags=re.MULTILINE)
    page = next((shop.home / "builds").glob("shop-*/dossier.html")).read_text()
    assert "Good for" in page
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?:https?:)?//""", page)
