import numpy as np
import pytest
from pydantic import ValidationError

from padam.defects.base import WHOLE, PlacementRanges, UndrawableDefectError, draw_placement
from padam.defects.interval import Interval
from padam.defects.registry import DEFECT_NAMES, DEFECTS
from tests.defects.conftest import RATE, music

SOURCE_DEFECTS = [name for name, d in DEFECTS.items() if d.stage == "source"]
PARTIAL = PlacementRanges(whole_probability=0.0, all_channels_probability=0.0)


def draw(name, audio, rate=RATE, placement=PARTIAL, seed=0, **ranges):
    defect = DEFECTS[name]
    rng = np.random.default_rng(seed)
    return defect.draw(rng, audio, rate, defect.Ranges(**ranges), placement)


def test_the_registry_holds_the_seven_in_the_papers_order():
    assert DEFECT_NAMES == (
        "hum", "hiss", "drops", "clipping", "quantization", "packet_loss", "clicks",
    )  # fmt: skip


@pytest.mark.parametrize("name", SOURCE_DEFECTS)
def test_only_the_drawn_channels_and_interval_change(name, long_clip):
    before = long_clip.copy()
    for seed in range(3):
        params = draw(name, long_clip, seed=seed)
        degraded = DEFECTS[name].apply(long_clip, RATE, params)
        inside = np.zeros(long_clip.shape, dtype=bool)
        inside[list(params.channels), params.interval.slice(RATE, long_clip.shape[1])] = True
        assert degraded.shape == long_clip.shape
        assert degraded.dtype == np.float32
        assert np.isfinite(degraded).all()
        assert np.array_equal(degraded[~inside], long_clip[~inside])
        assert not np.array_equal(degraded[inside], long_clip[inside])
        assert len(params.channels) == 1
    assert np.array_equal(long_clip, before), "apply wrote into its input"


@pytest.mark.parametrize("name", DEFECT_NAMES)
def test_params_survive_json_and_give_the_same_samples(name, clip):
    params = draw(name, clip)
    again = DEFECTS[name].Params.model_validate_json(params.model_dump_json())
    assert again == params
    first = DEFECTS[name].apply(clip, RATE, params)
    assert np.array_equal(first, DEFECTS[name].apply(clip, RATE, again))


@pytest.mark.parametrize("name", DEFECT_NAMES)
def test_the_same_generator_draws_the_same(name, clip):
    assert draw(name, clip, seed=5) == draw(name, clip, seed=5)
    assert draw(name, clip, seed=5) != draw(name, clip, seed=6)


@pytest.mark.parametrize("name", DEFECT_NAMES)
@pytest.mark.parametrize(
    ("channels", "rate", "seconds"), [(1, 48000, 1.0), (6, 48000, 1.0), (2, 8000, 1.0)]
)
def test_mono_surround_telephone_rate(name, channels, rate, seconds):
    audio = music(seconds, channels, rate)
    params = draw(name, audio, rate)
    degraded = DEFECTS[name].apply(audio, rate, params)
    assert degraded.shape == audio.shape
    assert np.isfinite(degraded).all()
    assert set(params.channels) <= set(range(channels))


@pytest.mark.parametrize("name", DEFECT_NAMES)
def test_silence_has_no_defect(name):
    with pytest.raises(UndrawableDefectError):
        draw(name, np.zeros((2, RATE), dtype=np.float32))


def test_a_silent_channel_is_never_chosen(clip):
    audio = clip.copy()
    audio[0] = 0
    rng = np.random.default_rng(0)
    for _ in range(30):
        _, channels = draw_placement(rng, audio, RATE, PARTIAL, sustained=True)
        assert channels == (1,)


def test_whole_placement_is_everything(clip):
    interval, channels = draw_placement(np.random.default_rng(0), clip, RATE, WHOLE, sustained=True)
    assert interval == Interval(start_s=0, duration_s=4.0)
    assert channels == (0, 1)


def test_partial_placement_keeps_the_least_durations(long_clip):
    rng = np.random.default_rng(0)
    for sustained, least_s in ((True, 2.0), (False, 0.5)):
        drawn = [
            draw_placement(rng, long_clip, RATE, PARTIAL, sustained=sustained)[0]
            for _ in range(100)
        ]
        assert min(i.duration_s for i in drawn) >= least_s
        assert min(i.duration_s for i in drawn) < least_s + 1
        assert max(i.end_s for i in drawn) <= 10 + 1e-9


def test_half_of_the_defects_cover_the_whole_clip_by_default(long_clip):
    rng = np.random.default_rng(0)
    drawn = [
        draw_placement(rng, long_clip, RATE, PlacementRanges(), sustained=True)[0]
        for _ in range(300)
    ]
    assert 0.4 < np.mean([i.duration_s == 10.0 for i in drawn]) < 0.6


@pytest.mark.parametrize("name", DEFECT_NAMES)
def test_unknown_ranges_are_refused(name):
    with pytest.raises(ValidationError):
        DEFECTS[name].Ranges(no_such_range=(0, 1))
