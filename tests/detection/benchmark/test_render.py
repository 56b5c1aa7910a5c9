"""Rendered titles: what is labelled differs, what is not does not, and times are the file's."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from padam.audio import codecs
from padam.defects.mixing import ROLES
from padam.defects.registry import DEFECT_NAMES
from padam.defects.workflow_config import WorkflowConfig
from padam.detection.benchmark.config import DIGITAL_SILENCE, BenchmarkConfig
from padam.detection.benchmark.plan import BenchmarkPlan, plan_benchmark
from padam.detection.benchmark.programme import render_programme
from padam.detection.benchmark.render import render_title
from padam.detection.titles import Title
from tests.detection.benchmark.conftest import RATE, short

Sources = tuple[Path, pd.DataFrame]

NO_CODEC = WorkflowConfig(source_encode_probability=0, transcode_probability=0)
ENCODED = WorkflowConfig(source_encode_probability=1, transcode_probability=0)
BOTH = WorkflowConfig(source_encode_probability=1, transcode_probability=1)
SEVERE = {"hiss": {"snr_db": (0.0, 0.0), "beta": (0.0, 0.0), "highpass": (1e-5, 1e-4)}}


def planned(
    sources: Sources, recordings: pd.DataFrame | None = None, **changes: Any
) -> tuple[BenchmarkPlan, BenchmarkConfig]:
    """One test title, and the configuration that it was drawn from."""
    config = short(**{"splits": {"test": {"defective": 1, "clean": 0}}, **changes})
    empty = pd.DataFrame(columns=["source", "name", "split"])
    (plan,) = plan_benchmark(sources[1], empty if recordings is None else recordings, config)
    return plan, config


def without_defects(plan: BenchmarkPlan) -> BenchmarkPlan:
    return plan.model_copy(update={"defect": None, "defect_durations_s": ()})


def error_outside(
    title: Title, clean: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Difference of two titles inside the labels, and outside."""
    outside = np.ones(clean.shape[1], dtype=bool)
    for label in title.labels.itertuples():
        outside[round(label.start_s * RATE) : round(label.end_s * RATE)] = False
    difference = title.audio - clean
    return difference[:, ~outside], difference[:, outside]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("defect", [name for name in DEFECT_NAMES if name != "packet_loss"])
def test_before_codecs_only_the_labelled_intervals_differ(
    sources: Sources, defect: str, channels: int
) -> None:
    plan, config = planned(
        sources, defects=(defect,), channels=channels, segment_prevalence=0.5, defect_s=(1.0, 1.5)
    )
    assert len(plan.defect_durations_s) >= 1
    title = render_title(sources[0], plan, config, NO_CODEC)
    clean, _ = render_programme(sources[0], plan, config, RATE)
    assert title.audio.shape == clean.shape == (channels, round(plan.duration_s * RATE))
    gain = np.float32(10 ** (title.metadata["gain_db"]["before_codecs"] / 20))
    clean *= gain
    inside, outside = error_outside(title, clean)
    assert np.abs(outside).max(initial=0) == 0
    assert np.abs(inside).max() > 1e-3
    # each label says how strong: measured back over its interval and channels
    for label, params in zip(
        title.labels.itertuples(),
        sorted(title.metadata["defects"], key=lambda one: one["offset_s"]),
        strict=True,
    ):
        where = np.s_[params["channels"], round(label.start_s * RATE) : round(label.end_s * RATE)]
        error = np.sum((title.audio - clean)[where].astype(np.float64) ** 2)
        signal = np.sum(clean[where].astype(np.float64) ** 2)
        assert label.error_to_signal_db == pytest.approx(10 * np.log10(error / signal), abs=0.01)
        assert label.defect == defect


@pytest.mark.parametrize("conceal", [0.0, 1.0])
def test_lost_packets_change_nothing_outside_their_label(sources: Sources, conceal: float) -> None:
    ranges = {"stretch_probability": conceal, "packet_drop_probability": 1.0}
    workflow = ENCODED.model_copy(
        update={"ranges": WorkflowConfig(ranges={"packet_loss": ranges}).ranges}  # type: ignore[arg-type]
    )
    plan, config = planned(sources, defects=("packet_loss",))
    title = render_title(sources[0], plan, config, workflow)
    clean = render_title(sources[0], without_defects(plan), config, workflow)
    assert title.metadata["source_encode"] == clean.metadata["source_encode"]
    gain = [10 ** (each.metadata["gain_db"]["after_codecs"] / 20) for each in (title, clean)]
    inside, outside = error_outside(title, clean.audio * np.float32(gain[0] / gain[1]))
    assert np.abs(outside).max() < 1e-6
    assert np.abs(inside).max() > 1e-3


