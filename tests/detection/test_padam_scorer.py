"""PADAM and its ablations as scorers."""

import gc
import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load, save

from padam.audio.media import write_flac
from padam.audio.resampling import resample
from padam.detection.padam_model import PadamModel
from padam.detection.scan import ScanConfig, scan_title
from padam.detection.scorers import base
from padam.detection.scorers.base import (
    SEGMENT_COLUMNS,
    LocalisingScorer,
    NativeRateScorer,
    Scorer,
    evidence_columns,
    worst_channel,
)
from padam.detection.scorers.padam import PadamAblations, PadamScorer, mean_embedding
from padam.detection.title_embeddings import TitleEmbeddings, embed_title
from padam.models.defect_classifier import LinearProbe
from padam.models.native_evidence import native_evidence
from padam.training.embedding import embed_audio, represent

RATE = 16_000
AUDIO = np.random.default_rng(5).standard_normal((2, 25 * RATE)).astype(np.float32) / 10


def test_one_row_per_segment_and_channel_with_probabilities(tiny_model):
    scorer = tiny_model.scorer()
    assert isinstance(scorer, Scorer)
    scores = scorer.score([AUDIO])
    assert list(scores.columns[:4]) == SEGMENT_COLUMNS
    assert [name for name in scores if name.startswith("p_")] == [
        f"p_{label}" for label in tiny_model.label_names
    ]
    assert len(scores) == 3 * 2
    values = scores.drop(columns=["start_s", "end_s", "channel"]).to_numpy(dtype=float)
    assert ((values >= 0) & (values <= 1)).all()


def test_scores_are_those_of_the_three_stages_one_by_one(tiny_model):
    scores = tiny_model.scorer().score([AUDIO[:, : 10 * RATE]])
    r = represent(tiny_model.quality_head, embed_audio(tiny_model.encoder, AUDIO[:, : 10 * RATE]))
    np.testing.assert_allclose(scores["score"], tiny_model.classifier.score(r), atol=1e-6)


def test_blocks_do_not_matter(tiny_model):
    whole = tiny_model.scorer().score([AUDIO])
    pieces = tiny_model.scorer().score(np.array_split(AUDIO, 7, axis=1))
    np.testing.assert_allclose(whole.to_numpy(float), pieces.to_numpy(float), atol=1e-5)


def test_a_long_title_leaves_nothing_behind_but_its_numbers(tiny_model):
    """What stays between the batches would keep the heap from using their space again."""
    minute = np.random.default_rng(0).uniform(-0.1, 0.1, (2, 60 * RATE)).astype(np.float32)
    kept = []

    def title(minutes):
        for _ in range(minutes):
            gc.collect()
            kept.append(tracemalloc.get_traced_memory()[0])  # the minutes before are scored
            yield minute

    scorer = tiny_model.scorer()
    scorer.score([minute])  # what is imported and cached at the first use
    tracemalloc.start()
    try:
        scores = scorer.score(title(15))
    finally:
        tracemalloc.stop()
    assert len(scores) == 15 * 6 * 2
    # 12 rows of 36 numbers are 3.5 kB, whose room was there from the first minute on
    assert kept[-1] - kept[3] < 11 * 1500


def test_a_table_grows_and_keeps_the_types_of_its_columns(monkeypatch):
    monkeypatch.setattr(base, "FIRST_ROWS", 3)
    rng = np.random.default_rng(0)
    batches = [
        pd.DataFrame(
            {
                "channel": np.arange(rows),
                "score": rng.random(rows),
                "p_hum": rng.random(rows).astype(np.float32),
            }
        )
        for rows in (2, 1, 4, 1, 30)
    ]
    table = base.ScoreTable()
    for batch in batches:
        table.append(batch)
    pd.testing.assert_frame_equal(table.frame(), pd.concat(batches, ignore_index=True))
    with pytest.raises(KeyError, match="p_hum"):
        table.append(batches[0][["channel", "score"]])
    assert base.ScoreTable().frame().empty


