"""Stage 3: the ν-SVM on representations, and the linear probes it is compared with."""

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import f1_score

from padam.audio.media import probe, stream_audio
from padam.audio.storage import Location
from padam.datasets.shard_jobs import Compute, ShardJobs, fingerprint
from padam.datasets.shards import Arrays, ArrayShards, read_arrays
from padam.datasets.titles import TitleFolder
from padam.defects.clip_ids import check_same_clips, clips_of
from padam.detection.matching import best_threshold
from padam.detection.scorers.padam import (
    FEATURE_EXTRACTOR,
    NATIVE_EVIDENCE,
    QUALITY_HEAD,
    mean_embedding,
)
from padam.models.defect_classifier import DefectClassifier, LinearProbe
from padam.models.event_localiser import EventLocaliser
from padam.models.figures import plot_search
from padam.models.native_evidence.windows import WINDOWS_VERSION
from padam.models.nystroem_classifier import NystroemClassifier
from padam.models.refit import RefitConfig, refit_classifier
from padam.models.search import LENGTH, SvmSearchConfig, search_classifier
from padam.pipelines.evaluation.scoring import digest_files
from padam.training.event_localiser import (
    LocaliserFitConfig,
    TitleWindows,
    fit_event_localiser,
    judge_event_localiser,
    measure_title,
    window_truth,
)

WINDOWS_ARRAY = "windows"
BLOCK_S = 60.0
"""Whole windows of 0.4 s: a block's edge parts none."""


