from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction

import numpy as np
import pytest
import soundfile

from padam.audio.channels import remix
from padam.audio.levels import snr_db
from padam.audio.media import MediaError, probe, read_audio, stream_audio, write_flac
from padam.audio.resampling import resample
from tests.audio.signals import lag_samples, programme, write_media

# AAC of the MPEG-2 kind synthesises no noise, which would differ from decode to decode
PLAIN_AAC = {"profile": "mpeg2_aac_low"}


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """One programme of 6.3 s in many wrappings."""
    folder = tmp_path_factory.mktemp("media")
    audio = programme(48000, 6.3)
    soundfile.write(folder / "pcm.wav", audio.T, 48000, subtype="FLOAT")
    soundfile.write(folder / "pcm.flac", audio.T, 48000, subtype="PCM_24")
    write_media(folder / "aac.mp4", audio, options=PLAIN_AAC)
    write_media(folder / "aac.mkv", audio, options=PLAIN_AAC)
    write_media(folder / "aac.ts", audio, options=PLAIN_AAC)
    write_media(folder / "mp3.mp3", audio, codec="libmp3lame")
    write_media(folder / "opus.ogg", audio, codec="libopus")
    write_media(folder / "opus.mkv", audio, codec="libopus")
    write_media(folder / "aac44.mp4", resample(audio, 48000, 44100), 44100, options=PLAIN_AAC)
    return folder


WRAPPINGS = (
    "pcm.wav", "pcm.flac", "aac.mp4", "aac.mkv", "aac.ts", "mp3.mp3", "opus.ogg", "opus.mkv",
    "aac44.mp4",
)  # fmt: skip


def test_pcm_is_read_back_bit_for_bit(media):
    assert np.array_equal(read_audio(media / "pcm.wav"), programme(48000, 6.3))
    read = read_audio(media / "pcm.flac")
    assert np.abs(read - programme(48000, 6.3)).max() < 2**-23


@pytest.mark.parametrize("name", WRAPPINGS)
def test_decoded_audio_is_aligned_with_what_went_in(media, name):
    audio = programme(48000, 6.3)
    read = read_audio(media / name)
    if name == "aac.ts":  # carries no priming length: the encoder's 1024 samples stay
        read = read[:, 1024:]
    count = min(read.shape[1], audio.shape[1])
    assert count > audio.shape[1] - 2048
    assert lag_samples(audio[:, :count], read[:, :count]) == 0


@pytest.mark.parametrize("rate", [48000, 16000, 44100])
@pytest.mark.parametrize("name", WRAPPINGS)
def test_reading_after_a_seek_gives_the_samples_of_a_full_decode(media, name, rate):
    whole = read_audio(media / name, sample_rate=rate)
    for start_s, duration_s in ((0.05, 0.3), (1.0, 0.5), (3.14159, 1.0), (5.5, None)):
        start = round(start_s * rate)
        count = None if duration_s is None else start + round(duration_s * rate)
        part = read_audio(media / name, start_s, duration_s, sample_rate=rate)
        expected = whole[:, start:count]
        assert part.shape == expected.shape
        # Opus' decoder converges to its state, the others are exact
        assert snr_db(expected, expected - part) > (40 if "opus" in name else 100)


@pytest.mark.parametrize("codec", ["aac", "ac3", "flac", "pcm_s16le"])
def test_sound_is_found_by_the_picture_it_goes_with(tmp_path, codec):
    # Matroska indexes the picture only; its key frames are half a second apart here
    pictures = np.zeros((200, 48, 64, 3), np.uint8)
    options = PLAIN_AAC if codec == "aac" else None
    audio = programme(48000, 8.0)
    path = write_media(tmp_path / "a.mkv", audio, codec=codec, frames=pictures, options=options)
    whole = read_audio(path)
    for start_s in (0.1, 1.0, 2.345, 4.99, 7.5):
        part = read_audio(path, start_s, 0.3)
        expected = whole[:, round(start_s * 48000) :][:, : round(0.3 * 48000)]
        # AC-3 decoders fill in noise of their own
        least_db = 30 if codec == "ac3" else 200
        assert snr_db(expected, expected - part) > least_db


@pytest.mark.parametrize("rate", [48000, 16000])
@pytest.mark.parametrize("name", ["pcm.flac", "aac.mp4", "mp3.mp3", "opus.ogg"])
def test_stream_is_read_audio_in_blocks(media, name, rate):
    blocks = list(stream_audio(media / name, 0.7, sample_rate=rate, channels=1))
    assert {block.shape for block in blocks[:-1]} == {(1, round(0.7 * rate))}
    assert 0 < blocks[-1].shape[1] <= round(0.7 * rate)
    whole = read_audio(media / name, sample_rate=rate, channels=1)
    assert np.array_equal(np.concatenate(blocks, axis=1), whole)


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 96000])
def test_rate_conversion_is_that_of_the_whole_signal(media, rate):
    expected = resample(read_audio(media / "pcm.wav"), 48000, rate)
    read = read_audio(media / "pcm.wav", sample_rate=rate)
    assert read.shape == expected.shape
    assert np.abs(read - expected).max() < 1e-6