def test_swapped_channels_swap_their_scores(tiny_model):
    scores = tiny_model.scorer().score([AUDIO])
    swapped = tiny_model.scorer().score([AUDIO[::-1].copy()])
    np.testing.assert_allclose(
        scores.loc[scores["channel"] == 0, "score"],
        swapped.loc[swapped["channel"] == 1, "score"],
        atol=1e-5,
    )


def test_audio_that_is_not_finite_is_left_unscored(tiny_model):
    broken = AUDIO.copy()
    broken[0, 3] = np.nan
    scores = tiny_model.scorer().score([broken])
    assert scores["score"].isna().tolist() == [True] + 5 * [False]
    assert scores["p_hum"].isna().sum() == 1


def test_silence_and_an_empty_title(tiny_model):
    silence = np.zeros((2, 10 * RATE), np.float32)
    silence[0, ::2] = 2**-16  # dither
    silence[1, 5] = 1e-3
    scores = tiny_model.scorer().score([silence])["score"]
    assert np.isfinite(scores).tolist() == [False, True]
    assert tiny_model.scorer().score([]).empty


def test_evidence_is_the_score_of_what_each_window_adds(tiny_model):
    table = tiny_model.scorer().score([AUDIO[:, : 20 * RATE]])
    columns = evidence_columns(table)
    assert columns == [f"e_{n}" for n in range(25)]
    embeddings = embed_audio(tiny_model.encoder, AUDIO[:, : 10 * RATE])
    with torch.inference_mode():
        hidden = tiny_model.quality_head(torch.from_numpy(embeddings.astype(np.float32)))
    windows = hidden.reshape(len(hidden) * 25, 3, -1).mean(dim=1).numpy()
    expected = tiny_model.classifier.score(windows).reshape(-1, 25)
    rows = table[table["start_s"] == 0]
    np.testing.assert_allclose(rows[columns].to_numpy(), expected, atol=1e-5)


def test_ablations_hold_the_same_padam_scores_and_their_probes(tiny_model):
    scorer = PadamAblations(tiny_model)
    table = scorer.score([AUDIO])
    assert table["scorer"].unique().tolist() == ["feature_extractor", "quality_head", "padam"]
    padam = table.loc[table["scorer"] == "padam", "score"]
    np.testing.assert_allclose(padam, tiny_model.scorer().score([AUDIO])["score"], atol=1e-5)
    first = embed_audio(tiny_model.encoder, AUDIO[:, : 10 * RATE])
    expected = tiny_model.probes["feature_extractor"].score(mean_embedding(first))
    np.testing.assert_allclose(table["score"].iloc[:2], expected, atol=1e-5)
    assert len(worst_channel(table)) == 3 * 3
    assert scorer.score([]).empty


def test_ablations_need_their_probes(tiny_model):
    bare = PadamModel(
        tiny_model.encoder, tiny_model.quality_head, tiny_model.classifier, 0.5, ("hum",)
    )
    with pytest.raises(ValueError, match="no linear probe for"):
        PadamAblations(bare)


@pytest.mark.parametrize("scorer", [PadamAblations, PadamScorer])
def test_scores_of_embeddings_are_those_of_the_audio(tiny_model, scorer):
    broken = AUDIO.copy()
    broken[0, 3] = np.nan
    embedded = embed_title(tiny_model.encoder, np.array_split(broken, 5, axis=1))
    assert embedded.embeddings.shape == (3, 2, 75, 384)
    np.testing.assert_array_equal(embedded.times, [[0, 10], [10, 20], [20, 25]])
    restored = TitleEmbeddings(**load(save(embedded.arrays())))
    found = scorer(tiny_model).score_embeddings(restored)
    pd.testing.assert_frame_equal(found, scorer(tiny_model).score([broken]), atol=1e-6)