def search_svm(
    representations: pd.DataFrame, storage: optuna.storages.RDBStorage, config: SvmSearchConfig
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Search ν and γ on the training clips, scored on clips of other sources."""
    train, validation = (rows_of(representations, split) for split in ("train", "validation"))
    sources = sources_of(representations, "train") if config.folds > 1 else None
    data = [array.tobytes() for array in (*train, *validation)]
    result = search_classifier(
        *train,
        *validation,
        config,
        groups=sources,
        evidence_columns=evidence_columns(representations),
        storage=storage,
        # A study of other data is another study; the same data goes on where it was stopped.
        study_name=f"svm-{fingerprint(config.model_dump(exclude=set(LENGTH)), sources, *data)}",
    )
    return result.trials, result.best_params


def fit_classifier(
    representations: pd.DataFrame,
    best: dict[str, float],
    search: SvmSearchConfig,
    refit: RefitConfig,
) -> DefectClassifier | NystroemClassifier:
    """Fit the best parameters on the training clips; the threshold is the best on validation."""
    classifier = refit_classifier(
        *rows_of(representations, "train"), best, search, refit, evidence_columns(representations)
    )
    rows, labels = rows_of(representations, "validation")
    classifier.threshold = best_threshold(classifier.score(rows), labels.astype(bool))
    return classifier


def fit_probes(representations: pd.DataFrame, embeddings: Arrays) -> dict[str, LinearProbe]:
    """Fit the ablations of PADAM's Table 3: stage 1 and stage 2, each with a linear probe.

    Native-rate evidence has one of its own, where it was measured.
    """
    check_same_clips(
        {
            "clip_representations": representations["clip_id"],
            "embeddings": clips_of(embeddings),
        }
    )
    train = representations[representations["split"] == "train"]
    pooled = [
        mean_embedding(embeddings[f"{clip}.{side}"][channel])
        for clip, side, channel in zip(
            train["clip_id"], train["side"], train["channel"], strict=True
        )
    ]
    features = {
        FEATURE_EXTRACTOR: np.stack(pooled),
        QUALITY_HEAD: np.stack(train["representation"].tolist()),
        NATIVE_EVIDENCE: np.stack(train["native_evidence"].tolist()),
    }
    labels = train["defective"].to_numpy(dtype=np.int64)
    return {
        name: LinearProbe().fit(rows, labels) for name, rows in features.items() if rows.shape[1]
    }


def summarise_classifier(
    representations: pd.DataFrame,
    classifier: DefectClassifier | NystroemClassifier,
    trials: pd.DataFrame,
    best: dict[str, float],
    config: SvmSearchConfig,
) -> tuple[dict[str, Any], Figure]:
    """Return the outcome of the search, and a figure of it."""
    rows, labels = rows_of(representations, "validation")
    edges = config.edges_near(best)
    summary = {
        "kind": classifier.kind,
        "method": classifier.method,
        "fitted_by": classifier.fitted_by,
        "training_rows": classifier.training_rows,
        "nu": classifier.nu,
        "gamma": classifier.gamma,
        "sigma": classifier.sigma,
        "threshold": classifier.threshold,
        "trials": len(trials),
        "pruned": int((trials["state"] == "pruned").sum()),
        "folds": config.folds,
        "scored_by": config.scored_by,
        "search_score": float(trials["score"].max()),
        "best_on_edge": bool(edges),
        "edges": edges,
        "f1": float(f1_score(labels, classifier.predict(rows), zero_division=0.0)),
    }
    return summary, plot_search(trials, config)


def measure_event_windows(titles: TitleFolder, compute: Compute) -> ShardJobs:
    """Return the work of measuring the windows of every title with defects, a title at a time.

    What was measured before is not measured again for other titles or labels.
    """
    defective = titles.titles["title"].isin(titles.labels["title"])
    rows = titles.titles.loc[defective, ["title", "file"]].astype(str)
    paths = {title: titles.path(file) for title, file in rows.itertuples(index=False)}
    digests = digest_files(paths)
    keys = {title: fingerprint(WINDOWS_VERSION, digest) for title, digest in digests.items()}
    jobs = {title: partial(event_windows, path) for title, path in paths.items()}
    return ShardJobs(fingerprint(keys), jobs, compute, label="titles measured", keys=keys)


def event_windows(path: Location) -> Arrays:
    """Return the evidence of each 0.4 s of a title, at its own rate."""
    rate = probe(path).sample_rate
    return {WINDOWS_ARRAY: measure_title(stream_audio(path, BLOCK_S, sample_rate=rate), rate)}


def fit_localiser(
    windows: ArrayShards, titles: TitleFolder, config: LocaliserFitConfig
) -> tuple[EventLocaliser, dict[str, Any]]:
    """Fit the event localiser on the training titles; what it is worth on those of validation."""
    known = {split: known_windows(windows, titles, split) for split in ("train", "validation")}
    localiser = fit_event_localiser(known["train"], config)
    return localiser, {
        "titles": {split: len(each) for split, each in known.items()},
        **{split: judge_event_localiser(localiser, each) for split, each in known.items()},
    }


def known_windows(windows: ArrayShards, titles: TitleFolder, split: str) -> dict[str, TitleWindows]:
    """Return the windows of a split's titles with defects, and how much of each is defective."""
    chosen = titles.titles.loc[titles.titles["split"] == split, "title"].astype(str)
    found = {}
    for title in chosen[chosen.isin(set(windows.by_name))]:
        measured = read_arrays(windows.by_name[title])[WINDOWS_ARRAY]
        labels = titles.labels[titles.labels["title"] == title]
        intervals = labels[["start_s", "end_s"]].astype(float).itertuples(index=False)
        found[title] = TitleWindows(measured, window_truth(intervals, len(measured)))
    return found


def rows_of(
    representations: pd.DataFrame, split: str
) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Return a split's rows (n, width + K) and labels (n,), 1 = defective.

    A row is the representation r with the native-rate evidence joined to it.
    """
    chosen = representations[representations["split"] == split]
    if chosen.empty:
        raise ValueError(
            f"No clip is in the split '{split}': add sources, or raise its share in "
            "params:synthesis.split."
        )
    widths = chosen["representation"].map(len)
    if widths.nunique() > 1:
        counts = ", ".join(f"{n} of {width}" for width, n in widths.value_counts().items())
        raise ValueError(
            f"Representations of the split '{split}' have different sizes: {counts}. They come "
            "from different quality heads: run `quality_head` again."
        )
    rows = np.concatenate(
        [np.stack(chosen[name].tolist()) for name in ("representation", "native_evidence")], axis=1
    )
    return rows, chosen["defective"].to_numpy(dtype=np.int64)


def evidence_columns(representations: pd.DataFrame) -> int:
    """Return how many values of native-rate evidence are joined to each clip's r."""
    return len(representations["native_evidence"].iloc[0])


def sources_of(representations: pd.DataFrame, split: str) -> list[str]:
    """Return the source (n,) of each of a split's clips."""
    return representations.loc[representations["split"] == split, "source"].astype(str).tolist()
