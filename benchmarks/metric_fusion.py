"""Cost and accuracy of the metric fusion.

Run as `python benchmarks/metric_fusion.py [--quick] [--json PATH]`.

CDPAM is compared with the published recipe: the network of the installed `cdpam` wheel, float32,
one encode of the reference and one of the degraded signal per channel, whole clip. Both forms run
in turn on the same synthetic pairs, in one process, on one thread.
"""

import importlib.metadata
import importlib.util
import multiprocessing
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from threadpoolctl import threadpool_limits
from torch.nn import functional

from padam.audio.resampling import resample
from padam.quality.cdpam import Cdpam, published_state, resolve_precision
from padam.quality.scoring import PairScorer, ScoringConfig
from report import Row, parser, publish, row

RATE = 48000
CLIP_S = 10.0
Pair = tuple[np.ndarray, np.ndarray]


def main() -> None:
    options = parser("Cost and accuracy of the metric fusion.")
    options.add_argument("--pairs", type=int, help="pairs for the agreement (default 24, quick 4)")
    arguments = options.parse_args()
    use_one_thread()
    rows = measure(arguments.quick, arguments.pairs or (4 if arguments.quick else 24))
    bfloat16 = resolve_precision("auto") is torch.bfloat16
    publish(rows, arguments.json, torch=torch.__version__, bfloat16=bfloat16)


def measure(quick: bool, pairs: int) -> list[Row]:
    return fusion_cost(1 if quick else 5) + cdpam_forms(quick, pairs) + worker_speedup(quick)


def fusion_cost(repeats: int) -> list[Row]:
    """CPU seconds of a 10 s stereo pair, in the laptop default and by metric."""
    pair = synthetic_pair(0, CLIP_S, channels=2)
    default = ScoringConfig()
    forms = {"cpu_s_per_pair": default}
    forms["cpu_s_per_pair_float32"] = default.model_copy(update={"cdpam_precision": "float32"})
    for name in default.metrics:
        forms[f"cpu_s_per_pair_{name}"] = default.model_copy(update={"metrics": (name,)})
    scorers = {name: PairScorer(config) for name, config in forms.items()}
    for scorer in scorers.values():
        scorer.score(*pair, RATE)
    seconds: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(repeats):
        for name, scorer in scorers.items():
            seconds[name].append(cpu_seconds(scorer.score, *pair, RATE)[0])
    auto = str(resolve_precision("auto")).removeprefix("torch.")
    note = {
        "cpu_s_per_pair": f"10 s stereo, laptop default, CDPAM in {auto}",
        "cpu_s_per_pair_float32": "the same, CDPAM in float32",
    }
    return [row(n, statistics.median(s), "CPU-s", note.get(n, "")) for n, s in seconds.items()]


def cdpam_forms(quick: bool, pairs: int) -> list[Row]:
    """CDPAM in the package's form and in ours, on one channel."""
    package = PackageCdpam()
    ours = {
        "": Cdpam(crop_s=None, precision="auto"),
        "_float32": Cdpam(crop_s=None, precision="float32"),
        "_crop": Cdpam(crop_s=0.5 if quick else 3.0, precision="auto"),
    }
    duration_s = 1.0 if quick else CLIP_S
    values: dict[str, list[float]] = {name: [] for name in ("package", *ours)}
    seconds: dict[str, list[float]] = {name: [] for name in ("package", *ours)}
    for metric in ours.values():  # weights are loaded once
        metric.score(*at_cdpam_rate(synthetic_pair(1, 1.0, channels=1)))
    for seed in range(pairs):
        pair = at_cdpam_rate(synthetic_pair(seed, duration_s, channels=1))
        for name, score in [("package", package.score)] + [
            (name, lambda r, d, m=metric: m.score(r, d).value) for name, metric in ours.items()
        ]:
            spent, value = cpu_seconds(score, *pair)
            seconds[name].append(spent)
            values[name].append(value)
    of = f"one channel of {duration_s:g} s"
    auto = str(resolve_precision("auto")).removeprefix("torch.")
    kinds = {"": f"{auto}, whole clip", "_float32": "float32, whole clip", "_crop": f"{auto}, crop"}
    package_s = statistics.median(seconds["package"])
    rows = [row("cdpam_cpu_s_package", package_s, "CPU-s", of)]
    for name in ours:
        ours_s = statistics.median(seconds[name])
        ratio = statistics.median(
            a / b for a, b in zip(seconds["package"], seconds[name], strict=True)
        )
        difference = np.abs(np.subtract(values["package"], values[name])).max()
        rank = spearmanr(values["package"], values[name]).statistic
        note = f"{of}, {kinds[name]}"
        rows += [
            row(f"cdpam_cpu_s_ours{name}", ours_s, "CPU-s", note),
            row(f"cdpam_ratio_package_over_ours{name}", ratio, "x", note),
            row(f"cdpam_max_abs_difference{name}", float(difference), "", f"{note}, {pairs} pairs"),
            row(f"cdpam_spearman{name}", float(rank), "", f"{note}, {pairs} pairs"),
        ]
    return rows


