"""SMPTE timecode: known values, a brute-force counter of the numbers, and frames of samples."""

import re
from fractions import Fraction
from itertools import islice, product

import pytest

from padam.detection.reports.smpte import RATES, FrameRate, Timebase

from .documents import document, event

NTSC_DROP = FrameRate(RATES["29.97"], drop_frame=True)
COUNTED = [
    *(FrameRate(rate) for rate in RATES.values()),
    NTSC_DROP,
    FrameRate(RATES["59.94"], drop_frame=True),
]


def numbers_of_a_day(base, dropped):
    """Every timecode of a day in order, by leaving out numbers as ST 12-1 words it."""
    mark = ";" if dropped else ":"
    for hour, minute, second, frame in product(range(24), range(60), range(60), range(base)):
        if dropped and minute % 10 and second == 0 and frame < dropped:
            continue
        yield hour, minute, second, mark, frame


def written(number):
    return "{:02d}:{:02d}:{:02d}{}{:02d}".format(*number)


def label(rate):
    return f"{rate.name}{' DF' if rate.drop_frame else ''}"


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (0, "00:00:00;00"),
        (1799, "00:00:59;29"),
        (1800, "00:01:00;02"),
        (3597, "00:01:59;29"),
        (3598, "00:02:00;02"),
        (17981, "00:09:59;29"),
        (17982, "00:10:00;00"),
        (107_892, "01:00:00;00"),
    ],
)
def test_known_values_of_drop_frame(frame, expected):
    assert NTSC_DROP.timecode(frame) == expected
    assert NTSC_DROP.frame(expected) == frame


def test_known_values_of_drop_frame_at_59_94():
    rate = FrameRate(RATES["59.94"], drop_frame=True)
    assert rate.timecode(3600) == "00:01:00;04"
    assert rate.timecode(215_784) == "01:00:00;00"


@pytest.mark.parametrize(
    "rate",
    [rate for rate in COUNTED if rate.drop_frame or rate.name in ("23.976", "25", "29.97")],
    ids=label,
)
def test_a_day_is_counted_as_by_hand(rate):
    stride = 251 if rate.drop_frame else 4999
    day = numbers_of_a_day(rate.base, rate.dropped)
    checked = 0
    for frame, number in zip(
        range(0, rate.frames_per_day, stride), islice(day, 0, None, stride), strict=True
    ):
        timecode = written(number)
        assert rate.timecode(frame) == timecode
        assert rate.frame(timecode) == frame
        checked += 1
    assert checked == -(-rate.frames_per_day // stride) > 400


@pytest.mark.parametrize("rate", COUNTED, ids=label)
def test_every_frame_around_the_minutes_comes_back(rate):
    mark = ";" if rate.drop_frame else ":"
    for minute in (0, 1, 9, 10, 11, 59, 60, 119, 120, 121, 1439):
        last_second = rate.frame(f"{minute // 60:02d}:{minute % 60:02d}:58{mark}00")
        for frame in range(last_second, last_second + 5 * rate.base):
            assert rate.frame(rate.timecode(frame)) == frame % rate.frames_per_day


@pytest.mark.parametrize("rate", COUNTED, ids=label)
def test_the_day_wraps(rate):
    day = rate.frames_per_day
    assert rate.timecode(day) == rate.timecode(0)
    assert rate.timecode(3 * day + 17) == rate.timecode(17)
    assert rate.frame(rate.timecode(day - 1)) == day - 1
    assert rate.timecode(day - 1)[:8] == "23:59:59"


@pytest.mark.parametrize("drop", ["23.976", "25", "29.97 DF", "29.97", "50", "59.94 DF"])
def test_after_two_hours_as_another_reader_has_it(drop):
    timecode = pytest.importorskip("timecode", reason="the package `timecode` is not installed")
    name, _, counted = drop.partition(" ")
    rate = FrameRate(RATES[name], drop_frame=bool(counted))
    two_hours = int(7200 * rate.fps)
    for frame in range(two_hours - 40, two_hours + 40 * rate.base, 7):
        peer = timecode.Timecode(name, frames=frame + 1, force_non_drop_frame=not rate.drop_frame)
        assert rate.timecode(frame) == str(peer)


@pytest.mark.parametrize("rate", COUNTED, ids=label)
def test_drop_frame_keeps_up_with_the_clock(rate):
    hours, minutes, seconds, _ = (
        int(part) for part in rate.timecode(int(7200 * rate.fps)).replace(";", ":").split(":")
    )
    late_s = 7200 - (3600 * hours + 60 * minutes + seconds)
    if rate.drop_frame or rate.fps.denominator == 1:
        assert late_s in (0, 1)
    else:
        assert late_s in (7, 8)  # 7200 s · 0.1 %


@pytest.mark.parametrize("rate", COUNTED, ids=label)
@pytest.mark.parametrize("sample_rate", [8000, 44_100, 48_000, 96_000])
def test_frames_hold_their_samples_and_no_frame_too_many(rate, sample_rate):
    for start, length in [(0, 1), (1, 1), (7200 * sample_rate + 1, 48_017), (123_456_789, 2)]:
        first, last = rate.frames_of_samples(start, start + length, sample_rate)
        period = Fraction(sample_rate) / rate.fps
        assert first * period <= start < (first + 1) * period
        assert (last - 1) * period < start + length <= last * period
        assert last > first


def test_an_event_of_whole_frames_keeps_its_frames():
    rate = FrameRate(RATES["25"])
    assert rate.frames_of_samples(1920, 3840, 48_000) == (1, 2)
    assert rate.frames_of_samples(1919, 3841, 48_000) == (0, 3)


@pytest.mark.parametrize(
    ("rate", "timecode", "complaint"),
    [
        (FrameRate(RATES["25"]), "01:00:00;00", "not drop-frame"),
        (NTSC_DROP, "01:00:00:00", "write ';'"),
        (FrameRate(RATES["25"]), "00:00:00:25", "00 to 24"),
        (FrameRate(RATES["23.976"]), "00:00:00:24", "00 to 23"),
        (NTSC_DROP, "00:01:00;01", r"leaves out.*00:01:00;02"),
        (FrameRate(RATES["59.94"], True), "00:11:00;03", r"leaves out.*00:11:00;04"),
        (FrameRate(RATES["25"]), "24:00:00:00", "23:59:59"),
        (FrameRate(RATES["25"]), "00:60:00:00", "23:59:59"),
        (FrameRate(RATES["25"]), "1:00:00:00", "HH:MM:SS:FF"),
        (FrameRate(RATES["25"]), "00:00:00.000", "HH:MM:SS:FF"),
        (FrameRate(RATES["25"]), "", "HH:MM:SS:FF"),
    ],
)
def test_wrong_timecodes_are_named(rate, timecode, complaint):
    with pytest.raises(ValueError, match=complaint):
        rate.frame(timecode)


def test_numbers_that_drop_frame_keeps_in_a_tenth_minute():
    assert NTSC_DROP.timecode(NTSC_DROP.frame("00:20:00;00")) == "00:20:00;00"


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(24000, 1001), Fraction(30)])
def test_drop_frame_exists_at_two_rates_only(fps):
    with pytest.raises(ValueError, match=r"29\.97 and 59\.94"):
        FrameRate(fps, drop_frame=True)


