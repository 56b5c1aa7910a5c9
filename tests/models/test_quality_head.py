import pytest
import torch
from pydantic import ValidationError

from padam.models.quality_head import QualityHead, QualityHeadConfig


@pytest.fixture(scope="module")
def head() -> QualityHead:
    torch.manual_seed(0)
    return QualityHead().eval()


@pytest.fixture(scope="module")
def embeddings() -> torch.Tensor:
    return torch.randn(4, 75, 384, generator=torch.Generator().manual_seed(0))


def test_shapes_are_the_papers(head: QualityHead, embeddings: torch.Tensor) -> None:
    hidden = head(embeddings)
    assert hidden.shape == (4, 75, 512)
    assert head.represent(embeddings).shape == (4, 512)
    assert head.classify(head.pool(hidden)).shape == (4, 7)
    assert head.project(head.pool(hidden)).shape == (4, 128)
    assert head.predict(hidden[:, -1]).shape == (4, 512)


def test_parameter_count_follows_from_the_widths(head: QualityHead) -> None:
    def linear(inputs: int, outputs: int) -> int:
        return inputs * outputs + outputs

    gru = 3 * (512 * 512 + 512 * 512 + 2 * 512)
    expected = linear(384, 384) + linear(384, 512) + gru
    expected += linear(512, 512) + linear(512, 128) + linear(512, 128) + linear(128, 512)
    assert sum(p.numel() for p in head.parameters()) == expected + linear(512, 7)


def test_representation_is_the_mean_hidden_state(
    head: QualityHead, embeddings: torch.Tensor
) -> None:
    hidden = head(embeddings)
    expected = sum(hidden[:, t] for t in range(75)) / 75
    torch.testing.assert_close(head.represent(embeddings), expected)


def test_max_pooling_takes_the_largest_state_of_each_dimension(embeddings: torch.Tensor) -> None:
    head = QualityHead(QualityHeadConfig(pooling="max")).eval()
    hidden = head(embeddings).detach()
    expected = hidden.numpy().max(axis=1)
    assert head.represent(embeddings).detach().numpy() == pytest.approx(expected)


class TestAttentivePooling:
    @pytest.fixture
    def attentive(self) -> QualityHead:
        torch.manual_seed(0)
        return QualityHead(QualityHeadConfig(pooling="attentive")).eval()

    def test_is_the_softmax_weighted_mean(self, attentive: QualityHead) -> None:
        hidden = torch.randn(2, 9, 512, generator=torch.Generator().manual_seed(1))
        first, _, last = attentive.attention
        with torch.no_grad():
            score = torch.tanh(hidden @ first.weight.T + first.bias) @ last.weight[0] + last.bias
            weights = score.exp() / score.exp().sum(dim=1, keepdim=True)
            expected = torch.einsum("bt,btd->bd", weights, hidden)
            torch.testing.assert_close(attentive.pool(hidden), expected)

    def test_equal_scores_give_the_mean(self, attentive: QualityHead) -> None:
        hidden = torch.randn(2, 9, 512)
        torch.nn.init.zeros_(attentive.attention[2].weight)
        torch.testing.assert_close(attentive.pool(hidden), hidden.mean(dim=1))

    def test_does_not_care_for_the_order_of_the_states(self, attentive: QualityHead) -> None:
        hidden = torch.randn(2, 9, 512)
        torch.testing.assert_close(attentive.pool(hidden.flip(1)), attentive.pool(hidden))

    def test_its_weights_learn(self, attentive: QualityHead) -> None:
        attentive.pool(torch.randn(2, 9, 512)).square().sum().backward()
        assert all(weight.grad.abs().max() > 0 for weight in attentive.attention[0].parameters())


def test_pooling_mean_has_the_papers_weights_only(head: QualityHead) -> None:
    assert not [name for name in head.state_dict() if name.startswith("attention")]


def test_without_the_temporal_predictor_there_are_two_views(embeddings: torch.Tensor) -> None:
    head = QualityHead(QualityHeadConfig(temporal_predictor=False)).eval()
    hidden = head(embeddings)
    views = head.content_views(hidden)
    assert head.views == 2
    assert views.shape == (2 * 4, 512)
    torch.testing.assert_close(views[1], hidden[1, :74].mean(dim=0))
    torch.testing.assert_close(views[4 + 1], hidden[1, 73])
    with pytest.raises(ValueError, match="set temporal_predictor to true"):
        head.predict(hidden[:, -1])


def test_projection_has_unit_length(head: QualityHead, embeddings: torch.Tensor) -> None:
    lengths = head.project(head.represent(embeddings)).norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(4))


def test_content_views_are_stacked_over_views(head: QualityHead, embeddings: torch.Tensor) -> None:
    hidden = head(embeddings)
    views = head.content_views(hidden)
    assert views.shape == (3 * 4, 512)
    torch.testing.assert_close(views[1], hidden[1, :74].mean(dim=0))
    torch.testing.assert_close(views[4 + 1], head.predict(hidden[1:2, 74])[0])
    torch.testing.assert_close(views[8 + 1], hidden[1, 73])
    assert head.project(views).shape == (12, 128)


def test_time_runs_forward_only(head: QualityHead, embeddings: torch.Tensor) -> None:
    changed = embeddings.clone()
    changed[:, 40:] += 1.0
    before, after = head(embeddings), head(changed)
    torch.testing.assert_close(before[:, :40], after[:, :40])
    assert not torch.allclose(before[:, 40:], after[:, 40:])


def test_dropout_acts_in_training_only(embeddings: torch.Tensor) -> None:
    torch.manual_seed(0)
    head = QualityHead()
    assert not torch.equal(head.represent(embeddings), head.represent(embeddings))
    head.eval()
    assert torch.equal(head.represent(embeddings), head.represent(embeddings))


@pytest.mark.parametrize("shape", [(2, 75, 192), (2, 0, 384), (75, 384)])
def test_wrong_embeddings_are_refused(head: QualityHead, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="another audio encoder"):
        head(torch.zeros(shape))


def test_one_step_has_no_content_views(head: QualityHead) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        head.content_views(torch.zeros(2, 1, 512))


@pytest.mark.parametrize("bad", [{"dropout": 1.0}, {"pooling": "median"}, {"attention_width": 0}])
def test_bad_config_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        QualityHeadConfig(**bad)
