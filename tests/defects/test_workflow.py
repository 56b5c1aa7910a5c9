from collections import Counter

import numpy as np
import pytest
from pydantic import ValidationError

from padam.audio.levels import peak_db, snr_db
from padam.defects.quantization import Quantization
from padam.defects.registry import DEFECT_NAMES
from padam.defects.workflow import (
    ClipParams,
    SilentSourceError,
    UnusableSourceError,
    WorkflowConfig,
    deliver,
    draw_clip,
    draw_names,
    make_pair,
    render_clip,
)
from tests.defects.conftest import RATE, music


def only(name, **changes):
    given = {
        "single_probability": 1.0,
        "several_probability": 0.0,
        "clean_probability": 0.0,
        "source_encode_probability": 0.0,
        "transcode_probability": 0.0,
        "defects": (name,),
    }
    return WorkflowConfig(**{**given, **changes})


@pytest.fixture(scope="module")
def short():
    return music(1.0)


def test_shares_of_single_several_and_clean_clips():
    rng = np.random.default_rng(0)
    config = WorkflowConfig()
    names = [draw_names(rng, config) for _ in range(4000)]
    sizes = Counter(min(len(n), 2) for n in names)
    assert sizes[1] / 4000 == pytest.approx(0.65, abs=0.03)
    assert sizes[2] / 4000 == pytest.approx(0.25, abs=0.03)
    assert sizes[0] / 4000 == pytest.approx(0.10, abs=0.02)
    singles = Counter(n[0] for n in names if len(n) == 1)
    assert set(singles) == set(DEFECT_NAMES)
    assert min(singles.values()) > 0.7 * max(singles.values())


def test_pairs_are_replayed_bit_for_bit_from_their_json(short):
    seen = set()
    for seed in range(12):
        rng = np.random.default_rng(seed)
        params, reference, degraded = make_pair(rng, short, RATE, WorkflowConfig())
        stored = ClipParams.model_validate_json(params.model_dump_json())
        assert stored == params
        again = render_clip(short, RATE, stored)
        assert np.array_equal(again[0], reference)
        assert np.array_equal(again[1], degraded)
        seen.update(params.labels)
        for audio in (reference, degraded):
            assert audio.shape == short.shape
            assert audio.dtype == np.float32
            assert np.isfinite(audio).all()
            assert np.abs(audio).max() <= 1
    assert len(seen) >= 5


@pytest.mark.parametrize("name", DEFECT_NAMES)
def test_labels_name_what_was_drawn(name, short):
    params = draw_clip(np.random.default_rng(1), short, RATE, only(name))
    assert params.labels == [name]
    assert params.label_vector == [int(n == name) for n in DEFECT_NAMES]
    assert params.intervals[name].end_s <= 1.0


def test_the_reference_is_scaled_and_nothing_else(short):
    config = only("clicks", source_encode_probability=1.0, transcode_probability=1.0)
    _, reference, _ = make_pair(np.random.default_rng(2), short, RATE, config)
    gain = reference[0, 100] / short[0, 100]
    assert np.allclose(reference, gain * short, atol=1e-6)


def test_a_clean_clip_without_codecs_is_its_reference(short):
    config = only("hum", single_probability=0.0, clean_probability=1.0)
    params, reference, degraded = make_pair(np.random.default_rng(0), short, RATE, config)
    assert params.labels == []
    assert np.array_equal(reference, degraded)
    assert -6 <= peak_db(reference) <= -1


def test_a_clean_clip_may_pass_through_codecs(short):
    config = only("hum", single_probability=0.0, clean_probability=1.0,
                  source_encode_probability=1.0)  # fmt: skip
    params, reference, degraded = make_pair(np.random.default_rng(0), short, RATE, config)
    assert params.labels == []
    assert params.source_encode is not None
    assert 2 < snr_db(reference, degraded - reference) < 80


def test_what_is_delivered_differs_from_the_degraded_clip_by_its_defects_alone(short):
    coded = {"source_encode_probability": 1.0, "transcode_probability": 1.0}
    clean = WorkflowConfig(
        single_probability=0.0, several_probability=0.0, clean_probability=1.0, **coded
    )
    params, reference, degraded = make_pair(np.random.default_rng(3), short, RATE, clean)
    np.testing.assert_array_equal(deliver(reference, RATE, params), degraded)
    # of a defect that no codec follows, the reference is what is delivered
    params, reference, degraded = make_pair(np.random.default_rng(3), short, RATE, only("hum"))
    np.testing.assert_array_equal(deliver(reference, RATE, params), reference)
    # a lossy stream is delivered whole
    lossy = only("packet_loss")
    params, reference, degraded = make_pair(np.random.default_rng(3), short, RATE, lossy)
    whole = deliver(reference, RATE, params)
    interval = params.defects[0].interval
    times = np.arange(short.shape[1]) / RATE
    outside = (times < interval.start_s - 0.05) | (times > interval.end_s + 0.05)
    assert snr_db(whole, degraded - whole) < 40
    np.testing.assert_allclose(whole[:, outside], degraded[:, outside], atol=1e-6)


def test_outside_interval_and_channels_the_pair_is_identical(short):
    for seed in range(5):
        config = only("hiss", placement={"whole_probability": 0, "min_sustained_s": 0.5})
        params, reference, degraded = make_pair(np.random.default_rng(seed), short, RATE, config)
        inside = np.zeros(short.shape, dtype=bool)
        hiss = params.defects[0]
        inside[list(hiss.channels), hiss.interval.slice(RATE, short.shape[1])] = True
        assert np.array_equal(reference[~inside], degraded[~inside])


