"""From the files that listeners hand in to ratings of clips."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from padam.audio.storage import Location
from padam.quality.listening_results import read_keys, read_results, summarise_results


def collect_ratings(
    results: Iterable[Location], keys: Iterable[Location]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return a row per rating with the clip that it is of, and the counts."""
    ratings = read_results(results, read_keys(keys))
    return ratings, summarise_results(ratings)
