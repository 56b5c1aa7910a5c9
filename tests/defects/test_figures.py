import json

import pandas as pd

from padam.defects.figures import plot_drawn_distributions
from padam.defects.registry import DEFECT_NAMES


def row(split: str, codec: str | None, **defects: float) -> dict:
    drawn = [
        {"defect": name, "interval": {"start_s": 0.0, "duration_s": duration}, "snr_db": 7.5}
        for name, duration in defects.items()
    ]
    params = {
        "defects": drawn,
        "source_encode": {"codec": codec} if codec else None,
        "transcode": None,
    }
    labels = {name: int(name in defects) for name in DEFECT_NAMES}
    return {"split": split, "params": json.dumps(params), **labels}


def test_what_was_drawn_is_what_is_counted() -> None:
    manifest = pd.DataFrame(
        [
            row("train", "aac", hiss=4.0),
            row("train", None, hum=10.0, hiss=2.0),
            row("validation", "aac"),
        ]
    )
    counts, codecs, durations, snr = plot_drawn_distributions(manifest).axes
    names = [label.get_text() for label in counts.get_yticklabels()]
    train = dict(zip(names, [bar.get_width() for bar in counts.containers[0]], strict=True))
    assert (train["hiss"], train["hum"], train["clean"]) == (2, 1, 0)
    assert counts.containers[1][names.index("clean")].get_width() == 1
    heights = [bar.get_height() for bar in codecs.containers[0]]
    assert dict(zip([t.get_text() for t in codecs.get_xticklabels()], heights, strict=True)) == {
        "aac": 2,
        "none": 1,
    }
    assert sum(bar.get_height() for bar in durations.patches) == 3
    assert [text.get_text() for text in snr.get_legend().get_texts()] == ["hum", "hiss"]


def test_only_clean_clips_can_be_drawn_too() -> None:
    assert len(plot_drawn_distributions(pd.DataFrame([row("train", None)])).axes) == 4