@pytest.mark.parametrize("fps", [Fraction(15), Fraction(120), Fraction(90_000), Fraction(0)])
def test_other_rates_are_refused(fps):
    with pytest.raises(ValueError, match=r"23\.976"):
        FrameRate.nearest(fps)


@pytest.mark.parametrize(
    ("fps", "name"),
    [
        (Fraction(2997, 100), "29.97"),
        (Fraction(23_976, 1000), "23.976"),
        (Fraction(2398, 100), "23.976"),
        (Fraction(5994, 100), "59.94"),
        (Fraction(24), "24"),
        (Fraction(30), "30"),
    ],
)
def test_rounded_rates_are_known_again(fps, name):
    assert FrameRate.nearest(fps).fps == RATES[name]


@pytest.mark.parametrize(("start", "end"), [(5, 5), (6, 5), (-1, 5)])
def test_no_stretch_no_frames(start, end):
    with pytest.raises(ValueError, match=str(start)):
        NTSC_DROP.frames_of_samples(start, end, 48_000)


def test_bad_counts():
    with pytest.raises(ValueError, match="-3"):
        NTSC_DROP.timecode(-3)
    with pytest.raises(ValueError, match="0 Hz"):
        NTSC_DROP.frames_of_samples(0, 5, 0)


@pytest.mark.parametrize(
    ("frame_rate", "start", "expected"),
    [
        ((24000, 1001), "01:00:00:00", "02:59:52:19"),
        ((25, 1), "01:00:00:00", "03:00:00:00"),
        ((30000, 1001), "01:00:00;00", "03:00:00;00"),
        ((30000, 1001), "23:00:00;00", "01:00:00;00"),
        ((30000, 1001), None, "01:59:52:24"),
    ],
)
def test_the_title_s_own_start_after_two_hours(frame_rate, start, expected):
    # 7200 s hold 172 627.4 frames at 23.976 and 215 784.2 at 29.97
    two_hours = event(1, 7200 * 48_000, 7201 * 48_000)
    made = document([two_hours], frame_rate=frame_rate, start=start)
    timebase = Timebase.of(made, Fraction(25))
    assert timebase.timecode(timebase.frames(two_hours)[0]) == expected
    assert timebase.notes == ()


@pytest.mark.parametrize(
    ("frame_rate", "start", "note", "at_two_seconds"),
    [
        (None, None, "no frame rate", "00:00:02:00"),
        (None, "10:00:00:00", "no frame rate", "10:00:02:00"),
        ((15, 1), None, "15 frames a second", "00:00:02:00"),
        ((25, 1), "01:00:00;00", "not used.*drop-frame", "00:00:02:00"),
        ((25, 1), "01:00:00:99", "not used.*00 to 24", "00:00:02:00"),
        ((30000, 1001), "01:01:00;00", "not used.*leaves out", "00:00:01:29"),
    ],
)
def test_what_the_title_does_not_tell_is_said(frame_rate, start, note, at_two_seconds):
    made = document(frame_rate=frame_rate, start=start)
    timebase = Timebase.of(made, Fraction(25))
    assert len(timebase.notes) == 1
    assert re.search(note, timebase.notes[0])
    first, _ = timebase.frames(event(1, 96_000, 97_000))
    assert timebase.timecode(first) == at_two_seconds
