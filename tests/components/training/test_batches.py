import pytest
import torch

from components.training.batches import Groups, TableBatches


def rows_of(batches: TableBatches) -> list[list[int]]:
    return [batch[0].tolist() for batch in batches]


def numbers(rows: int) -> tuple[torch.Tensor, ...]:
    return torch.arange(rows), torch.arange(rows) * 10


def test_an_epoch_sees_every_row_once_and_tensors_stay_together() -> None:
    batches = TableBatches(numbers(10), 4, seed=1)
    seen = list(batches)
    assert [len(first) for first, _ in seen] == [4, 4, 2]
    assert sorted(int(value) for first, _ in seen for value in first) == list(range(10))
    assert all(torch.equal(first * 10, second) for first, second in seen)


def test_the_order_follows_from_seed_and_epoch() -> None:
    first, again, other = (TableBatches(numbers(50), 8, seed=seed) for seed in (1, 1, 2))
    assert rows_of(first) == rows_of(again) != rows_of(other)
    again.epoch = 1
    assert rows_of(first) != rows_of(again)


def test_without_a_seed_rows_keep_their_order() -> None:
    assert rows_of(TableBatches(numbers(5), 2)) == [[0, 1], [2, 3], [4]]


def test_a_restored_position_continues_with_the_batch_that_came_next() -> None:
    whole = TableBatches(numbers(20), 3, seed=4)
    iterator = iter(whole)
    started = [next(iterator)[0].tolist() for _ in range(4)]
    resumed = TableBatches(numbers(20), 3, seed=4)
    resumed.load_state_dict(whole.state_dict())
    assert started + rows_of(resumed) == rows_of(TableBatches(numbers(20), 3, seed=4))
    assert len(rows_of(resumed)) == 7  # only the resumed epoch starts late


def test_processes_share_every_batch_without_overlap() -> None:
    whole = TableBatches(numbers(22), 8, seed=3)
    parts = [whole.shard(rank, 2) for rank in range(2)]
    for both, one, two in zip(rows_of(whole), *map(rows_of, parts), strict=True):
        assert sorted(both) == sorted(one + two)


def test_tensors_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="same rows"):
        TableBatches((torch.zeros(3), torch.zeros(4)), 2)


def test_groups_hold_every_batch_in_order_and_cut_each_when_it_is_asked_for() -> None:
    batches = TableBatches(numbers(10), 2, seed=1)
    seen, positions = [], []
    for group in Groups(batches, 3):
        for first, _ in group:
            seen.append(first.tolist())
            positions.append(batches.state_dict()["position"])
    assert seen == rows_of(TableBatches(numbers(10), 2, seed=1))
    assert positions == [1, 2, 3, 4, 0]
    assert len(Groups(batches, 3)) == 2
