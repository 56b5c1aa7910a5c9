"""The event localiser learns onsets that are known by construction."""

import numpy as np
import pandas as pd
import pytest
import torch

from padam.detection.events import find_events
from padam.detection.localisation import Localisation
from padam.models.event_localiser import EventLocaliserConfig
from padam.models.native_evidence.windows import WINDOW_NAMES, evidence_windows
from padam.training.event_localiser import (
    LocaliserFitConfig,
    TitleWindows,
    fit_event_localiser,
    judge_event_localiser,
    measure_title,
    window_truth,
)

RATE = 8_000
SEGMENT = 10 * RATE
COUNT = 3 * SEGMENT
TIME_S = np.arange(COUNT) / RATE
CONFIG = LocaliserFitConfig(
    epochs=60, batch=8, learning_rate=3e-3, network=EventLocaliserConfig(width=16)
)


def programme(rng):
    """30 s of noise whose level wanders."""
    level_db = np.interp(TIME_S, np.arange(0, 31, 3), rng.uniform(-32, -20, 11))
    return 10 ** (level_db / 20) * rng.standard_normal(COUNT)


def with_clicks(audio, inside, rng):
    at = np.arange(np.flatnonzero(inside)[0], np.flatnonzero(inside)[-1], RATE // 8)
    audio[at] += 0.7 * rng.choice([-1, 1], len(at))


def with_hum(audio, inside, rng):
    hum = sum(np.sin(2 * np.pi * 60 * h * TIME_S) / h for h in (1, 2, 3, 4))
    audio[inside] += 0.1 * hum[inside]


def with_drops(audio, inside, rng):
    for start in range(np.flatnonzero(inside)[0], np.flatnonzero(inside)[-1], RATE // 4):
        audio[start : start + RATE // 20] = 0


DEFECTS = {"clicks": with_clicks, "hum": with_hum, "drops": with_drops}


def title(name, onset_s, end_s, seed):
    rng = np.random.default_rng(seed)
    audio = programme(rng)
    DEFECTS[name](audio, (onset_s <= TIME_S) & (end_s > TIME_S), rng)
    return audio.astype(np.float32)[None]


def known(name, seed):
    rng = np.random.default_rng(seed)
    onset_s = rng.uniform(1, 20)
    end_s = onset_s + rng.uniform(3, 9)
    windows = measure_title([title(name, onset_s, end_s, seed)], RATE)
    return TitleWindows(windows, window_truth([(onset_s, end_s)], len(windows)))


@pytest.fixture(scope="module")
def titles():
    return {f"{name}-{seed}": known(name, seed) for name in DEFECTS for seed in range(4)}


@pytest.fixture(scope="module")
def localiser(titles):
    return fit_event_localiser(titles, CONFIG)


@pytest.mark.parametrize("name", DEFECTS)
@pytest.mark.parametrize(("onset_s", "end_s"), [(8.77, 16.3), (12.34, 17.0)])
def test_an_event_begins_and_ends_with_its_defect(localiser, name, onset_s, end_s):
    audio = title(name, onset_s, end_s, seed=100)
    table = pd.DataFrame({"start_s": [0.0, 10, 20], "end_s": [10.0, 20, 30], "channel": 0})
    table["score"] = [0.2, 0.9, 0.2]  # of the first segment too little is defective
    run = Localisation(localiser, 0.6, RATE)
    for number, score in enumerate(table["score"]):
        run.add(audio[:, number * SEGMENT : (number + 1) * SEGMENT], [score])
    (event,) = find_events(run.finish(table), 0.6)
    assert event.start_s == pytest.approx(onset_s, abs=0.5)
    assert event.end_s == pytest.approx(end_s, abs=0.5)


def test_the_same_titles_give_the_same_network_and_leave_other_draws_alone(titles):
    few = {name: titles[name] for name in ("hum-0", "clicks-1")}
    config = CONFIG.model_copy(update={"epochs": 2})
    torch.manual_seed(5)
    first = fit_event_localiser(few, config).state_dict()
    drawn = torch.rand(1)
    again = fit_event_localiser(dict(reversed(few.items())), config).state_dict()
    for name, value in first.items():
        torch.testing.assert_close(again[name], value, rtol=0, atol=0)
    torch.manual_seed(5)
    assert torch.rand(1) == drawn


def test_values_are_standardised_as_the_training_titles_are(titles, localiser):
    every = np.concatenate([each.windows for each in titles.values()]).astype(np.float64)
    np.testing.assert_allclose(localiser.mean, every.mean(axis=0), atol=1e-3, rtol=1e-4)
    np.testing.assert_allclose(localiser.scale, every.std(axis=0) + 1e-3, atol=1e-3, rtol=1e-3)


def test_it_is_judged_on_other_titles(localiser):
    others = {name: known(name, seed=50) for name in DEFECTS}
    found = judge_event_localiser(localiser, others)
    assert found["intervals"] == 3
    assert found["auc"] > 0.97
    assert found["accuracy"] > 0.9
    assert judge_event_localiser(localiser, {}) == {"intervals": 0}


def test_the_truth_of_a_window_is_the_share_that_is_defective():
    truth = window_truth([(0.5, 1.3), (1.2, 1.5), (7.0, 9.0)], 5)
    np.testing.assert_allclose(truth, [0, 0.75, 1, 0.75, 0], atol=1e-6)
    assert window_truth([], 0).shape == (0,)


def test_blocks_do_not_matter_and_a_rest_below_a_window_is_left_out():
    audio = np.concatenate([title("clicks", 3, 5, 0)] * 2)[:, : 5 * RATE + 100]
    whole = evidence_windows(audio[:1], RATE)[0]
    blocks = [audio[:, : 2 * RATE], audio[:, 2 * RATE : 4 * RATE], audio[:, 4 * RATE :]]
    found = measure_title(blocks, RATE)
    assert found.shape == (12, len(WINDOW_NAMES))
    # the last window may hear the rest
    np.testing.assert_allclose(found[:-1], whole[:-1], rtol=1e-5, atol=1e-5)
    assert measure_title([audio[:, :100]], RATE).shape == (0, len(WINDOW_NAMES))
    assert measure_title([], RATE).shape == (0, len(WINDOW_NAMES))


def test_what_is_not_finite_counts_as_silence():
    audio = title("hum", 1, 5, 0)[:, : 2 * RATE]
    silent, broken = audio.copy(), audio.copy()
    silent[0, 100:200], broken[0, 100:150], broken[0, 150:200] = 0, np.nan, np.inf
    np.testing.assert_array_equal(measure_title([broken], RATE), measure_title([silent], RATE))


def test_titles_without_a_defect_cannot_be_learnt_from(titles):
    clean = titles["hum-0"].windows
    with pytest.raises(ValueError, match="labelled interval"):
        fit_event_localiser({"clean": TitleWindows(clean, window_truth([], len(clean)))})
    with pytest.raises(ValueError, match="labelled interval"):
        fit_event_localiser({})
