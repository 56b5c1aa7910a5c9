import numpy as np
import pytest
from pydantic import ValidationError

from padam.audio.codec_settings import PROFILES, CodecSettings, packet_span
from padam.audio.codecs import decode, encode, round_trip
from padam.audio.levels import rms_db, snr_db
from padam.audio.packets import filter_span, noise_bitstream_filter, packet_drops
from padam.audio.resampling import resample
from tests.audio.signals import lag_samples, programme

CODECS = ("aac", "mp3", "opus")


@pytest.mark.parametrize(
    ("codec", "codec_rate"),
    [
        *[("aac", rate) for rate in (16000, 24000, 32000, 44100, 48000, 96000)],
        *[("mp3", rate) for rate in (16000, 24000, 32000, 44100, 48000)],
        *[("opus", rate) for rate in (16000, 24000, 48000)],
    ],
)
def test_round_trip_has_no_lag(codec, codec_rate):
    rate = 44100 if codec_rate == 24000 else 48000
    audio = programme(rate, 1.03)
    settings = CodecSettings(codec=codec, sample_rate=codec_rate, bitrate_kbps=96)
    decoded = round_trip(audio, rate, settings)
    assert decoded.shape == audio.shape
    assert decoded.dtype == np.float32
    assert lag_samples(audio, decoded) == 0


@pytest.mark.parametrize("codec", CODECS)
def test_every_profile_is_aligned_at_128_kbps(codec):
    audio = programme()
    for profile in PROFILES[codec]:
        decoded = round_trip(audio, 48000, CodecSettings(codec=codec, profile=profile))
        assert lag_samples(audio, decoded) == 0
        # below 3 kHz, where no codec saves at this bitrate
        low, low_decoded = (resample(x, 48000, 6000) for x in (audio, decoded))
        assert snr_db(low, low - low_decoded) > 20


@pytest.mark.parametrize("codec", CODECS)
def test_more_bits_are_closer(codec):
    audio = programme()
    errors = []
    for bitrate in (32, 64, 128):
        decoded = round_trip(audio, 48000, CodecSettings(codec=codec, bitrate_kbps=bitrate))
        errors.append(snr_db(audio, audio - decoded))
    assert errors == sorted(errors)
    assert errors[-1] > 18


@pytest.mark.parametrize("codec", CODECS)
def test_cutoff_empties_the_band_above(codec):
    rng = np.random.default_rng(0)
    audio = (0.1 * rng.standard_normal((1, 96000))).astype(np.float32)

    def energy_db(x, low_hz, high_hz):
        spectrum = np.abs(np.fft.rfft(x[0])) ** 2
        hertz = np.fft.rfftfreq(x.shape[1], 1 / 48000)
        return 10 * np.log10(spectrum[(hertz > low_hz) & (hertz < high_hz)].sum())

    decoded = round_trip(audio, 48000, CodecSettings(codec=codec, cutoff_hz=12000))
    assert energy_db(decoded, 14000, 24000) < energy_db(audio, 14000, 24000) - 25
    assert energy_db(decoded, 1000, 8000) == pytest.approx(energy_db(audio, 1000, 8000), abs=2)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("samples", [0, 1, 700, 5000])
def test_short_signals_keep_their_shape(codec, samples):
    audio = programme()[:, :samples]
    decoded = round_trip(audio, 48000, CodecSettings(codec=codec))
    assert decoded.shape == (2, samples)


@pytest.mark.parametrize("codec", ["mp3", "opus"])
def test_sixteen_bit_input_format_changes_little(codec):
    audio = programme(duration_s=1.0)
    decoded = round_trip(audio, 48000, CodecSettings(codec=codec, sample_format="s16"))
    assert lag_samples(audio, decoded) == 0
    assert snr_db(audio, audio - decoded) > 18


@pytest.mark.parametrize("codec", CODECS)
def test_silence_stays_silent_and_loud_input_stays_in_range(codec):
    settings = CodecSettings(codec=codec)
    silent = np.zeros((2, 24000), np.float32)
    assert np.abs(round_trip(silent, 48000, settings)).max() < 1e-3
    assert np.abs(round_trip(programme() * 20, 48000, settings)).max() <= 1


@pytest.mark.parametrize("codec", CODECS)
def test_lost_packets_leave_silence_where_they_were(codec):
    audio = programme()
    settings = CodecSettings(codec=codec)
    lost = packet_span(settings, 1.2, 0.2)
    damaged = round_trip(audio, 48000, settings, packet_drops(lost))
    clean = round_trip(audio, 48000, settings)
    assert np.abs(damaged[:, round(1.25 * 48000) : round(1.35 * 48000)]).max() < 1e-4
    # untouched before; settled a few packets after
    assert np.array_equal(damaged[:, : round(1.15 * 48000)], clean[:, : round(1.15 * 48000)])
    tail = slice(round(1.6 * 48000), None)
    assert snr_db(clean[:, tail], clean[:, tail] - damaged[:, tail]) > 20


@pytest.mark.parametrize("codec", CODECS)
def test_stretch_cuts_the_hole_and_fills_the_length(codec):
    audio = programme()
    settings = CodecSettings(codec=codec)
    lost = packet_span(settings, 1.2, 0.2)
    stretched = round_trip(audio, 48000, settings, packet_drops(lost), conceal="stretch")
    assert stretched.shape == audio.shape
    window = np.abs(stretched[0]).reshape(-1, 960).max(axis=1)
    assert window.min() > 0.01  # 20 ms of silence are nowhere
    # the knock at 1 s comes later by the stretch: 2 s now hold what 1.8 s did
    clean = round_trip(audio, 48000, settings)
    knock = int(np.argmax(np.abs(stretched[0, :60000])))
    factor = 2.0 / (2.0 - len(lost) * settings.packet_samples / 48000)
    expected = int(np.argmax(np.abs(clean[0, :60000]))) * factor
    assert knock == pytest.approx(expected, abs=48)


