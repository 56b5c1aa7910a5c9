"""Cost and accuracy of the metric fusion.

Run as `python benchmarks/metric_fusion.py [--quick] [--pairs N] [--package-pairs N] [--keep FILE]
[--json PATH]`.

Pairs are synthesised from the sample media at the paper's mix. Each metric is compared with the
package that it comes from: CDPAM with the published recipe (the network of the `cdpam` wheel,
float32, one encode of the reference and one of the degraded signal, whole clip), DNSMOS with
`speechmos`, whose call also computes P.808, ViSQOL and PESQ with the calls that ours stand on. Both
forms score the same channel in turn, in one process, on one thread; only the distances of many
pairs come from two processes at once: `cdpam_max_abs_difference` and `cdpam_spearman` are against
the package's form, which takes about a CPU minute for a clip of 10 s, on `--package-pairs`;
`..._to_float32` against ours in float32, on all `--pairs`. With `--keep` distances are written down
one by one, and a run that was broken off goes on with them. Seconds are CPU seconds; the speed-up
of two workers is wall time and wants an idle machine.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import multiprocessing
import statistics
import time
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numba
import numpy as np
import onnxruntime
import pandas as pd
import torch
from pesq import PesqError, pesq
from scipy.stats import spearmanr
from speechmos import dnsmos
from threadpoolctl import threadpool_limits
from torch.nn import functional
from tqdm import tqdm
from visqol import VisqolApi

from padam.audio.resampling import resample
from padam.defects.shards import ClipRejectedError, synthesise_clip
from padam.quality import cdpam, spectral_convolution
from padam.quality.base import Metric
from padam.quality.cdpam import Cdpam, published_state, resolve_precision
from padam.quality.dnsmos import Dnsmos
from padam.quality.scoring import PairScorer, ScoringConfig
from padam.quality.visqol_v3 import VisqolV3
from padam.quality.wideband_pesq import WidebandPesq
from report import Row, parser, publish, row
from synthesis import MEDIA, PAPER, clip_plan
from workers import two_workers

RATE = 48000
Pair = tuple[np.ndarray, np.ndarray]
Score = Callable[[np.ndarray, np.ndarray], float]
CdpamJob = tuple[Pair, float, str]
OUR_FORMS = ("ours_float32", "ours", "ours_crop")


def main() -> None:
    options = parser("Cost and accuracy of the metric fusion.")
    options.add_argument("--pairs", type=int, help="pairs of CDPAM (default 200, quick 4)")
    options.add_argument(
        "--package-pairs", type=int, help="pairs of the package's CDPAM (default 40, quick 2)"
    )
    options.add_argument("--keep", type=Path, help="file of CDPAM's distances, to go on from")
    arguments = options.parse_args()
    use_one_thread()
    count = arguments.pairs or (4 if arguments.quick else 200)
    of_package = arguments.package_pairs or (2 if arguments.quick else min(count, 40))
    rows = measure(arguments.quick, count, of_package, arguments.keep)
    bfloat16 = resolve_precision("auto") is torch.bfloat16
    publish(rows, arguments.json, torch=torch.__version__, bfloat16=bfloat16)


def measure(quick: bool, count: int, package_pairs: int, keep: Path | None = None) -> list[Row]:
    """Return all rows."""
    duration_s = 2.0 if quick else 10.0
    pairs = list(synthetic_pairs(count, duration_s))
    some = pairs[: 1 if quick else 8]
    timings = [
        *cdpam_cost(some[:5], duration_s),
        *package_forms(some, duration_s),
        *visqol_crop(pairs[: 4 if quick else 48], duration_s),
        *fusion_cost(some, duration_s),
        *two_workers(
            score_job,
            pairs[: 4 if quick else 8],
            rounds=1 if quick else 3,
            initializer=use_one_thread,
            of=f"pairs of {duration_s:g} s",
        ),
    ]
    # the longest part comes last: by then nothing is timed any more
    return [*cdpam_agreement(pairs, package_pairs, duration_s, keep), *timings]


def visqol_crop(pairs: Sequence[Pair], duration_s: float) -> list[Row]:
    """What ViSQOL loses and saves where it hears the most damaged two fifths only."""
    crop = 0.4 * duration_s
    seconds: dict[str, list[float]] = {"whole": [], "crop": []}
    scores: dict[str, list[float]] = {"whole": [], "crop": []}
    forms = {"whole": VisqolV3(), "crop": VisqolV3(crop_s=crop)}
    for pair in tqdm(pairs, "ViSQOL"):
        channel = channel_of(pair, VisqolV3.sample_rate)
        for name, form in forms.items():
            start = time.process_time()
            scores[name].append(form.score(*channel).value)
            seconds[name].append(time.process_time() - start)
    whole, part = (np.array(scores[name]) for name in ("whole", "crop"))
    both = np.isfinite(whole) & np.isfinite(part)
    note = f"the most damaged {crop:g} s, {both.sum()} pairs of {duration_s:g} s"
    cost = float(np.median(np.array(seconds["crop"]) / np.array(seconds["whole"])))
    return [
        row("visqol_spearman_crop", float(spearmanr(whole[both], part[both]).statistic), "", note),
        row("visqol_mean_difference_crop", float(np.mean((part - whole)[both])), "", note),
        row("visqol_cost_of_crop", cost, "x", note),
    ]


def synthetic_pairs(count: int, duration_s: float) -> Iterator[Pair]:
    """Stereo pairs of the sample media; for what cannot be drawn the next one comes."""
    made = 0
    for planned in clip_plan(2 * count):
        if made == count:
            return
        try:
            pair = synthesise_clip(MEDIA, {**planned, "duration_s": duration_s}, PAPER)
        except ClipRejectedError:
            continue
        made += 1
        yield pair.reference, pair.degraded


def cdpam_agreement(
    pairs: Sequence[Pair], package_pairs: int, duration_s: float, keep: Path | None
) -> list[Row]:
    """How far the distances of our cheaper forms of CDPAM are from its float32 form.

    The package's own form costs about a CPU minute a pair, ours in float32 a fifth of it: ours is
    compared with the package's on the first pairs, and the cheaper forms with both.
    """
    channels = [channel_of(pair, Cdpam.sample_rate) for pair in pairs]
    crop = crop_s(duration_s)
    jobs: list[CdpamJob] = [(channel, crop, form) for form in OUR_FORMS for channel in channels]
    jobs += [(channel, crop, "package") for channel in channels[:package_pairs]]
    known = kept_distances(keep)
    missing = [job for job in jobs if digest_of(job) not in known]
    with multiprocessing.get_context("spawn").Pool(2, use_one_thread) as pool:
        found = pool.imap(cdpam_distance, missing)
        for job, distance in zip(missing, tqdm(found, "CDPAM", len(missing)), strict=True):
            known[digest_of(job)] = distance
            if keep is not None:
                with keep.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"pair": digest_of(job), "distance": distance}) + "\n")
    table = pd.DataFrame(
        {
            form: [known.get(digest_of((channel, crop, form)), np.nan) for channel in channels]
            for form in (*OUR_FORMS, "package")
        }
    )
    notes = cdpam_notes(duration_s)
    rows = []
    for form, against in (
        ("ours", "ours_float32"),
        ("ours_crop", "ours_float32"),
        ("ours", "package"),
        ("ours_crop", "package"),
        ("ours_float32", "package"),
    ):
        both = table[[form, against]].dropna()
        end = form.removeprefix("ours")
        beside = "" if against == "package" else "_to_float32"
        note = f"{notes[end]}, {len(both)} pairs of {duration_s:g} s"
        difference = (both[form] - both[against]).abs().max()
        rank = spearmanr(both[form], both[against])[0]
        rows += [
            row(f"cdpam_max_abs_difference{end}{beside}", difference, "", note),
            row(f"cdpam_spearman{end}{beside}", rank, "", note),
        ]
    return rows


def kept_distances(keep: Path | None) -> dict[str, float]:
    """Distances that an earlier run has written down, by the digest of the pair and the form."""
    if keep is None or not keep.exists():
        return {}
    lines = keep.read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines if line.endswith("}")]
    return {row["pair"]: row["distance"] for row in rows}


def digest_of(job: CdpamJob) -> str:
    """Digest of a pair's samples, and of what computes the distance."""
    (reference, degraded), crop, form = job
    code = "" if form == "package" else f"{crop} {resolve_precision('auto')} {our_code()}"
    digest = hashlib.sha256(f"{form} {code}".encode())
    for signal in (reference, degraded):
        digest.update(np.ascontiguousarray(signal).tobytes())
    return digest.hexdigest()[:16]


