"""Ablations: what each part of stage 2 is worth, every row on the same clips and seeds.

| row | features | decisions |
|---|---|---|
| `stage_1_mean_std` | mean and standard deviation over time of the embeddings | linear probe |
| a variant's name | its representation r | linear probe, ν-SVM |
| `native_evidence` | what is measured at the source's rate, where it was | linear probe, ν-SVM |
| `<variant>_native_evidence` | both, joined | linear probe, ν-SVM |
"""

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load, save
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from padam.audio.storage import written_whole
from padam.models.binary_classifier import BinaryClassifier
from padam.models.defect_classifier import DefectClassifier, LinearProbe
from padam.models.quality_head import QualityHead
from padam.models.search import search_classifier
from padam.training.ablation_table import (
    LINEAR_PROBE,
    Ablations,
    Arrays,
    Labels,
    Rows,
    evaluated_clips,
    judge,
)
from padam.training.ablation_variants import NATIVE_EVIDENCE, STAGE_1, AblationsConfig, varied
from padam.training.fitting import fingerprint, forget
from padam.training.head_module import QualityHeadTraining
from padam.training.head_validation import head_outputs
from padam.training.pairs import BLOCK_ROWS, PairedEmbeddings
from padam.training.quality_head import train_on_pairs
from padam.training.source_bootstrap import SourceBootstrap

logger = logging.getLogger(__name__)


def run_ablations(
    pairs: PairedEmbeddings,
    training: QualityHeadTraining,
    config: AblationsConfig,
    folder: Path,
    evidence: Rows | None = None,
) -> Ablations:
    """Train every variant on the same pairs and judge it on the clips of `evaluated_split`.

    The head and the result of each row are kept in `folder` under the fingerprint of what they
    depend on, and not computed again; an interrupted training goes on from its checkpoint. ν and γ
    are searched on validation clips, so areas on that split favour the ν-SVM. `evidence` (2, N, K)
    is the native-rate evidence of the references and of the degraded clips, in the order of the
    pairs; None or K = 0 leaves its rows out.

    Raises ValueError where a split that is needed has no clips.
    """
    for split in ("train", "validation", config.evaluated_split):
        if not len(pairs.rows(split)):
            raise ValueError(
                f"The ablations need clips that have a q̂ in the split '{split}', and there are "
                "none: name it in synthesis.plan.splits, or set ablations.evaluated_split."
            )
    evaluated = evaluated_clips(pairs, config.evaluated_split)
    found: dict[str, Arrays] = {}
    rows = list(_rows(pairs, training, config, folder, evidence))
    for number, (name, digest, compute) in enumerate(rows, 1):
        place = folder / f"{name}.{digest[:16]}.safetensors"
        kept = _read(place)
        of = f"ablations: {name}, {number} of {len(rows)}"
        logger.info("%s, %s.", of, "computed before" if kept else "to be computed")
        found[name] = kept or _keep(place, compute())
    bootstrap = SourceBootstrap(evaluated.source, config.bootstrap_rounds, config.seed)
    return judge(found, evaluated, bootstrap, config.evaluated_split)


def _rows(
    pairs: PairedEmbeddings,
    training: QualityHeadTraining,
    config: AblationsConfig,
    folder: Path,
    evidence: Rows | None,
) -> Iterator[tuple[str, str, Callable[[], Arrays]]]:
    """Yield name, fingerprint and computation of each row."""
    unlike = {"variants": {}, "joined_with_evidence": (), "bootstrap_rounds": 0}
    shared = config.model_copy(update=unlike)
    yield STAGE_1, fingerprint(shared, [pairs.digest]), lambda: _stage_1(pairs, config)
    for name, difference in config.variants.items():
        variant = varied(training, difference)

        def compute(name: str = name, variant: QualityHeadTraining = variant) -> Arrays:
            return _variant(pairs, name, variant, config, folder)

        work = [pairs.digest, variant.model_dump(mode="json")]
        yield name, fingerprint(shared, work), compute
    if evidence is None or not evidence.shape[2]:
        return
    measured = hashlib.sha256(np.ascontiguousarray(evidence).data).hexdigest()
    yield (
        NATIVE_EVIDENCE,
        fingerprint(shared, [pairs.digest, measured]),
        lambda: _evidence_alone(pairs, evidence, config),
    )
    for name in config.joined_with_evidence:
        variant = varied(training, config.variants[name])

        def joined(name: str = name, variant: QualityHeadTraining = variant) -> Arrays:
            return _variant(pairs, name, variant, config, folder, evidence)

        work = [pairs.digest, measured, variant.model_dump(mode="json")]
        yield f"{name}_{NATIVE_EVIDENCE}", fingerprint(shared, work), joined


def _stage_1(pairs: PairedEmbeddings, config: AblationsConfig) -> Arrays:
    """Return what mean and standard deviation over time give without any further training."""
    train, evaluated = (_mean_std(pairs, split) for split in ("train", config.evaluated_split))
    probe = LinearProbe().fit(train, _defective(pairs, "train"))
    return {"z": evaluated, LINEAR_PROBE: probe.score(evaluated)}