def test_stretch_without_a_loss_changes_nothing():
    audio = programme()
    settings = CodecSettings(codec="aac", profile="mpeg2_aac_low")
    assert np.array_equal(
        round_trip(audio, 48000, settings, conceal="stretch"), round_trip(audio, 48000, settings)
    )


@pytest.mark.parametrize("conceal", ["stretch", "timestamps"])
def test_all_packets_lost_is_silence(conceal):
    audio = programme()
    lost = packet_drops(range(10_000))
    decoded = round_trip(audio, 48000, CodecSettings(codec="mp3"), lost, conceal)
    assert decoded.shape == audio.shape
    assert not decoded.any()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("conceal", ["stretch", "timestamps"])
def test_heavy_noise_stays_finite_and_in_range(codec, conceal):
    audio = programme(duration_s=1.0)
    for seed in range(4):
        noise = noise_bitstream_filter(codec, 60, 500, seed)
        decoded = round_trip(audio, 48000, CodecSettings(codec=codec), noise, conceal)
        assert decoded.shape == audio.shape
        assert np.isfinite(decoded).all()
        assert np.abs(decoded).max() <= 1


@pytest.mark.parametrize("codec", CODECS)
def test_noise_repeats_with_its_seed_and_only_with_it(codec):
    audio = programme(duration_s=1.0)
    settings = CodecSettings(codec=codec, bitrate_kbps=64)
    first, again, other = (
        round_trip(audio, 48000, settings, noise_bitstream_filter(codec, 1000, None, seed))
        for seed in (3, 3, 4)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, round_trip(audio, 48000, settings))


@pytest.mark.parametrize("codec", CODECS)
def test_noise_within_a_span_leaves_the_rest(codec):
    audio = programme()
    settings = CodecSettings(codec=codec, bitrate_kbps=64)
    noise = filter_span(noise_bitstream_filter(codec, 50, None, 1), packet_span(settings, 0.8, 0.4))
    clean, damaged = round_trip(audio, 48000, settings), round_trip(audio, 48000, settings, noise)
    error = np.abs(clean - damaged).max(axis=0)
    assert error[: round(0.7 * 48000)].max() == 0
    assert error[round(0.8 * 48000) : round(1.2 * 48000)].max() > 0.01
    # MP3 alone carries bits over to later packets
    assert error[round(1.5 * 48000) :].max() < 0.05


@pytest.mark.parametrize(
    "bad",
    [
        {"codec": "opus", "sample_rate": 44100},
        {"codec": "mp3", "sample_rate": 96000},
        {"codec": "aac", "sample_rate": 40000},
        {"codec": "aac", "sample_rate": 32000, "cutoff_hz": 16000},
        {"codec": "mp3", "bitrate_kbps": 400},
        {"codec": "mp3", "bitrate_kbps": 0},
        {"codec": "opus", "profile": "aac_low"},
        {"codec": "aac", "sample_format": "s16"},
        {"codec": "vorbis"},
        {"codec": "aac", "quality": 3},
    ],
)
def test_settings_that_no_encoder_takes_are_refused(bad):
    with pytest.raises(ValidationError):
        CodecSettings(**bad)


def test_settings_survive_json():
    settings = CodecSettings(codec="opus", bitrate_kbps=64, cutoff_hz=12000)
    assert CodecSettings.model_validate_json(settings.model_dump_json()) == settings


def test_input_that_cannot_be_encoded_is_refused():
    settings = CodecSettings(codec="aac")
    audio = programme()
    with pytest.raises(ValueError, match="6"):
        round_trip(np.zeros((6, 4800), np.float32), 48000, settings)
    audio[0, 5] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        round_trip(audio, 48000, settings)


def test_a_filter_that_loses_count_is_refused():
    with pytest.raises(ValueError, match="packets"):
        round_trip(programme(), 48000, CodecSettings(codec="aac"), lambda packets: packets[1:])


@pytest.mark.parametrize(
    ("codec", "rate"),
    [
        *[(codec, rate) for codec in ("aac", "mp3") for rate in (32000, 44100, 48000)],
        ("opus", 48000),
    ],
)
def test_a_part_of_a_stream_decodes_as_in_the_whole(codec, rate):
    stream = encode(programme(), 48000, CodecSettings(codec=codec, sample_rate=rate))
    whole = decode(stream)
    for span in (slice(0, 7000), slice(40003, 61001), slice(50000, None), slice(30000, 31000)):
        part = decode(stream, span=span)
        assert part.shape == whole[:, span].shape
        # AAC decoders put noise in place of noisy bands, Opus decoders converge
        assert rms_db(part - whole[:, span]) < rms_db(whole[:, span]) - 40


def test_a_filter_sees_the_packets_of_the_span_only():
    settings = CodecSettings(codec="aac")
    stream = encode(programme(), 48000, settings)
    span = slice(24000, 48000)
    seen = []

    def lose_all(packets):
        seen.extend(packets)
        return [None] * len(packets)

    part = decode(stream, lose_all, span=span)
    assert tuple(seen) == stream.payloads[23:47]
    assert rms_db(part) < rms_db(decode(stream, span=span)) - 6