@pytest.mark.parametrize("codec", ["aac", "mp3", "opus"])
def test_labels_are_those_of_the_delivered_file(sources: Sources, codec: str) -> None:
    workflow = WorkflowConfig.model_validate(
        {
            **BOTH.model_dump(),
            "source_encode": {"codecs": (codec,), "bitrates_kbps": (128,)},
            "transcode": {"codec": {"codecs": (codec,), "bitrates_kbps": (128,)}},
            "ranges": SEVERE,
        }
    )
    plan, config = planned(sources, defects=("hiss",), contents={"music": 1.0})
    title = render_title(sources[0], plan, config, workflow)
    clean = render_title(sources[0], without_defects(plan), config, workflow)
    programme, _ = render_programme(sources[0], plan, config, RATE)
    # the chain delays nothing …
    spectra = np.fft.rfft(clean.audio[0]), np.fft.rfft(programme[0])
    lag = int(np.argmax(np.fft.irfft(spectra[0] * np.conj(spectra[1]))))
    assert min(lag, programme.shape[1] - lag) < 0.02 * RATE
    # … and the hiss, as loud as the music, begins and ends where the label says
    (label,) = title.labels.itertuples()
    frame = RATE // 200
    count = title.audio.shape[1] // frame
    gain = 10 ** (
        (title.metadata["gain_db"]["before_codecs"] - clean.metadata["gain_db"]["before_codecs"])
        / 20
    )
    error = (title.audio - gain * clean.audio)[0, : count * frame].reshape(count, frame)
    level = np.sqrt(np.mean(error**2, axis=1))
    hit = np.flatnonzero(level > 0.3 * level.max())
    assert hit[0] * frame / RATE == pytest.approx(label.start_s, abs=0.02)
    assert (hit[-1] + 1) * frame / RATE == pytest.approx(label.end_s, abs=0.02)


def test_a_clean_title_is_its_programme_and_the_chain_bit_for_bit(sources: Sources) -> None:
    plan, config = planned(sources, splits={"test": {"defective": 0, "clean": 1}})
    programme, _ = render_programme(sources[0], plan, config, RATE)
    bare = render_title(sources[0], plan, config, NO_CODEC)
    np.testing.assert_array_equal(bare.audio, programme)
    assert bare.labels.empty
    assert list(bare.labels.columns)[-1] == "error_to_signal_db"
    encoded = render_title(sources[0], plan, config, ENCODED)
    settings = codecs.CodecSettings.model_validate(encoded.metadata["source_encode"])
    expected = codecs.round_trip(programme, RATE, settings)
    np.testing.assert_array_equal(encoded.audio, expected)


def test_without_its_defect_a_title_passes_the_same_codecs(sources: Sources) -> None:
    plan, config = planned(sources, defects=("clicks",))
    title = render_title(sources[0], plan, config, WorkflowConfig())
    clean = render_title(sources[0], without_defects(plan), config, WorkflowConfig())
    for stage in ("source_encode", "transcode"):
        assert title.metadata[stage] == clean.metadata[stage]


def test_the_peak_is_within_the_range_and_below_the_ceiling(sources: Sources) -> None:
    for seed in range(4):
        plan, config = planned(sources, seed=seed, peak_db=(-12.0, -3.0), defects=("hum",))
        programme, _ = render_programme(sources[0], plan, config, RATE)
        assert -12.01 <= 20 * np.log10(np.abs(programme).max()) <= -2.99
        title = render_title(sources[0], plan, config, NO_CODEC)
        assert np.abs(title.audio).max() <= 10 ** (-1 / 20) + 1e-6


