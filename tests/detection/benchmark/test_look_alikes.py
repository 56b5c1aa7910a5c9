"""Look-alikes: found by pattern, never of the training material, refused with the reason."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from padam.audio.media import write_flac
from padam.audio.media_folder import MediaFolder, find_media
from padam.detection.benchmark.config import LookAlikeRanges
from padam.detection.benchmark.look_alikes import inspect_look_alikes

RATE = 48_000
INDEX = pd.DataFrame(
    {"source": ["effects/fan.flac", "effects/sea.flac"], "split": ["train", "test"]}
)


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> MediaFolder:
    root = tmp_path_factory.mktemp("look_alikes")
    noise = 0.1 * np.random.default_rng(0).standard_normal((1, 2 * RATE)).astype(np.float32)
    gapped = noise.copy()
    gapped[:, RATE : RATE + 4800] = 0
    sounds = {
        "effects/fan": noise,
        "effects/sea": noise,
        "mine/rain/a": noise,
        "mine/rain/b": noise,
        "mine/wind/c": noise,
        "mine/wind/short": noise[:, : RATE // 2],
        "mine/wind/clipped": np.clip(noise, -0.05, 0.05),
        "mine/wind/gapped": gapped,
    }
    for name, audio in sounds.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        write_flac(root / f"{name}.flac", audio, RATE)
    (root / "mine/wind/broken.flac").write_bytes(b"no audio")
    return find_media(root)


def inspected(
    media: MediaFolder, recordings: dict[str, dict[str, tuple[str, ...]]]
) -> pd.DataFrame:
    ranges = LookAlikeRanges.model_validate({"recordings": recordings})
    return inspect_look_alikes(media, INDEX, ranges)


def test_files_are_named_after_their_folder_or_as_told(media: MediaFolder) -> None:
    found = inspected(
        media,
        {"test": {"by_folder": ("mine/rain/*",), "waves": ("effects/sea*",)}},
    )
    rows = found[["source", "name", "split", "accepted"]].values.tolist()
    assert rows == [
        ["mine/rain/a.flac", "rain", "test", True],
        ["mine/rain/b.flac", "rain", "test", True],
        ["effects/sea.flac", "waves", "test", True],
    ]


def test_what_may_not_be_used_is_refused_with_the_reason(media: MediaFolder) -> None:
    found = inspected(
        media,
        {"test": {"by_folder": ("mine/wind/*",), "fan": ("effects/fan*",), "none": ("no/*",)}},
    ).set_index("source")
    assert found["accepted"].sum() == 1
    assert found.loc["mine/wind/c.flac", "accepted"]
    assert found.loc["effects/fan.flac", "reason"] == "it is a source of train"
    assert found.loc["no/*", "reason"] == "no file matches this pattern"
    assert "shorter than" in found.loc["mine/wind/short.flac", "reason"]
    assert "already clipped" in found.loc["mine/wind/clipped.flac", "reason"]
    assert "digital zeros" in found.loc["mine/wind/gapped.flac", "reason"]
    assert found.loc["mine/wind/broken.flac", "reason"]


def test_a_file_in_two_splits_is_an_error(media: MediaFolder) -> None:
    with pytest.raises(ValueError, match=r"look-alike 'mine/rain/a\.flac' is rain of validation"):
        inspected(
            media,
            {
                "validation": {"by_folder": ("mine/rain/*",)},
                "test": {"by_folder": ("mine/rain/a*",)},
            },
        )


def test_without_patterns_there_are_none(media: MediaFolder, tmp_path: Path) -> None:
    assert inspected(media, {}).empty
