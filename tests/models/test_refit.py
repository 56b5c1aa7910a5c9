import numpy as np
import pytest

from padam.models.defect_classifier import DefectClassifier
from padam.models.nystroem_classifier import NystroemClassifier
from padam.models.refit import RefitConfig, refit_classifier
from padam.models.search import SvmSearchConfig
from tests.models.conftest import Rows

BEST = {"nu": 0.2, "gamma": 0.3}


@pytest.mark.parametrize("limit", [None, 120])
def test_up_to_the_limit_the_svm_takes_all_rows(
    separable: Rows, held_out: Rows, limit: int | None
) -> None:
    search = SvmSearchConfig(balanced=False)
    found = refit_classifier(*separable, BEST, search, RefitConfig(refit_max_rows=limit))
    expected = DefectClassifier(**BEST, balanced=False).fit(*separable)
    assert (found.kind, found.training_rows) == ("nu_svm", 120)
    np.testing.assert_array_equal(found.score(held_out[0]), expected.score(held_out[0]))


def test_beyond_the_limit_it_takes_a_part_or_gives_way(separable: Rows, held_out: Rows) -> None:
    limit = {"refit_max_rows": 60, "n_components": 50}
    part, approximate = (
        refit_classifier(*separable, BEST, SvmSearchConfig(), RefitConfig(beyond=beyond, **limit))
        for beyond in ("subset", "nystroem")
    )
    assert isinstance(part, DefectClassifier)
    assert part.training_rows == 60
    assert isinstance(approximate, NystroemClassifier)
    assert (approximate.training_rows, approximate.n_components) == (120, 50)
    for classifier in (part, approximate):
        assert (classifier.nu, classifier.gamma) == (0.2, 0.3)
        assert (classifier.predict(held_out[0]) == held_out[1]).mean() > 0.95
