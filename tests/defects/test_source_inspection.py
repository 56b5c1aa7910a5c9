import fsspec
import numpy as np
import pytest
import soundfile

from padam.audio.container import UnreachableError
from padam.defects.source_inspection import SourceRules, inspect_source
from tests.audio.signals import write_media
from tests.defects.conftest import RATE, music

RULES = SourceRules(min_duration_s=2.0)


def inspect(tmp_path, audio, rate=RATE, name="effects/x.wav", subtype="FLOAT"):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio.T, rate, subtype=subtype)
    return inspect_source(tmp_path, name, RULES)


def test_a_good_source_is_described(tmp_path):
    row = inspect(tmp_path, music(3.0))
    assert row == {
        "source": "effects/x.wav",
        "kind": "effects",
        "duration_s": 3.0,
        "rate": RATE,
        "channels": 2,
        "codec": "pcm_f32le",
        "has_video": False,
        "accepted": True,
        "reason": None,
    }


def test_a_file_without_folder_is_of_kind_other(tmp_path):
    assert inspect(tmp_path, music(3.0), name="x.wav")["kind"] == "other"


def test_too_short(tmp_path):
    assert "lasts 1.00 s, shorter than 2 s" in inspect(tmp_path, music(1.0))["reason"]


def test_silent(tmp_path):
    for level in (0.0, 1e-4):
        noise = np.random.default_rng(0).standard_normal((2, 3 * RATE)).astype(np.float32)
        assert "silent" in inspect(tmp_path, level * noise)["reason"]


@pytest.mark.parametrize("channel", [0, slice(None)])
def test_zero_gap(tmp_path, channel):
    audio = music(3.0)
    audio[channel, RATE : RATE + 1500] = 0
    assert "digital zeros for 31 ms" in inspect(tmp_path, audio)["reason"]


def test_a_zero_gap_across_blocks(tmp_path):
    audio = music(12.0)
    audio[:, 10 * RATE - 600 : 10 * RATE + 600] = 0
    assert "digital zeros for 25 ms" in inspect(tmp_path, audio)["reason"]


@pytest.mark.parametrize(("channel", "accepted"), [(0, False), (1, False), (2, True), (5, True)])
def test_in_surround_only_front_left_and_right_may_not_rest(tmp_path, channel, accepted):
    audio = music(3.0, 6)
    audio[channel, RATE : 2 * RATE] = 0
    row = inspect(tmp_path, audio)
    assert (row["channels"], row["accepted"]) == (6, accepted)


def test_silence_around_and_short_gaps_are_fine(tmp_path):
    audio = music(4.0)
    audio[:, : RATE // 2] = 0
    audio[:, -RATE // 2 :] = 0
    audio[:, 2 * RATE : 2 * RATE + 900] = 0
    assert inspect(tmp_path, audio)["accepted"]


def test_a_silent_channel_is_no_gap(tmp_path):
    audio = music(3.0)
    audio[1] = 0
    assert inspect(tmp_path, audio)["accepted"]


@pytest.mark.parametrize("gain", [1.0, 0.5])
def test_already_clipped(tmp_path, gain):
    audio = gain * np.clip(4 * music(3.0), -1, 1)
    assert "already clipped" in inspect(tmp_path, audio)["reason"]


def test_a_master_at_full_scale_is_fine(tmp_path):
    assert inspect(tmp_path, 2 * music(3.0), subtype="PCM_16")["accepted"]


def test_corrupt_empty_and_missing_files_are_rows_with_a_reason(tmp_path):
    (tmp_path / "noise.wav").write_bytes(np.random.default_rng(0).bytes(5000))
    (tmp_path / "empty.flac").touch()
    for name in ("noise.wav", "empty.flac", "missing.mp3"):
        row = inspect_source(tmp_path, name, RULES)
        assert row["accepted"] is False
        assert row["reason"]
        assert row["source"] == name


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_is_no_clean_sound(tmp_path, value):
    audio = music(3.0)
    audio[1, RATE] = value
    assert inspect(tmp_path, audio)["reason"] == "1 samples are NaN or infinite"


def test_a_gap_of_the_timestamps_is_a_gap(tmp_path):
    path = tmp_path / "gap.mka"
    write_media(path, music(4.0), codec="pcm_f32le", gaps_s=[(2.0, 0.5)])
    assert "digital zeros for 500 ms" in inspect_source(tmp_path, "gap.mka", RULES)["reason"]


def test_a_tail_of_zeros_with_sound_after_it_counts_across_blocks(tmp_path):
    audio = music(6.0)
    audio[:, round(2.49 * RATE) : round(2.52 * RATE)] = 0
    assert "digital zeros for 30 ms" in inspect(tmp_path, audio)["reason"]


@pytest.mark.parametrize("name", ["memory://archive/fx/a b 🎬.wav", "fx/a b 🎬.wav"])
def test_a_source_on_another_storage(tmp_path, name):
    soundfile.write(tmp_path / "x.wav", music(3.0).T, RATE, subtype="FLOAT")
    content = (tmp_path / "x.wav").read_bytes()
    fsspec.filesystem("memory").pipe_file("/archive/fx/a b 🎬.wav", content)
    row = inspect_source("memory://archive", name, RULES)
    assert (row["source"], row["accepted"], row["duration_s"]) == (name, True, 3.0)
    assert row["kind"] == ("fx" if name.startswith("fx") else "other")


def test_a_storage_that_fails_is_no_reason_to_reject(tmp_path):
    with pytest.raises(UnreachableError, match="gcsfs"):
        inspect_source("gs://bucket", "a.wav", RULES)
