import io

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from padam.quality.agreement import (
    STATISTICS,
    BootstrapConfig,
    RefitConfig,
    agreement,
    agreement_table,
    compare_with_best_metric,
    cross_validate_weights,
    meng_test,
    refit_weights,
    williams_test,
)
from padam.quality.agreement_figure import agreement_figure
from padam.quality.fusion import FusionWeights, Normaliser, fuse, orient
from padam.quality.ratings import mean_opinion_scores, read_ratings, screen_listeners
from tests.quality.simulated_study import (
    PAPER_LCC,
    Listeners,
    clip_ids,
    metric_scores,
    ratings_table,
)

QUICK = BootstrapConfig(resamples=100)
# LCC and RMSE of Table 1 of the paper
TABLE_1 = ((0.416, 0.958), (0.514, 0.903), (0.320, 0.998), (0.483, 0.922), (0.558, 0.873))


def gaussian(rng: np.random.Generator, clips: int, lcc: dict[str, float], std: float = 0.8):
    """Scores and MOS that are jointly normal with the given correlations."""
    y = rng.standard_normal(clips)
    scores = orient(metric_scores(y, lcc, rng))
    return scores, pd.Series(3 + std * y, index=scores.index)


def test_statistics_are_those_of_scipy_ties_and_all() -> None:
    x = np.array([1.0, 2, 2, 5, 4, 7, 7, 7, 3, 9])
    y = np.array([1.5, 1.5, 2, 4, 3.5, 4, 5, 4.5, 2, 4.5])
    srocc, lcc, rmse = agreement(x, y)
    assert srocc == pytest.approx(stats.spearmanr(x, y).statistic)
    assert lcc == pytest.approx(stats.pearsonr(x, y).statistic)
    line = np.polynomial.Polynomial.fit(x, y, 1)
    assert rmse == pytest.approx(np.sqrt(np.mean((y - line(x)) ** 2)))


def test_statistics_by_hand() -> None:
    # the line through (0, 1), (1, 3), (2, 2) is 1.5 + 0.5 x; it misses by -½, 1, -½
    srocc, lcc, rmse = agreement(np.array([0.0, 1, 2]), np.array([1.0, 3, 2]))
    assert (srocc, lcc) == pytest.approx((0.5, 0.5))
    assert rmse == pytest.approx(np.sqrt(1.5 / 3))


def test_a_monotone_curve_has_srocc_one_and_a_line_no_error() -> None:
    x = np.linspace(0, 3, 30)
    assert agreement(x, np.exp(x))[0] == pytest.approx(1.0)
    assert agreement(x, np.exp(x))[1] < 0.95
    assert agreement(x, 4 - x) == pytest.approx([-1, -1, 0], abs=1e-7)


def test_the_papers_table_is_of_the_same_kind() -> None:
    # RMSE after the linear map is std(MOS) √(1 - LCC²): one std must explain all columns
    std = [rmse / np.sqrt(1 - lcc**2) for lcc, rmse in TABLE_1]
    assert np.ptp(std) < 0.002


def test_no_scale_or_offset_of_a_metric_matters() -> None:
    scores, mos = gaussian(np.random.default_rng(0), 80, {"pesq": 0.6})
    scores["other"] = 40 - 3 * scores["pesq"]
    first, other = agreement_table(scores, mos, QUICK).to_dict(orient="records")
    assert other["srocc"] == pytest.approx(-first["srocc"])
    assert other["srocc_low"] == pytest.approx(-first["srocc_high"])
    for name in ("rmse", "rmse_low", "rmse_high"):
        assert other[name] == pytest.approx(first[name])


def truths(lcc: float, std: float) -> dict[str, float]:
    """Population values for joint normality; Spearman's is Pearson's (1907)."""
    return {
        "srocc": 6 / np.pi * np.arcsin(lcc / 2),
        "lcc": lcc,
        "rmse": std * np.sqrt(1 - lcc**2),
    }


def covered(seeds: range, clips: int, resamples: int) -> pd.Series:
    """Share of the intervals that hold the truth, by statistic."""
    rows = []
    for seed in seeds:
        lcc = {"pesq": (0.2, 0.4, 0.6, 0.8)[seed % 4]}
        scores, mos = gaussian(np.random.default_rng(seed), clips, lcc)
        (row,) = agreement_table(
            scores, mos, BootstrapConfig(resamples=resamples, seed=seed)
        ).to_dict(orient="records")
        truth = truths(lcc["pesq"], 0.8)
        rows.append({s: row[f"{s}_low"] <= truth[s] <= row[f"{s}_high"] for s in STATISTICS})
    return pd.DataFrame(rows).mean()


