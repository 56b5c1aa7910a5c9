"""Stage 3: the ν-SVM on representations, and the linear probes it is compared with."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import optuna
import pandas as pd
from matplotlib.figure import Figure
from pydantic import BaseModel, ConfigDict
from sklearn.metrics import f1_score

from padam.datasets.shard_jobs import fingerprint
from padam.defects.registry import DEFECT_NAMES
from padam.detection.matching import best_threshold
from padam.detection.scorers.padam import (
    FEATURE_EXTRACTOR,
    NAMING,
    NATIVE_EVIDENCE,
    QUALITY_HEAD,
    mean_embedding,
)
from padam.models.defect_classifier import DefectClassifier, LinearProbe
from padam.models.figures import plot_search
from padam.models.nystroem_classifier import NystroemClassifier
from padam.models.refit import RefitConfig, refit_classifier
from padam.models.search import LENGTH, SvmSearchConfig, search_classifier
from padam.training.pairs import Floats

NAMING_REGULARISATION = 30.0
"""Of probabilities, which are to be no more certain on titles than they are right."""


class TrainedOn(BaseModel):
    """What the classifier is fitted on, and chosen by; the paper has clips alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # titles: segments of titles (pipeline training_titles), where a part of 10 s may be defective
    train: Literal["clips", "titles", "both"] = "both"
    validation: Literal["clips", "titles", "both"] = "titles"


def gather_rows(clips: pd.DataFrame, segments: pd.DataFrame, trained_on: TrainedOn) -> pd.DataFrame:
    """Return the rows that the classifier is fitted on and chosen by, of clips and of titles.

    The other splits keep their clips. Raises ValueError where a kind of row that is asked for is
    not there.
    """
    wanted = {"train": trained_on.train, "validation": trained_on.validation}
    tables = [clips[~clips["split"].isin(wanted)]]
    for split, kind in wanted.items():
        for name, table in (("clips", clips), ("titles", segments)):
            if kind in (name, "both"):
                chosen = table[table["split"] == split]
                if chosen.empty:
                    raise ValueError(
                        f"defect_classifier.trained_on.{split} is {kind}, and there are no {name} "
                        f"of the split '{split}'"
                        + (": run the pipeline training_titles." if name == "titles" else ".")
                    )
                tables.append(chosen)
    columns = [column for column in clips.columns if column in segments.columns]
    return pd.concat([table[columns] for table in tables if len(table)], ignore_index=True)


def search_svm(
    representations: pd.DataFrame, storage: optuna.storages.RDBStorage, config: SvmSearchConfig
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Search ν and γ on the training rows, scored on rows of other sources."""
    train, validation = (rows_of(representations, split) for split in ("train", "validation"))
    sources = sources_of(representations, "train") if config.folds > 1 else None
    if sources and set(sources) & set(representations["clip_id"]):
        raise ValueError(
            f"defect_classifier.search.folds is {config.folds}: titles are made of the sources of "
            "clips and of each other, so folds of them share sources. Set it to 1, or "
            "defect_classifier.trained_on.train to clips."
        )
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
    """Fit the best parameters on the training rows; the threshold is the best on validation."""
    classifier = refit_classifier(
        *rows_of(representations, "train"), best, search, refit, evidence_columns(representations)
    )
    rows, labels = rows_of(representations, "validation")
    classifier.threshold = best_threshold(classifier.score(rows), labels.astype(bool))
    return classifier


def fit_probes(
    representations: pd.DataFrame,
    clip_embeddings: Mapping[str, Floats],
    segment_embeddings: Mapping[str, Floats],
) -> dict[str, LinearProbe]:
    """Fit the ablations of PADAM's Table 3: stage 1 and stage 2, each with a linear probe.

    Native-rate evidence has one of its own, where it was measured, and with it defects are named
    (`naming_probes`). Raises ValueError for a row without an embedding.
    """
    of_clips, of_segments = set(clip_embeddings), set(segment_embeddings)
    train = representations[representations["split"] == "train"]
    names = (train["clip_id"] + "." + train["side"]).tolist()
    if missing := [name for name in names if name not in of_clips | of_segments]:
        raise ValueError(
            f"{len(missing)} rows of 'classifier_rows' have no embedding, the first {missing[0]}: "
            "run stages 1 and 2 again."
        )
    pooled = [
        mean_embedding((clip_embeddings if name in of_clips else segment_embeddings)[name][channel])
        for name, channel in zip(names, train["channel"], strict=True)
    ]
    features = {
        FEATURE_EXTRACTOR: np.stack(pooled),
        QUALITY_HEAD: np.stack(train["representation"].tolist()),
        NATIVE_EVIDENCE: np.stack(train["native_evidence"].tolist()),
    }
    labels = train["defective"].to_numpy(dtype=np.int64)
    probes = {
        name: LinearProbe().fit(rows, labels) for name, rows in features.items() if rows.shape[1]
    }
    if NATIVE_EVIDENCE in probes:
        probes |= naming_probes(train)
    return probes


def naming_probes(train: pd.DataFrame) -> dict[str, LinearProbe]:
    """Fit what names a defect from r with native-rate evidence: a probe per defect that occurs.

    An extension: the paper's names are those of the quality head, which hears 16 kHz. None where a
    defect, or its absence, is missing in the training rows.
    """
    rows, _ = rows_of(train, "train")
    defects = train[list(DEFECT_NAMES)].to_numpy(dtype=np.int64)
    if (defects.min(axis=0) == defects.max(axis=0)).any():
        return {}
    return {
        f"{NAMING}{name}": LinearProbe(NAMING_REGULARISATION, balanced=False).fit(rows, column)
        for name, column in zip(DEFECT_NAMES, defects.T, strict=True)
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
            f"No row is in the split '{split}': add sources, raise its share in "
            "params:synthesis.split, or make titles of it (params:training_titles.titles.splits)."
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
