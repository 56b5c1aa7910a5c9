"""Stage 3: the ν-SVM on representations, and the linear probes it is compared with."""

from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import f1_score

from padam.datasets.shard_jobs import fingerprint
from padam.datasets.shards import Arrays
from padam.defects.clip_ids import check_same_clips, clips_of
from padam.detection.matching import best_threshold
from padam.detection.scorers.padam import (
    FEATURE_EXTRACTOR,
    NATIVE_EVIDENCE,
    QUALITY_HEAD,
    mean_embedding,
)
from padam.models.defect_classifier import DefectClassifier, LinearProbe
from padam.models.figures import plot_search
from padam.models.nystroem_classifier import NystroemClassifier
from padam.models.refit import RefitConfig, refit_classifier
from padam.models.search import LENGTH, SvmSearchConfig, search_classifier


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
