import pytest
import torch

from padam.training.batches import FixedBatches, Share, StepBatches, batch_loader


def numbered(step: int) -> dict[str, torch.Tensor]:
    return {"step": torch.tensor(step)}


@pytest.mark.parametrize("workers", [0, 1, 2, 3])
def test_any_number_of_workers_gives_the_steps_in_order(workers):
    batches = StepBatches(numbered, lambda: 4, validate_every=7, steps=100)
    seen = [int(batch["step"]) for batch in batch_loader(batches, workers)]
    assert seen == list(range(4, 11))


def test_a_pass_ends_with_the_last_step():
    batches = StepBatches(numbered, lambda: 8, validate_every=7, steps=10)
    assert [int(batch["step"]) for batch in batches] == [8, 9]


def test_processes_share_a_batch():
    everything = list(range(12))
    parts = [everything[Share(rank, 3).of(12)] for rank in range(3)]
    assert [item for part in parts for item in part] == everything
    assert {len(part) for part in parts} == {4}


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_processes_validate_equally_many_batches_and_together_all(count):
    fixed = [numbered(step) for step in range(7)]
    shares = [FixedBatches(fixed, Share(rank, count)) for rank in range(count)]
    assert len({len(share) for share in shares}) == 1
    held = [int(share[i]["step"]) for share in shares for i in range(len(share))]
    assert set(held) == set(range(7))
    assert len(held) < 7 + count


def test_unequal_shares_are_refused():
    with pytest.raises(ValueError, match=r"12 cannot be shared by 5 .* multiple of 5"):
        Share(0, 5).of(12)
