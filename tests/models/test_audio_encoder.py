import pytest
import torch
from pydantic import ValidationError

from padam.models.audio_encoder import AUDIO_ENCODER_SIZES, AudioEncoder, AudioEncoderConfig


def noise(batch: int, samples: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(batch, samples, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def tiny() -> AudioEncoder:
    torch.manual_seed(0)
    return AudioEncoder(AUDIO_ENCODER_SIZES["tiny"]).eval()


@pytest.mark.parametrize("size", ["tiny", "small"])
def test_ten_seconds_give_75_embeddings_of_384(size: str) -> None:
    encoder = AudioEncoder(AUDIO_ENCODER_SIZES[size]).eval()
    with torch.inference_mode():
        assert encoder(noise(1, 160_000)).shape == (1, 75, 384)


def test_paper_size_has_the_parameters_of_its_geometry() -> None:
    width, depth, patches = 384, 12, 12 * 3
    attention = 4 * width * width + 4 * width
    mlp = 2 * 4 * width * width + 4 * width + width
    block = attention + mlp + 2 * 2 * width
    patch_embedding = 16 * 16 * width + width
    tokens_and_positions = 2 * width + (2 + patches) * width
    expected = depth * block + patch_embedding + tokens_and_positions + 2 * width
    encoder = AudioEncoder(AUDIO_ENCODER_SIZES["paper"])
    assert sum(p.numel() for p in encoder.parameters()) == expected
    assert round(expected / 1e6, 1) == 21.4


def test_patches_are_12_by_3(tiny: AudioEncoder) -> None:
    assert tiny.patches(torch.zeros(1, 1, 128, 41)).shape[2:] == (12, 3)


def test_blind_spot_is_where_the_geometry_puts_it(tiny: AudioEncoder) -> None:
    windows = torch.zeros(1, 128, 41, requires_grad=True)
    tiny.encode_windows(windows).square().sum().backward()
    seen = windows.grad[0] != 0
    assert seen[:126, :36].all()
    assert not seen[126:].any()
    assert not seen[:, 36:].any()


def test_whole_coverage_sees_all_frames_but_the_last_half() -> None:
    config = AUDIO_ENCODER_SIZES["tiny"].model_copy(update={"window_coverage": "whole"})
    encoder = AudioEncoder(config)
    assert encoder.patches(torch.zeros(1, 1, 128, 41)).shape[2:] == (12, 3)
    windows = torch.zeros(1, 128, 41, requires_grad=True)
    encoder.encode_windows(windows).square().sum().backward()
    seen = windows.grad[0] != 0
    assert seen[:126, :40].all()
    assert encoder(noise(1, 160_000)).shape == (1, 75, 384)


def test_weights_of_one_coverage_fit_the_other(tiny: AudioEncoder) -> None:
    config = AUDIO_ENCODER_SIZES["tiny"].model_copy(update={"window_coverage": "whole"})
    AudioEncoder(config).load_state_dict(tiny.state_dict())


@pytest.mark.parametrize(("coverage", "unheard"), [("published", 6), ("whole", 0)])
def test_a_click_in_the_blind_spot_leaves_no_trace(coverage: str, unheard: int) -> None:
    # a click of 1 ms every 6.25 ms of a window: those from 362.5 ms on lie in frames 36 to 40 alone
    torch.manual_seed(0)
    config = AUDIO_ENCODER_SIZES["tiny"].model_copy(update={"window_coverage": coverage})
    encoder = AudioEncoder(config).eval()
    quiet = noise(1, 6400)
    with torch.inference_mode():
        before = encoder(quiet)
        changes = []
        for place in range(100, 6400, 100):
            click = quiet.clone()
            click[:, place : place + 16] += 0.8
            changes.append((encoder(click) - before).abs().max().item())
    assert sum(change == 0 for change in changes) == unheard


def test_embeddings_of_a_clip_come_in_order_of_time(tiny: AudioEncoder) -> None:
    first, second = noise(1, 6400, seed=1), noise(1, 6400, seed=2)
    with torch.inference_mode():
        together = tiny(torch.cat([first, second], dim=1))
        torch.testing.assert_close(together, torch.cat([tiny(first), tiny(second)], dim=1))


def test_middle_embedding_belongs_to_the_middle_of_the_window(tiny: AudioEncoder) -> None:
    # With the blocks removed each embedding sees only the patches of its own time column.
    encoder = AudioEncoder(AUDIO_ENCODER_SIZES["tiny"])
    encoder.blocks = torch.nn.ModuleList()
    windows = torch.zeros(1, 128, 41, requires_grad=True)
    encoder.encode_windows(windows)[0, 1].square().sum().backward()
    columns = (windows.grad[0] != 0).any(dim=0).nonzero().flatten().tolist()
    assert columns == list(range(10, 26))


def test_batch_does_not_mix_clips(tiny: AudioEncoder) -> None:
    clips = noise(3, 12_800)
    with torch.inference_mode():
        torch.testing.assert_close(tiny(clips)[1:2], tiny(clips[1:2]), atol=1e-5, rtol=1e-4)


def test_every_parameter_learns() -> None:
    encoder = AudioEncoder(AUDIO_ENCODER_SIZES["tiny"])
    encoder(noise(1, 6400)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())


def test_state_dict_rebuilds_the_encoder_from_its_config(tiny: AudioEncoder) -> None:
    config = AudioEncoderConfig.model_validate_json(tiny.config.model_dump_json())
    other = AudioEncoder(config).eval()
    other.load_state_dict(tiny.state_dict())
    with torch.inference_mode():
        torch.testing.assert_close(other(noise(1, 6400)), tiny(noise(1, 6400)))


def test_part_of_a_window_is_refused(tiny: AudioEncoder) -> None:
    with pytest.raises(ValueError, match="Pad the clip"):
        tiny(torch.zeros(1, 6500))


@pytest.mark.parametrize("bad", [{"depth": 0}, {"width": 100, "heads": 3}, {"layers": 4}])
def test_bad_config_is_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        AudioEncoderConfig(**bad)
