from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from padam.models.estimator_folder import ClassifierFileError
from padam.models.quality_regressor import QualityRegressor, QualityRegressorConfig


def bowl(seed: int, rows: int = 200, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return points (rows, 4) and a q̂ that falls with their distance from the origin."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(rows, 4))
    return points, -3.0 * np.linalg.norm(points, axis=1) + 50.0 + noise * rng.normal(size=rows)


def test_predicts_a_quality_that_no_plane_predicts() -> None:
    regressor = QualityRegressor(QualityRegressorConfig(c=10.0)).fit(*bowl(seed=0))
    unseen, quality = bowl(seed=1)
    plane = np.linalg.lstsq(np.c_[unseen, np.ones(200)], quality, rcond=None)[0]
    residual = quality - np.c_[unseen, np.ones(200)] @ plane
    found = regressor.evaluate(unseen, quality)
    assert found["spearman"] > 0.9
    assert found["rmse"] < 0.5 * residual.std()


def test_units_of_quality_do_not_matter() -> None:
    rows, quality = bowl(seed=0)
    small, large = (QualityRegressor().fit(rows, s * quality + 7).predict(rows) for s in (1, 1000))
    np.testing.assert_allclose((large - 7) / 1000, small - 7, rtol=1e-3)


def test_evaluation_counts_errors_and_order() -> None:
    regressor = QualityRegressor().fit(*bowl(seed=0))
    rows, _ = bowl(seed=1)
    predicted = regressor.predict(rows)
    assert regressor.evaluate(rows, predicted + 2.0) == {
        "spearman": pytest.approx(1.0),
        "rmse": pytest.approx(2.0),
    }
    assert regressor.evaluate(rows, -predicted)["spearman"] == pytest.approx(-1.0)
    assert regressor.evaluate(rows, np.zeros(200))["spearman"] is None


def test_more_rows_than_allowed_are_drawn_from() -> None:
    config = QualityRegressorConfig(max_rows=50, seed=1)
    regressor, again = (QualityRegressor(config).fit(*bowl(seed=0)) for _ in range(2))
    assert regressor.training_rows == 50
    np.testing.assert_array_equal(regressor.predict(bowl(1)[0]), again.predict(bowl(1)[0]))


def test_saved_regressor_predicts_alike_and_bad_folders_are_refused(tmp_path: Path) -> None:
    regressor = QualityRegressor(QualityRegressorConfig(nu=0.4)).fit(*bowl(seed=0))
    regressor.save(tmp_path)
    loaded = QualityRegressor.load(tmp_path)
    np.testing.assert_array_equal(loaded.predict(bowl(1)[0]), regressor.predict(bowl(1)[0]))
    assert (loaded.config, loaded.training_rows) == (regressor.config, 200)
    estimator = tmp_path / "estimator.skops"
    estimator.write_bytes(estimator.read_bytes()[:-1])
    with pytest.raises(ClassifierFileError, match="checksum"):
        QualityRegressor.load(tmp_path)
    with pytest.raises(ClassifierFileError, match="no readable"):
        QualityRegressor.load(tmp_path / "nothing")


def test_bad_data_is_refused() -> None:
    rows, quality = bowl(seed=0)
    broken, missing = rows.copy(), quality.copy()
    broken[2, 0] = np.nan
    missing[:3] = np.nan
    for arguments, message in (
        ((broken, quality), "1 of 200 representations are not finite"),
        ((rows, missing), r"3 of 200 values of q̂ are not finite"),
        ((rows, quality[:-1]), "expected one value for 200 rows"),
        ((rows, np.ones(200)), "takes 1 values"),
        ((np.empty((0, 4)), []), "no clips with a q̂"),
    ):
        with pytest.raises(ValueError, match=message):
            QualityRegressor().fit(*arguments)
    with pytest.raises(ValueError, match="another quality head"):
        QualityRegressor().fit(rows, quality).predict(rows[:, :2])
    with pytest.raises(RuntimeError, match="not fitted"):
        QualityRegressor().predict(rows)
    with pytest.raises(ValidationError):
        QualityRegressorConfig(nu=0.0)
