"""Embeddings of a title: what no model can judge has none, as when it is scanned."""

import numpy as np

from padam.detection.scorers.padam import PadamScorer
from padam.detection.title_embeddings import embed_title

RATE = 16_000


def test_what_cannot_be_judged_has_no_score_whether_scanned_or_embedded(tiny_model):
    rng = np.random.default_rng(0)
    audio = 0.1 * rng.standard_normal((2, 40 * RATE)).astype(np.float32)
    audio[1, 10 * RATE : 20 * RATE] = 0.0
    audio[0, 25 * RATE] = np.nan
    audio[:, 30 * RATE :] = 1e-5
    title = embed_title(tiny_model.encoder, [audio], precision="float32")
    lost = np.isnan(title.embeddings).all(axis=(2, 3))
    assert lost.tolist() == [[False, False], [False, True], [True, False], [True, True]]
    scorer = PadamScorer(tiny_model)
    embedded, scanned = scorer.score_embeddings(title)["score"], scorer.score([audio])["score"]
    assert embedded.isna().tolist() == lost.ravel().tolist()
    assert scanned.isna().tolist() == lost.ravel().tolist()
