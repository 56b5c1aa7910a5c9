"""A small archive made on the spot: sound with some life in it, and films in step with it."""

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import soundfile

RATE = 48_000
FPS = 25


def sound(seconds: float, seed: int) -> npt.NDArray[np.float32]:
    """Return (2, samples): a melody of decaying harmonics over a soft floor, never silent."""
    rng = np.random.default_rng(seed)
    count = round(seconds * RATE)
    audio = 0.003 * rng.standard_normal((2, count))
    note_s = np.arange(3 * RATE) / RATE  # it has faded to -104 dB by then
    fade = 0.12 * np.exp(-4 * note_s)
    for onset in range(0, count, RATE // 4):
        pitch_hz = 110.0 * 2 ** (rng.integers(0, 30) / 12)
        after = note_s[: count - onset]
        tone = sum(np.sin(2 * np.pi * pitch_hz * h * after) / h for h in range(1, 6))
        audio[:, onset : onset + len(after)] += tone * fade[: len(after)]
    return (0.6 * audio / np.abs(audio).max()).astype(np.float32)


def write_sound(path: Path, seconds: float, seed: int) -> Path:
    """Write a stereo file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound(seconds, seed).T, RATE, subtype="PCM_16")
    return path


def write_film(path: Path, seconds: float, seed: int) -> Path:
    """Write a film whose picture brightens with its sound."""
    path.parent.mkdir(parents=True, exist_ok=True)
    audio = sound(seconds, seed)
    rng = np.random.default_rng(seed)
    colour = rng.integers(60, 255, 3)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 256, 144, "yuv420p"
        track = container.add_stream("aac", rate=RATE, layout="stereo")
        for number in range(round(seconds * FPS)):
            start = number * RATE // FPS
            level = float(np.sqrt(np.mean(audio[:, start : start + RATE // FPS] ** 2)))
            picture = np.zeros((144, 256, 3), dtype=np.uint8)
            picture[:, : max(1, min(256, int(1200 * level)))] = colour
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(video.encode(frame))
        for start in range(0, audio.shape[1], 1024):
            block = np.ascontiguousarray(audio[:, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = RATE, start
            container.mux(track.encode(frame))
        for stream in (video, track):
            container.mux(stream.encode(None))
    return path


def write_archive(root: Path) -> Path:
    """Write three kinds of material, enough for every split, and one file that is no media."""
    for kind in ("music", "dialogue"):
        for number in range(3):
            write_sound(root / kind / f"{kind}_{number}.flac", 32.0, seed=10 + number)
    for number in range(4):
        write_film(root / "film" / f"film_{number}.mp4", 32.0, seed=20 + number)
    (root / "music" / "broken.flac").write_bytes(b"this is not audio")
    return root
