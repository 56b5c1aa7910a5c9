"""Whether q̂ falls as each defect grows: rank correlations over sweeps of its severity.

Run as `python benchmarks/severity.py [--quick] [--json PATH]`. A sweep keeps all that was drawn
(places, seeds, waveforms) and changes one parameter, from a mild step to a severe one; the clean
clip is its first step. Scores are those of the laptop default, and q̂ is standardised over all pairs
of the run. `spearman_<defect>` is the median over the sources of the rank correlation of step and
-q̂: 1 where every step scores worse than the one before. `spearman_<defect>_least` is that of the
worst source, `sign_right_<defect>` the share of sources where it is above 0, and
`spearman_<defect>_<metric>` the median of one metric alone, higher taken as better.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from padam.audio import Audio
from padam.audio.codecs import CodecSettings
from padam.audio.levels import scale_to_peak_db
from padam.audio.media import probe, read_audio
from padam.defects.base import WHOLE, DefectParams
from padam.defects.interval import Interval
from padam.defects.packet_loss import PacketLossRanges
from padam.defects.registry import DEFECTS
from padam.quality.fusion import Normaliser, fuse, orient
from padam.quality.scoring import PairScorer, ScoringConfig
from report import Row, parser, publish, row

MEDIA = Path(__file__).parents[1] / "data/01_raw/sample_media"
RATE = 48_000
START_S = 6.0
STREAM = CodecSettings(codec="aac", bitrate_kbps=128)
# mild to severe: SNR in dB, share of the interruptions and of the clicks' full amplitude, clipped
# samples in percent, bits, and the modulus of the overwritten bytes
STEPS: dict[str, tuple[float, ...]] = {
    "hum": (30.0, 22.5, 15.0, 7.5, 0.0),
    "hiss": (30.0, 22.5, 15.0, 7.5, 0.0),
    "drops": (0.1, 0.25, 0.5, 0.75, 1.0),
    "clipping": (2.0, 7.0, 15.0, 25.0, 35.0),
    "quantization": (10.0, 8.0, 6.0, 5.0, 4.0),
    "packet_loss": (20_000, 9_000, 4_000, 2_000, 1_000),
    "clicks": (0.1, 0.25, 0.5, 0.75, 1.0),
}

Damage = Callable[[float], Audio]


def main() -> None:
    arguments = parser("Whether q̂ falls as each defect grows.").parse_args()
    publish(measure(arguments.quick), arguments.json)


def measure(quick: bool) -> list[Row]:
    """Return all rows."""
    count, duration_s, every = (1, 2.0, 4) if quick else (10, 6.0, 1)
    work = [
        joblib.delayed(sweep)(name, defect, duration_s, steps[::every])
        for name in sources(count, duration_s)
        for defect, steps in STEPS.items()
    ]
    pairs = pd.concat(joblib.Parallel(n_jobs=-1, verbose=1)(work), ignore_index=True)
    values = orient(pairs)
    values.insert(0, "q_hat", fuse(pairs, Normaliser.fit(pairs))["q_hat"])
    return [
        each
        for defect in STEPS
        for each in summary(defect, pairs[pairs["defect"] == defect], values)
    ]


def sources(count: int, duration_s: float) -> list[str]:
    """Names of sample media, spread over its folders."""
    found = [
        path.relative_to(MEDIA).as_posix()
        for path in sorted(MEDIA.rglob("*"))
        if path.suffix in {".opus", ".flac", ".mp4", ".ogg"}
        and probe(path).duration_s > START_S + duration_s + 1
    ]
    return [found[round(place)] for place in np.linspace(0, len(found) - 1, count)]


def sweep(name: str, defect: str, duration_s: float, steps: Sequence[float]) -> pd.DataFrame:
    """Score one source clean and at every step; rows in the order of severity."""
    clip = read_audio(MEDIA / name, START_S, duration_s, sample_rate=RATE, channels=1)
    clip = scale_to_peak_db(clip, -3.0)
    reference, damage = ladder(defect, clip)
    scorer = PairScorer(ScoringConfig())
    rows = []
    for number, degraded in enumerate((reference, *(damage(step) for step in steps))):
        # one gain for both where the damage passes full scale, as in the workflow
        gain = np.float32(min(1.0, 1.0 / max(float(np.abs(degraded).max()), 1e-9)))
        scores = scorer.score(reference * gain, degraded * gain, RATE)
        rows.append({"source": name, "defect": defect, "step": number, **scores})
    return pd.DataFrame(rows)


def ladder(defect: str, clip: Audio) -> tuple[Audio, Damage]:
    """Draw a defect once; return the reference, and what damages it to a given severity."""
    rng = np.random.default_rng(7)
    module = DEFECTS[defect]
    if defect == "packet_loss":
        # only the overwritten bytes change; the reference is the intact stream
        ranges = PacketLossRanges(dropamount_probability=0, packet_drop_probability=0)
        drawn = module.draw(rng, clip, RATE, ranges, WHOLE, codec=STREAM)
        reference = module.apply(clip, RATE, drawn.model_copy(update={"amount": 10**6}))
    else:
        drawn = module.draw(rng, clip, RATE, module.Ranges(), WHOLE)
        reference = clip
    order = np.random.default_rng(8).permutation(len(getattr(drawn, "events", ())))
    return reference, lambda step: module.apply(clip, RATE, harder(drawn, step, clip, order))


def harder(drawn: Any, step: float, clip: Audio, order: Sequence[int]) -> DefectParams:
    """Copy drawn parameters with the one that makes the defect severe."""
    change: dict[str, Any]
    match drawn.defect:
        case "hum" | "hiss":
            change = {"snr_db": step}
        case "drops":
            kept = sorted(order[: max(1, round(step * len(order)))])
            change = {"events": tuple(drawn.events[index] for index in kept)}
        case "clipping":
            low, high = (float(v) for v in np.percentile(clip, [step / 2, 100 - step / 2]))
            whole = Interval(start_s=0, duration_s=clip.shape[1] / RATE)
            change = {"low": low, "high": high, "regions": (whole,)}
        case "quantization":
            change = {"bits": int(step), "dither": "none"}
        case "packet_loss":
            change = {"amount": int(step)}
        case _:
            clicks = [
                click.model_copy(update={"amplitude": float(np.copysign(step, click.amplitude))})
                for click in drawn.clicks
            ]
            change = {"clicks": tuple(clicks)}
    changed: DefectParams = drawn.model_copy(update=change)
    return changed


def summary(defect: str, pairs: pd.DataFrame, values: pd.DataFrame) -> list[Row]:
    """Rows of one defect, from the sweeps of all sources."""
    rows = []
    for name in values:
        ranks = [
            float(spearmanr(found["step"], -values.loc[found.index, name], nan_policy="omit")[0])
            for _, found in pairs.groupby("source")
        ]
        if np.isnan(ranks).all():
            continue
        steps = f"{len(ranks)} sources, {pairs['step'].max()} steps and the clean clip"
        if name == "q_hat":
            rows += [
                row(f"spearman_{defect}", np.nanmedian(ranks), "", steps),
                row(f"spearman_{defect}_least", np.nanmin(ranks), ""),
                row(f"sign_right_{defect}", np.mean(np.array(ranks) > 0), "", "share of sources"),
            ]
        else:
            rows.append(row(f"spearman_{defect}_{name}", np.nanmedian(ranks), ""))
    return rows


if __name__ == "__main__":
    main()
