import numpy as np
import pandas as pd
import pytest

from padam.models.figures import plot_search
from padam.models.search import SvmSearchConfig

TRIALS = pd.DataFrame(
    {
        "number": [0, 1, 2],
        "state": ["complete", "pruned", "complete"],
        "nu": [0.1, 0.8, 0.3],
        "gamma": [1e-4, 1e-2, 1e-3],
        "score": [0.4, np.nan, 0.9],
    }
)


def test_the_best_trial_is_ringed_and_pruned_ones_are_shown() -> None:
    plane, course, over_nu, over_gamma, _ = plot_search(TRIALS, SvmSearchConfig()).axes
    _, pruned, best, *_ = plane.collections
    np.testing.assert_allclose(pruned.get_offsets(), [[0.8, 1e-2]])
    np.testing.assert_allclose(best.get_offsets(), [[0.3, 1e-3]])
    np.testing.assert_allclose(course.lines[1].get_ydata(), [0.4, 0.9])
    for axes, x in ((over_nu, [0.1, 0.3]), (over_gamma, [1e-4, 1e-3])):
        points, ringed = axes.lines
        np.testing.assert_allclose(points.get_xydata(), np.c_[x, [0.4, 0.9]])
        np.testing.assert_allclose(ringed.get_xydata(), [[x[1], 0.9]])


def test_the_range_is_shown_with_its_outer_twentieths() -> None:
    config = SvmSearchConfig(gamma_min=1e-4, gamma_max=1.0)
    over_gamma = plot_search(TRIALS, config).axes[3]
    assert over_gamma.get_xlim() == pytest.approx((1e-4, 1.0))
    shaded = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in over_gamma.patches]
    np.testing.assert_allclose(shaded, [(1e-4, 10**-3.8), (10**-0.2, 1.0)])


@pytest.mark.parametrize(
    ("gamma_max", "told"),
    [(1e-1, "inside the range"), (1.1e-3, "on the edge of the range: gamma_max")],
)
def test_the_title_tells_of_an_edge(gamma_max: float, told: str) -> None:
    figure = plot_search(TRIALS, SvmSearchConfig(gamma_max=gamma_max))
    assert told in figure.get_suptitle()


def test_the_axes_are_named_by_what_the_search_was_scored_by() -> None:
    plane, course, *_ = plot_search(TRIALS, SvmSearchConfig(scored_by="auc")).axes
    assert plane.get_title() == "AUC over ν and γ"
    assert course.get_ylabel() == "AUC"
