"""Whether q̂ falls as each defect grows: rank correlations over sweeps of its severity.

Run as `python benchmarks/severity.py [--quick] [--json PATH]`. For each source and defect one draw
is made and then applied in five steps from mild to severe: another SNR (hum, hiss), longer
interruptions (whose mode goes through all three by source), more samples clipped (over the whole
clip), fewer bits (without dither), more overwritten bytes of a stream, louder clicks; all else
stays as drawn. Scores are those of the laptop default, and q̂ is standardised over all pairs of the
run, the clean clips among them.

`spearman_<defect>` is the median over the sources of the rank correlation of step and -q̂: 1 where
every step scores worse than the one before. `spearman_<defect>_least` is that of the worst source,
`sign_right_<defect>` the share of sources where it is above 0, `clean_best_<defect>` the share
where the clean clip scores above every step, and `spearman_<defect>_<metric>` the median of one
metric alone, higher taken as better.
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
from padam.audio.codec_settings import CodecSettings
from padam.audio.levels import scale_to_peak_db
from padam.audio.media import probe, read_audio
from padam.defects.base import WHOLE, DefectParams
from padam.defects.drops import DropsRanges
from padam.defects.encoding import encode
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
# mild to severe: SNR in dB, share of the drawn durations, clipped samples in percent, bits, modulus
# of the overwritten bytes, amplitude of the clicks
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
    count, duration_s, every = (1, 2.0, 2) if quick else (10, 6.0, 1)
    work = [
        joblib.delayed(sweep)(number, name, defect, duration_s, steps[::every])
        for number, name in enumerate(sources(count, duration_s))
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
        if path.suffix in {".opus", ".flac", ".mp4", ".mkv", ".ogg"}
        and probe(path).duration_s > START_S + duration_s + 1
    ]
    return [found[round(place)] for place in np.linspace(0, len(found) - 1, count)]


def sweep(
    number: int, name: str, defect: str, duration_s: float, steps: Sequence[float]
) -> pd.DataFrame:
    """Score one source clean (step 0) and at every step; rows in the order of severity."""
    clip = read_audio(MEDIA / name, START_S, duration_s, sample_rate=RATE, channels=1)
    clip = scale_to_peak_db(clip, -3.0)
    reference, damage = ladder(number, defect, clip)
    scorer = PairScorer(ScoringConfig())
    rows = []
    for step, degraded in enumerate((reference, *map(damage, steps))):
        # one gain for both where the damage passes full scale, as in the workflow
        gain = np.float32(min(1.0, 1.0 / max(float(np.abs(degraded).max()), 1e-9)))
        scores = scorer.score(reference * gain, degraded * gain, RATE)
        rows.append({"source": name, "defect": defect, "step": step, **scores})
    return pd.DataFrame(rows)


def ladder(number: int, defect: str, clip: Audio) -> tuple[Audio, Damage]:
    """Draw a defect once; return the reference, and what damages it to a given severity."""
    rng = np.random.default_rng([number, list(STEPS).index(defect)])
    module = DEFECTS[defect]
    if defect == "packet_loss":
        # only overwritten bytes, and silence where none decodes; the reference is the intact stream
        ranges = PacketLossRanges(
            dropamount_probability=0, packet_drop_probability=0, stretch_probability=0
        )
        drawn = module.draw(rng, clip, RATE, ranges, WHOLE, codec=STREAM)
        return encode(clip, RATE, STREAM), lambda step: module.apply(
            clip, RATE, drawn.model_copy(update={"amount": int(step)})
        )
    drawn = module.draw(rng, clip, RATE, module.Ranges(), WHOLE)
    if defect == "drops":
        modes = DropsRanges().modes
        drawn = drawn.model_copy(update={"mode": modes[number % len(modes)]})
    return clip, lambda step: module.apply(clip, RATE, harder(drawn, step, clip))


def harder(drawn: Any, step: float, clip: Audio) -> DefectParams:
    """Copy drawn parameters with the one that makes the defect severe."""
    change: dict[str, Any]
    match drawn.defect:
        case "hum" | "hiss":
            change = {"snr_db": step}
        case "drops":
            events = [
                e.model_copy(update={"duration_s": step * e.duration_s}) for e in drawn.events
            ]
            change = {"events": tuple(events)}
        case "clipping":
            low, high = (float(v) for v in np.percentile(clip, [step / 2, 100 - step / 2]))
            whole = Interval(start_s=0, duration_s=clip.shape[1] / RATE)
            change = {"low": low, "high": high, "regions": (whole,)}
        case "quantization":
            change = {"bits": int(step), "dither": "none"}
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
    by_source = [found for _, found in pairs.groupby("source")]
    rows = []
    for name in values:
        ranks = np.array([rank_of(found, values[name]) for found in by_source])
        ranks = ranks[np.isfinite(ranks)]
        if not len(ranks):
            continue
        if name != "q_hat":
            rows.append(row(f"spearman_{defect}_{name}", np.median(ranks), ""))
            continue
        steps = f"{len(ranks)} sources, {pairs['step'].max()} steps"
        best = [values.loc[found.index, name].idxmax() == found.index[0] for found in by_source]
        rows += [
            row(f"spearman_{defect}", np.median(ranks), "", steps),
            row(f"spearman_{defect}_least", ranks.min(), "", "of the sources"),
            row(f"sign_right_{defect}", np.mean(ranks > 0), "", "share of the sources"),
            row(f"clean_best_{defect}", np.mean(best), "", "share of the sources"),
        ]
    return rows


def rank_of(found: pd.DataFrame, values: pd.Series) -> float:
    """Rank correlation of step and lost quality over the damaged steps of one source."""
    damaged = found[found["step"] > 0]
    return float(spearmanr(damaged["step"], -values[damaged.index], nan_policy="omit")[0])


if __name__ == "__main__":
    main()
