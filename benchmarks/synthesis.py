"""Cost of a synthesised clip pair, beside the ffmpeg program and beside audiomentations.

Run as `python benchmarks/synthesis.py [--quick] [--json PATH]`. Seconds are CPU seconds of this
process and its children on one thread, which other work on the machine does not lengthen; the
speed-up of two workers is wall time and wants an idle machine. The mix is the paper's: whole clips,
no bursts of lost packets. audiomentations is compared where it is installed; it asks for an older
soxr but works with ours:
`pip install --no-deps audiomentations numpy-minmax numpy-rms fast-mp3-augment`. Its MP3 runs in
threads and lets LAME choose a lower sample rate at 64 kbit/s; ours keeps the rate asked for.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import resource
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from threadpoolctl import threadpool_limits

from padam.audio.codec_settings import CodecSettings
from padam.audio.codecs import round_trip
from padam.audio.levels import apply_gain_db
from padam.audio.media import probe
from padam.defects.base import WHOLE
from padam.defects.clipping import Clipping
from padam.defects.hiss import Hiss
from padam.defects.packet_loss import PacketLossParams
from padam.defects.quantization import Quantization, QuantizationRanges
from padam.defects.registry import DEFECTS
from padam.defects.shards import ClipPair, ClipRejectedError, synthesise_clip, write_shard
from padam.defects.workflow import ClipParams
from padam.defects.workflow_config import WorkflowConfig
from report import Row, parser, publish, row
from workers import two_workers

MEDIA = Path(__file__).parents[1] / "data/01_raw/sample_media"
RATE = 48_000
CLIP_S = 10.0
PAPER_CLIPS = 250_000
PAPER = WorkflowConfig.model_validate(
    {
        "placement": {"whole_probability": 1.0},
        "ranges": {"packet_loss": {"packet_drop_probability": 0.0}},
    }
)
ENCODERS = {"aac": "aac", "mp3": "libmp3lame", "opus": "libopus"}

PlanRow = dict[str, Any]


def main() -> None:
    arguments = parser("Cost of synthesis.").parse_args()
    with tempfile.TemporaryDirectory() as folder:
        publish(measure(Path(folder), arguments.quick), arguments.json)


def measure(folder: Path, quick: bool) -> list[Row]:
    """Return all rows."""
    plan = clip_plan(16 if quick else 192)
    synthesise(folder, plan[:2])
    return [
        *against_ffmpeg(folder, plan),
        *against_audiomentations(plan, rounds=3 if quick else 9),
        *two_workers(
            partial(synthesise_one, folder),
            plan[: 8 if quick else 64],
            rounds=1 if quick else 5,
            initializer=use_one_thread,
            of="shards of one pair",
        ),
    ]


def clip_plan(clips: int) -> list[PlanRow]:
    """Plan clips of the sample media in turn, so that every kind of source is read."""
    lengths = {
        path.relative_to(MEDIA).as_posix(): probe(path).duration_s
        for path in sorted(MEDIA.rglob("*"))
        if path.suffix in {".opus", ".flac", ".mp3", ".mp4", ".mkv", ".wav", ".ogg"}
    }
    sources = [name for name, length_s in lengths.items() if length_s > CLIP_S + 1]
    rows: list[PlanRow] = []
    for number in range(clips):
        source = sources[number % len(sources)]
        room_s = lengths[source] - CLIP_S - 0.5
        rows.append(
            {
                "clip_id": f"{number:06d}",
                "source": source,
                "split": "train",
                "kind": source.partition("/")[0],
                "start_s": round((7.3 * (number // len(sources))) % room_s, 3),
                "duration_s": CLIP_S,
                "seed": 1,
            }
        )
    return rows


def synthesise(folder: Path, plan: Sequence[PlanRow]) -> list[ClipPair]:
    """Make clip pairs and write them as one shard; silent excerpts are left out."""
    pairs = []
    for each in plan:
        try:
            pairs.append(synthesise_clip(MEDIA, each, PAPER))
        except ClipRejectedError as error:
            print(f"left out: {error}")
    if pairs:
        write_shard(folder / f"{pairs[0].clip_id}.tar", pairs)
    return pairs


def synthesise_one(folder: Path, planned: PlanRow) -> None:
    """Make one clip pair and write it, as a worker does."""
    synthesise(folder, [planned])


def use_one_thread() -> None:
    """Hold a worker to one thread."""
    threadpool_limits(1)


def against_ffmpeg(folder: Path, plan: Sequence[PlanRow]) -> list[Row]:
    """Compare the whole chain, clip by clip, with ffmpeg processes that hand on WAV files.

    The other chain is given the parameters that ours drew, and neither checks nor redraws.
    """
    program = shutil.which("ffmpeg")
    ours: list[float] = []
    other: list[float] = []
    for each in plan:
        made: list[ClipPair] = []
        spent = cpu_seconds(lambda row=each, into=made: into.extend(synthesise(folder, [row])))
        if not made:
            continue
        ours.append(spent)
        if program:
            chain = partial(ffmpeg_chain, program, folder, each, made[0])
            other.append(cpu_seconds(chain))
    mean = statistics.mean(ours)
    rows = [
        row("cpu_s_per_pair", mean, "s", f"mean of {len(ours)} pairs of {CLIP_S:g} s, file to tar"),
        row("cpu_s_per_pair_median", statistics.median(ours), "s"),
        row("core_hours_250k", mean * PAPER_CLIPS / 3600, "h", "the paper's 250 000 clips"),
    ]
    if not program:
        print("ffmpeg is not installed: no ratio over it")
        return rows
    return [
        *rows,
        row("cpu_s_per_pair_ffmpeg_subprocess", statistics.mean(other), "s"),
        row(
            "cpu_ratio_ffmpeg_subprocess_over_ours",
            statistics.mean(other) / mean,
            "x",
            "same clips, same encoders and options; theirs without the audibility check",
        ),
    ]


def ffmpeg_chain(program: str, folder: Path, plan: PlanRow, made: ClipPair) -> None:
    """Make one pair as a script around ffmpeg does: a process and a WAV file per step."""
    params = ClipParams.model_validate(made.metadata["params"])
    run = [program, "-v", "error", "-y", "-threads", "1", "-nostdin"]
    wav = ["-ar", str(RATE), "-ac", "2", "-c:a", "pcm_f32le"]
    excerpt, step = folder / "excerpt.wav", folder / "step.wav"
    cut = ["-ss", str(plan["start_s"]), "-t", str(CLIP_S), "-i", str(MEDIA / plan["source"])]
    subprocess.run([*run, *cut, "-vn", *wav, str(excerpt)], check=True)
    samples, _ = soundfile.read(excerpt, dtype="float32")
    reference = apply_gain_db(samples.T.copy(), params.gain_db)
    degraded = reference
    lost: PacketLossParams | None = None
    for defect in params.defects:
        if isinstance(defect, PacketLossParams):
            lost = defect
        else:
            degraded = DEFECTS[defect.defect].apply(degraded, RATE, defect)
    soundfile.write(step, degraded.T, RATE, subtype="FLOAT")
    if params.source_encode is not None:
        noise = []
        if lost is not None:
            drop = f":dropamount={lost.dropamount}" if lost.dropamount else ""
            noise = ["-bsf:a", f"noise=amount={lost.amount}{drop}"]
        ffmpeg_round_trip(run, wav, step, params.source_encode, [], noise)
    if params.transcode is not None:
        filters = []
        if params.transcode.lowpass_hz is not None:
            filters.append(f"lowpass=f={params.transcode.lowpass_hz}")
        if params.transcode.loudness_lufs is not None:
            filters.append(f"loudnorm=I={params.transcode.loudness_lufs}")
        chain = ["-af", ",".join(filters)] if filters else []
        ffmpeg_round_trip(run, wav, step, params.transcode.codec, chain, [])
    samples, _ = soundfile.read(step, dtype="float32")
    degraded = np.zeros_like(reference)
    count = min(len(samples), degraded.shape[1])
    degraded[:, :count] = samples[:count].T
    pair = ClipPair(made.clip_id, reference, degraded, RATE, made.metadata)
    write_shard(folder / "other.tar", [pair])


def ffmpeg_round_trip(
    run: list[str],
    wav: list[str],
    step: Path,
    codec: CodecSettings,
    filters: list[str],
    noise: list[str],
) -> None:
    """Encode a WAV file and decode it again to the same place, with the options ours uses."""
    packed = step.with_name("packed.mka")
    rate = ["-ar", str(codec.sample_rate)]
    options = ["-c:a", ENCODERS[codec.codec], "-b:a", f"{codec.bitrate_kbps}k"]
    if codec.codec == "aac":
        options += ["-aac_coder", "twoloop" if 32 < codec.bitrate_kbps < 64 else "fast"]
    elif codec.codec == "mp3":
        options += ["-compression_level", "7"]
    else:
        options += ["-application", codec.profile or "lowdelay"]
    if codec.cutoff_hz is not None and codec.codec != "opus":
        options += ["-cutoff", str(codec.cutoff_hz)]
    encode = ["-i", str(step), *filters, *rate, *options, *noise, str(packed)]
    subprocess.run([*run, *encode], check=True)
    back = ["-i", str(packed), *wav, str(step)]
    # a damaged stream makes ffmpeg speak and go on
    subprocess.run([*run, *back], check=not noise, stderr=subprocess.DEVNULL if noise else None)


def against_audiomentations(plan: Sequence[PlanRow], rounds: int) -> list[Row]:
    """Compare the defects that audiomentations has too, drawing and applying, per clip."""
    try:
        import audiomentations
    except ImportError:
        print("audiomentations is not installed: no ratio over it")
        return []
    clip = synthesise_clip(MEDIA, plan[0], PAPER).reference
    rng = np.random.default_rng(0)
    clipping, hiss, quantization = Clipping(), Hiss(), Quantization()
    bits = QuantizationRanges(dithers=("none",), noise_shaping_probability=0.0)
    mp3 = CodecSettings(codec="mp3", bitrate_kbps=64)

    def ours(defect: Any, ranges: Any) -> Callable[[], object]:
        return lambda: defect.apply(clip, RATE, defect.draw(rng, clip, RATE, ranges, WHOLE))

    def theirs(transform: Any) -> Callable[[], object]:
        return lambda: transform(clip, sample_rate=RATE)

    pairs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "clipping": (
            ours(clipping, clipping.Ranges(unbroken_probability=1.0)),
            theirs(audiomentations.ClippingDistortion(7, 35, p=1.0)),
        ),
        "bit_crush": (ours(quantization, bits), theirs(audiomentations.BitCrush(4, 8, p=1.0))),
        "coloured_noise": (
            ours(hiss, hiss.Ranges()),
            theirs(audiomentations.AddColorNoise(0.0, 15.0, -6.0, 6.0, p=1.0)),
        ),
        "mp3": (
            lambda: round_trip(clip, RATE, mp3),
            theirs(audiomentations.Mp3Compression(64, 64, preserve_delay=False, quality=7, p=1.0)),
        ),
    }
    rows = []
    for name, works in pairs.items():
        spent: tuple[list[float], list[float]] = ([], [])
        for _ in range(rounds):
            for seconds, work in zip(spent, works, strict=True):
                seconds.append(cpu_seconds(lambda work=work: [work() for _ in range(3)]) / 3)
        mine, other = (statistics.median(seconds) for seconds in spent)
        rows.append(row(f"cpu_s_{name}", mine, "s", "10 s stereo, drawn and applied"))
        rows.append(row(f"cpu_ratio_audiomentations_over_ours_{name}", other / mine, "x"))
    return rows


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds of this process and of the children that ended meanwhile."""
    before = spent_s()
    work()
    return spent_s() - before


def spent_s() -> float:
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(use.ru_utime + use.ru_stime for use in map(resource.getrusage, who))


if __name__ == "__main__":
    main()