def test_intervals_hold_the_simulated_truth() -> None:
    share = covered(range(60), clips=120, resamples=200)
    assert share.between(0.85, 0.995).all(), share


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    share = covered(range(500), clips=616, resamples=500)
    assert share.between(0.92, 0.98).all(), share  # standard error 0.01


def test_a_simulated_study_gives_back_its_correlations() -> None:
    """12 listeners rate 616 clips on ACR; the truth is what 60 000 clips give the same people."""
    inside = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        people = Listeners.draw(rng)
        quality = rng.standard_normal(60_000)
        raw = metric_scores(quality, PAPER_LCC, rng)
        normaliser = Normaliser.fit(raw)
        metrics = orient(raw).assign(q_hat=fuse(raw, normaliser)["q_hat"])
        mos = people.rate(quality, rng).mean(axis=1)
        truth = {name: agreement(metrics[name].to_numpy(), mos) for name in metrics}

        quality = rng.standard_normal(616)
        raw = metric_scores(quality, PAPER_LCC, rng)
        metrics = orient(raw).assign(q_hat=fuse(raw, normaliser)["q_hat"])
        ratings = read_ratings(ratings_table(people.rate(quality, rng)), clip_ids(616))
        opinions = mean_opinion_scores(ratings, screen_listeners(ratings))
        table = agreement_table(metrics, opinions.set_index("clip_id")["mos"], QUICK)
        assert (table["clips"] == 616).all()
        for row in table.to_dict(orient="records"):
            for statistic, value in zip(STATISTICS, truth[row["metric"]], strict=True):
                inside.append(row[f"{statistic}_low"] <= value <= row[f"{statistic}_high"])
        # the noise of twelve listeners takes a little off the correlation with quality itself
        assert all(0.9 * PAPER_LCC[m] < truth[m][1] < PAPER_LCC[m] for m in PAPER_LCC)
        # four metrics with independent errors say more than the best of them
        assert truth["q_hat"][1] > max(truth[m][1] for m in PAPER_LCC)
    assert len(inside) == 45
    assert np.mean(inside) > 0.85


def test_clips_without_a_score_are_left_out_and_counted() -> None:
    scores, mos = gaussian(np.random.default_rng(1), 60, {"pesq": 0.7, "visqol": 0.7})
    holed = scores.copy()
    holed.iloc[:20, holed.columns.get_loc("pesq")] = np.nan
    holed["dnsmos"] = np.nan
    holed["cdpam"] = 1.0
    table = agreement_table(holed, mos, QUICK).set_index("metric")
    assert table["clips"].to_dict() == {"pesq": 40, "visqol": 60, "dnsmos": 0, "cdpam": 60}
    assert table["unscored"].to_dict() == {"pesq": 20, "visqol": 0, "dnsmos": 60, "cdpam": 0}
    rest = agreement_table(scores[["pesq"]].iloc[20:], mos.iloc[20:], QUICK).iloc[0]
    assert table.loc["pesq", "srocc"] == pytest.approx(rest["srocc"])
    assert table.loc[["dnsmos", "cdpam"], list(STATISTICS)].isna().all(axis=None)


def test_scores_of_clips_that_nobody_rated_do_not_count() -> None:
    scores, mos = gaussian(np.random.default_rng(2), 60, {"pesq": 0.7})
    table = agreement_table(scores, mos.iloc[:30], QUICK)
    assert table.loc[0, ["clips", "unscored"]].tolist() == [30, 0]
    assert table.loc[0, "lcc"] == pytest.approx(stats.pearsonr(scores["pesq"][:30], mos[:30])[0])


def test_few_clips_have_values_without_intervals_and_two_have_none() -> None:
    scores, mos = gaussian(np.random.default_rng(3), 9, {"pesq": 0.7})
    row = agreement_table(scores, mos, QUICK).iloc[0]
    assert np.isfinite(row["srocc"])
    assert np.isnan(row["srocc_low"])
    with pytest.raises(ValueError, match="at least 3 rated clips, got 2"):
        agreement_table(scores, mos.iloc[:2], QUICK)


