"""How exactly a trained model tells when a defect begins.

Run `python benchmarks/onsets.py --model FOLDER [--media FOLDER] [--titles N] [--threshold T]
[--filter X Y] [--quick] [--json PATH]`.

Titles are joined from excerpts of the media, which the model should not have been trained on. One
defect of 4 to 20 s is laid into each, drawn as everywhere, and the title is scanned like any other.
The true onset is the first 20 ms whose error is audible, not the start of the drawn interval, in
which the first drop or lost packet may come late. A defect is found where an event overlaps it; the
error is from the onset to the start of the first such event. Beside it stands that of the simplest
rule: the first 0.4 s above the threshold in the flagged segments of that event.
"""

import os
import tempfile

os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count() or 1))

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from padam.audio import Audio
from padam.audio.levels import apply_gain_db, peak_db
from padam.audio.media import write_flac
from padam.audio.media_folder import find_media
from padam.defects.audibility import is_audible
from padam.defects.encoding import decode_streams, draw_codec, encode_streams
from padam.defects.source_inspection import SourceRules, inspect_source
from padam.defects.workflow_config import WorkflowConfig
from padam.detection.padam_model import PadamModel
from padam.detection.scan import ScanConfig, scan_title
from padam.detection.scorers.base import EVIDENCE_S, Scorer
from padam.detection.title_defects import lay_defects
from padam.detection.titles import TitlePlan, TitlesConfig, plan_titles, render_title
from report import Row, parser, publish, row
from sample_titles import SAMPLE_MEDIA

DEFECTS = ("drops", "clicks", "packet_loss", "hum")
FRAME_S = 0.02
CEILING_DB = -0.1
SPLIT = "onsets"


@dataclass(frozen=True)
class Outcome:
    """One defect in one title: errors of its onset in s, NaN where it was not found."""

    defect: str
    error_s: float
    simple_error_s: float
    false_events: int
    duration_s: float

    @property
    def found(self) -> bool:
        """Whether an event overlaps the defect."""
        return bool(np.isfinite(self.error_s))


def main() -> None:
    options = parser("Errors of the onsets that a trained model tells.")
    options.add_argument("--model", type=Path, required=True, help="folder of a trained model")
    options.add_argument("--media", type=Path, default=SAMPLE_MEDIA)
    options.add_argument("--titles", type=int, default=25, help="for each defect")
    options.add_argument("--threshold", type=float, help="default: the model's own")
    options.add_argument("--filter", type=float, nargs=2, metavar=("X", "Y"))
    options.add_argument("--seed", type=int, default=0)
    arguments = options.parse_args()
    x_s, y_s = arguments.filter or (None, None)
    scan = ScanConfig(threshold=arguments.threshold, x_s=x_s, y_s=y_s)
    config = TitlesConfig(
        titles=2 if arguments.quick else arguments.titles,
        defective_share=1,
        second_defect_probability=0,
        seed=arguments.seed,
    )
    scorer = PadamModel.load(arguments.model).scorer()
    sources = usable_sources(arguments.media, limit=8 if arguments.quick else None)
    outcomes = insert_and_scan(arguments.media, sources, scorer, config, scan)
    publish(summary(outcomes), arguments.json, torch=torch.__version__, threads=os.cpu_count())


def usable_sources(media: Path, limit: int | None = None) -> pd.DataFrame:
    """Rows (source, duration_s, split) of the files without defects of their own."""
    rows = [inspect_source(media, file, SourceRules()) for file in find_media(media).files[:limit]]
    accepted = [row for row in rows if row["accepted"]]
    return pd.DataFrame(accepted, columns=["source", "duration_s"]).assign(split=SPLIT)


def insert_and_scan(
    media: Path,
    sources: pd.DataFrame,
    scorer: Scorer,
    config: TitlesConfig,
    scan: ScanConfig,
    defects: Sequence[str] = DEFECTS,
) -> list[Outcome]:
    """Scan `config.titles` titles with each defect."""
    workflow = WorkflowConfig()
    outcomes = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "title.flac"
        for defect in defects:
            for plan in plan_titles(sources, config.model_copy(update={"defects": (defect,)})):
                audio, onset_s, end_s = insert(media, plan, config, workflow)
                write_flac(path, audio, workflow.sample_rate)
                document = scan_title(path, scorer, scan)
                outcomes.append(judge(document, defect, onset_s, end_s))
    return outcomes