def test_an_empty_title_has_no_embeddings_and_no_scores(tiny_model):
    embedded = embed_title(tiny_model.encoder, [])
    assert embedded.embeddings.shape == (0, 1, 75, 384)
    assert PadamAblations(tiny_model).score_embeddings(embedded).empty


NATIVE = np.random.default_rng(6).standard_normal((2, 25 * 44_100)).astype(np.float32) / 10


def test_evidence_of_the_sources_rate_is_joined_to_r(evidence_model):
    scorer = evidence_model.scorer().at_rate(44_100)
    assert isinstance(scorer, NativeRateScorer)
    assert scorer.sample_rate == 44_100
    scores = scorer.score(np.array_split(NATIVE, 7, axis=1))
    first = resample(NATIVE, 44_100, RATE)[:, : 10 * RATE]
    r = represent(evidence_model.quality_head, embed_audio(evidence_model.encoder, first))
    rows = np.concatenate([r, native_evidence(NATIVE[:, :441_000], 44_100)], axis=1)
    expected = evidence_model.classifier.score(rows)
    np.testing.assert_allclose(scores["score"].iloc[:2], expected, atol=1e-4)
    assert len(evidence_columns(scores)) == 25


def test_probes_on_r_with_evidence_name_the_defects_where_the_model_has_them(evidence_model):
    rng = np.random.default_rng(2)
    width = 24 + native_evidence(NATIVE[:, :441_000], 44_100).shape[1]
    rows = rng.standard_normal((40, width)).astype(np.float32)
    probes = {
        f"names_{label}": LinearProbe(balanced=False).fit(rows, (rows[:, n] > 0).astype(int))
        for n, label in enumerate(evidence_model.label_names)
    }
    named = replace(evidence_model, probes={**evidence_model.probes, **probes})
    scores = PadamScorer(named, sample_rate=44_100).score([NATIVE])
    first = resample(NATIVE, 44_100, RATE)[:, : 10 * RATE]
    r = represent(named.quality_head, embed_audio(named.encoder, first))
    joined = np.concatenate([r, native_evidence(NATIVE[:, :441_000], 44_100)], axis=1)
    for label in named.label_names:
        logits = probes[f"names_{label}"].pipeline.predict_proba(joined)[:, 1]
        np.testing.assert_allclose(scores[f"p_{label}"].iloc[:2], logits, atol=1e-3)
    without = PadamScorer(evidence_model, sample_rate=44_100).score([NATIVE])
    assert not np.allclose(without["p_hum"], scores["p_hum"], atol=1e-3)


@pytest.mark.parametrize("scorer", [PadamAblations, PadamScorer])
def test_scores_of_embeddings_with_evidence_are_those_of_the_audio(evidence_model, scorer):
    broken = NATIVE.copy()
    broken[0, 3] = np.nan
    blocks = np.array_split(broken, 5, axis=1)
    embedded = embed_title(evidence_model.encoder, blocks, 44_100, with_evidence=True)
    assert np.isfinite(embedded.native_evidence).all()
    restored = TitleEmbeddings(**load(save(embedded.arrays())))
    by_rate = scorer(evidence_model, sample_rate=44_100)
    found = by_rate.score_embeddings(restored)
    pd.testing.assert_frame_equal(found, by_rate.score(blocks), atol=1e-6)
    if scorer is PadamAblations:
        systems = ["feature_extractor", "quality_head", "native_evidence", "padam"]
        assert found["scorer"].unique().tolist() == systems


def test_a_model_without_evidence_hears_every_title_at_16_khz(tiny_model):
    scorer = tiny_model.scorer()
    assert scorer.at_rate(48_000) is scorer


def test_a_scan_measures_evidence_at_the_titles_own_rate(evidence_model, tmp_path):
    path = tmp_path / "title.flac"
    write_flac(path, NATIVE, 44_100)
    document = scan_title(path, evidence_model.scorer())
    expected = worst_channel(evidence_model.scorer().at_rate(44_100).score([NATIVE]))
    found = [max(segment["channel_scores"]) for segment in document["segments"]]
    np.testing.assert_allclose(found, expected["score"], atol=1e-3)