def test_the_same_seed_gives_the_same_intervals() -> None:
    scores, mos = gaussian(np.random.default_rng(4), 50, {"pesq": 0.5})
    tables = [
        agreement_table(scores, mos, BootstrapConfig(resamples=200, seed=s)) for s in (1, 1, 2)
    ]
    pd.testing.assert_frame_equal(tables[0], tables[1])
    assert tables[0]["srocc_low"][0] != tables[2]["srocc_low"][0]


@pytest.mark.parametrize(
    ("r1", "r2", "r12", "n", "t", "z"),
    [  # as the R package cocor prints them for correlations of four digits
        (0.8066, 0.2383, 0.2255, 177, 9.3823, 8.3907),
        (-0.1741, 0.2015, 0.3734, 646, -9.0340, -8.5080),
    ],
)
def test_tests_of_dependent_correlations_against_published_values(
    r1: float, r2: float, r12: float, n: int, t: float, z: float
) -> None:
    assert williams_test(r1, r2, r12, n)[0] == pytest.approx(t, abs=2e-3)
    assert meng_test(r1, r2, r12, n)[0] == pytest.approx(z, abs=2e-3)


def test_steigers_example() -> None:
    t, p = williams_test(0.4, 0.5, 0.1, 103)
    assert (t, p) == pytest.approx((-0.89, 0.37), abs=0.006)


@pytest.mark.parametrize("test", [williams_test, meng_test])
def test_equal_correlations_are_called_different_as_often_as_they_should(test) -> None:
    rng = np.random.default_rng(5)
    y, a, b = rng.standard_normal((3, 4000, 80))
    first, second = 0.6 * y + 0.8 * a, 0.6 * y + 0.8 * (0.5 * a + np.sqrt(0.75) * b)
    r1, r2, r12 = (
        stats.pearsonr(u, v, axis=1).statistic
        for u, v in ((first, y), (second, y), (first, second))
    )
    _, p = test(r1, r2, r12, 80)
    assert np.mean(p < 0.05) == pytest.approx(0.05, abs=0.012)
    assert np.mean(p < 0.5) == pytest.approx(0.5, abs=0.03)


def with_fused(scores: pd.DataFrame, lcc: dict[str, float]) -> pd.DataFrame:
    weights = pd.Series(lcc) / (1 - pd.Series(lcc) ** 2)
    return scores.assign(q_hat=(scores / scores.std()).mul(weights).sum(axis=1))


def test_a_fusion_that_is_better_is_called_so() -> None:
    scores, mos = gaussian(np.random.default_rng(6), 616, PAPER_LCC)
    scores = with_fused(scores, PAPER_LCC)
    found = compare_with_best_metric(agreement_table(scores, mos, QUICK), scores, mos, QUICK)
    assert found is not None
    assert (found["metric"], found["clips"]) == ("cdpam", 616)
    # independent errors: the best sum has LCC² / (1 - LCC²) = Σ r² / (1 - r²)
    odds = sum(r**2 / (1 - r**2) for r in PAPER_LCC.values())
    truth = np.sqrt(odds / (1 + odds)) - PAPER_LCC["cdpam"]
    assert found["lcc_difference"] == pytest.approx(truth, abs=0.08)
    assert found["srocc_difference_low"] > 0
    assert max(found["bootstrap_p"], found["williams_p"], found["meng_p"]) < 0.02
    assert found["williams_t"] > 2
    assert found["meng_z"] > 2


def test_a_fusion_that_is_no_better_is_not_called_so() -> None:
    calls = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        scores, mos = gaussian(rng, 200, {"cdpam": 0.5, "pesq": 0.2})
        q_hat = 0.5 * (mos - 3) / 0.8 + np.sqrt(0.75) * rng.standard_normal(200)
        scores = scores.assign(q_hat=q_hat)
        found = compare_with_best_metric(agreement_table(scores, mos, QUICK), scores, mos, QUICK)
        assert found is not None
        calls.append([found[name] < 0.05 for name in ("bootstrap_p", "williams_p", "meng_p")])
    assert np.sum(calls, axis=0).max() <= 3  # of 12; 4 or more have probability 0.002


