"""Titles: the same again from the same seed, and labels that tell where the defects lie."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from padam.audio.media import MediaError, write_flac
from padam.defects.registry import DEFECT_NAMES
from padam.defects.workflow_config import WorkflowConfig
from padam.detection.titles import TitlesConfig, assemble_titles, plan_titles, render_title

RATE = 48_000
NO_CODEC = WorkflowConfig(source_encode_probability=0, transcode_probability=0)
SHORT = {"duration_s": (11.0, 13.0), "excerpt_s": (5.0, 7.0), "defect_s": (2.0, 4.0)}


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Three sources of melody and noise, of 20 s each."""
    root = tmp_path_factory.mktemp("sources")
    rng = np.random.default_rng(0)
    rows = []
    t = np.arange(20 * RATE) / RATE
    for number in range(3):
        tones = sum(
            np.sin(2 * np.pi * f * t + p) / (1 + f / 500)
            for f, p in zip(rng.uniform(80, 6000, 12), rng.uniform(0, 6, 12), strict=True)
        )
        swell = 0.6 + 0.4 * np.sin(2 * np.pi * (0.5 + number) * t)
        audio = np.stack([tones * swell, tones + 0.1 * rng.standard_normal(len(t))])
        audio = (0.7 * audio / np.abs(audio).max()).astype(np.float32)
        write_flac(root / f"{number}.flac", audio, RATE)
        rows.append({"source": f"{number}.flac", "duration_s": 20.0, "split": "test"})
    return root, pd.DataFrame(rows)


def test_the_same_seed_gives_the_same_titles(sources):
    root, index = sources
    config = TitlesConfig(titles=1, defective_share=1, defects=("hiss", "packet_loss"), **SHORT)
    first, again, other = (
        next(assemble_titles(root, index, config.model_copy(update={"seed": seed})))
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first.audio, again.audio)
    pd.testing.assert_frame_equal(first.labels, again.labels)
    assert other.audio.shape != first.audio.shape


@pytest.mark.parametrize("defect", DEFECT_NAMES)
def test_what_differs_from_the_clean_title_lies_inside_the_label(sources, defect):
    root, index = sources
    config = TitlesConfig(
        titles=1, defective_share=1, defects=(defect,), second_defect_probability=0, **SHORT
    )
    (plan,) = plan_titles(index, config)
    title, clean = render_title(root, plan, config, NO_CODEC)

    assert title.audio.shape == clean.shape == (2, round(plan.duration_s * RATE))
    assert title.audio.dtype == np.float32
    (label,) = title.labels.itertuples()
    assert (label.title, label.defect) == ("test-000", defect)
    assert 2 <= label.end_s - label.start_s <= 4 + 1e-9
    difference = np.abs(title.audio - clean).max(axis=0)
    start, end = round(label.start_s * RATE), round(label.end_s * RATE)
    inside, outside = difference[start:end], np.delete(difference, np.s_[start:end])
    assert inside.max() > 1e-3
    if defect == "packet_loss":
        # The stream is encoded everywhere, so codec noise is outside; the loss is not.
        assert inside.max() > 2 * outside.max()
    else:
        assert outside.max() <= 1e-6


def test_clean_titles_have_no_label_and_no_difference(sources):
    root, index = sources
    config = TitlesConfig(titles=1, defective_share=0, **SHORT)
    (plan,) = plan_titles(index, config)
    title, clean = render_title(root, plan, config, NO_CODEC)
    np.testing.assert_allclose(title.audio, clean, atol=1e-7)
    assert title.labels.empty
    assert list(title.labels.columns) == ["title", "start_s", "end_s", "defect"]


def test_codecs_are_passed_where_the_workflow_says_so(sources):
    root, index = sources
    config = TitlesConfig(titles=1, defective_share=0, **SHORT)
    (plan,) = plan_titles(index, config)
    always = WorkflowConfig(source_encode_probability=1, transcode_probability=1)
    title, clean = render_title(root, plan, config, always)
    assert title.audio.shape == clean.shape
    assert np.abs(title.audio - clean).max() > 1e-3
    assert np.abs(title.audio).max() <= 10 ** (-1 / 20) + 1e-6
    assert title.metadata["source_encode"]["codec"] in {"aac", "mp3", "opus"}


def test_the_plan_is_balanced_and_never_cuts_within_a_source(sources):
    _, index = sources
    plans = plan_titles(index, TitlesConfig(titles=28, second_defect_probability=0))
    assert sum(bool(plan.defects) for plan in plans) == 14
    kinds = [name for plan in plans for name in plan.defects]
    assert {kinds.count(name) for name in DEFECT_NAMES} == {2}
    for plan in plans:
        assert 60 <= plan.duration_s <= 120
        names = [part.source for part in plan.excerpts]
        assert all(a != b for a, b in pairwise(names))
        assert all(0 <= p.start_s <= p.start_s + p.duration_s <= 20 + 1e-9 for p in plan.excerpts)


def test_joints_make_no_clicks(sources):
    root, index = sources
    config = TitlesConfig(titles=1, defective_share=0, **SHORT)
    (plan,) = plan_titles(index, config)
    title, _ = render_title(root, plan, config, NO_CODEC)
    joint = round((plan.excerpts[0].duration_s - config.crossfade_s / 2) * RATE)
    steps = np.abs(np.diff(title.audio, axis=1)).max(axis=0)
    around = np.s_[joint - RATE // 20 : joint + RATE // 20]
    assert steps[around].max() <= 1.1 * np.delete(steps, around).max()


def test_bad_input_is_named(sources, tmp_path):
    root, index = sources
    with pytest.raises(ValueError, match="no sources to assemble titles from"):
        plan_titles(index.iloc[:0], TitlesConfig())
    with pytest.raises(ValueError, match="titles come from one split"):
        plan_titles(index.assign(split=["test", "train", "test"]), TitlesConfig())
    with pytest.raises(ValidationError, match=r"unknown defects \['wow'\]"):
        TitlesConfig(defects=("wow",))
    with pytest.raises(ValidationError, match="do not fit titles"):
        TitlesConfig(duration_s=(10, 20), defect_s=(4, 15))
    gone = index.assign(source="gone.flac")
    with pytest.raises(MediaError, match=r"gone\.flac"):
        next(assemble_titles(root, gone, TitlesConfig(titles=1, **SHORT)))
