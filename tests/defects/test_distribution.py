"""Shares and ranges of synthetic manifests that were drawn with known shares."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from padam.defects.distribution import compare_with_intended, count_outside
from padam.defects.registry import DEFECT_NAMES, DEFECTS
from padam.defects.workflow import ClipParams, WorkflowConfig
from tests.defects.drawn_manifest import RATE, draw_manifest, manifest_row

CONFIG = WorkflowConfig(sample_rate=RATE)
CLEAN = ClipParams(gain_db=0.0, defects=(), source_encode=None, transcode=None)


def share(shares: pd.DataFrame, quantity: str, option: str) -> pd.Series:
    rows = shares[(shares["quantity"] == quantity) & (shares["option"] == option)]
    assert len(rows) == 1, f"{quantity} {option}"
    return rows.iloc[0]


def number(numbers: pd.DataFrame, defect: str, parameter: str) -> pd.Series:
    rows = numbers[(numbers["defect"] == defect) & (numbers["parameter"] == parameter)]
    assert len(rows) == 1, f"{defect} {parameter}"
    return rows.iloc[0]


@pytest.fixture(scope="module")
def manifest() -> pd.DataFrame:
    return draw_manifest(1500, CONFIG, seed=1)


@pytest.fixture(scope="module")
def tables(manifest: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    return compare_with_intended(manifest, CONFIG)


def test_what_was_drawn_as_printed_is_within(tables) -> None:
    shares, numbers = tables
    judged = shares["within"].dropna()
    assert len(judged) > 50
    assert (~judged).sum() <= 3, "one in a hundred lies outside by chance"
    outside = numbers[numbers["inside"].eq(False).fillna(False)]
    assert outside.empty, outside
    assert count_outside(shares, numbers)["shares_checked"] == len(judged)


def test_intended_shares_are_the_papers_and_what_follows_from_them(tables) -> None:
    shares, _ = tables
    assert share(shares, "clip", "clean")["intended"] == pytest.approx(0.10)
    assert share(shares, "clip", "single")["intended"] == pytest.approx(0.65)
    assert share(shares, "clip", "several")["intended"] == pytest.approx(0.25)
    # a clip holds 0.65 · 1 + 0.25 · 2.5 = 1.275 defects, spread evenly over seven
    for name in DEFECT_NAMES:
        assert share(shares, "defect", name)["intended"] == pytest.approx(1.275 / 7)
    forced = share(shares, "source encode", "yes")
    assert forced["intended"] == pytest.approx(0.5 + 0.5 * 1.275 / 7)
    assert "packet loss" in forced["note"]
    assert share(shares, "source encode codec", "opus")["intended"] == pytest.approx(1 / 3)
    assert share(shares, "source encode sample rate", "44100 Hz")["intended"] == pytest.approx(
        1 / 3
    )
    assert share(shares, "transcode codec", "aac")["intended"] == 1.0
    assert share(shares, "hum fundamental", "50 Hz")["intended"] == pytest.approx(0.25)
    assert share(shares, "number of defects", "3")["intended"] == pytest.approx(0.5)


def test_counts_are_those_of_the_manifest(manifest: pd.DataFrame, tables) -> None:
    shares, _ = tables
    drawn = [json.loads(text) for text in manifest["params"]]
    clean = share(shares, "clip", "clean")
    assert clean["count"] == sum(not clip["defects"] for clip in drawn)
    assert clean["total"] == 1500
    assert clean["observed"] == clean["count"] / 1500
    bits = [d["bits"] for clip in drawn for d in clip["defects"] if d["defect"] == "quantization"]
    row = share(shares, "quantization bits", "6")
    assert (row["count"], row["total"]) == (bits.count(6), len(bits))
    rates = [clip["source_encode"] for clip in drawn if clip["source_encode"]]
    free = [codec["sample_rate"] for codec in rates if codec["codec"] != "opus"]
    row = share(shares, "source encode sample rate", "32000 Hz")
    assert (row["count"], row["total"]) == (free.count(32000), len(free))


def test_shares_that_redraws_move_are_shown_but_not_judged(tables) -> None:
    shares, _ = tables
    for quantity in ("interval", "channels", "drops mode", "quantization bits"):
        rows = shares[shares["quantity"] == quantity]
        assert rows["within"].isna().all()
        assert rows["note"].str.contains("redraws").all()
        assert rows["observed"].notna().all()


def test_a_share_that_nothing_else_can_take_is_judged_in_spite_of_redraws() -> None:
    whole = WorkflowConfig(sample_rate=RATE, placement={"whole_probability": 1.0})
    drawn = draw_manifest(60, whole, seed=2)
    shares, _ = compare_with_intended(drawn, whole)
    assert share(shares, "interval", "whole clip")["within"]
    shares, _ = compare_with_intended(draw_manifest(60, CONFIG, seed=2), whole)
    row = share(shares, "interval", "whole clip")
    assert not row["within"]
    assert row["note"] == ""


def test_wrong_shares_are_found() -> None:
    drawn = draw_manifest(1200, CONFIG, seed=3, kinds=(0.05, 0.70, 0.25), encodes=0.6)
    shares, numbers = compare_with_intended(drawn, CONFIG)
    assert not share(shares, "clip", "clean")["within"]
    assert not share(shares, "clip", "single")["within"]
    assert not share(shares, "source encode", "yes")["within"]
    assert share(shares, "clip", "several")["within"]
    assert share(shares, "transcode", "yes")["within"]
    assert count_outside(shares, numbers)["shares_outside"] >= 3


def test_an_option_that_was_never_configured_is_outside(manifest: pd.DataFrame) -> None:
    narrow = WorkflowConfig(
        sample_rate=RATE, source_encode={"codecs": ["aac", "mp3"]}, defects=DEFECT_NAMES[1:]
    )
    shares, _ = compare_with_intended(manifest, narrow)
    opus = share(shares, "source encode codec", "opus")
    assert (opus["intended"], opus["within"]) == (0.0, False)
    assert opus["count"] > 0
    assert not share(shares, "defect", "hum")["within"]


def changed(manifest: pd.DataFrame, defect: str, field: str, value: Any) -> pd.DataFrame:
    """The manifest with one drawn value of the first such defect replaced."""
    manifest = manifest.copy()
    for index, text in manifest["params"].items():
        clip = json.loads(text)
        found = [d for d in clip["defects"] if d["defect"] == defect]
        if found:
            found[0][field] = value
            manifest.loc[index, "params"] = json.dumps(clip)
            return manifest
    raise AssertionError(f"no {defect}")


@pytest.mark.parametrize(
    ("defect", "field", "value", "parameter"),
    [
        ("hum", "snr_db", 15.5, "snr_db"),
        ("hum", "fundamental_hz", 700.0, "fundamental_hz other than mains"),
        ("hiss", "highpass", 0.6, "highpass"),
        ("hiss", "interval", {"start_s": 0.0, "duration_s": 1.9}, "interval duration_s"),
        ("packet_loss", "amount", 999, "amount"),
        ("clicks", "interval", {"start_s": 2.0, "duration_s": 1.2}, "interval end_s"),
        ("drops", "events", [{"start_s": 1.0, "duration_s": 0.2}], "events duration_s"),
    ],
)
def test_a_value_out_of_range_is_found(
    manifest: pd.DataFrame, defect: str, field: str, value: Any, parameter: str
) -> None:
    drawn = manifest[manifest[defect] == 1].head(20)
    _, numbers = compare_with_intended(drawn, CONFIG)
    assert number(numbers, defect, parameter)["inside"]
    _, numbers = compare_with_intended(changed(drawn, defect, field, value), CONFIG)
    assert not number(numbers, defect, parameter)["inside"]


def test_quantiles_and_ranges_are_those_of_the_draws(manifest: pd.DataFrame, tables) -> None:
    _, numbers = tables
    drawn = [d for text in manifest["params"] for d in json.loads(text)["defects"]]
    snr_db = np.array([d["snr_db"] for d in drawn if d["defect"] == "hiss"])
    row = number(numbers, "hiss", "snr_db")
    assert (row["low"], row["high"], row["count"]) == (0.0, 15.0, len(snr_db))
    assert (row["min"], row["max"]) == (snr_db.min(), snr_db.max())
    assert row["p50"] == pytest.approx(np.median(snr_db))
    measured = number(numbers, "hiss", "in_band_snr_db")
    assert measured["inside"] is pd.NA
    assert measured["count"] == len(snr_db)
    seconds = number(numbers, "clicks", "clicks in each second")
    assert (seconds["low"], seconds["high"]) == (2, 8)
    assert seconds["min"] >= 2


def test_bounds_are_those_of_the_binomial_distribution() -> None:
    # 99 % of the sums of 100 fair draws lie in 37 … 63
    config = WorkflowConfig(clean_probability=0.5, single_probability=0.5, several_probability=0)
    rows = pd.DataFrame([manifest_row(n, CLEAN, duration_s=10.0) for n in range(100)])
    row = share(compare_with_intended(rows, config)[0], "clip", "clean")
    assert (row["low"], row["high"]) == (0.37, 0.63)
    assert not row["within"]


def test_rejected_clips_may_have_held_anything() -> None:
    config = WorkflowConfig(clean_probability=0.5, single_probability=0.5, several_probability=0)
    rows = pd.DataFrame([manifest_row(n, CLEAN, duration_s=10.0) for n in range(100)])
    # 100 clean clips of 150 would be too many, of 180 they would not
    for rejected, within in ((50, False), (80, True)):
        shares, _ = compare_with_intended(rows, config, rejected)
        assert share(shares, "clip", "clean")["within"] == within


def test_every_defect_is_looked_at(tables) -> None:
    shares, numbers = tables
    covered = set(numbers["defect"])
    assert set(DEFECTS) <= covered
    for name, defect in DEFECTS.items():
        own = numbers[numbers["defect"] == name]["parameter"]
        beyond_interval = own[~own.str.startswith("interval")]
        chosen = shares["quantity"].str.startswith(name.replace("_", " ")).any()
        assert chosen or len(beyond_interval), defect


def test_an_empty_manifest_gives_rows_that_are_not_judged() -> None:
    for empty in (pd.DataFrame(), draw_manifest(1, CONFIG).head(0)):
        shares, numbers = compare_with_intended(empty, CONFIG)
        assert shares["total"].eq(0).all()
        assert shares["within"].isna().all()
        assert numbers["inside"].isna().all()
        assert set(count_outside(shares, numbers).values()) == {0}


def test_channels_of_mono_clips_are_no_choice() -> None:
    drawn = draw_manifest(40, CONFIG, seed=5).assign(channels=1)
    assert share(compare_with_intended(drawn, CONFIG)[0], "channels", "all")["total"] == 0


def test_channels_come_from_the_configuration_where_the_manifest_does_not_tell() -> None:
    drawn = draw_manifest(40, CONFIG, seed=5)
    told = compare_with_intended(drawn, CONFIG)[0]
    pd.testing.assert_frame_equal(
        compare_with_intended(drawn.drop(columns="channels"), CONFIG)[0], told
    )
    unknown = CONFIG.model_copy(update={"channels": None})
    with pytest.raises(ValueError, match="no column 'channels'"):
        compare_with_intended(drawn.drop(columns="channels"), unknown)


def test_parameters_of_another_workflow_name_the_clip(manifest: pd.DataFrame) -> None:
    other = manifest.head(2).assign(params=['{"gain_db": 0}', "{}"])
    with pytest.raises(ValueError, match=r"clip 000000.*run the synthesis again"):
        compare_with_intended(other, CONFIG)


def test_a_defect_that_stands_twice_is_drawn_more_often() -> None:
    # of {hum, hum, hiss} one is chosen: hum in two of three
    config = WorkflowConfig(
        defects=("hum", "hum", "hiss"),
        single_probability=1.0,
        several_probability=0.0,
        clean_probability=0.0,
    )
    shares, _ = compare_with_intended(pd.DataFrame(), config)
    assert share(shares, "defect", "hum")["intended"] == pytest.approx(2 / 3)


def test_tables_survive_parquet(tables, tmp_path) -> None:
    for table in tables:
        table.to_parquet(tmp_path / "table.parquet", index=False)
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "table.parquet"), table)
