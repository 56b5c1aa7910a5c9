"""Slices of the pipelines on in-memory data whose outcome is known."""

from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from kedro.io import DataCatalog
from kedro.runner import SequentialRunner

from padam.defects.registry import DEFECT_NAMES
from padam.models.search import SvmSearchConfig
from padam.pipelines import defect_classifier, metric_fusion, synthesis
from padam.pipelines.synthesis.nodes import manifest_row
from padam.quality.fusion import FusionWeights


def catalog_run(pipeline: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    catalog = DataCatalog()
    for name, value in inputs.items():
        catalog[name] = value
    outputs = SequentialRunner().run(pipeline, catalog)
    return {name: dataset.load() for name, dataset in outputs.items()}


def labelled(clips: list[str], labels: list[str]) -> pd.DataFrame:
    table = pd.DataFrame({"clip_id": clips, "labels": labels})
    for name in DEFECT_NAMES:
        table[name] = [int(name in text.split(",")) for text in labels]
    return table


def test_fusion_ranks_damage_whatever_the_sign_of_a_metric() -> None:
    damage = np.linspace(0, 1, 20)
    clips = [f"{n:06d}" for n in range(20)]
    scores = pd.DataFrame(
        {
            "clip_id": clips,
            "cdpam": 0.5 * damage,  # a distance: grows with damage
            "dnsmos": 3.5 - damage,
            "pesq": 4.5 - 3 * damage,
            "visqol": 4.7 - 2 * damage,
        }
    )
    manifest = labelled(clips, ["" if d < 0.2 else "hiss" for d in damage])
    manifest["split"] = ["train"] * 16 + ["validation"] * 4
    pipeline = metric_fusion.create_pipeline().from_nodes("metric_fusion.fit_normaliser")
    found = catalog_run(
        pipeline,
        {
            "metric_scores": scores,
            "clip_manifest": manifest,
            "params:metric_fusion.weights": FusionWeights(),
        },
    )
    summary = found["fusion_summary"]
    assert summary["q_hat"]["clean_mean"] > summary["q_hat"]["defective_mean"]
    assert summary["unscored"] == dict.fromkeys(("cdpam", "dnsmos", "pesq", "visqol"), 0)


def representations(rng: np.random.Generator) -> tuple[pd.DataFrame, dict[str, Any]]:
    rows, embeddings = [], {}
    for number in range(60):
        defective = number % 2
        clip = f"{number:06d}"
        vector = rng.normal(size=16) + 3.0 * defective
        embeddings[f"{clip}.degraded"] = np.repeat(vector[None, None], 5, axis=1)
        rows.append(
            {
                "clip_id": clip,
                "side": "degraded",
                "channel": 0,
                "split": "train" if number < 40 else "validation",
                "defective": defective,
                "representation": vector,
            }
        )
    return pd.DataFrame(rows), embeddings


def test_the_classifier_separates_what_is_separable() -> None:
    table, embeddings = representations(np.random.default_rng(3))
    found = catalog_run(
        defect_classifier.create_pipeline(),
        {
            "clip_representations": table,
            "embeddings": embeddings,
            "svm_search_storage": optuna.storages.InMemoryStorage(),
            "params:defect_classifier.search": SvmSearchConfig(trials=5, seed=1),
        },
    )
    summary = found["defect_classifier_summary"]
    assert summary["trials"] == 5
    assert summary["f1"] > 0.95
    probe = found["ablation_probes"]["feature_extractor"]
    assert probe.predict(np.full((1, 16), 3.0)).tolist() == [1]


def test_a_split_without_clips_names_the_parameter() -> None:
    table, _ = representations(np.random.default_rng(3))
    pipeline = defect_classifier.create_pipeline().only_nodes(
        "stage_3_defect_classifier.search_svm"
    )
    with pytest.raises(ValueError, match=r"synthesis\.split"):
        catalog_run(
            pipeline,
            {
                "clip_representations": table[table["split"] == "train"],
                "svm_search_storage": optuna.storages.InMemoryStorage(),
                "params:defect_classifier.search": SvmSearchConfig(trials=2),
            },
        )


def test_a_manifest_row_names_the_channel_that_was_hit() -> None:
    metadata = {
        "clip_id": "000001",
        "labels": ["hiss"],
        "label_vector": [0, 1, 0, 0, 0, 0, 0],
        "params": {"defects": [{"channels": [1], "defect": "hiss"}]},
    }
    row = manifest_row(metadata)
    assert (row["channel"], row["hiss"], row["hum"], row["labels"]) == (1, 1, 0, "hiss")
    clean = manifest_row(
        {**metadata, "labels": [], "label_vector": [0] * 7, "params": {"defects": []}}
    )
    assert (clean["channel"], clean["labels"]) == (0, "")


def test_the_graph_is_grouped_by_pipeline() -> None:
    nodes = synthesis.create_pipeline().nodes
    assert {node.namespace for node in nodes} == {"synthesis"}