@functools.cache
def our_code() -> str:
    """Digest of our form's source, whose change makes kept distances worthless."""
    modules = (cdpam, spectral_convolution)
    source = b"".join(Path(str(module.__file__)).read_bytes() for module in modules)
    return hashlib.sha256(source).hexdigest()


def cdpam_cost(pairs: Sequence[Pair], duration_s: float) -> list[Row]:
    """CPU seconds of one channel in the package's form and in ours, pair by pair in turn."""
    channels = [channel_of(pair, Cdpam.sample_rate) for pair in pairs]
    scorers = cdpam_scorers(crop_s(duration_s))
    measured = [
        {name: cpu_seconds(score, *channel)[0] for name, score in scorers.items()}
        for channel in tqdm(channels, "CDPAM, cost")
    ]
    seconds = pd.DataFrame(measured)
    of = f"one channel of {duration_s:g} s, {len(pairs)} pairs"
    rows = [
        row("cdpam_cpu_s_package", seconds["package"].median(), "CPU-s", of),
    ]
    for form, kind in cdpam_notes(duration_s).items():
        ratio = (seconds["package"] / seconds[f"ours{form}"]).median()
        rows += [
            row(f"cdpam_cpu_s_ours{form}", seconds[f"ours{form}"].median(), "CPU-s", kind),
            row(f"cdpam_ratio_package_over_ours{form}", ratio, "x", kind),
        ]
    return rows


