"""The last fit of stage 3: the best ν and γ on as many clips as can be afforded."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from padam.models.binary_classifier import Floats
from padam.models.defect_classifier import DefectClassifier
from padam.models.nystroem_classifier import NystroemClassifier
from padam.models.row_subset import stratified_rows
from padam.models.search import SvmSearchConfig


class RefitConfig(BaseModel):
    """How large the ν-SVM may be, and what is fitted where there are more rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    refit_max_rows: int | None = Field(None, ge=10)
    beyond: Literal["subset", "nystroem"] = "nystroem"
    n_components: int = Field(1000, ge=1)


def refit_classifier(
    rows: Floats,
    labels: npt.NDArray[np.int64],
    best: Mapping[str, float],
    search: SvmSearchConfig,
    config: RefitConfig | None = None,
    evidence_columns: int = 0,
) -> DefectClassifier | NystroemClassifier:
    """Fit the ν-SVM with the ``best`` ν and γ of ``search`` on rows (n, width) and labels (n,).

    Up to ``refit_max_rows`` it takes all rows. Beyond, `subset` fits it on that many, drawn in the
    proportion of their labels, and `nystroem` fits a NystroemClassifier on all. The last
    ``evidence_columns`` of each row are native-rate evidence that was joined to it.
    """
    config = config or RefitConfig()
    nu, gamma = best["nu"], best["gamma"]
    joined: dict[str, Any] = {"evidence_columns": evidence_columns, "r_weight": search.r_weight}
    too_many = config.refit_max_rows is not None and len(rows) > config.refit_max_rows
    if too_many and config.beyond == "nystroem":
        approximate = NystroemClassifier(
            *(nu, gamma),
            n_components=config.n_components,
            seed=search.seed,
            balanced=search.balanced,
            **joined,
        )
        return approximate.fit(rows, labels)
    kept = stratified_rows(labels, config.refit_max_rows, search.seed)
    exact = DefectClassifier(nu, gamma, balanced=search.balanced, engine=search.engine, **joined)
    return exact.fit(rows[kept], labels[kept])
