"""From clip pairs and q̂ to a test that people take."""

from typing import Any

import pandas as pd

from padam.datasets.shards import ClipShards
from padam.defects.clip_ids import check_same_clips
from padam.quality.listening_test import (
    ListeningTest,
    PageConfig,
    SampleConfig,
    plan_listening_test,
)


def choose_clips(
    clips: ClipShards,
    manifest: pd.DataFrame,
    quality: pd.DataFrame,
    sample: SampleConfig,
    page: PageConfig,
) -> tuple[ListeningTest, pd.DataFrame, dict[str, Any]]:
    """Return the test to be written, the key that tells what its items are, and their counts."""
    check_same_clips({"clip_manifest": manifest["clip_id"], "fused_quality": quality["clip_id"]})
    table = manifest[["clip_id", "split", "labels"]].merge(
        quality[["clip_id", "q_hat"]], on="clip_id", validate="1:1"
    )
    test = plan_listening_test(table, clips.select, sample, page)
    return test, test.key, test.summary()