def test_digital_silence_lies_where_it_is_said_and_is_no_label(sources: Sources) -> None:
    quiet = {"share": 1.0, "effects": ()}
    plan, config = planned(
        sources, splits={"test": {"defective": 0, "clean": 1}}, look_alikes=quiet
    )
    assert plan.look_alike == DIGITAL_SILENCE
    title = render_title(sources[0], plan, config, NO_CODEC)
    spans = title.metadata["look_alikes"]
    assert {span["name"] for span in spans} == {DIGITAL_SILENCE}
    for span in spans:
        assert 0.3 <= span["end_s"] - span["start_s"] <= 0.6 + 1e-9
        part = title.audio[:, round(span["start_s"] * RATE) : round(span["end_s"] * RATE)]
        assert not part.any()
    assert title.labels.empty


def test_pauses_of_other_titles_hold_faint_noise(sources: Sources) -> None:
    plan, config = planned(
        sources,
        splits={"test": {"defective": 0, "clean": 1}},
        look_alikes={"share": 0.0},
        programme={"passage_s": (3, 6), "transitions": {"pause": 1.0}, "pause_s": (0.5, 0.6)},
    )
    title = render_title(sources[0], plan, config, NO_CODEC)
    zero = np.concatenate([[0], (title.audio[0] == 0).astype(int), [0]])
    edges = np.flatnonzero(np.diff(zero))
    assert (edges[1::2] - edges[::2]).max(initial=0) < 0.02 * RATE
    frames = title.audio[0, : title.audio.shape[1] // 480 * 480].reshape(-1, 480)
    level_db = 10 * np.log10(np.mean(frames.astype(np.float64) ** 2, axis=1) + 1e-20)
    assert ((level_db < -60) & (level_db > -110)).sum() >= 40


def test_recordings_are_laid_where_the_metadata_says(sources: Sources) -> None:
    recordings = pd.DataFrame(
        {"source": ["look_alikes/rain/clip.flac"], "name": ["rain"], "split": ["test"]}
    )
    ranges = {"share": 1.0, "effects": (), "digital_silence": False, "per_title": (2, 2)}
    clean_title = {"test": {"defective": 0, "clean": 1}}
    plan, config = planned(sources, recordings, splits=clean_title, look_alikes=ranges)
    assert (plan.look_alike, plan.recordings) == ("rain", ("look_alikes/rain/clip.flac",) * 2)
    title = render_title(sources[0], plan, config, NO_CODEC)
    spans = title.metadata["look_alikes"]
    assert [span["name"] for span in spans] == ["rain", "rain"]
    bare = render_title(sources[0], plan.model_copy(update={"recordings": ()}), config, NO_CODEC)
    heard = np.zeros(title.audio.shape[1], dtype=bool)
    for span in spans:
        assert span["end_s"] - span["start_s"] == pytest.approx(2.0)
        heard[round(span["start_s"] * RATE) : round(span["end_s"] * RATE)] = True
    # the title's gain follows its peak, which the rain may raise
    gain = np.vdot(title.audio[0, ~heard], bare.audio[0, ~heard]) / np.sum(
        bare.audio[0, ~heard] ** 2
    )
    difference = np.abs(title.audio - gain * bare.audio)[0]
    assert difference[~heard].max() < 1e-5
    assert difference[heard].mean() > 1e-3


def test_mixes_sound_of_every_layer(sources: Sources) -> None:
    plan, config = planned(sources, contents={"mix": 1.0})
    layers = [layer for passage in plan.passages for layer in passage.layers]
    assert layers
    assert {layer.role for layer in layers} <= set(ROLES)
    title = render_title(sources[0], without_defects(plan), config, NO_CODEC)
    alone = plan.model_copy(
        update={"passages": tuple(p.model_copy(update={"layers": ()}) for p in plan.passages)}
    )
    bare = render_title(sources[0], without_defects(alone), config, NO_CODEC)
    assert np.abs(title.audio - bare.audio).max() > 1e-3


def test_a_title_on_which_nothing_can_be_heard_is_named(sources: Sources) -> None:
    plan, config = planned(sources, defects=("hum",))
    deaf = NO_CODEC.model_copy(update={"audible_floor_db": 100.0, "redraw_limit": 2})
    with pytest.raises(ValueError, match=r"title test-0000 cannot be made .* no audible hum"):
        render_title(sources[0], plan, config, deaf)
