from fractions import Fraction

import av
import numpy as np
import pytest

from padam.audio.loudness import integrated_loudness_lufs, normalise_loudness
from tests.audio.signals import programme, sine


def ffmpeg_loudness(audio, rate, layout):
    """Integrated loudness as FFmpeg's `ebur128` filter has it after the last frame."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(
        format="fltp", sample_rate=rate, layout=layout, time_base=Fraction(1, rate)
    )
    meter, sink = graph.add("ebur128", "metadata=1"), graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    loudness = None
    for start in range(0, audio.shape[1], rate // 10):
        block = np.ascontiguousarray(audio[:, start : start + rate // 10])
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        source.push(frame)
        loudness = sink.pull().metadata.get("lavfi.r128.I", loudness)
    return float(loudness)


@pytest.mark.parametrize("rate", [48000, 44100])
def test_full_scale_sine_in_one_channel(rate):
    """ITU-R BS.1770-4: 0 dB FS at 997 Hz in one front channel reads -3.01 LKFS."""
    tone = sine(rate, 997, 5.0)
    assert integrated_loudness_lufs(tone, rate) == pytest.approx(-3.01, abs=0.05)
    left_only = np.concatenate([tone, np.zeros_like(tone)])
    assert integrated_loudness_lufs(left_only, rate) == pytest.approx(-3.01, abs=0.05)
    both = np.concatenate([tone, tone])
    assert integrated_loudness_lufs(both, rate) == pytest.approx(0.0, abs=0.05)


def test_surround_channels_weigh_more():
    """BS.1770-4, table 3: 1.41 (+1.5 dB) at the sides."""
    five = np.zeros((5, 48000 * 2), np.float32)
    five[3] = sine(48000, 997, 2.0)[0]
    assert integrated_loudness_lufs(five, 48000) == pytest.approx(-3.01 + 1.5, abs=0.05)


def test_silence_between_is_gated_out():
    tone = sine(48000, 997, 4.0, 0.1)
    paused = np.concatenate([tone, np.zeros_like(tone)], axis=1)
    assert integrated_loudness_lufs(paused, 48000) == pytest.approx(-23.01, abs=0.3)


def test_silence_has_no_loudness_and_is_left_alone():
    silent = np.zeros((2, 48000), np.float32)
    assert integrated_loudness_lufs(silent, 48000) == -np.inf
    assert not normalise_loudness(silent, 48000, -23.0).any()
    assert integrated_loudness_lufs(np.zeros((1, 0), np.float32), 48000) == -np.inf


def test_short_audio_is_measured_over_one_block():
    assert np.isfinite(integrated_loudness_lufs(sine(48000, 997, 0.1), 48000))


@pytest.mark.parametrize("target", [-23.0, -31.0])
def test_normalising_lands_on_the_target(target):
    audio = programme(48000, 5.0)
    result = normalise_loudness(audio, 48000, target)
    assert integrated_loudness_lufs(result, 48000) == pytest.approx(target, abs=0.01)
    assert np.allclose(result / audio, (result / audio)[0, 0], rtol=1e-4)


@pytest.mark.parametrize("layout", ["mono", "stereo", "quad", "5.0", "5.1", "5.1(side)"])
def test_every_layout_agrees_with_ffmpeg(layout):
    """The LFE is the loudest here, so that counting it would show."""
    names = [channel.name for channel in av.AudioLayout(layout).channels]
    audio = programme(48000, 4.0, len(names), seed=5)
    for index, name in enumerate(names):
        audio[index] *= 1.0 if name == "LFE" else 0.1 + 0.1 * index
    expected = ffmpeg_loudness(audio, 48000, layout)
    assert integrated_loudness_lufs(audio, 48000) == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize(
    ("channels", "channel", "weight_db"),
    [(7, 4, 0.0), (7, 5, 1.5), (8, 2, 0.0), (8, 3, -np.inf), (8, 4, 0.0), (8, 6, 1.5)],
)
def test_in_seven_one_the_sides_weigh_more_and_the_back_does_not(channels, channel, weight_db):
    """BS.1770-4, Annex 3: 1.41 from 60° to 120°; 6.1 and 7.1 have FL FR FC LFE, back, sides."""
    audio = np.zeros((channels, 96000), np.float32)
    audio[channel] = sine(48000, 997, 2.0)[0]
    loudness = integrated_loudness_lufs(audio, 48000)
    assert loudness == pytest.approx(-3.01 + weight_db, abs=0.05)


@pytest.mark.parametrize("rate", [8000, 16000, 96000, 192000])
def test_other_rates_agree(rate):
    """The weighting is defined at 48 kHz; at 8 kHz its shelf bends towards Nyquist."""
    tone = sine(rate, 997, 2.0)
    assert integrated_loudness_lufs(tone, rate) == pytest.approx(-3.01, abs=0.2)


def test_too_many_channels_are_refused():
    with pytest.raises(ValueError, match="9 channels"):
        integrated_loudness_lufs(np.zeros((9, 48000), np.float32), 48000)