def test_what_falls_where_ratings_rise_is_not_better_and_not_the_best() -> None:
    scores, mos = gaussian(np.random.default_rng(7), 300, {"pesq": 0.5, "visqol": 0.9})
    scores["visqol"] *= -1
    scores["q_hat"] = scores["visqol"]
    found = compare_with_best_metric(agreement_table(scores, mos, QUICK), scores, mos, QUICK)
    assert found is not None
    assert found["metric"] == "pesq"
    assert found["srocc_difference"] < -1
    assert found["srocc_difference_high"] < 0
    assert found["lcc_difference"] < -1
    assert found["williams_t"] < 0
    assert found["meng_z"] < 0


def test_a_metric_that_scored_few_clips_is_not_the_best() -> None:
    scores, mos = gaussian(np.random.default_rng(8), 60, {"pesq": 0.5, "visqol": 0.9})
    scores.iloc[29:, scores.columns.get_loc("visqol")] = np.nan
    scores["q_hat"] = scores["pesq"] + 0.01 * mos
    found = compare_with_best_metric(agreement_table(scores, mos, QUICK), scores, mos, QUICK)
    assert found is not None
    assert found["metric"] == "pesq"


@pytest.mark.parametrize("missing", ["q_hat", "pesq"])
def test_nothing_to_compare_is_none(missing: str) -> None:
    scores, mos = gaussian(np.random.default_rng(9), 60, {"pesq": 0.5})
    scores["q_hat"] = scores["pesq"]
    scores[missing] = np.nan
    assert compare_with_best_metric(agreement_table(scores, mos, QUICK), scores, mos) is None


TRUE_WEIGHTS = FusionWeights(cdpam=0.1, dnsmos=0.1, pesq=0.7, visqol=0.1)


def weighted_study(weights: FusionWeights, seed: int, clips: int = 616, noise: float = 0.6):
    """Metrics that are independent and a MOS that is their weighted sum with noise."""
    rng = np.random.default_rng(seed)
    raw = metric_scores(rng.standard_normal(clips), dict.fromkeys(PAPER_LCC, 0.3), rng)
    normaliser = Normaliser.fit(raw)
    q = fuse(raw, normaliser, weights)["q_hat"]
    mos = 3 + 0.8 * q / q.std() + noise * rng.standard_normal(clips)
    sources = pd.Series([f"source {number // 4}" for number in range(clips)], index=raw.index)
    return raw, mos, sources, normaliser


def test_refitted_weights_are_the_true_ones() -> None:
    raw, mos, _, normaliser = weighted_study(TRUE_WEIGHTS, seed=0, clips=5000)
    found = refit_weights(normaliser.standardise(raw), mos).by_metric()
    assert sum(found.values()) == pytest.approx(1)
    assert found == pytest.approx(TRUE_WEIGHTS.by_metric(), abs=0.03)


def test_weights_are_not_negative_and_nnls_agrees() -> None:
    raw, mos, _, normaliser = weighted_study(TRUE_WEIGHTS, seed=1)
    z = normaliser.standardise(raw)
    mos = mos - 0.5 * z["dnsmos"]  # listeners dislike what this metric likes
    found = refit_weights(z, mos).by_metric()
    assert found["dnsmos"] == 0
    # the Karush-Kuhn-Tucker conditions of least squares under w >= 0
    w = pd.Series(found)[z.columns]
    scale = np.sum((mos - mos.mean()) * (z @ w)) / np.sum(((z @ w) - (z @ w).mean()) ** 2)
    residual = (mos - mos.mean()) - scale * ((z @ w) - (z @ w).mean())
    gradient = z.mul(residual, axis=0).sum() / len(z)
    assert gradient[w > 0].abs().max() < 1e-6
    assert (gradient[w == 0] < 0).all()


def test_a_metric_without_scores_gets_no_weight() -> None:
    raw, mos, _, normaliser = weighted_study(TRUE_WEIGHTS, seed=2)
    raw["visqol"] = np.nan
    raw.iloc[:100, raw.columns.get_loc("pesq")] = np.nan
    found = refit_weights(normaliser.standardise(raw), mos).by_metric()
    assert found["visqol"] == 0
    assert sum(found.values()) == pytest.approx(1)
    assert found["pesq"] > 0.6