class ThirdRow:
    """Stands for a classifier: what it is given third is defective."""

    def score(self, r):
        return np.where(np.arange(len(r)) == 2, 0.9, 0.2)


def test_a_localiser_tells_when_in_a_flagged_segment_at_the_titles_own_rate(
    localising_model, tmp_path
):
    """40 s, loud on the left from 13.3 s to 17 s: the peak of a window decides."""
    audio = 0.01 * np.random.default_rng(0).uniform(-1, 1, (2, 40 * 8_000)).astype(np.float32)
    audio[0, round(13.3 * 8_000) : 17 * 8_000] *= 90
    model = replace(localising_model, classifier=ThirdRow())  # the second segment, on the left
    scorer = model.scorer().at_rate(8_000)
    assert scorer.sample_rate == 8_000
    assert isinstance(scorer, LocalisingScorer)
    assert scorer.localises
    table = scorer.score(np.array_split(audio, 7, axis=1))
    columns = evidence_columns(table)
    assert columns == [f"e_{n}" for n in range(25)]
    evidence = table[columns].to_numpy(dtype=float).reshape(4, 2, 25)
    expected = np.zeros((4, 2), dtype=bool)
    expected[:3, 0] = True
    np.testing.assert_array_equal(np.isfinite(evidence).all(axis=2), expected)
    np.testing.assert_array_equal(np.isfinite(evidence).any(axis=2), expected)
    # the first window of which a part is loud, and the last
    above = np.flatnonzero(evidence[1, 0] >= model.threshold)
    assert above.tolist() == list(range(8, 18))

    path = tmp_path / "title.flac"
    write_flac(path, audio, 8_000)
    document = scan_title(path, model.scorer(), ScanConfig(x_s=0, y_s=0))
    (event,) = document["events"]
    assert (event["start_s"], event["end_s"]) == pytest.approx((13.2, 17.2))
    assert [segment["evidence"] is not None for segment in document["segments"]] == [0, 1, 0, 0]
    assert document["segments"][1]["evidence"][1] == [None] * 25
    # a scan asks from its own threshold on, not the model's
    document = scan_title(path, model.scorer(), ScanConfig(threshold=0.95, x_s=0, y_s=0))
    assert document["events"] == []
    document = scan_title(path, model.scorer(), ScanConfig(threshold=0.1, x_s=0, y_s=0))
    for segment in document["segments"]:
        assert all(None not in channel for channel in segment["evidence"])


def test_a_localiser_leaves_scores_silence_and_bad_samples_as_they_were(localising_model):
    broken = NATIVE.copy()
    broken[0, 3] = np.nan
    broken[1, 400_000:900_000] = 0
    plain = replace(localising_model, localiser=None).scorer().at_rate(44_100).score([broken])
    scorer = localising_model.scorer().at_rate(44_100).at_threshold(0.0)
    found = scorer.score(np.array_split(broken, 9, axis=1))
    scored = [name for name in plain if not name.startswith("e_")]
    pd.testing.assert_frame_equal(found[scored], plain[scored], atol=1e-6)
    looked_at = np.isfinite(found[evidence_columns(found)].to_numpy()).all(axis=1)
    assert looked_at.tolist() == np.isfinite(found["score"]).tolist()
    assert looked_at.tolist() == [False, True, True, False, True, True]
    assert localising_model.scorer().score([]).empty


def test_ablations_are_compared_without_a_localiser(localising_model):
    assert not PadamAblations(localising_model).localises
    plain = PadamAblations(replace(localising_model, localiser=None)).score([AUDIO])
    pd.testing.assert_frame_equal(PadamAblations(localising_model).score([AUDIO]), plain)
