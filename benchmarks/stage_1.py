"""Stage 1's training: how fast, whether it waits for data, and whether sound finds its picture.

Run as `python benchmarks/stage_1.py [--quick] [--films FOLDER] [--steps N] [--json PATH]`. The
films are the project's samples unless a folder of others is named; of every four the last is held
out, whole. R@1 is the share of held-out clips whose sound finds its own picture among all of them,
and `r1_over_chance` that share times their number, the mean of both directions. Training is that of
the laptop default with more clips in a batch; CPU seconds are those of all threads.

The sample films are too few to learn from. The kept results are of 28 minutes of music and effects,
each film a minute whose picture FFmpeg draws from its sound: the spectrum, frequency upwards, so
that a flip leaves sound and picture together:

    ffmpeg -ss 10 -t 60 -i MUSIC -filter_complex "[0:a]asplit[a][b];[b]showcqt=s=144x256:fps=25:
    axis=0:sono_h=0:bar_h=256,transpose=1,format=yuv420p[v]" -map "[v]" -map "[a]" FILM.mkv
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from padam.training.audio_visual import AudioVisualConfig
from padam.training.stage_1 import Stage1, train_audio_visual
from report import Row, parser, publish, row

SAMPLES = Path(__file__).parents[1] / "data/01_raw/sample_media/film"
SUFFIXES = {".mp4", ".mkv", ".mov", ".webm"}
HELD_OUT_EVERY = 4


def main() -> None:
    options = parser("Stage 1's training.")
    options.add_argument("--films", type=Path, default=SAMPLES, help="folder of films")
    options.add_argument("--steps", type=int, help="of the training (default 900, quick 6)")
    options.add_argument("--cache-gb", type=float, default=2.0, help="0: read clips from the files")
    options.add_argument("--workers", type=int, default=0, help="processes that read ahead")
    arguments = options.parse_args()
    publish(measure(arguments), arguments.json)


def measure(arguments: argparse.Namespace) -> list[Row]:
    """Return all rows."""
    quick = arguments.quick
    films = sorted(path for path in arguments.films.rglob("*") if path.suffix in SUFFIXES)
    held_out = films[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY]
    training = [film for film in films if film not in held_out]
    steps = arguments.steps or (6 if quick else 900)
    config = AudioVisualConfig(
        steps=steps,
        validate_every=max(1, steps // 6),
        batch_size=8 if quick else 32,
        validation_clips=16 if quick else 64,
        window_coverage="whole",
        cache_gb=arguments.cache_gb,
        loader_workers=arguments.workers,
    )
    with tempfile.TemporaryDirectory() as folder:
        wall, cpu = time.perf_counter(), cpu_s()
        trained = train_audio_visual(training, held_out, config, Path(folder))
        wall, cpu = time.perf_counter() - wall, cpu_s() - cpu
    return rows(trained, config, wall, cpu)


def cpu_s() -> float:
    """Return the CPU seconds of this process and of those that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def rows(trained: Stage1, config: AudioVisualConfig, wall_s: float, cpu_s: float) -> list[Row]:
    summary = trained.summary
    clips = summary["validation_clips"]
    r1 = {way: summary[f"validation_{way}_r1"] for way in ("audio_to_video", "video_to_audio")}
    held = f"{clips} clips of {config.clip_s:g} s of {summary['validation_films']} held-out films"
    trained_on = f"{summary['films']} films, {summary['film_minutes']:.1f} min"
    return [
        row("r1_over_chance", sum(r1.values()) / 2 * clips, "x", "mean of both directions"),
        *(row(f"{way}_r1", value, "", held) for way, value in r1.items()),
        row("loss_first", summary["loss_first"], "", trained_on),
        row("loss_last", summary["loss_last"], "", f"step {config.steps}"),
        row("validation_loss", summary["validation_loss"], "", held),
        row("steps_per_s", config.steps / wall_s, "1/s", "wall time, reading and validation too"),
        row("clips_per_s", config.steps * config.batch_size / wall_s, "1/s", ""),
        row("cpu_min", cpu_s / 60, "CPU-min", "the whole training"),
        row("data_wait_share", summary["data_wait_share"], "", "of the trainer's time"),
    ]


if __name__ == "__main__":
    main()