def insert(
    media: Path, plan: TitlePlan, config: TitlesConfig, workflow: WorkflowConfig
) -> tuple[Audio, float, float]:
    """Audio of a title with its one defect, and when that begins and ends, in s."""
    rate = workflow.sample_rate
    _, clean = render_title(media, plan.model_copy(update={"defects": ()}), config, workflow)
    rng = np.random.default_rng([*plan.seed, 2])
    codec = draw_codec(rng, workflow.source_encode)
    audio, ((params, start_s),) = lay_defects(
        rng, clean, plan.defects, config.defect_s, codec, workflow
    )
    # The stream that loses packets is encoded from its beginning to its end.
    lost = plan.defects == ("packet_loss",)
    intact = decode_streams(encode_streams(clean, rate, codec)) if lost else clean
    from_s = start_s + params.interval.start_s
    onset_s = first_audible_s(intact, audio, rate, from_s, workflow.audible_floor_db)
    audio = apply_gain_db(audio, min(0.0, CEILING_DB - peak_db(audio)))
    return audio, onset_s, from_s + params.interval.duration_s


def first_audible_s(
    intact: Audio, damaged: Audio, rate: int, from_s: float, floor_db: float
) -> float:
    """When the first frame of 20 ms from `from_s` on begins whose error reaches the floor."""
    first, length = int(from_s * rate), round(FRAME_S * rate)
    for start in range(first, intact.shape[1], length):
        frame = slice(start, start + length)
        if is_audible(intact[:, frame], damaged[:, frame], rate, rate / 2, floor_db):
            return start / rate
    raise ValueError("the damaged title differs nowhere from the intact one")


def judge(document: dict[str, Any], defect: str, onset_s: float, end_s: float) -> Outcome:
    """What a detections document says of a defect from `onset_s` to `end_s`."""
    events = document["events"]
    hits = [e for e in events if e["start_s"] < end_s and e["end_s"] > onset_s]
    errors = (float("nan"), float("nan"))
    if hits:
        simple_s = first_above_s(document, hits[0])
        errors = abs(hits[0]["start_s"] - onset_s), abs(simple_s - onset_s)
    duration_s = document["title"]["duration_s"]
    return Outcome(defect, *errors, len(events) - len(hits), duration_s)


def first_above_s(document: dict[str, Any], event: dict[str, Any]) -> float:
    """When the first 0.4 s above the threshold begins in the flagged segments of an event."""
    threshold = document["model"]["threshold"]
    flagged = [
        segment
        for segment in document["segments"]
        if segment["flagged"]
        and segment["start_s"] < event["end_s"]
        and segment["end_s"] > event["start_s"]
    ]
    for segment in flagged:
        above = [
            index
            for score, evidence in zip(
                segment["channel_scores"], segment["evidence"] or [], strict=False
            )
            if score is not None and score >= threshold
            for index, value in enumerate(evidence)
            if value is not None and value >= threshold
        ]
        return float(segment["start_s"] + EVIDENCE_S * min(above, default=0))
    return float(event["start_s"])


def summary(outcomes: list[Outcome]) -> list[Row]:
    """Rows of each defect and of all; errors are of the defects that were found."""
    names = list(dict.fromkeys(outcome.defect for outcome in outcomes))
    rows = []
    for name in [*names, None]:
        own = [outcome for outcome in outcomes if name in (None, outcome.defect)]
        suffix = f"_{name}" if name else ""
        found = [outcome for outcome in own if outcome.found]
        note = f"{len(found)} found of {len(own)} titles"
        rows.append(row(f"onset_found_share{suffix}", len(found) / len(own), "", note))
        if not found:
            continue
        errors = [outcome.error_s for outcome in found]
        simple = [outcome.simple_error_s for outcome in found]
        rows += [
            row(f"onset_error_median_s{suffix}", np.median(errors), "s", note),
            row(f"onset_error_p90_s{suffix}", np.quantile(errors, 0.9), "s", note),
            row(f"onset_error_median_s_first_window{suffix}", np.median(simple), "s", "simplest"),
            row(
                f"onset_error_p90_s_first_window{suffix}",
                np.quantile(simple, 0.9),
                "s",
                "rule: the first 0.4 s above the threshold",
            ),
        ]
    hours = sum(outcome.duration_s for outcome in outcomes) / 3600
    alarms = sum(outcome.false_events for outcome in outcomes)
    rows.append(
        row("onset_false_events_per_hour", alarms / hours, "1/h", f"in {hours:.1f} h of titles")
    )
    return rows


if __name__ == "__main__":
    main()
