"""Keys of stages: what they hold, when they change, and how the change is told."""

import msgspec
import pytest

from components.stage_keys import StageKey, code_part, differences, stage_key


@pytest.fixture
def key() -> StageKey:
    return stage_key(
        "prepare",
        modules=["components.features.recipe"],
        data={"validated": "d1"},
        settings={"split": {"test": {"end": "2013-10-31"}}},
    )


def test_the_code_part_follows_imports_and_stays_out_of_the_rest() -> None:
    files = code_part(("components.features.recipe",))
    assert {
        "components/features/recipe.py",
        "components/features/graph.py",
        "data_contracts/description/spec.py",
    } <= files.keys()
    assert not any(name.startswith(("deployments", "flows", "components/registry")) for name in files)


def test_equal_inputs_give_equal_digests(key: StageKey) -> None:
    same = stage_key(
        "prepare",
        modules=["components.features.recipe"],
        data={"validated": "d1"},
        settings={"split": {"test": {"end": "2013-10-31"}}},
    )
    assert same.digest == key.digest
    assert differences(key, same) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"data": {"validated": "d2"}}, "data: validated changed"),
        ({"code": {"components/x.py": "1"}}, "code: components/x.py came or went"),
        ({"settings": {"split": {"test": {"end": "2013-10-30"}}}}, "settings: split.test.end 2013-10-31 → 2013-10-30"),
        ({"environment": {"python": "9.9"}}, "environment: python 3"),
    ],
)
def test_a_change_of_any_part_changes_the_digest_and_is_told(
    key: StageKey, change: dict[str, dict[str, object]], told: str
) -> None:
    changed = msgspec.structs.replace(key, **change)
    assert changed.digest != key.digest
    assert any(line.startswith(told) for line in differences(key, changed))


def test_of_long_values_the_part_that_differs_is_shown(key: StageKey) -> None:
    asked = [{"name": f"orders to {city}", "set": {"city": city}} for city in ("Oslo", "Rome", "Bergen")]
    before = msgspec.structs.replace(key, settings={"behaviour": asked})
    after = msgspec.structs.replace(key, settings={"behaviour": [*asked[:2], {**asked[2], "set": {"city": "Paris"}}]})
    [told] = differences(before, after)
    assert told == "settings: behaviour ...set': {'city': 'Bergen'}}] → ...set': {'city': 'Paris'}}]"
    [told] = differences(before, msgspec.structs.replace(key, settings={"behaviour": asked[:2]}))
    assert "Bergen" in told.partition(" → ")[0]
    [told] = differences(before, msgspec.structs.replace(key, settings={"behaviour": None}))
    assert told.endswith(" → none")
    assert len(told) < 150


def test_a_stage_that_never_ran_says_so(key: StageKey) -> None:
    assert differences(None, key) == ["first run"]