def test_durations_past_the_end_are_read_short(media):
    assert read_audio(media / "pcm.flac", 6.0, 5.0).shape == (2, round(0.3 * 48000))
    assert read_audio(media / "pcm.flac", 60.0, 5.0).shape == (2, 0)
    assert read_audio(media / "pcm.flac", 1.0, 0.0).shape == (2, 0)


def test_channels_are_remixed_on_request(media):
    stereo = read_audio(media / "pcm.wav")
    mono = read_audio(media / "pcm.wav", channels=1)
    assert np.allclose(mono[0], stereo.mean(axis=0), atol=1e-7)


@pytest.mark.parametrize("name", ["surround.mka", "surround.wav"])
def test_surround_folds_down_after_bs775(tmp_path, name):
    rng = np.random.default_rng(0)
    surround = (0.1 * rng.standard_normal((6, 48000))).astype(np.float32)
    # Matroska names no channels, WAV does: the usual layout of six either way
    path = write_media(tmp_path / name, surround, codec="pcm_f32le", layout="5.1")
    left, right, centre, _, back_left, back_right = surround
    expected = np.stack(
        [left + 0.7071 * (centre + back_left), right + 0.7071 * (centre + back_right)]
    )
    assert probe(path).channels == 6
    assert np.allclose(read_audio(path, channels=2), expected, atol=1e-4)
    assert np.allclose(read_audio(path, channels=1)[0], expected.mean(axis=0), atol=1e-4)
    assert np.array_equal(read_audio(path), surround)


def test_seven_one_keeps_its_eight_channels_in_order(tmp_path):
    """Decoders give Opus and AAC as planes, of which PyAV cannot count eight."""
    time = np.arange(96000) / 48000
    tones_hz = [300, 420, 540, 60, 660, 780, 900, 1020]  # the fourth is the LFE
    audio = np.stack([0.2 * np.sin(2 * np.pi * hz * time) for hz in tones_hz]).astype(np.float32)
    path = write_media(tmp_path / "cinema.mka", audio, codec="libopus", layout="7.1")
    assert probe(path).channels == 8
    read = read_audio(path, 0.5, 1.0)
    assert read.shape == (8, 48000)
    assert np.abs(np.fft.rfft(read, axis=1)).argmax(axis=1).tolist() == tones_hz
    assert read_audio(path, 0.5, 1.0, channels=2).shape == (2, 48000)


@pytest.mark.parametrize("name", ["late.mkv", "late.mp4", "late.ts"])
def test_a_track_that_starts_late_begins_with_silence(tmp_path, name):
    pictures = np.zeros((75, 48, 64, 3), np.uint8)
    audio = programme(48000, 2.0)
    path = write_media(
        tmp_path / name, audio, frames=pictures, audio_start_s=1.0, options=PLAIN_AAC
    )
    read = read_audio(path)
    assert not read[:, : round(0.97 * 48000)].any()
    padded = np.pad(audio, ((0, 0), (48000, 0)))
    count = min(padded.shape[1], read.shape[1])
    # MPEG-TS plays the encoder's priming of 1024 samples, MKV rounds to milliseconds
    assert lag_samples(padded[:, :count], read[:, :count]) in range(-48, 49)
    assert np.array_equal(read_audio(path, 0.5, 1.0), read[:, 24000:72000])
    assert np.array_equal(np.concatenate(list(stream_audio(path, 0.3)), axis=1), read)


def test_gaps_in_the_timestamps_are_silence_and_jitter_is_not(tmp_path):
    audio = programme(48000, 4.0)
    gaps = [(1.0, 0.5), (2.0, 0.04)]
    path = write_media(tmp_path / "gaps.mka", audio, codec="pcm_f32le", gaps_s=gaps)
    read = read_audio(path)
    assert read.shape[1] == pytest.approx(4.5 * 48000, abs=100)
    hole = round(1.1 * 48000), round(1.45 * 48000)
    assert not read[:, slice(*hole)].any()
    before = audio[:, : 46 * 1024]
    assert np.array_equal(read[:, : 46 * 1024], before)
    after = read[:, -48000:]
    assert np.array_equal(after, audio[:, -48000:])


