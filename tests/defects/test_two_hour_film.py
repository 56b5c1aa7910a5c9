"""A two-hour film with 5.1 sound is inspected and read from in little memory."""

import json
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from tests.audio.signals import programme, write_media

pytestmark = pytest.mark.slow

LOOP_S, LOOPS = 32.0, 225
MAX_RSS_MB = 500

CHILD = """
import json, sys, time
from padam.audio.media import read_audio
from padam.defects.source_inspection import SourceRules, inspect_source

start = time.process_time()
row = inspect_source(sys.argv[1], "film.mkv", SourceRules(max_clipped_share=1))
inspection_s = time.process_time() - start
clips = []
for start_s in (0.0, 3600.0, row["duration_s"] - 10.0):
    start = time.process_time()
    clip = read_audio(sys.argv[1] + "/film.mkv", start_s, 10.0)
    clips.append((start_s, clip.shape, float((clip**2).mean()), time.process_time() - start))
# not ru_maxrss: it starts from the peak of the process that started this one
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([row, inspection_s, clips, int(peak.split()[1]) / 1024]))
"""


def write_film(path: Path) -> Path:
    """Write a loop of 5.1 AC-3 and pictures two hours long, by copying its packets."""
    sound = programme(48000, LOOP_S, 6)
    pictures = np.zeros((round(25 * LOOP_S), 36, 64, 3), np.uint8)
    loop = write_media(
        path.with_name("loop.mkv"), sound, codec="ac3", layout="5.1", frames=pictures
    )
    with av.open(str(loop)) as source, av.open(str(path), "w") as film:
        tracks = [film.add_stream_from_template(stream) for stream in source.streams]
        packets = [
            (packet, tracks[packet.stream.index], packet.time_base, packet.pts, packet.dts)
            for packet in source.demux()
            if packet.pts is not None and packet.dts is not None
        ]
        for turn in range(LOOPS):
            for packet, track, time_base, pts, dts in packets:
                shift = round(turn * LOOP_S / time_base)
                packet.time_base, packet.stream = time_base, track
                packet.pts, packet.dts = pts + shift, dts + shift
                film.mux(packet)
    return path


def test_a_two_hour_film_in_bounded_memory(tmp_path: Path) -> None:
    write_film(tmp_path / "film.mkv")
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path)], capture_output=True, text=True, check=True
    )
    row, inspection_s, clips, peak_mb = json.loads(child.stdout)
    print(f"peak RSS {peak_mb:.0f} MB, inspection {7200 / inspection_s:.0f} x real time, {clips}")
    assert (row["accepted"], row["reason"], row["channels"]) == (True, None, 6)
    assert row["duration_s"] == pytest.approx(LOOP_S * LOOPS, abs=0.1)
    assert [shape for _, shape, *_ in clips] == [[6, 480_000]] * 3
    powers = [power for *_, power, _ in clips]
    assert min(powers) > 0.5 * max(powers) > 0
    assert peak_mb < MAX_RSS_MB