def test_what_cannot_be_refitted_says_so() -> None:
    raw, mos, sources, normaliser = weighted_study(TRUE_WEIGHTS, seed=3, clips=40)
    z = normaliser.standardise(raw)
    with pytest.raises(ValueError, match="only 5 rated clips have"):
        refit_weights(z, mos.iloc[:5])
    with pytest.raises(ValueError, match=r"none of .* grows with the ratings"):
        refit_weights(z, -z.sum(axis=1))
    with pytest.raises(ValueError, match=r"10 sources, which makes no 11 folds.*refit.folds"):
        cross_validate_weights(
            raw, mos, sources, normaliser, FusionWeights(), RefitConfig(folds=11), QUICK
        )


def held_out(weights: FusionWeights, seed: int):
    """616 clips whose quality is the q̂ of `weights`, as twelve listeners rate it on ACR."""
    raw, quality, sources, normaliser = weighted_study(weights, seed, noise=0)
    rng = np.random.default_rng([seed, 1])
    heard = ((quality - quality.mean()) / quality.std()).to_numpy()
    scores = Listeners.draw(rng).rate(heard, rng)
    ratings = read_ratings(ratings_table(scores), list(raw.index))
    opinions = mean_opinion_scores(ratings, screen_listeners(ratings))
    mos = opinions.set_index("clip_id")["mos"]
    config = RefitConfig(requested=True, seed=seed)
    return cross_validate_weights(raw, mos, sources, normaliser, FusionWeights(), config, QUICK)


@pytest.mark.parametrize("seed", range(3))
def test_refitted_weights_win_where_the_truth_is_another(seed: int) -> None:
    found = held_out(TRUE_WEIGHTS, seed)
    assert (found["folds"], found["sources"], found["clips"]) == (5, 154, 616)
    assert found["better"]
    assert found["srocc_refitted"] > found["srocc_default"] + 0.1
    assert found["difference_low"] < found["difference"] < found["difference_high"]


def test_refitted_weights_do_not_pretend_where_the_defaults_are_the_truth() -> None:
    found = [held_out(FusionWeights(), seed) for seed in range(8)]
    assert sum(each["better"] for each in found) <= 1
    # nothing to gain: a refit can only come near
    assert np.mean([each["difference"] for each in found]) < 0.002
    assert min(each["difference"] for each in found) > -0.03


def test_no_source_helps_to_score_itself() -> None:
    """Four clips of a source are one clip four times: a split by clip would know the answers."""
    rng = np.random.default_rng(12)
    sources = 12
    raw = metric_scores(rng.standard_normal(sources), dict.fromkeys(PAPER_LCC, 0.3), rng)
    raw = raw.loc[raw.index.repeat(4)].set_axis(clip_ids(4 * sources))
    mos = 3 - raw["cdpam"] + pd.Series(rng.normal(0, 0.1, sources).repeat(4), index=raw.index)
    names = pd.Series([f"source {n // 4}" for n in range(4 * sources)], index=raw.index)
    normaliser = Normaliser.fit(raw)
    config = RefitConfig(folds=sources)
    z = normaliser.standardise(raw)
    expected = pd.Series(np.nan, index=raw.index)
    for name in names.unique():
        inside = names == name
        weights = refit_weights(z[~inside], mos[~inside])
        expected[inside] = fuse(raw[inside], normaliser, weights)["q_hat"]
    found = cross_validate_weights(raw, mos, names, normaliser, FusionWeights(), config, QUICK)
    assert found["srocc_refitted"] == pytest.approx(stats.spearmanr(expected, mos).statistic)


def test_the_figure_has_a_panel_each_and_the_fitted_lines() -> None:
    scores, mos = gaussian(np.random.default_rng(10), 50, PAPER_LCC)
    scores["dnsmos"] = np.nan
    scores = with_fused(scores, PAPER_LCC)
    figure = agreement_figure(agreement_table(scores, mos, QUICK), scores, mos)
    titles = [axes.get_title().splitlines()[0] for axes in figure.axes]
    assert titles == ["q̂", "cdpam, negated", "dnsmos", "pesq", "visqol"]
    lines = [len(axes.lines) for axes in figure.axes]
    assert lines == [1, 1, 0, 1, 1], "no line where nothing was scored"
    (line,) = figure.axes[0].lines
    slope, offset = np.polynomial.Polynomial.fit(scores["q_hat"], mos, 1).convert().coef[::-1]
    assert line.get_ydata() == pytest.approx(offset + slope * line.get_xdata())
    figure.savefig(io.BytesIO(), format="png")
