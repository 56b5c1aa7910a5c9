"""Numbers as JSON has them."""

import math
from collections.abc import Mapping
from typing import Any


def without_nan(values: Mapping[Any, Any]) -> dict[Any, Any]:
    """Replace NaN, which JSON has not, with None."""
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in values.items()
    }