def cdpam_distance(job: CdpamJob) -> float:
    """Distance of one pair by one form; NaN for a pair that ours refuses."""
    pair, crop, form = job
    return cdpam_scorers(crop)[form](*pair)


@functools.cache
def cdpam_scorers(crop: float) -> dict[str, Score]:
    """Every form with its weights loaded, once per process."""
    forms = {
        "ours": Cdpam(crop_s=None, precision="auto"),
        "ours_float32": Cdpam(crop_s=None, precision="float32"),
        "ours_crop": Cdpam(crop_s=crop, precision="auto"),
    }
    scorers: dict[str, Score] = {"package": PackageCdpam().score}
    for name, metric in forms.items():
        scorers[name] = functools.partial(value_of, metric)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 5512)).astype(np.float32)
    for score in scorers.values():
        score(*noise)
    return scorers


def cdpam_notes(duration_s: float) -> dict[str, str]:
    """What each of our forms is, by the end of its rows' names."""
    auto = str(resolve_precision("auto")).removeprefix("torch.")
    return {
        "": f"{auto}, whole clip",
        "_float32": "float32, whole clip",
        "_crop": f"{auto}, the most damaged {crop_s(duration_s):g} s",
    }


def crop_s(duration_s: float) -> float:
    """The laptop default's 3 s of 10 s, or as large a share of less."""
    return 0.3 * duration_s


