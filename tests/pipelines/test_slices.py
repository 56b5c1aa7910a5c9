"""Slices of the pipelines on in-memory data whose outcome is known."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
import soundfile
from kedro.framework.startup import bootstrap_project
from kedro.io import DataCatalog
from kedro.runner import SequentialRunner

from padam.audio.media_folder import MediaFolder
from padam.datasets.shard_jobs import Compute, fingerprint
from padam.datasets.shards import ClipShards, ClipShardsDataset
from padam.defects.clip_ids import clip_ids
from padam.defects.plan import PlanConfig
from padam.defects.registry import DEFECT_NAMES
from padam.defects.shards import ClipPair, write_shard
from padam.defects.workflow import ClipParams, WorkflowConfig, deliver, make_pair
from padam.models.native_evidence import native_evidence
from padam.models.quality_head import QualityHead, QualityHeadConfig
from padam.models.quality_regressor import QualityRegressorConfig
from padam.models.refit import RefitConfig
from padam.models.search import SvmSearchConfig
from padam.pipeline_registry import CHAIN, register_pipelines
from padam.pipelines import (
    defect_classifier,
    metric_fusion,
    quality_head,
    quality_regressor,
    synthesis,
)
from padam.pipelines.defect_classifier.nodes import (
    TrainedOn,
    fit_probes,
    gather_rows,
    naming_probes,
    rows_of,
    search_svm,
)
from padam.pipelines.feature_extractor.nodes import measure_native_evidence
from padam.pipelines.metric_fusion.nodes import fuse_quality, score_shard
from padam.pipelines.quality_head.nodes import (
    SIDES,
    paired,
    represent_clips,
    scored_clips,
    train_head,
)
from padam.pipelines.quality_regressor.nodes import fit_regressor
from padam.pipelines.synthesis.nodes import (
    LabelRules,
    collect_manifest,
    compare_draws,
    draw_clip_plan,
    manifest_row,
    render_shard,
    summarise_synthesis,
    synthesise_clips,
)
from padam.quality.examples import ExamplesConfig
from padam.quality.fusion import FusionWeights
from padam.quality.scoring import PairScorer, ScoringConfig
from padam.training.embedding import represent
from padam.training.head_module import QualityHeadTraining
from tests.defects.conftest import RATE, music


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
    nothing_drawn = ClipParams(gain_db=0, defects=(), source_encode=None, transcode=None)
    manifest["params"] = nothing_drawn.model_dump_json()
    pipeline = metric_fusion.create_pipeline().from_nodes("metric_fusion.fit_normaliser")
    found = catalog_run(
        pipeline,
        {
            "metric_scores": scores,
            "clip_manifest": manifest,
            "params:metric_fusion.weights": FusionWeights(),
            "clip_pairs": ClipShards(()),
            "params:metric_fusion.examples": ExamplesConfig(),
        },
    )
    shown = found["quality_examples"].clips["clip_id"]
    assert (shown.iloc[0], shown.iloc[-1]) == (clips[-1], clips[0])
    summary = found["fusion_summary"]
    assert summary["q_hat"]["clean_mean"] > summary["q_hat"]["defective_mean"]
    assert summary["unscored"] == dict.fromkeys(("cdpam", "dnsmos", "pesq", "visqol"), 0)
    assert (summary["clips"], summary["clips_without_q_hat"]) == (20, 0)
    assert summary["by_defect"]["hum"] is None
    json.dumps(summary, allow_nan=False)


def test_what_is_no_pair_is_recorded_and_the_others_are_scored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, 48_000)).astype(np.float32)
    sides = {
        "mono": (noise, noise[:1]),
        "shorter": (noise, noise[:, :-1]),
        "good": (noise, 0.5 * noise),
    }
    clips = [ClipPair(name, *pair, 48_000) for name, pair in sides.items()]
    write_shard(tmp_path / "clips.tar", clips)
    scorer = PairScorer(ScoringConfig(metrics=("pesq",)))
    rows = {row["clip_id"]: row for row in score_shard(tmp_path / "clips.tar", scorer)}
    for name in ("mono", "shorter"):
        assert np.isnan(rows[name]["pesq"])
        assert "same shape" in rows[name]["pesq_reason"]
        assert name in caplog.text
    assert rows["good"]["pesq_reason"] is None


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
                "source": f"s{number // 4}",
                "channel": 0,
                "split": "train" if number < 40 else "validation",
                "defective": defective,
                **dict.fromkeys(DEFECT_NAMES, 0),
                "hum": defective,
                "representation": vector,
                "native_evidence": np.zeros(0),
            }
        )
    return pd.DataFrame(rows), embeddings


NO_SEGMENTS: tuple[dict[str, Any], pd.DataFrame] = ({}, pd.DataFrame({"complete": []}))
CLIPS = TrainedOn(train="clips", validation="clips")


@pytest.mark.parametrize(
    ("folds", "limit", "kind"), [(1, None, "nu_svm"), (3, None, "nu_svm"), (1, 20, "nystroem")]
)
def test_the_classifier_separates_what_is_separable(
    folds: int, limit: int | None, kind: str
) -> None:
    table, embeddings = representations(np.random.default_rng(3))
    extension = ["measure_event_windows", "fit_event_localiser"]
    pipeline = defect_classifier.create_pipeline()
    found = catalog_run(
        pipeline - pipeline.only_nodes(*(f"stage_3_defect_classifier.{n}" for n in extension)),
        {
            "clip_representations": table,
            "segment_representations": table.iloc[:0],
            "embeddings": embeddings,
            "segment_embeddings": {},
            "params:defect_classifier.trained_on": CLIPS,
            "svm_search_storage": optuna.storages.InMemoryStorage(),
            "params:defect_classifier.search": SvmSearchConfig(trials=5, seed=1, folds=folds),
            "params:defect_classifier.refit": RefitConfig(refit_max_rows=limit, n_components=30),
        },
    )
    summary = found["defect_classifier_summary"]
    assert (summary["trials"], summary["folds"]) == (5, folds)
    assert summary["f1"] > 0.95
    assert (summary["kind"], summary["training_rows"]) == (kind, 40)
    assert ("not the exact ν-SVM" in summary["method"]) == (kind == "nystroem")
    assert summary["best_on_edge"] == bool(summary["edges"])
    json.dumps(summary, allow_nan=False)
    assert set(found["ablation_probes"]) == {"feature_extractor", "quality_head"}
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
                "classifier_rows": table[table["split"] == "train"],
                "svm_search_storage": optuna.storages.InMemoryStorage(),
                "params:defect_classifier.search": SvmSearchConfig(trials=2),
            },
        )


def test_representations_of_different_sizes_are_told() -> None:
    table, _ = representations(np.random.default_rng(3))
    table.at[7, "representation"] = np.zeros(12)
    with pytest.raises(ValueError, match=r"different sizes: 39 of 16, 1 of 12"):
        rows_of(table, "train")


def test_native_evidence_is_joined_to_r_and_has_a_probe_of_its_own() -> None:
    rng = np.random.default_rng(3)
    table, embeddings = representations(rng)
    table["representation"] = [rng.normal(size=16) for _ in range(len(table))]
    table["native_evidence"] = [np.full(2, float(value)) for value in table["defective"]]
    rows, labels = rows_of(table, "train")
    assert rows.shape == (40, 18)
    np.testing.assert_array_equal(rows[:, 16:], np.repeat(labels[:, None], 2, axis=1))
    probes = fit_probes(table, embeddings, {})
    assert probes["quality_head"].score(rows[:, :16]).shape == (40,)
    assert probes["native_evidence"].predict(rows[:, 16:]).tolist() == labels.tolist()
    assert not any(name.startswith("names_") for name in probes)  # hum alone: nothing to tell apart


def test_a_defect_is_named_from_r_with_evidence() -> None:
    table, _ = representations(np.random.default_rng(3))
    rng = np.random.default_rng(4)
    which = rng.integers(0, 8, len(table))
    for number, name in enumerate(DEFECT_NAMES):
        table[name] = (which == number).astype(int)
    table["native_evidence"] = [np.eye(8)[n] + 0.1 * rng.normal(size=8) for n in which]
    train = table[table["split"] == "train"]
    probes = naming_probes(train)
    assert list(probes) == [f"names_{name}" for name in DEFECT_NAMES]
    rows = rows_of(table, "train")[0]
    logits = np.stack([probe.decision_function(rows) for probe in probes.values()], axis=1)
    named = which[table["split"] == "train"]
    assert (logits.argmax(axis=1) == named)[named < 7].mean() > 0.95
    assert (logits[named == 7] < 0).all()
    assert naming_probes(train[train["hum"] == 0]) == {}


def test_evidence_is_measured_where_it_is_wanted_and_empty_where_not(tmp_path: Path) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, 24_000)).astype(np.float32)
    known = {"clip_id": "a", "channels": 2}
    write_shard(tmp_path / "clips.tar", [ClipPair("a", noise, np.sign(noise) / 2, 48_000, known)])
    clips = ClipShards((str(tmp_path / "clips.tar"),))
    wanted, unwanted = (
        measure_native_evidence(clips, wanted, "reference", Compute(n_jobs=1))
        for wanted in (True, False)
    )
    assert wanted.fingerprint != unwanted.fingerprint
    found = wanted.jobs["clips"]()
    assert set(found) == {"a.reference", "a.degraded"}
    expected = native_evidence(next(iter(clips)).degraded, 48_000)
    np.testing.assert_array_equal(found["a.degraded"], expected)
    assert unwanted.jobs["clips"]()["a.reference"].shape == (2, 0)


def test_the_clean_member_is_what_its_codecs_deliver(tmp_path: Path) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((1, 48_000)).astype(np.float32)
    coded = WorkflowConfig(source_encode_probability=1.0, channels=1)
    params, reference, degraded = make_pair(np.random.default_rng(1), noise, 48_000, coded)
    known = {"clip_id": "a", "channels": 1, "params": params.model_dump(mode="json")}
    write_shard(tmp_path / "clips.tar", [ClipPair("a", reference, degraded, 48_000, known)])
    clips = ClipShards((str(tmp_path / "clips.tar"),))
    plain, delivered = (
        measure_native_evidence(clips, True, member, Compute(n_jobs=1))
        for member in ("reference", "delivered")
    )
    assert plain.fingerprint != delivered.fingerprint
    found = delivered.jobs["clips"]()["a.reference"]
    kept = next(iter(clips)).reference
    expected = native_evidence(deliver(kept, 48_000, params), 48_000)
    np.testing.assert_array_equal(found, expected)
    assert not np.array_equal(found, plain.jobs["clips"]()["a.reference"])


def test_the_regressor_predicts_the_fused_quality() -> None:
    table, _ = representations(np.random.default_rng(3))
    reference = table.assign(side="reference")
    q_hat = [-float(vector.sum()) for vector in table["representation"]]
    fused = pd.DataFrame({"clip_id": table["clip_id"], "q_hat": q_hat})
    fused.loc[5, "q_hat"] = np.nan
    found = catalog_run(
        quality_regressor.create_pipeline(),
        {
            "clip_representations": pd.concat([reference, table], ignore_index=True),
            "fused_quality": fused,
            "params:quality_regressor.fit": QualityRegressorConfig(c=10.0),
        },
    )
    summary = found["quality_regressor_summary"]
    assert (summary["training_rows"], summary["validation_rows"]) == (39, 20)
    assert summary["clips_without_q_hat"] == 1
    assert summary["spearman"] > 0.8
    assert 0 < summary["rmse"] < np.std(q_hat) / 2
    with pytest.raises(ValueError, match="'clip_representations' and 'fused_quality' do not hold"):
        fit_regressor(table, fused.iloc[1:], QualityRegressorConfig())
    with pytest.raises(ValueError, match=r"no clip with a q̂.*synthesis\.split"):
        fit_regressor(table, fused.assign(q_hat=np.nan), QualityRegressorConfig())


def test_the_regressor_is_no_part_of_the_default_run(project: Path) -> None:
    bootstrap_project(project)
    assert "quality_regressor" not in CHAIN
    assert register_pipelines()["quality_regressor"].nodes


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


def test_fusion_refuses_scores_of_another_plan() -> None:
    scores = pd.DataFrame({"clip_id": ["000000-aaaaaaaa"], "pesq": [3.0]})
    manifest = labelled(["000000-bbbbbbbb"], [""]).assign(split="train")
    pipeline = metric_fusion.create_pipeline().only_nodes("metric_fusion.fit_normaliser")
    with pytest.raises(
        ValueError, match="'metric_scores' and 'clip_manifest' do not hold the same"
    ):
        catalog_run(
            pipeline,
            {
                "metric_scores": scores,
                "clip_manifest": manifest,
                "params:metric_fusion.weights": FusionWeights(),
            },
        )
    with pytest.raises(ValueError, match="000000-aaaaaaaa"):
        fuse_quality(scores, manifest, {}, FusionWeights())


def test_stages_two_and_three_refuse_embeddings_of_another_plan(tmp_path: Path) -> None:
    manifest = labelled(["000000-aaaaaaaa"], [""]).assign(split="train", channel=0)
    fused = pd.DataFrame({"clip_id": ["000000-aaaaaaaa"], "q_rank": [0.5]})
    embeddings = {f"000000-bbbbbbbb.{side}": np.zeros((1, 3, 384)) for side in SIDES}
    with pytest.raises(ValueError, match="'clip_manifest' and 'embeddings' do not hold the same"):
        train_head(embeddings, fused, manifest, *NO_SEGMENTS, tmp_path, QualityHeadTraining())
    with pytest.raises(ValueError, match="--load-versions clip_manifest:VERSION,embeddings:VER"):
        represent_clips(QualityHead(), embeddings, embeddings, manifest)
    mine = {name.replace("bbbbbbbb", "aaaaaaaa"): array for name, array in embeddings.items()}
    with pytest.raises(ValueError, match="'clip_manifest' and 'native_evidence' do not hold"):
        represent_clips(QualityHead(), mine, embeddings, manifest)
    table, mine = representations(np.random.default_rng(3))
    others = {name.replace("0", "9"): array for name, array in mine.items()}
    with pytest.raises(ValueError, match="40 rows of 'classifier_rows' have no embedding"):
        fit_probes(table, others, {})


def stage_2_clips(count: int = 24) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Pairs of excerpts: two versions of each, on the second channel."""
    rng = np.random.default_rng(4)
    clips = [f"{n:06d}-0a0a0a0a" for n in range(count)]
    manifest = labelled(clips, [DEFECT_NAMES[n % 7] if n % 3 else "" for n in range(count)])
    manifest = manifest.assign(channel=1, source=[f"{n // 6}.flac" for n in range(count)])
    manifest["start_s"] = [10.0 * (n // 2 % 3) for n in range(count)]
    manifest["split"] = ["train" if n < 18 else "validation" for n in range(count)]
    fused = pd.DataFrame({"clip_id": clips[::-1], "q_rank": rng.random(count)[::-1]})
    embeddings = {
        f"{clip}.{side}": rng.standard_normal((2, 4, 16)).astype(np.float16)
        for clip in clips
        for side in SIDES
    }
    return manifest, fused, embeddings


def stage_2_segments() -> tuple[dict[str, Any], pd.DataFrame]:
    """Four segments of one title, the third of which is to be left out."""
    rng = np.random.default_rng(5)
    arrays: dict[str, Any] = {}
    for number in range(4):
        name = f"film.{number:05d}"
        arrays[name] = rng.standard_normal((1, 4, 16)).astype(np.float16)
        arrays[f"{name}.native_evidence"] = np.full((1, 3), float(number), dtype=np.float32)
    table = pd.DataFrame({"clip_id": "film", "side": [f"{number:05d}" for number in range(4)]})
    table = table.assign(source="film", split="train", channel=0, defective=[1, 0, 1, 0])
    table[list(DEFECT_NAMES)] = 0
    table["hum"] = table["defective"]
    return arrays, table.assign(complete=[True, True, False, True])


def test_the_classifier_gets_the_rows_that_it_is_to_be_trained_on() -> None:
    clips, _ = representations(np.random.default_rng(3))
    segments = clips.assign(clip_id="film", side="00000", start_s=0.0)
    for kind, count in (("clips", 40), ("titles", 40), ("both", 80)):
        rows = gather_rows(clips, segments, TrainedOn(train=kind, validation="titles"))
        assert (rows["split"] == "train").sum() == count
        held_out = rows[rows["split"] == "validation"]
        assert set(held_out["clip_id"]) == {"film"}
    with pytest.raises(ValueError, match=r"validation is titles, .* run the pipeline training_tit"):
        gather_rows(clips, segments.iloc[:0], TrainedOn(train="clips"))
    with pytest.raises(ValueError, match=r"train is both, and there are no titles"):
        gather_rows(clips, segments.iloc[:0], TrainedOn())
    rows = gather_rows(clips, segments.assign(clip_id=segments["source"]), TrainedOn())
    storage, folds = optuna.storages.InMemoryStorage(), SvmSearchConfig(trials=1, folds=3)
    with pytest.raises(ValueError, match="folds is 3: titles are made of the sources of clips"):
        search_svm(rows, storage, folds)


def test_segments_that_are_asked_for_have_to_be_there(tmp_path: Path) -> None:
    manifest, fused, embeddings = stage_2_clips()
    head = QualityHeadConfig(embedding_width=16)
    config = QualityHeadTraining(head=head, steps=1, batch_size=8, segments=2)
    with pytest.raises(ValueError, match="segments is 2, and no training title has any"):
        train_head(embeddings, fused, manifest, {}, stage_2_segments()[1][:0], tmp_path, config)


def test_versions_of_an_excerpt_share_their_source_clip_in_training() -> None:
    manifest, fused, embeddings = stage_2_clips()
    fused.loc[fused["clip_id"] == manifest["clip_id"][4], "q_rank"] = np.nan
    clips = scored_clips(embeddings, fused, manifest)
    assert len(clips) == 23
    pairs = paired(embeddings, clips)
    excerpts = list(zip(clips["source"], clips["start_s"], strict=True))
    for i, first in enumerate(excerpts):
        for j, second in enumerate(excerpts):
            assert (pairs.source_clips[i] == pairs.source_clips[j]) == (first == second)
    batch = pairs.batch(np.array([5, 2]))
    expected = [embeddings[f"{clips['clip_id'][n]}.{s}"][1] for s in SIDES for n in (5, 2)]
    np.testing.assert_array_equal(batch["embeddings"].numpy(), np.stack(expected))
    ranks = fused.set_index("clip_id")["q_rank"]
    assert batch["q_rank"][2:].tolist() == pytest.approx(
        [ranks[clips["clip_id"][n]] for n in (5, 2)]
    )


def test_stage_2_trains_represents_and_draws_what_it_learned(tmp_path: Path) -> None:
    manifest, fused, embeddings = stage_2_clips()
    head = QualityHeadConfig(
        embedding_width=16, hidden_width=8, projection_width=4, predictor_width=4
    )
    config = QualityHeadTraining(head=head, steps=2, validate_every=2, batch_size=8, segments=4)
    segments = stage_2_segments()
    found = catalog_run(
        quality_head.create_pipeline(),
        {
            "embeddings": embeddings,
            "native_evidence": {name: array[:, 0, :3] for name, array in embeddings.items()},
            "fused_quality": fused,
            "clip_manifest": manifest,
            "segment_embeddings": segments[0],
            "title_segments": segments[1],
            "stage_2_checkpoints": tmp_path,
            "params:quality_head.training": config,
        },
    )
    of_segments = found["segment_representations"]
    assert of_segments["side"].tolist() == ["00000", "00001", "00003"]
    assert of_segments["native_evidence"][2].tolist() == [3.0, 3.0, 3.0]
    assert found["quality_head_summary"]["train_segments"] == 3
    table = found["clip_representations"]
    assert table["side"].value_counts().to_dict() == {"reference": 24, "degraded": 24}
    clip = table.iloc[30]
    same_head = train_head(embeddings, fused, manifest, *segments, tmp_path, config)[0]
    third = represent(same_head, segments[0]["film.00003"])
    np.testing.assert_allclose(of_segments["representation"][2], third[0], atol=1e-6)
    alone = represent(same_head, embeddings[f"{clip['clip_id']}.degraded"][1:])
    np.testing.assert_allclose(clip["representation"], alone[0], atol=1e-6)
    measured = embeddings[f"{clip['clip_id']}.degraded"][1, 0, :3]
    np.testing.assert_array_equal(clip["native_evidence"], measured)
    summary = found["quality_head_summary"]
    assert summary["train_share_defective"] == pytest.approx(12 / 18)
    roc = found["quality_head_roc_figure"].axes[0]
    any_defect = roc.lines[7].get_label()
    assert any_defect == f"any defect: AUC {summary['validation_auc_defective']:.2f}"
    similarity = found["quality_head_similarity_figure"].axes[0].get_title()
    assert f"{summary['validation_similarity_correlation']:.2f}" in similarity
    assert found["quality_head_representations_figure"].axes[0].get_title() == "by quality"


STEMS = ("dialogue/d.flac", "music/m.flac", "music/gone.flac", "effects/e.flac")


@pytest.fixture
def stems(tmp_path: Path) -> MediaFolder:
    for number, name in enumerate(STEMS):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / name, music(8.0, 2, seed=number).T, RATE)
    return MediaFolder(tmp_path, STEMS)


def test_mixes_reach_the_manifest_and_a_missing_layer_costs_its_clip_only(
    stems: MediaFolder, tmp_path: Path
) -> None:
    index = pd.DataFrame(
        {"source": STEMS, "split": "train", "duration_s": 8.0}
        | {"kind": [name.split("/")[0] for name in STEMS]}
    )
    workflow = WorkflowConfig(source_encode_probability=0.0, transcode_probability=0.0)
    plan = draw_clip_plan(
        index[index["source"] != "music/gone.flac"],
        PlanConfig(clips=12, clip_duration_s=2.0, mix_probability=0.5, seed=3),
        workflow,
    )
    layers = json.loads(plan["layers"][plan["layers"] != "[]"].iloc[0])
    lost = plan.index[plan["layers"] != "[]"][0]
    layers[0]["source"] = "music/gone.flac"
    plan.loc[lost, "layers"] = json.dumps(layers)
    with pytest.raises(ValueError, match="changed by hand"):
        synthesise_clips(stems, plan, workflow, Compute())
    plan["clip_id"] = clip_ids(plan.to_dict(orient="records"), fingerprint(workflow))
    stems.path("music/gone.flac").unlink()

    rendered = render_shard(tmp_path, plan.to_dict(orient="records"), workflow)
    (refused,) = rendered.rejected
    assert refused["clip_id"] == plan.loc[lost, "clip_id"]
    assert refused["reason"] == "layer music/gone.flac: file not found"
    folder = tmp_path / "clips"
    folder.mkdir()
    ClipShardsDataset.write_shard(folder / "clips-000000.tar", rendered)
    clips = ClipShardsDataset(filepath=str(folder)).read_folder(folder)
    manifest, rejected = collect_manifest(clips, LabelRules())
    assert manifest["clip_id"].tolist() == plan["clip_id"].drop(lost).tolist()
    assert rejected.to_dict(orient="records") == [refused]
    assert set(manifest["channels"]) == {2}
    planned = plan.set_index("clip_id")["layers"].map(json.loads)
    for clip, text in zip(manifest["clip_id"], manifest["layers"], strict=True):
        laid = [{**layer} for layer in json.loads(text)]
        assert all(np.isfinite(layer.pop("gain_db")) for layer in laid)
        assert laid == planned[clip]
    drawn = compare_draws(manifest, rejected, workflow)
    summary, _ = summarise_synthesis(index, rejected, manifest, rejected, *drawn)
    assert summary["drawn"]["numbers_checked"] > summary["drawn"]["numbers_outside"] == 0
    assert summary["clips"]["mixes"] == sum(map(bool, planned[manifest["clip_id"]])) > 0
