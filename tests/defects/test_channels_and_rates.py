"""What every defect and the workflow promise, whatever the channel count and the sample rate."""

import numpy as np
import pytest

from padam.audio import Audio
from padam.audio.media import write_flac
from padam.defects.base import PlacementRanges
from padam.defects.encoding import encode
from padam.defects.registry import DEFECT_NAMES, DEFECTS
from padam.defects.shards import read_shard, synthesise_clip, write_shard
from padam.defects.workflow import ClipParams, WorkflowConfig, make_pair, render_clip
from tests.defects.conftest import music

CHANNELS = (1, 2, 6, 8)
RATES = (8000, 44100, 48000, 96000)
# corrupted bytes may do nothing in so short a time
CERTAIN = {"packet_loss": {"packet_drop_probability": 1.0, "packet_drop_share": (0.4, 0.5)}}
PARTIAL = PlacementRanges(whole_probability=0.0, min_duration_s=0.4, min_sustained_s=0.4)


@pytest.fixture(scope="module", params=RATES, ids=lambda rate: f"{rate}Hz")
def rate(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture(scope="module", params=CHANNELS, ids=lambda count: f"{count}ch")
def audio(request: pytest.FixtureRequest, rate: int) -> Audio:
    return music(0.5, request.param, rate, seed=request.param)


@pytest.mark.parametrize("name", DEFECT_NAMES)
def test_a_defect_keeps_to_its_channels_and_interval_and_can_be_replayed(name, audio, rate):
    defect = DEFECTS[name]
    rng = np.random.default_rng([rate, len(audio)])
    ranges = defect.Ranges.model_validate(CERTAIN.get(name, {}))
    params = defect.draw(rng, audio, rate, ranges, PARTIAL)
    before = audio.copy()
    damaged = defect.apply(audio, rate, params)
    assert damaged.shape == audio.shape
    assert damaged.dtype == np.float32
    assert np.isfinite(damaged).all()
    assert np.array_equal(audio, before), "the input stays as it is"

    # what a stream loses is seen against the same stream that arrived
    intact = encode(audio, rate, params.codec) if name == "packet_loss" else audio
    outside = np.ones(audio.shape, dtype=bool)
    outside[list(params.channels), params.interval.slice(rate, audio.shape[1])] = False
    assert outside.any()
    assert np.array_equal(damaged[outside], intact[outside])
    assert not np.array_equal(damaged[~outside], intact[~outside])

    stored = defect.Params.model_validate_json(params.model_dump_json())
    assert stored == params
    assert np.array_equal(defect.apply(audio, rate, stored), damaged)


@pytest.mark.parametrize("name", DEFECT_NAMES)
def test_a_pair_fits_full_scale_and_is_rendered_again_from_its_json(name, audio, rate):
    config = WorkflowConfig(
        single_probability=1.0, several_probability=0.0, clean_probability=0.0, defects=(name,),
        source_encode_probability=0.0, transcode_probability=0.0,
        placement={"min_sustained_s": 0.4},
    )  # fmt: skip
    assert pair_of(audio, rate, config).labels == [name]


@pytest.mark.parametrize("codec", ["mp3", "opus"])
def test_so_is_a_pair_that_passes_through_the_codecs(codec, audio, rate):
    """The transcode is AAC, at a loudness of the source's own layout."""
    config = WorkflowConfig(
        source_encode_probability=1.0, transcode_probability=1.0,
        source_encode={"codecs": (codec,)}, transcode={"loudness_probability": 1.0},
    )  # fmt: skip
    params = pair_of(audio, rate, config)
    assert params.source_encode is not None
    assert params.source_encode.codec == codec


def pair_of(audio: Audio, rate: int, config: WorkflowConfig) -> ClipParams:
    """Parameters of a pair whose two sides were checked, and rendered a second time."""
    rng = np.random.default_rng([rate, len(audio), 1])
    params, reference, degraded = make_pair(rng, audio, rate, config)
    for side in (reference, degraded):
        assert side.shape == audio.shape
        assert np.isfinite(side).all()
        assert np.abs(side).max() <= 1
    again = render_clip(audio, rate, ClipParams.model_validate_json(params.model_dump_json()))
    assert np.array_equal(again[0], reference)
    assert np.array_equal(again[1], degraded)
    return params


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 96000, 192000, 384000])
@pytest.mark.parametrize("channels", [1, 6, 8])
def test_a_clip_keeps_its_files_channels_from_media_to_shard(tmp_path, channels, rate):
    audio = music(0.7, channels, rate, seed=channels)
    write_flac(tmp_path / "a.flac", audio, rate)
    row = {
        "clip_id": "000000-01234567", "source": "a.flac", "split": "train", "kind": "other",
        "start_s": 0.1, "duration_s": 0.5, "seed": rate,
    }  # fmt: skip
    config = WorkflowConfig(sample_rate=rate, channels=None, clean_probability=1.0,
                            single_probability=0.0, several_probability=0.0,
                            source_encode_probability=0.0, transcode_probability=0.0)  # fmt: skip
    pair = synthesise_clip(tmp_path, row, config)
    write_shard(tmp_path / "0.tar", [pair])
    (read,) = read_shard(tmp_path / "0.tar")
    assert read.sample_rate == rate
    assert read.metadata["channels"] == channels
    assert np.array_equal(read.reference, pair.reference)
    excerpt = audio[:, round(0.1 * rate) :][:, : round(0.5 * rate)]
    gain = np.float32(10 ** (read.metadata["params"]["gain_db"] / 20))
    assert np.abs(read.reference - gain * excerpt).max() <= 2**-22