def package_forms(pairs: Sequence[Pair], duration_s: float) -> list[Row]:
    """The other metrics beside their packages' own calls."""
    api = VisqolApi()
    api.create(mode="audio")
    forms: dict[str, tuple[Metric, Score]] = {
        "pesq": (
            WidebandPesq(),
            lambda r, d: pesq(16000, r, d, "wb", on_error=PesqError.RETURN_VALUES),
        ),
        "visqol": (
            VisqolV3(),
            lambda r, d: (
                api.measure_from_arrays(
                    r.astype(np.float64), d.astype(np.float64), sample_rate=RATE
                ).moslqo
            ),
        ),
        "dnsmos": (Dnsmos(), lambda _, d: dnsmos.run(d, 16000)["ovrl_mos"]),
    }
    rows = []
    for name, (metric, package) in forms.items():
        seconds: dict[str, list[float]] = {"ours": [], "package": []}
        differences = []
        value_of(metric, *channel_of(pairs[0], metric.sample_rate))
        package(*channel_of(pairs[0], metric.sample_rate))
        for pair in pairs:
            channel = channel_of(pair, metric.sample_rate)
            ours_s, ours = cpu_seconds(functools.partial(value_of, metric), *channel)
            package_s, theirs = cpu_seconds(package, *channel)
            seconds["ours"].append(ours_s)
            seconds["package"].append(package_s)
            differences.append(abs(ours - theirs))
        of = f"one channel of {duration_s:g} s, {len(pairs)} pairs"
        ratio = statistics.median(
            theirs / ours for theirs, ours in zip(*reversed(seconds.values()), strict=True)
        )
        rows += [
            row(f"{name}_cpu_s_package", statistics.median(seconds["package"]), "CPU-s", of),
            row(f"{name}_cpu_s_ours", statistics.median(seconds["ours"]), "CPU-s", of),
            row(f"{name}_ratio_package_over_ours", ratio, "x", of),
            row(f"{name}_max_abs_difference", np.nanmax(differences), "", of),
        ]
    return rows


def fusion_cost(pairs: Sequence[Pair], duration_s: float) -> list[Row]:
    """CPU seconds of a stereo pair, in the laptop default and by metric."""
    default = ScoringConfig()
    forms = {"cpu_s_per_pair": default}
    forms["cpu_s_per_pair_float32"] = default.model_copy(update={"cdpam_precision": "float32"})
    for name in default.metrics:
        forms[f"cpu_s_per_pair_{name}"] = default.model_copy(update={"metrics": (name,)})
    scorers = {name: PairScorer(config) for name, config in forms.items()}
    for scorer in scorers.values():
        scorer.score(*pairs[0], RATE)
    seconds: dict[str, list[float]] = {name: [] for name in forms}
    for pair in pairs:
        for name, scorer in scorers.items():
            seconds[name].append(cpu_seconds(scorer.score, *pair, RATE)[0])
    auto = str(resolve_precision("auto")).removeprefix("torch.")
    note = {
        "cpu_s_per_pair": f"{duration_s:g} s stereo, laptop default, CDPAM in {auto}",
        "cpu_s_per_pair_float32": "the same, CDPAM in float32",
    }
    return [row(n, statistics.median(s), "CPU-s", note.get(n, "")) for n, s in seconds.items()]


def use_one_thread() -> None:
    """Hold every engine to one thread, the packages' own among them."""
    torch.set_num_threads(1)
    threadpool_limits(1)
    numba.set_num_threads(1)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    single = functools.partial(onnxruntime.InferenceSession, sess_options=options)
    dnsmos.ort = types.SimpleNamespace(InferenceSession=single)


def score_job(pair: Pair) -> float:
    return float(PairScorer().score(*pair, RATE)["cdpam"] or 0.0)


def value_of(metric: Metric, reference: np.ndarray, degraded: np.ndarray) -> float:
    return metric.score(reference, degraded).value


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


def channel_of(pair: Pair, sample_rate: int) -> Pair:
    """The most damaged channel of a pair, at a metric's rate and within full scale."""
    damaged = int(np.argmax([np.square(d - r).sum() for r, d in zip(*pair, strict=True)]))
    reference, degraded = (resample(a[damaged][None], RATE, sample_rate)[0] for a in pair)
    return np.clip(reference, -1, 1), np.clip(degraded, -1, 1)


def cpu_seconds(call: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    start = time.process_time()
    result = call(*arguments)
    return time.process_time() - start, result


if __name__ == "__main__":
    main()
