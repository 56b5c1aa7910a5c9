import numpy as np
import pandas as pd

from padam.models.figures import plot_search


def test_the_best_trial_is_ringed_and_pruned_ones_are_shown() -> None:
    trials = pd.DataFrame(
        {
            "number": [0, 1, 2],
            "state": ["complete", "pruned", "complete"],
            "nu": [0.1, 0.8, 0.3],
            "gamma": [1e-4, 1e-2, 1e-3],
            "f1": [0.4, np.nan, 0.9],
        }
    )
    plane, course, _ = plot_search(trials).axes
    _, pruned, best = plane.collections
    np.testing.assert_allclose(pruned.get_offsets(), [[0.8, 1e-2]])
    np.testing.assert_allclose(best.get_offsets(), [[0.3, 1e-3]])
    np.testing.assert_allclose(course.lines[1].get_ydata(), [0.4, 0.9])