def worker_speedup(quick: bool) -> list[Row]:
    """Wall time of the laptop default with two worker processes against one."""
    jobs = list(range(4 if quick else 16))
    duration_s = 4.0 if quick else CLIP_S
    context = multiprocessing.get_context("spawn")
    with context.Pool(2, use_one_thread) as pool:
        # both workers load their engines before the clock starts
        pool.map(score_job, [(seed, 1.0) for seed in range(2)], chunksize=1)
        two = wall_seconds(pool.map, score_job, [(seed, duration_s) for seed in jobs], 1)
    with context.Pool(1, use_one_thread) as pool:
        pool.map(score_job, [(0, 1.0)])
        one = wall_seconds(pool.map, score_job, [(seed, duration_s) for seed in jobs], 1)
    return [row("two_worker_speedup", one / two, "x", f"{len(jobs)} pairs of {duration_s:g} s")]


def use_one_thread() -> None:
    torch.set_num_threads(1)
    threadpool_limits(1)


def score_job(job: tuple[int, float]) -> float:
    seed, duration_s = job
    score = PairScorer().score(*synthetic_pair(seed, duration_s, channels=2), RATE)["cdpam"]
    return float(score or 0.0)


class PackageCdpam:
    """The published recipe on the wheel's own network code, without the package's import.

    (Its `__init__` wants numpy's and resampy's past versions; its `models.py` does not.)
    """

    def __init__(self) -> None:
        path = importlib.metadata.distribution("cdpam").locate_file("cdpam/models.py")
        spec = importlib.util.spec_from_file_location("cdpam_models", str(path))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.network = module.FINnet(
            encoder_layers=16,
            encoder_filters=64,
            ndim=[16, 6],
            classif_dp=0.05,
            classif_BN=0,
            classif_act="no",
            input_size=512,
        )
        self.network.load_state_dict(published_state())
        self.network.eval()

    def score(self, reference: np.ndarray, degraded: np.ndarray) -> float:
        """Distance of two channels at 22.05 kHz."""
        with torch.no_grad():
            embeddings = [
                functional.normalize(
                    self.network.base_encoder(
                        torch.from_numpy(np.round(signal * 32768)).float()[None, None]
                    )[1],
                    dim=1,
                )
                for signal in (reference, degraded)
            ]
            return float(self.network.model_dist(*embeddings))


def synthetic_pair(seed: int, duration_s: float, channels: int) -> Pair:
    """Harmonic notes in noise, and the same with one of five kinds of damage."""
    rng = np.random.default_rng(seed)
    samples = round(duration_s * RATE)
    seconds = np.arange(samples) / RATE
    tone = sum(
        rng.uniform(0.2, 1) * np.sin(2 * np.pi * rng.uniform(80, 4000) * seconds + h)
        for h in range(12)
    )
    notes = np.abs(np.sin(2 * np.pi * rng.uniform(0.5, 3) * seconds)) ** 2
    reference = notes * tone + 0.05 * rng.standard_normal((channels, samples))
    reference *= 0.5 / np.abs(reference).max()
    severity = 10 ** rng.uniform(-3, -0.5)
    damage = seed % 5
    degraded = reference.copy()
    if damage == 0:
        degraded += 0.5 * severity * rng.standard_normal(degraded.shape)
    elif damage == 1:
        degraded += severity * np.sin(2 * np.pi * 50 * seconds)
    elif damage == 2:
        degraded = np.clip(degraded, -0.5 * (1 - severity), 0.3 * (1 - severity))
    elif damage == 3:
        degraded = np.round(degraded / severity) * severity
    else:
        degraded[:, rng.integers(0, samples, max(1, int(severity * samples / 50)))] = 0.9
    return reference.astype(np.float32), np.clip(degraded, -1, 1).astype(np.float32)


def at_cdpam_rate(pair: Pair) -> Pair:
    reference, degraded = (resample(audio, RATE, Cdpam.sample_rate)[0] for audio in pair)
    return reference, degraded


def cpu_seconds(call: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    start = time.process_time()
    result = call(*arguments)
    return time.process_time() - start, result


def wall_seconds(call: Callable[..., Any], *arguments: Any) -> float:
    start = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
