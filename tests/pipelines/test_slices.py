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
from padam.pipelines.synthesis.nodes import LabelRules, manifest_row
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


def metadata(*defects: dict[str, Any]) -> dict[str, Any]:
    return {"clip_id": "000001", "labels": [], "params": {"defects": list(defects)}}


def test_a_clip_stands_for_the_channel_that_most_defects_hit() -> None:
    drawn = metadata(
        {"defect": "hum", "channels": [1]},
        {"defect": "clicks", "channels": [0, 1]},
        {"defect": "drops", "channels": [0]},
        {"defect": "hiss", "channels": [1], "in_band_snr_db": 5.0},
    )
    row = manifest_row(drawn, LabelRules())
    assert row["channel"] == 1
    assert [row[name] for name in DEFECT_NAMES] == [1, 1, 0, 0, 0, 0, 1], "drops are on channel 0"
    assert row["labels"] == "hum,hiss,drops,clicks"
    clean = manifest_row(metadata(), LabelRules())
    assert (clean["channel"], clean["labels"]) == (0, "")


def test_hiss_that_is_not_heard_in_band_is_no_label() -> None:
    hiss = {"defect": "hiss", "channels": [0], "in_band_snr_db": 55.0}
    row = manifest_row(metadata(hiss), LabelRules(max_in_band_snr_db=40.0))
    assert (row["hiss"], row["labels"]) == (0, "")


def test_the_graph_is_grouped_by_pipeline() -> None:
    nodes = synthesis.create_pipeline().nodes
    assert {node.namespace for node in nodes} == {"synthesis"}
