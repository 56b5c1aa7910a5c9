import pytest
import torch

from padam.training.retrieval import retrieval_metrics


def test_matching_embeddings_are_found_first():
    z = torch.eye(8)
    metrics = retrieval_metrics(z, 3 * z)
    assert metrics["audio_to_video_r1"] == metrics["video_to_audio_r1"] == 1.0
    assert metrics["audio_to_video_median_rank"] == 1.0


def test_collapsed_embeddings_score_as_chance():
    z = torch.ones(9, 4)
    metrics = retrieval_metrics(z, z)
    assert metrics["audio_to_video_r1"] == 0.0
    assert metrics["audio_to_video_r5"] == 1.0  # the mean rank of nine equals is 5
    assert metrics["video_to_audio_median_rank"] == 5.0


def test_directions_are_counted_apart():
    # Every audio row is nearest to video 0, so only the first finds its own picture; each picture
    # finds its own sound.
    audio = torch.tensor([[1.0, 0.0], [0.99, 0.14]])
    video = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    metrics = retrieval_metrics(audio, video)
    assert metrics["audio_to_video_r1"] == 0.5
    assert metrics["video_to_audio_r1"] == 1.0


def test_random_embeddings_lie_near_chance():
    generator = torch.Generator().manual_seed(0)
    audio, video = torch.randn(2, 400, 16, generator=generator)
    metrics = retrieval_metrics(audio, video)
    assert metrics["audio_to_video_r1"] < 0.02
    assert 150 < metrics["audio_to_video_median_rank"] < 250


@pytest.mark.parametrize("shape", [(0, 4), (3, 4, 2)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="Paired embeddings"):
        retrieval_metrics(torch.zeros(shape), torch.zeros(shape))
