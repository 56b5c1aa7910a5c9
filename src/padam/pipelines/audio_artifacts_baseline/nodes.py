"""AA beside PADAM on the titles of the evaluation (PADAM Table 2)."""

from functools import partial
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from padam.audio.media import stream_audio
from padam.audio.storage import Location
from padam.datasets.shard_jobs import Compute, ShardJobs, fingerprint
from padam.datasets.titles import TitleFolder
from padam.datasets.torch_model import weights_of
from padam.detection.evaluation_figures import precision_recall_figure
from padam.detection.scorers.audio_artifacts import AudioArtifactsScorer
from padam.detection.scorers.base import worst_channel
from padam.detection.title_evaluation import EvaluationConfig, evaluate_scorers
from padam.models.cnn6 import Cnn6
from padam.pipelines.evaluation.nodes import BLOCK_S, f1_by_scorer


def score_titles(
    model: Cnn6, titles: TitleFolder, chunk_s: float | None, compute: Compute
) -> ShardJobs:
    """Return the work of scoring every title, a title at a time."""
    scorer = AudioArtifactsScorer(model, chunk_s=chunk_s)
    jobs = {
        title: partial(score_title, scorer, titles.path(file), title, split)
        for title, split, file in zip(
            *(titles.titles[column] for column in ("title", "split", "file")), strict=True
        )
    }
    work = fingerprint(scorer.chunk_s, titles.fingerprint(), *weights_of(model))
    return ShardJobs(work, jobs, compute, label="titles scored by Audio Artifacts")


def score_title(
    scorer: AudioArtifactsScorer, path: Location, title: str, split: str
) -> pd.DataFrame:
    """Score one title; the worst channel counts."""
    scores = scorer.score(stream_audio(path, BLOCK_S, sample_rate=scorer.sample_rate))
    return worst_channel(scores).assign(scorer=scorer.name, split=split, title=title)


def compare(
    scores: pd.DataFrame,
    of_artifacts: pd.DataFrame,
    titles: TitleFolder,
    config: EvaluationConfig,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any], Figure]:
    """Return the tables of the evaluation with a further system, a summary, and a figure.

    Raises ValueError where the scores are of other titles.
    """
    ours, theirs = (set(table["title"]) for table in (scores, of_artifacts))
    if ours != theirs:
        raise ValueError(
            f"'title_scores' and 'artifact_title_scores' are of different titles ({len(ours)} and "
            f"{len(theirs)}): run the pipeline `evaluation` again, then this one."
        )
    every = pd.concat([scores, of_artifacts], ignore_index=True)
    evaluation = evaluate_scorers(every, titles.labels, config)
    test = titles.titles[titles.titles["split"] == "test"]
    defective = int(test["title"].isin(set(titles.labels["title"])).sum())
    summary = {
        "scorers": f1_by_scorer(evaluation.systems),
        "titles": {"defective": defective, "clean": len(test) - defective},
    }
    figure = precision_recall_figure(every, titles.labels)
    return evaluation.systems, evaluation.defects, summary, figure
