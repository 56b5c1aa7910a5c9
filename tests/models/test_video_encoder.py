import pytest
import torch
from pydantic import ValidationError

from padam.models.video_encoder import VIDEO_ENCODER_SIZES, VideoEncoder, VideoEncoderConfig


@pytest.fixture(scope="module")
def tiny() -> VideoEncoder:
    torch.manual_seed(0)
    return VideoEncoder(VIDEO_ENCODER_SIZES["tiny"]).eval()


def pictures(batch: int, frames: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (batch, frames, 3, 48, 80), generator=generator, dtype=torch.uint8)


def test_ten_frames_give_five_embeddings(tiny: VideoEncoder) -> None:
    with torch.inference_mode():
        assert tiny(pictures(2, 30)).shape == (2, 15, 384)


def test_paper_size_takes_144_by_256_and_has_the_parameters_of_its_geometry() -> None:
    width, depth = 384, 12
    block = 12 * width * width + 13 * width
    tubelets = 2 * 16 * 16 * 3 * width + width
    expected = depth * block + tubelets + 5 * 9 * 16 * width + 2 * width
    encoder = VideoEncoder(VIDEO_ENCODER_SIZES["paper"]).eval()
    assert sum(p.numel() for p in encoder.parameters()) == expected
    with torch.inference_mode():
        assert encoder(torch.zeros(1, 10, 3, 144, 256)).shape == (1, 5, 384)


def test_tubelet_holds_the_pixels_of_one_place_and_two_frames(tiny: VideoEncoder) -> None:
    frames = torch.full((1, 10, 3, 48, 80), 0.5)
    frames[0, 2:4, :, 16:32, 48:64] = 1.0  # time step 1, row 1 of 3, column 3 of 5
    tubelets = tiny._cut_tubelets(frames)
    assert tubelets.shape == (1, 5 * 3 * 5, 2 * 3 * 16 * 16)
    assert (tubelets[0] != 0).any(dim=1).nonzero().flatten().tolist() == [1 * 15 + 1 * 5 + 3]
    assert (tubelets[0, 23] == 1.0).all()


def test_uint8_and_float_pictures_agree(tiny: VideoEncoder) -> None:
    frames = pictures(1, 10)
    with torch.inference_mode():
        torch.testing.assert_close(tiny(frames), tiny(frames.float() / 255))


def test_windows_are_independent_and_in_order(tiny: VideoEncoder) -> None:
    first, second = pictures(1, 10, seed=1), pictures(1, 10, seed=2)
    with torch.inference_mode():
        together = tiny(torch.cat([first, second], dim=1))
        torch.testing.assert_close(together, torch.cat([tiny(first), tiny(second)], dim=1))


def test_every_parameter_learns() -> None:
    encoder = VideoEncoder(VIDEO_ENCODER_SIZES["tiny"])
    encoder(pictures(1, 10)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())


@pytest.mark.parametrize(
    "shape", [(1, 9, 3, 48, 80), (1, 0, 3, 48, 80), (1, 10, 48, 80, 3), (10, 3, 48, 80)]
)
def test_wrong_shape_is_refused(tiny: VideoEncoder, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="10-frame windows"):
        tiny(torch.zeros(shape))


@pytest.mark.parametrize("bad", [{"frame_height": 90}, {"width": 100, "heads": 3}])
def test_bad_config_is_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        VideoEncoderConfig(**bad)