def test_damaged_packets_are_skipped_and_the_time_kept(tmp_path):
    path = write_media(tmp_path / "good.mka", programme(48000, 6.0), codec="flac")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 60_000] = bytes(60_000)
    damaged = tmp_path / "damaged.mka"
    damaged.write_bytes(data)
    good, read = read_audio(path), read_audio(damaged)
    assert read.shape[1] == pytest.approx(good.shape[1], abs=100)
    assert np.abs(read[:, -48000:] - good[:, -48000:]).max() < 1e-3


def test_undecodable_packets_leave_what_follows_in_its_place(media, tmp_path):
    data = bytearray((media / "aac.mp4").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = b"\xff" * 3000
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(data)
    good, read = read_audio(media / "aac.mp4"), read_audio(damaged)
    assert read.shape == good.shape
    assert not np.array_equal(read, good)
    # the damage is some 7 packets of 192 kbit/s: 0.15 s
    assert np.abs(read - good).max(axis=0).nonzero()[0].size < 0.4 * 48000
    assert np.array_equal(read[:, -96000:], good[:, -96000:])


def test_timestamps_that_jump_back_are_no_reason_to_stop(media, tmp_path):
    twice = tmp_path / "twice.ts"
    twice.write_bytes((media / "aac.ts").read_bytes() * 2)
    once, read = read_audio(media / "aac.ts"), read_audio(twice)
    assert read.shape[1] == pytest.approx(2 * once.shape[1], abs=2048)
    end = slice(-48000, None)
    assert lag_samples(once[:, end], read[:, end]) == 0


@pytest.mark.parametrize("name", ["pcm.flac", "aac.ts", "mp3.mp3", "opus.ogg", "aac.mkv"])
def test_a_truncated_file_gives_what_is_there(media, tmp_path, name):
    data = (media / name).read_bytes()
    cut = tmp_path / name
    cut.write_bytes(data[: len(data) // 2])
    whole, read = read_audio(media / name), read_audio(cut)
    assert 0.3 * whole.shape[1] < read.shape[1] < 0.7 * whole.shape[1]
    assert np.isfinite(read).all()
    count = read.shape[1] - 12000
    assert snr_db(whole[:, :count], whole[:, :count] - read[:, :count]) > 40


def test_low_rate_mono_is_read(tmp_path):
    audio = programme(8000, 1.0, channels=1)
    soundfile.write(tmp_path / "phone.wav", audio.T, 8000, subtype="PCM_16")
    assert read_audio(tmp_path / "phone.wav").shape == (1, 48000)
    assert read_audio(tmp_path / "phone.wav", channels=2).shape == (2, 48000)
    native = read_audio(tmp_path / "phone.wav", sample_rate=8000)
    assert np.abs(native - audio).max() <= 2**-15


def test_eight_bit_is_centred(tmp_path):
    audio = programme(8000, 1.0, channels=1)
    soundfile.write(tmp_path / "eight.wav", audio.T, 8000, subtype="PCM_U8")
    assert np.abs(read_audio(tmp_path / "eight.wav", sample_rate=8000) - audio).max() <= 2**-7


def test_nan_in_a_file_is_silence(tmp_path):
    audio = programme(48000, 1.0)
    audio[0, 100:200] = np.nan
    audio[1, 300] = np.inf
    soundfile.write(tmp_path / "nan.wav", audio.T, 48000, subtype="FLOAT")
    read = read_audio(tmp_path / "nan.wav")
    assert np.isfinite(read).all()
    assert not read[0, 100:200].any()
    assert np.array_equal(read[:, 400:], audio[:, 400:])


def bad_files(folder):
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.mp3").write_text("this is no music " * 400)
    (folder / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(50_000))
    (folder / "folder.wav").mkdir()
    return [folder / n for n in ("empty.wav", "text.mp3", "noise.mp4", "folder.wav", "no.wav")]


def test_bad_files_are_media_errors_that_name_the_file(tmp_path):
    for path in bad_files(tmp_path):
        for reading in (probe, read_audio, lambda p: list(stream_audio(p, 1.0))):
            with pytest.raises(MediaError) as caught:
                reading(path)
            assert caught.value.path == str(path)
            assert str(caught.value) == f"{path}: {caught.value.reason}"
            assert caught.value.reason


def test_a_file_without_audio_says_so(tmp_path):
    path = write_media(tmp_path / "mute.mp4", None, frames=np.zeros((10, 48, 64, 3), np.uint8))
    info = probe(path)
    assert (info.has_audio, info.has_video, info.sample_rate) == (False, True, 0)
    with pytest.raises(MediaError, match="no audio stream"):
        read_audio(path)


def test_an_audio_file_of_no_samples_is_empty(tmp_path):
    soundfile.write(tmp_path / "none.wav", np.zeros((0, 2)), 48000)
    assert read_audio(tmp_path / "none.wav").shape == (2, 0)
    assert read_audio(tmp_path / "none.wav", sample_rate=16000).shape == (2, 0)
    assert list(stream_audio(tmp_path / "none.wav", 1.0)) == []


@pytest.mark.parametrize(
    "bad",
    [
        {"start_s": -1.0},
        {"start_s": float("nan")},
        {"duration_s": -1.0},
        {"sample_rate": 0},
        {"channels": 5},
    ],
)
def test_bad_arguments_are_refused(media, bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        read_audio(media / "pcm.wav", **bad)


def test_probe_tells_what_is_there(media, tmp_path):
    info = probe(media / "aac44.mp4")
    assert (info.sample_rate, info.channels, info.channel_layout) == (44100, 2, "stereo")
    assert (info.audio_codec, info.has_audio, info.has_video) == ("aac", True, False)
    assert info.duration_s == pytest.approx(6.3, abs=0.05)
    film = write_media(
        tmp_path / "film.mkv", programme(), frames=np.zeros((50, 48, 64, 3), np.uint8)
    )
    info = probe(film)
    assert (info.width, info.height, info.fps) == (64, 48, 25.0)
    assert info.has_audio
    assert info.has_video
    assert info.channel_names == ("FL", "FR")
    assert (info.frame_rate, info.start_timecode, info.audio_start_s) == (25, None, 0.0)


@pytest.mark.parametrize(
    ("rate", "written", "read"),
    [
        (Fraction(30000, 1001), "01:00:00;02", "01:00:00;02"),
        (Fraction(24000, 1001), "09:59:58:00", "09:59:58:00"),
        (Fraction(25), None, None),
    ],
)
def test_probe_reads_the_timecode_of_the_first_frame(tmp_path, rate, written, read):
    pictures = np.zeros((30, 48, 64, 3), np.uint8)
    path = write_media(
        tmp_path / "film.mov", programme(), frames=pictures, fps=rate, timecode=written
    )
    info = probe(path)
    assert (info.frame_rate, info.start_timecode) == (rate, read)


def test_channels_without_a_layout_are_numbered(tmp_path):
    soundfile.write(tmp_path / "five.wav", np.zeros((800, 5)), 8000)
    assert probe(tmp_path / "five.wav").channel_names == ("1", "2", "3", "4", "5")


@pytest.mark.parametrize("name", ["late.mkv", "late.mp4", "late.ts"])
def test_probe_tells_how_late_the_sound_begins(tmp_path, name):
    pictures = np.zeros((75, 48, 64, 3), np.uint8)
    path = write_media(tmp_path / name, programme(), frames=pictures, audio_start_s=1.25)
    assert probe(path).audio_start_s == pytest.approx(1.25, abs=0.05)


def test_flac_round_trip_and_overload(tmp_path):
    audio = programme(44100, 0.5)
    write_flac(tmp_path / "a.flac", audio, 44100)
    assert np.abs(read_audio(tmp_path / "a.flac", sample_rate=44100) - audio).max() < 2**-23
    write_flac(tmp_path / "b.flac", audio * 10, 44100, subtype="PCM_16")
    loud = read_audio(tmp_path / "b.flac", sample_rate=44100)
    assert np.abs(loud - np.clip(audio * 10, -1, 1)).max() < 2**-14
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.flac", "b.flac"]


def test_a_failed_write_leaves_the_earlier_file(tmp_path):
    target = tmp_path / "a.flac"
    write_flac(target, programme(duration_s=0.2), 48000)
    before = target.read_bytes()
    for bad in (np.full((2, 100), np.nan, np.float32), np.zeros((9, 100), np.float32)):
        with pytest.raises(ValueError, match=r"a\.flac"):
            write_flac(target, bad, 48000)
    with pytest.raises(Exception, match=r"."):
        write_flac(target, programme(duration_s=0.2), 48000, subtype="NONE")
    assert target.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.flac"]


def test_media_errors_come_back_from_worker_processes(tmp_path):
    with ProcessPoolExecutor(1) as workers, pytest.raises(MediaError, match="file not found"):
        workers.submit(probe, tmp_path / "no.wav").result()


def test_remix_by_layout_matters():
    audio = np.eye(3, dtype=np.float32)
    with_centre = remix(audio, 2, ["FL", "FR", "FC"])
    with_bass = remix(audio, 2, ["FL", "FR", "LFE"])
    assert with_centre[0, 2] == pytest.approx(0.7071, abs=1e-4)
    assert with_bass[0, 2] == 0