def test_a_quantizer_is_not_given_what_it_would_clip(short, monkeypatch):
    given = []
    quantize = Quantization.apply
    monkeypatch.setattr(
        Quantization,
        "apply",
        lambda self, audio, *rest: given.append(peak_db(audio)) or quantize(self, audio, *rest),
    )
    config = only(
        "hiss",
        defects=("hiss", "quantization"),
        single_probability=0.0,
        several_probability=1.0,
        several_count=(2, 2),
        ranges={"hiss": {"snr_db": [0, 0]}},
        placement={"whole_probability": 1, "all_channels_probability": 1},
        peak_db=(-1, -1),
    )
    params, _, degraded = make_pair(np.random.default_rng(0), short, RATE, config)
    assert max(given) <= -0.99
    assert np.array_equal(render_clip(short, RATE, params)[1], degraded)


def test_the_snr_survives_the_scaling_to_full_scale(short):
    ranges = {"hiss": {"snr_db": [0, 0]}}
    config = only("hiss", ranges=ranges, placement={"whole_probability": 1}, peak_db=(-1, -1))
    _, reference, degraded = make_pair(np.random.default_rng(0), short, RATE, config)
    assert np.abs(degraded).max() == pytest.approx(10 ** (-1 / 20), abs=1e-4)
    where = np.abs(degraded - reference).max(axis=1) > 0
    assert snr_db(reference[where], (degraded - reference)[where]) == pytest.approx(0, abs=0.05)


def test_packet_loss_brings_its_source_encode(short):
    params = draw_clip(np.random.default_rng(0), short, RATE, only("packet_loss"))
    assert params.source_encode is not None
    assert params.defects[0].codec == params.source_encode


def test_packet_loss_follows_the_source_defects(short):
    config = WorkflowConfig(
        single_probability=0, several_probability=1, clean_probability=0,
        several_count=(2, 2), defects=("packet_loss", "clicks"),
    )  # fmt: skip
    params = draw_clip(np.random.default_rng(0), short, RATE, config)
    assert [d.defect for d in params.defects] == ["clicks", "packet_loss"]
    assert params.labels == ["packet_loss", "clicks"]


def test_inaudible_damage_is_drawn_again_and_then_refused(short):
    config = only("hum", ranges={"hum": {"snr_db": [60, 60]}}, redraw_limit=2)
    with pytest.raises(UnusableSourceError, match="in 2 draws: hum stays below"):
        draw_clip(np.random.default_rng(0), short, RATE, config)


def test_audio_that_allows_no_draw_is_refused_with_the_reason():
    audio = np.zeros((1, RATE), dtype=np.float32)
    audio[0, ::1000] = 0.5
    with pytest.raises(UnusableSourceError, match="clipping would leave nothing"):
        draw_clip(np.random.default_rng(0), audio, RATE, only("clipping", redraw_limit=3))


def test_silence_is_refused():
    silence = np.zeros((2, RATE), dtype=np.float32)
    for audio in (silence, silence + 1e-7):
        with pytest.raises(SilentSourceError):
            draw_clip(np.random.default_rng(0), audio, RATE, WorkflowConfig())


def test_quiet_sources_are_raised_by_no_more_than_the_limit(short):
    config = only("hum", single_probability=0.0, clean_probability=1.0)
    _, reference, _ = make_pair(np.random.default_rng(0), 0.01 * short, RATE, config)
    assert peak_db(reference) == pytest.approx(peak_db(short) - 40 + 12, abs=0.01)


@pytest.mark.parametrize(
    ("audio", "reason"),
    [
        (np.zeros(RATE, dtype=np.float32), "shape"),
        (np.zeros((0, RATE), dtype=np.float32), "shape"),
        (np.zeros((2, 100), dtype=np.float32), "at least 0.5 s"),
        (np.full((2, RATE), np.nan, dtype=np.float32), "not finite"),
        (np.full((2, RATE), np.inf, dtype=np.float32), "not finite"),
    ],
)
def test_invalid_audio_is_refused(audio, reason):
    with pytest.raises(ValueError, match=reason):
        draw_clip(np.random.default_rng(0), audio, RATE, WorkflowConfig())


@pytest.mark.parametrize(("channels", "rate"), [(1, 48000), (6, 48000), (2, 8000)])
def test_other_layouts_and_rates(channels, rate):
    audio = music(1.0, channels, rate)
    config = WorkflowConfig(source_encode_probability=1.0, transcode_probability=1.0)
    for seed in range(3):
        _, reference, degraded = make_pair(np.random.default_rng(seed), audio, rate, config)
        assert reference.shape == degraded.shape == audio.shape
        assert np.isfinite(degraded).all()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"clean_probability": 0.5}, "sum to"),
        ({"defects": ("hum", "howl")}, "unknown defects"),
        ({"ranges": {"howl": {}}}, "unknown defects"),
        ({"ranges": {"hum": {"snr_db": [15, 0]}}}, "not ordered"),
        ({"several_count": (1, 3)}, "not ordered or leaves"),
        ({"peak_db": (-6, 3)}, "not ordered or leaves"),
    ],
)
def test_wrong_parameters_stop_at_once(given, reason):
    with pytest.raises(ValidationError, match=reason):
        WorkflowConfig(**given)


def test_ranges_are_merged_with_the_defaults():
    config = WorkflowConfig(ranges={"hum": {"snr_db": [3, 4]}})
    assert config.ranges["hum"].snr_db == (3, 4)
    assert config.ranges["hum"].other_hz == (40, 500)
    assert tuple(config.ranges) == DEFECT_NAMES
    assert WorkflowConfig.model_validate_json(config.model_dump_json()) == config
