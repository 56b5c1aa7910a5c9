"""AA whole: simulate artifacts on clean titles, train CNN6 on the chunks, evaluate it."""

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from pydantic import BaseModel, ConfigDict, Field

from padam.audio.media_folder import MediaFolder
from padam.audio.storage import Location
from padam.datasets.artifact_chunks import ArtifactChunks
from padam.datasets.shard_jobs import Compute, ShardJobs, fingerprint
from padam.defects.audio_artifacts.config import CLASSES, SimulationConfig
from padam.defects.audio_artifacts.titles import (
    TitlePlanConfig,
    measure_level,
    plan_pieces,
    with_strata,
)
from padam.models.cnn6 import Cnn6
from padam.pipelines.synthesis.nodes import RENDERED_BY, SplitConfig, index_sources
from padam.training.artifact_chunks import render_pieces
from padam.training.artifact_evaluation import (
    ArtifactEvaluation,
    class_table,
    classify_chunks,
    confusion,
    recall_by_severity,
    summarise_chunks,
)
from padam.training.artifact_figures import plot_confusion, plot_recall_by_severity
from padam.training.artifact_module import ArtifactTraining
from padam.training.audio_artifacts import train_audio_artifacts
from padam.training.figures import plot_history


class StrataConfig(BaseModel):
    """By what titles are balanced over the splits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # folders below the root of the media: 1 for genre/…, 2 for genre/language/…
    folders: int = Field(1, ge=1, le=8)


class TitleSplit(SplitConfig):
    """How titles are split, and `left_out`: folders below the root of the media that no split has.

    Films made of the music of other folders, for one, would bring what is tested into training.
    """

    left_out: tuple[str, ...] = ()


def split_titles(
    media: MediaFolder, inspections: pd.DataFrame, split: TitleSplit, strata: StrataConfig
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the usable titles with their split, and the rejected ones with the reason."""
    below = tuple(f"{folder.strip('/')}/" for folder in split.left_out)
    unused = inspections["source"].str.startswith(below)
    told = inspections.assign(
        accepted=inspections["accepted"].astype(bool) & ~unused,
        reason=inspections["reason"].mask(unused, "in a folder that is left out"),
    )
    return index_sources(media, with_strata(told, strata.folders), split)


def measure_levels(media: MediaFolder, titles: pd.DataFrame, compute: Compute) -> ShardJobs:
    """Return the work of measuring each title as it will be read: stereo, or mono if it is."""
    rows = [(str(t.source), 1 if t.channels == 1 else 2) for t in titles.itertuples()]
    size = compute.shard_size
    jobs = {
        f"levels-{first // size:06d}": partial(
            measure_shard, media.root, rows[first : first + size]
        )
        for first in range(0, len(rows), size)
    }
    work = fingerprint(rows, size, media.signature(), RENDERED_BY)
    return ShardJobs(work, jobs, compute, label="titles measured")


def measure_shard(root: Location, rows: list[tuple[str, int]]) -> list[dict[str, Any]]:
    """Measure some titles; one that cannot be read is a row with the reason."""
    return [measure_level(root, source, channels) for source, channels in rows]


def draw_pieces(
    titles: pd.DataFrame, levels: pd.DataFrame, config: TitlePlanConfig
) -> pd.DataFrame:
    """Return one row per piece of a title that is rendered at once."""
    return plan_pieces(titles, levels, config)


def simulate_artifacts(
    media: MediaFolder,
    pieces: pd.DataFrame,
    plan: TitlePlanConfig,
    simulation: SimulationConfig,
    compute: Compute,
) -> ShardJobs:
    """Return the work of rendering all six versions of every piece, in shards."""
    rows: list[dict[str, Any]] = pieces.to_dict(orient="records")  # type: ignore[assignment]
    size = compute.shard_size
    jobs = {
        f"chunks-{first // size:06d}": partial(
            render_pieces, media.root, rows[first : first + size], plan, simulation
        )
        for first in range(0, len(rows), size)
    }
    work = fingerprint(
        pieces.to_json(orient="records"), plan, simulation, size, media.signature(), RENDERED_BY
    )
    return ShardJobs(work, jobs, compute, label="artifacts simulated")


def list_chunks(
    chunks: ArtifactChunks, levels: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return a row per chunk, counts by class beside AA's table 1, and what could not be made."""
    unread = levels.loc[levels["reason"].notna(), ["source", "reason"]]
    rejected = pd.concat([unread.assign(start_s=0.0, version="all"), chunks.rejected])
    rejected = rejected[["source", "start_s", "version", "reason"]].reset_index(drop=True)
    if chunks.table.empty:
        raise ValueError(f"No chunk could be made: {'; '.join(sorted(set(rejected['reason'])))}")
    return chunks.table, class_table(chunks.table), rejected


def train_model(
    chunks: ArtifactChunks,
    checkpoints: Path,
    plan: TitlePlanConfig,
    config: ArtifactTraining,
) -> tuple[Cnn6, pd.DataFrame, dict[str, Any], Figure]:
    """Train CNN6 on the training chunks; the best on the validation chunks is kept."""
    model, history, summary = train_audio_artifacts(
        chunks.log_mel, chunks.table, config, checkpoints, chunk_s=plan.chunk_s
    )
    return model, history, summary, plot_history(history, "Audio Artifacts: CNN6")


def evaluate_model(
    model: Cnn6,
    chunks: ArtifactChunks,
    counts: pd.DataFrame,
    training: dict[str, Any],
    config: ArtifactEvaluation,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any], Figure, Figure]:
    """Return the classified chunks, recall by severity, a summary, and two figures."""
    classified = classify_chunks(model, chunks.log_mel, chunks.table, config.split)
    severity = recall_by_severity(classified, config.severity_bins)
    summary = summarise_chunks(classified, config)
    summary["start"] = training["start"]
    totals = counts.groupby("class")["chunks"].sum()
    summary["by_class"] = {name: int(totals[name]) for name in CLASSES}
    title = f"{summary['chunks']} chunks of {summary['titles']} {config.split} titles"
    return (
        classified,
        severity,
        summary,
        plot_confusion(confusion(classified), title),
        plot_recall_by_severity(severity),
    )
