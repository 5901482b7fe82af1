"""What decides whether a stage runs again: what its contract came out as, and whether its source can be known."""

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from components.declaration.loading import contract_of, parse_workload
from components.declaration.workload import Workload
from components.settings import Home
from components.stage_keys import StageKey, differences
from tasks.ingest import ingest
from tasks.stage import StageCache

CONTRACT = """
import json
from pathlib import Path
from bounds_of_orders import HIGHEST
from data_contracts.contract import Contract, column

HERE = Path(__file__).parent

class Order(Contract):
    '''An order.'''
    amount: float = column("Amount", le=HIGHEST)
    city: str = column("City", pattern=json.loads((HERE / "cities.json").read_text()))
    late: bool = column("Label", roles=("label",), available="after")
"""


@pytest.fixture
def orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a contract that imports a module and reads a file."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "contract_of_orders.py").write_text(CONTRACT)
    (tmp_path / "bounds_of_orders.py").write_text("HIGHEST = 100.0\n")
    (tmp_path / "cities.json").write_text(json.dumps("^O"))
    (tmp_path / "orders.csv").write_text("amount,city,late\n1,Oslo,true\n")
    yield tmp_path
    for name in ("contract_of_orders", "bounds_of_orders"):
        sys.modules.pop(name, None)


@pytest.fixture
def key(orders: Path, document: dict[str, Any], home: Home) -> Callable[..., StageKey | None]:
    """Return the key of a stage of that contract's workload, as a new process would find it."""
    own = {
        "contract": "contract_of_orders:Order",
        # Orders of this shop have no time.
        "goal": {**document["goal"], "unit": None},
        "split": {"by": "random"},
        "features": [{"transform": "standardise", "fields": ["amount"]}],
        "gates": {},
    }

    def found(stage: Any, source: dict[str, Any]) -> StageKey | None:
        for name in ("contract_of_orders", "bounds_of_orders"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        workload: Workload = parse_workload({**document, **own, "source": source}, where="orders.yaml")
        cache = stage.cache_policy
        assert isinstance(cache, StageCache)
        contract = contract_of(workload)
        return cache.key_of({"source": workload.source, "contract": contract, "home": home})

    return found


def test_a_contract_counts_as_it_was_compiled(orders: Path, key: Callable[..., StageKey]) -> None:
    source = {"path": str(orders / "orders.csv")}
    first = key(ingest, source)
    (orders / "bounds_of_orders.py").write_text("HIGHEST = 200.0\n")
    second = key(ingest, source)
    assert differences(first, second) == ["settings: contract.fields.amount.le 100.0 → 200.0"]
    (orders / "cities.json").write_text(json.dumps("^B"))
    third = key(ingest, source)
    assert differences(second, third) == ["settings: contract.fields.city.pattern ^O → ^B"]
    assert third.digest != second.digest


def test_a_function_without_a_word_on_what_it_reads_is_never_taken_from_the_cache(
    orders: Path, key: Callable[..., StageKey | None]
) -> None:
    (orders / "feed_of_orders.py").write_text("def read(): ...\n")
    assert key(ingest, {"python": "feed_of_orders:read"}) is None
    reads = [str(orders / "orders.csv")]
    first = key(ingest, {"python": "feed_of_orders:read", "reads": reads})
    assert first
    (orders / "orders.csv").write_text("amount,city,late\n2,Oslo,true\n")
    second = key(ingest, {"python": "feed_of_orders:read", "reads": reads})
    assert second
    assert differences(first, second) == [f"data: {reads[0]}, which the source reads changed"]
