import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from padam.models.losses import (
    content_mask,
    degradation_contrast,
    info_nce,
    label_mask,
    masked_contrastive,
    quality_mask,
    window_labels_loss,
)


def unit_vectors(rows: int, width: int = 8, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(rows, width, generator=generator, dtype=torch.float64), dim=1)


def random_mask(rows: int, seed: int = 0) -> torch.Tensor:
    q = torch.rand(rows, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return quality_mask(q)


def ascend(mask: torch.Tensor, variant: str, steps: int = 600) -> torch.Tensor:
    """Maximise eq. (1) over free embeddings and return the unit vectors it ends at."""
    free = unit_vectors(len(mask), width=16, seed=3).requires_grad_()
    optimiser = torch.optim.Adam([free], lr=0.05)
    for _ in range(steps):
        optimiser.zero_grad()
        (-masked_contrastive(F.normalize(free, dim=1), mask, variant=variant)).backward()
        optimiser.step()
    return F.normalize(free.detach(), dim=1)


def explicit(z: torch.Tensor, mask: torch.Tensor, temperature: float, printed: bool) -> float:
    """Eq. (1) in loops: as printed, or with i = j left out and the denominator unmasked."""
    vectors, weights = z.numpy(), mask.numpy().clip(0)
    rows = []
    for i in range(len(vectors)):
        pairs = [j for j in range(len(vectors)) if printed or j != i]
        total = sum(weights[i, j] for j in pairs)
        if total <= 0:
            continue
        similar = {k: math.exp(vectors[i] @ vectors[k] / temperature) for k in pairs}
        below = sum((weights[i, k] if printed else 1.0) * similar[k] for k in pairs)
        rows.append(
            sum(weights[i, j] * math.log(similar[j] / below) for j in pairs if weights[i, j] > 0)
            / total
        )
    return sum(rows) / len(rows) if rows else 0.0


class TestInfoNce:
    def test_equals_the_explicit_formula(self) -> None:
        audio, video = unit_vectors(5, seed=1).numpy(), unit_vectors(5, seed=2).numpy()
        similar = np.exp(audio @ video.T / 0.1)
        expected = -np.mean(
            [
                (
                    np.log(similar[i, i] / similar[i].sum())
                    + np.log(similar[i, i] / similar[:, i].sum())
                )
                / 2
                for i in range(5)
            ]
        )
        loss = info_nce(3 * torch.from_numpy(audio), 0.5 * torch.from_numpy(video), 0.1)
        assert float(loss) == pytest.approx(expected)

    def test_is_log_b_where_nothing_is_learned(self) -> None:
        same = torch.ones(16, 8)
        assert float(info_nce(same, same)) == pytest.approx(math.log(16))

    def test_is_near_zero_for_distinct_pairs_that_agree(self) -> None:
        assert float(info_nce(torch.eye(8), torch.eye(8))) < 1e-3

    def test_does_not_care_for_batch_order_or_direction(self) -> None:
        audio, video = unit_vectors(6, seed=1), unit_vectors(6, seed=2)
        order = torch.tensor([3, 1, 5, 0, 2, 4])
        loss = info_nce(audio, video)
        torch.testing.assert_close(info_nce(audio[order], video[order]), loss)
        torch.testing.assert_close(info_nce(video, audio), loss)

    def test_different_shapes_are_refused(self) -> None:
        with pytest.raises(ValueError, match="one shape"):
            info_nce(torch.zeros(4, 8), torch.zeros(3, 8))


class TestMaskedContrastive:
    @pytest.mark.parametrize("variant", ["all_pairs", "printed"])
    def test_equals_the_explicit_formula(self, variant: str) -> None:
        z, mask = unit_vectors(9), random_mask(9)
        mask[2, 5] = 0.0
        expected = explicit(z, mask, 0.2, printed=variant == "printed")
        assert float(masked_contrastive(z, mask, 0.2, variant)) == pytest.approx(expected)

    @pytest.mark.parametrize("variant", ["all_pairs", "printed"])
    def test_negative_weights_count_as_zero(self, variant: str) -> None:
        z, mask = unit_vectors(6), random_mask(6)
        mask[0, 3] = -2.0
        expected = explicit(z, mask.clamp_min(0), 0.2, printed=variant == "printed")
        assert float(masked_contrastive(z, mask, 0.2, variant)) == pytest.approx(expected)

    @pytest.mark.parametrize("variant", ["all_pairs", "printed"])
    def test_rows_without_a_pair_are_skipped_and_gradients_stay_finite(self, variant: str) -> None:
        z, mask = unit_vectors(6).requires_grad_(), random_mask(6)
        mask[1], mask[4] = 0.0, -1.0
        loss = masked_contrastive(z, mask, 0.2, variant)
        expected = explicit(z.detach(), mask, 0.2, printed=variant == "printed")
        assert loss.item() == pytest.approx(expected)
        loss.backward()
        assert z.grad.isfinite().all()

    @pytest.mark.parametrize("rows", [1, 4])
    def test_no_pair_at_all_gives_zero_and_zero_gradient(self, rows: int) -> None:
        z = unit_vectors(rows).requires_grad_()
        loss = masked_contrastive(z, torch.eye(rows))
        loss.backward()
        assert loss.item() == 0.0
        assert (z.grad == 0).all()

    def test_does_not_care_for_batch_order(self) -> None:
        z, mask, order = unit_vectors(7), random_mask(7), torch.tensor([6, 2, 0, 5, 1, 4, 3])
        shuffled = masked_contrastive(z[order], mask[order][:, order])
        torch.testing.assert_close(shuffled, masked_contrastive(z, mask))

    def test_small_temperature_does_not_overflow(self) -> None:
        assert masked_contrastive(unit_vectors(8).float(), random_mask(8), 1e-3).isfinite()

    def test_printed_form_has_no_gradient_for_the_identity_mask(self) -> None:
        z = unit_vectors(5).requires_grad_()
        loss = masked_contrastive(z, torch.eye(5), variant="printed")
        loss.backward()
        assert loss.item() == pytest.approx(0.0)
        assert z.grad.abs().max() < 1e-12

    def test_printed_form_is_maximal_where_all_embeddings_are_equal(self) -> None:
        mask = random_mask(12)
        equal = unit_vectors(1).expand(12, -1)
        maximum = float(masked_contrastive(equal, mask, variant="printed"))
        # -KL(mask ‖ softmax) - log Σm: at equal embeddings the divergence is nil.
        assert maximum == pytest.approx(float(-mask.sum(dim=1).log().mean()))
        others = [masked_contrastive(unit_vectors(12, seed=s), mask, variant="printed")
                  for s in range(50)]  # fmt: skip
        assert max(map(float, others)) < maximum

    def test_printed_form_collapses_and_the_default_follows_the_mask(self) -> None:
        mask = random_mask(24)
        pairs = ~torch.eye(24, dtype=torch.bool)
        collapsed, spread = (
            (z @ z.T)[pairs].numpy() for z in (ascend(mask, "printed"), ascend(mask, "all_pairs"))
        )
        assert collapsed.min() > 0.99
        assert spread.min() < 0.7
        assert np.corrcoef(spread, mask[pairs].numpy())[0, 1] > 0.9

    def test_default_does_not_gain_from_collapse(self) -> None:
        mask = random_mask(24)
        equal = unit_vectors(1).expand(24, -1)
        assert masked_contrastive(equal, mask).item() == pytest.approx(-math.log(23))
        assert masked_contrastive(ascend(mask, "all_pairs"), mask).item() > -math.log(23)

    def test_wrong_mask_and_variant_are_refused(self) -> None:
        with pytest.raises(ValueError, match="Mask has shape"):
            masked_contrastive(unit_vectors(4), torch.ones(3, 4))
        with pytest.raises(ValueError, match="all_pairs or printed"):
            masked_contrastive(unit_vectors(4), torch.ones(4, 4), variant="other")  # type: ignore[arg-type]


class TestMasks:
    def test_soft_mask_is_one_minus_the_difference(self) -> None:
        mask = quality_mask(torch.tensor([0.0, 0.25, 1.0]))
        expected = [[1.0, 0.75, 0.0], [0.75, 1.0, 0.25], [0.0, 0.25, 1.0]]
        torch.testing.assert_close(mask, torch.tensor(expected))

    def test_soft_mask_of_z_scores_is_clamped(self) -> None:
        assert quality_mask(torch.tensor([-3.0, 3.0])).min() == 0.0

    def test_hard_mask_is_binary(self) -> None:
        mask = quality_mask(torch.tensor([0.0, 0.2, 1.0]), kind="hard", threshold=0.25)
        torch.testing.assert_close(mask, torch.tensor([[1.0, 1, 0], [1, 1, 0], [0, 0, 1]]))

    @pytest.mark.parametrize("kind", ["soft", "hard"])
    def test_clip_without_a_score_pairs_with_none(self, kind: str) -> None:
        mask = quality_mask(torch.tensor([0.1, torch.nan, 0.2]), kind=kind)  # type: ignore[arg-type]
        assert (mask[1] == 0).all()
        assert (mask[:, 1] == 0).all()
        assert mask[0, 2] > 0

    def test_unknown_mask_is_refused(self) -> None:
        with pytest.raises(ValueError, match="soft or hard"):
            quality_mask(torch.zeros(2), kind="label")  # type: ignore[arg-type]

    def test_label_mask_joins_equal_sets_of_defects(self) -> None:
        sets = [(), (0,), (0, 3), (0,), (3, 0), ()]
        labels = torch.zeros(6, 7)
        for row, members in enumerate(sets):
            labels[row, list(members)] = 1
        mask = label_mask(labels)
        for i in range(6):
            for j in range(6):
                assert mask[i, j] == float(set(sets[i]) == set(sets[j]))

    def test_content_mask_joins_the_views_of_one_source(self) -> None:
        mask = content_mask(torch.tensor([7, 7, 9]), views=3)
        assert mask.shape == (9, 9)
        for i in range(9):
            for j in range(9):
                assert mask[i, j] == float((i % 3 == 2) == (j % 3 == 2))


def contrast_in_loops(z: np.ndarray, numbers: list[int], temperature: float) -> float:
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    rows = []
    for i, own in enumerate(numbers):
        others = [k for k in range(len(numbers)) if k != i]
        total = sum(math.exp(unit[i] @ unit[k] / temperature) for k in others)
        terms = [
            -math.log(math.exp(unit[i] @ unit[k] / temperature) / total)
            for k in others
            if numbers[k] == own
        ]
        if terms:
            rows.append(sum(terms) / len(terms))
    return sum(rows) / len(rows)


def test_contrast_is_what_loops_over_pairs_give():
    z = torch.randn(9, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    numbers = [0, 1, 1, 2, 0, 3, 2, 0, 4]  # 3 and 4 have no positive
    found = float(degradation_contrast(z, torch.tensor(numbers), 0.2))
    assert found == pytest.approx(contrast_in_loops(z.numpy(), numbers, 0.2), rel=1e-6)


def test_rows_alike_by_degradation_cost_nothing_and_rows_alike_by_content_cost_much():
    degradation, content = torch.tensor([1, 2, 2, 3, 3, 1]), torch.tensor([0, 0, 1, 1, 2, 2])
    by_degradation = torch.eye(4)[degradation]
    by_content = torch.eye(4)[content]
    assert float(degradation_contrast(by_degradation, degradation, 0.1)) < 0.01
    assert float(degradation_contrast(by_content, degradation, 0.1)) > 5


def test_equal_rows_give_the_logarithm_of_the_others():
    rows = torch.ones(6, 4)
    numbers = torch.tensor([1, 1, 2, 2, 3, 3])
    assert float(degradation_contrast(rows, numbers, 0.1)) == pytest.approx(math.log(5))


def test_contrast_without_a_positive_is_zero():
    z = torch.randn(3, 4)
    assert float(degradation_contrast(z, torch.tensor([1, 2, 3]), 0.1)) == 0


def test_labels_cost_ln_2_each_where_nothing_is_known_and_nothing_where_all_is():
    truth = torch.zeros(2, 3, 7, dtype=torch.bool)
    truth[0, 1, 4] = True
    assert float(window_labels_loss(torch.zeros(2, 3, 8), truth)) == pytest.approx(8 * math.log(2))
    sure = torch.full((2, 3, 8), -50.0)
    sure[..., 7] = 50.0
    sure[0, 1, 4], sure[0, 1, 7] = 50.0, -50.0
    assert float(window_labels_loss(sure, truth)) < 1e-6