def _variant(
    pairs: PairedEmbeddings,
    name: str,
    training: QualityHeadTraining,
    config: AblationsConfig,
    folder: Path,
    evidence: Rows | None = None,
) -> Arrays:
    """Return what one head gives, alone or joined with evidence, with either classifier."""
    head = _trained(pairs, name, training, folder / name)
    outputs = {
        split: head_outputs(head, pairs, pairs.rows(split))
        for split in dict.fromkeys(("train", "validation", config.evaluated_split))
    }
    features = {split: output.r for split, output in outputs.items()}
    if evidence is not None:
        features = {
            split: np.concatenate([r, _both_sides(pairs, evidence, split)], axis=1)
            for split, r in features.items()
        }
    width = 0 if evidence is None else evidence.shape[2]
    scores = _classified(pairs, features, config, evidence_columns=width)
    return {"z": outputs[config.evaluated_split].z, **scores}


def _evidence_alone(pairs: PairedEmbeddings, evidence: Rows, config: AblationsConfig) -> Arrays:
    """Return what native-rate evidence gives without any head."""
    features = {
        split: _both_sides(pairs, evidence, split)
        for split in dict.fromkeys(("train", "validation", config.evaluated_split))
    }
    scaler = StandardScaler().fit(features["train"])
    z = scaler.transform(features[config.evaluated_split])
    return {"z": z, **_classified(pairs, features, config)}


def _both_sides(pairs: PairedEmbeddings, evidence: Rows, split: str) -> Rows:
    """Return the evidence of a split's clips (2·N, K), all references first."""
    return np.concatenate(evidence[:, pairs.rows(split)])


def _classified(
    pairs: PairedEmbeddings,
    features: Mapping[str, Rows],
    config: AblationsConfig,
    evidence_columns: int = 0,
) -> Arrays:
    """Return the scores of the evaluated split by a linear probe and by the searched ν-SVM."""
    search = config.search
    train, validation = features["train"], features["validation"]
    labels = _defective(pairs, "train")
    best = search_classifier(
        *(train, labels, validation, _defective(pairs, "validation"), search),
        groups=np.tile(pairs.sources[pairs.rows("train")], 2),
        evidence_columns=evidence_columns,
    ).best_params
    probe = LinearProbe().fit(train, labels)
    svm = DefectClassifier(
        *(best["nu"], best["gamma"]),
        balanced=search.balanced,
        engine=search.engine,
        evidence_columns=evidence_columns,
        r_weight=search.r_weight,
    )
    svm.fit(*_feasible(train, labels, config))
    fitted: tuple[BinaryClassifier, ...] = (probe, svm)
    scores = {each.kind: each.score(features[config.evaluated_split]) for each in fitted}
    return {**scores, **{name: np.array(best[name]) for name in ("nu", "gamma")}}


def _trained(
    pairs: PairedEmbeddings, name: str, training: QualityHeadTraining, folder: Path
) -> QualityHead:
    """Return the trained head, from `folder` where it is kept there."""
    place = folder / f"head.{fingerprint(training, [pairs.digest])[:16]}.safetensors"
    if weights := _read(place):
        head = QualityHead(training.head)
        head.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
        return head.eval()
    head, _, _ = train_on_pairs(pairs, training, folder, stage=f"ablations/{name}")
    _keep(place, {name: tensor.numpy() for name, tensor in head.state_dict().items()})
    forget(folder)
    return head


def _feasible(rows: Rows, labels: Labels, config: AblationsConfig) -> tuple[Rows, Labels]:
    """Return at most `fit_max_rows` training rows, in the proportion of their labels."""
    if config.fit_max_rows is None or len(rows) <= config.fit_max_rows:
        return rows, labels
    kept, _, kept_labels, _ = train_test_split(
        *(rows, labels),
        train_size=config.fit_max_rows,
        stratify=labels,
        random_state=config.seed,
    )
    return kept, kept_labels


def _mean_std(pairs: PairedEmbeddings, split: str) -> Rows:
    """Return mean and standard deviation over time (2·N, 768), all references first."""
    rows = pairs.rows(split)
    parts = []
    for side in (pairs.reference, pairs.degraded):
        for start in range(0, len(rows), BLOCK_ROWS):
            block = np.asarray(side[rows[start : start + BLOCK_ROWS]], dtype=np.float32)
            parts.append(np.concatenate([block.mean(axis=1), block.std(axis=1)], axis=1))
    return np.concatenate(parts)


def _defective(pairs: PairedEmbeddings, split: str) -> Labels:
    """Return 0 and 1 (2·N,) in the order of `_mean_std`."""
    degraded = pairs.labels[pairs.rows(split)].max(axis=1).astype(np.int64)
    return np.concatenate([np.zeros_like(degraded), degraded])


def _read(place: Path) -> Arrays | None:
    """Return a result that was kept, None where there is none that can be read."""
    if not place.is_file():
        return None
    try:
        arrays: Arrays = load(place.read_bytes())
    except SafetensorError as error:
        logger.warning("%s cannot be read (%s): it is computed again.", place, error)
        return None
    return arrays


def _keep(place: Path, arrays: Arrays) -> Arrays:
    """Write a row's result, in place of those of other configurations or data."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(place) as partial:
        partial.write_bytes(save({name: np.asarray(array) for name, array in arrays.items()}))
    row = place.name.split(".")[0]
    for other in place.parent.glob(f"{row}.*.safetensors"):
        if other != place:
            other.unlink()
    return arrays
