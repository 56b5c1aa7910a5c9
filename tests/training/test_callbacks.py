import pytest
import torch

from padam.training.callbacks import TrainingDivergedError, check_finite


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_loss_that_is_not_finite_stops_with_step_and_rate(value):
    with pytest.raises(TrainingDivergedError, match=r"step 12 \(learning rate 0\.001\)"):
        check_finite(torch.tensor(value), 12, 1e-3)


def test_finite_loss_passes():
    check_finite(torch.tensor(-3.5), 0, 1e-3)
