"""Production review: the paper's own numbers, tables counted by hand, and files that are wrong."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from padam.detection.review import ReviewConfig, breakdown, review_table, settle, title_verdicts
from padam.detection.review_report import review_figure, review_markdown, review_summary
from padam.detection.scanned_titles import (
    ScannedTitle,
    ScannedTitles,
    read_scanned_titles,
    thresholds_for_volumes,
)
from padam.detection.verdicts import document_id, read_verdicts
from tests.detection.review_kit import document_of, event, three_events
from tests.detection.verdict_files import row, write

NOTHING = ScannedTitles(())
CONFIG = ReviewConfig(resamples=500, seed=1)
PAPER = {
    "genuine": {"distortion": 15, "clipping": 9, "noise": 7, "other": 4},
    "creative_intent": {
        "environmental": 37, "rain": 27, "tone/buzz": 9, "channel effects": 7, "other": 12,
    },
    "no_issue": {"": 8},
}  # fmt: skip


def reviewed(*rows: dict):
    return settle(pd.DataFrame(list(rows)))


def measured(table: pd.DataFrame, level: str, measure: str) -> pd.Series:
    (found,) = (found for _, found in table.iterrows() if list(found[:2]) == [level, measure])
    return found


@pytest.fixture(scope="module")
def paper():
    """PADAM §5.2: 135 of 17 000 titles detected, each with one verdict."""
    kinds = [
        (verdict, kind)
        for verdict, counts in PAPER.items()
        for kind, count in counts.items()
        for _ in range(count)
    ]
    rows = [
        row(f"{n:03d}.mov", 1, verdict, sub_category=kind)
        for n, (verdict, kind) in enumerate(kinds)
    ]
    titles = [
        ScannedTitle(str(n), np.zeros(6), np.zeros((6, 2)), int(n < len(rows)), 0, 0)
        for n in range(17_000)
    ]
    return reviewed(*rows), ScannedTitles(tuple(titles), "padam 1")


def test_the_papers_numbers_come_out_of_the_papers_counts(paper) -> None:
    review, scanned = paper
    table = review_table(review, scanned, CONFIG)
    expected = {
        "flagged_share": (135, 17_000, 0.008),
        "genuine_precision": (35, 135, 0.259),
        "valid_precision": (127, 135, 0.941),
        "creative_intent_share": (92, 135, 0.681),
        "no_issue_share": (8, 135, 0.059),
    }
    for measure, (count, of, share) in expected.items():
        found = measured(table, "title", measure)
        assert (found["count"], found["of"]) == (count, of)
        assert found["share"] == pytest.approx(share, abs=0.0005)
    assert measured(table, "segment", "flagged_share")["of"] == 6 * 17_000
    groups = breakdown(review)
    found = groups[groups["by"] == "creative_intent"].set_index("value")["events"]
    assert found.to_dict() == PAPER["creative_intent"]
    assert groups[groups["by"] == "no_issue"]["value"].tolist() == ["unspecified"]


def test_wilsons_interval_is_the_textbooks(paper) -> None:
    found = measured(review_table(paper[0], NOTHING, CONFIG), "title", "genuine_precision")
    p, n, z = 35 / 135, 135, 1.959964
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert found["wilson_low"] == pytest.approx(middle - half, abs=1e-6)
    assert found["wilson_high"] == pytest.approx(middle + half, abs=1e-6)
    # one event a title: the bootstrap has the binomial's width
    width = found["bootstrap_high"] - found["bootstrap_low"]
    assert width == pytest.approx(2 * z * np.sqrt(p * (1 - p) / n), rel=0.12)


def test_the_bootstrap_knows_that_events_of_a_title_are_alike() -> None:
    alike = [
        row(f"{title}.mov", number, "genuine" if title % 2 else "no_issue")
        for title in range(20)
        for number in range(1, 11)
    ]
    found = measured(review_table(reviewed(*alike), NOTHING, CONFIG), "event", "genuine_precision")
    assert found["share"] == 0.5
    wilson = found["wilson_high"] - found["wilson_low"]
    assert found["bootstrap_high"] - found["bootstrap_low"] > 2.5 * wilson


def test_tables_counted_by_hand() -> None:
    review = reviewed(
        row("a", 1, "genuine", severity="blocker", sub_category="Noise "),
        row("a", 2, "creative_intent", sub_category="rain"),
        row("a", 3, "no_issue", defect="hum"),
        row("b", 1, "creative_intent", defect="hum", sub_category=" RAIN"),
        row("b", 2, "no_issue", defect="", probability=None),
        row("c", 1, ""),
        row("d", 1, "no_issue"),
        row("d", 2, ""),
    )
    assert review.counts == {
        "rows": 8, "repeated": 0, "events": 8, "unjudged": 2, "by_several": 0,
        "disagreed": 0, "disputed": 0, "reviewers": 1, "titles": 4,
    }  # fmt: skip
    assert title_verdicts(review)["verdict"].tolist() == ["genuine", "creative_intent"]
    table = review_table(review, NOTHING, CONFIG)
    assert "flagged_share" not in set(table["measure"])
    assert measured(table, "event", "genuine_precision")[["count", "of"]].tolist() == [1, 6]
    assert measured(table, "event", "valid_precision")[["count", "of"]].tolist() == [3, 6]
    assert measured(table, "title", "genuine_precision")[["count", "of"]].tolist() == [1, 2]
    groups = breakdown(review).set_index(["by", "value"])
    assert groups.loc[("defect", "hiss"), ["events", "titles", "genuine"]].tolist() == [3, 2, 1]
    assert groups.loc[("defect", "hum"), "valid_precision"] == 0.5
    assert groups.loc[("defect", "none named"), "no_issue"] == 1
    assert groups.loc[("severity", "blocker"), "genuine_precision"] == 1
    assert groups.loc[("creative_intent", "rain"), ["events", "titles"]].tolist() == [2, 2]
    assert groups.loc[("genuine", "noise"), "share"] == 1


def test_the_last_of_one_reviewer_holds_and_a_majority_of_several() -> None:
    def said(number: int, verdict: str, who: str, hour: int, kind: str = "") -> dict:
        at = f"2026-01-01T{hour:02d}:00:00.000Z"
        return row("a", number, verdict, reviewer=who, reviewed_at=at, sub_category=kind)

    review = reviewed(
        said(1, "creative_intent", "ann", 12, "vinyl"),
        said(1, "genuine", "ann", 10, "noise"),
        said(2, "genuine", "ann", 10),
        said(2, "no_issue", "bob", 11),
        said(2, "genuine", "cy", 12, "clipping"),
        said(3, "genuine", "ann", 10),
        said(3, "no_issue", "bob", 11),
        said(4, "genuine", "ann", 10),
        said(4, "", "bob", 11),
    )
    held = review.events.set_index("event_id")
    assert held["verdict"].to_dict() == {1: "creative_intent", 2: "genuine", 3: "", 4: "genuine"}
    assert held.loc[[1, 2], "sub_category"].tolist() == ["vinyl", "clipping"]
    counts = review.counts
    assert (counts["repeated"], counts["by_several"]) == (1, 2)
    assert (counts["disagreed"], counts["disputed"]) == (2, 1)


def test_what_a_reader_finds(paper, tmp_path: Path) -> None:
    review, scanned = paper
    table, groups = review_table(review, scanned, CONFIG), breakdown(review)
    thresholds = thresholds_for_volumes(ScannedTitles(scanned.titles[:200]), CONFIG.volumes)
    summary = review_summary(review, scanned, table, thresholds)
    json.dumps(summary, allow_nan=False)
    assert summary["shares"]["title"]["genuine_precision"]["count"] == 35
    assert summary["scanned"]["flagged_unreviewed"] == 135, "they go by other names here"
    page = review_markdown(summary, table, groups, thresholds)
    assert "| title | genuine precision | 35 of 135 | 25.9 % |" in page
    assert "| rain | 27 | 27 | 29.3 % |" in page
    lines = [line for line in page.splitlines() if line.startswith("|")]
    figure = review_figure(review, table, groups)
    figure.savefig(tmp_path / "figure.png")
    bars = [bar.get_width() for bar in figure.axes[2].patches]
    assert bars == sorted(PAPER["creative_intent"].values())
    assert {line.count(" | ") for line in lines if "precision" in line} <= {5, 7}


def test_what_a_reviewer_wrote_ends_no_cell() -> None:
    review = reviewed(row(verdict="creative_intent", sub_category="a|b"))
    table, groups = review_table(review, NOTHING, CONFIG), breakdown(review)
    thresholds = thresholds_for_volumes(NOTHING, CONFIG.volumes)
    summary = review_summary(review, NOTHING, table, thresholds)
    page = review_markdown(summary, table, groups, thresholds)
    assert "| a\\|b | 1 | 1 | 100.0 % |" in page
    assert "No detections documents were given" in page
    assert summary["shares"]["title"]["genuine_precision"]["bootstrap_low"] is None


# ---------------------------------------------------------------- thresholds
def scan(number: int, scores: list[float], x_s: float = 0.0, y_s: float = 0.0) -> ScannedTitle:
    starts = 10.0 * np.arange(len(scores))
    times = np.stack([starts, starts + 10], axis=1)
    return ScannedTitle(str(number), np.array(scores), times, 0, x_s, y_s)


def test_a_threshold_lets_through_the_wanted_volume_and_no_more() -> None:
    scores = np.random.default_rng(0).permutation(1000) / 1000
    scanned = ScannedTitles(tuple(scan(n, part) for n, part in enumerate(scores.reshape(10, 100))))
    table = thresholds_for_volumes(scanned, (0.05, 0.0005, 0.001, 1.0))
    assert table["volume"].tolist() == [0.0005, 0.001, 0.05, 1.0]
    assert np.isnan(table["threshold"][0])
    assert table["threshold"].tolist()[1:] == [0.999, 0.95, 0.0]
    assert table["segments_share"].tolist() == [0, 0.001, 0.05, 1.0]
    assert table["titles_share"].tolist()[:2] == [0, 0.1]
    assert table["review_hours"][2] == pytest.approx(50 * 10 / 3600)
    assert table["hours"][0] == pytest.approx(10_000 / 3600)


def test_ties_are_not_split_and_the_filter_is_in_force() -> None:
    ties = ScannedTitles((scan(0, [0.9, 0.9, 0.5, 0.1]),))
    assert thresholds_for_volumes(ties, (0.25, 0.5))["threshold"].isna().tolist() == [True, False]
    lone = [0.9, 0.1, 0.1, 0.1, 0.8, 0.7]
    filtered = ScannedTitles((scan(0, lone, x_s=20, y_s=20),))
    found = thresholds_for_volumes(filtered, (0.34,)).iloc[0]
    assert found["threshold"] == 0.7, "0.9 stands alone and is left out"
    assert found["segments_share"] == pytest.approx(2 / 6)


def test_volumes_are_shares() -> None:
    for volumes in ((0.0,), (1.5,)):
        with pytest.raises(ValidationError):
            ReviewConfig(volumes=volumes)


# ---------------------------------------------------------------- files
def test_scanned_titles_are_read_from_documents(tmp_path: Path) -> None:
    document = document_of(three_events())
    document["segments"][0]["channel_scores"] = [None, None]
    for name in ("first.json", "again.json"):
        (tmp_path / name).write_text(json.dumps(document))
    (tmp_path / "clean.json").write_text(json.dumps(document_of([], file="clean.wav")))
    scanned = read_scanned_titles(sorted(tmp_path.glob("*.json")))
    assert (len(scanned.titles), scanned.repeated, scanned.model) == (2, 1, "padam 1")
    found = {title.document_id: title for title in scanned.titles}[document_id(document)]
    assert found.scores.tolist() == [0.9, 0.1, 0.9, 0.9, 0.9]
    assert (found.flagged, found.x_s, found.y_s) == (4, 10, 20)
    assert found.times[0].tolist() == [10.0, 20.0]


def test_documents_that_are_none_are_all_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "b.json").write_text("[]")
    other = document_of([event(1, 1, 2, [0])])
    other["model"]["version"] = "2"
    (tmp_path / "c.json").write_text(json.dumps(other))
    (tmp_path / "d.json").write_text(json.dumps(document_of([])))
    with pytest.raises(ValueError, match="scores of 2 models do not compare") as caught:
        read_scanned_titles(sorted(tmp_path.glob("*.json")))
    for name in ("a.json", "b.json"):
        assert f"{name}: is no detections document" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\xff\xfe\x00", "no text in UTF-8"),
        (b"a,b\n1,2\n", "has no column schema_version, title"),
        ([], "holds no event"),
        ([row(verdict="perhaps")], "line 2, verdict 'perhaps'"),
        ([row(), row(verdict="Genuine")], "line 3, verdict 'Genuine'"),
        ([row(schema_version="2.0")], "schema_version '2.0', not 1.0"),
        ([row(event_id=0)], "event_id '0'"),
        ([row(probability=1.5)], "probability '1.5'"),
        ([row(start_s="nan")], "start_s 'nan'"),
        ([row(severity="grave")], "severity 'grave'"),
    ],
)
def test_files_that_are_wrong_are_named(tmp_path: Path, content, message: str) -> None:
    good, bad = write(tmp_path / "good.csv", row()), tmp_path / "bad.csv"
    if isinstance(content, bytes):
        bad.write_bytes(content)
    else:
        write(bad, *content)
    with pytest.raises(ValueError, match="the verdicts cannot be used") as caught:
        read_verdicts([good, bad])
    assert f"{bad}: " in str(caught.value)
    assert message in str(caught.value)
    assert str(good) not in str(caught.value)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", row())
    file.write_text(file.read_text().rsplit(",", 2)[0])
    with pytest.raises(ValueError, match="line 2 is not whole"):
        read_verdicts([file])


def test_two_scans_of_one_title_are_refused(tmp_path: Path) -> None:
    first = write(tmp_path / "a.csv", row("=a.mov"))
    second = write(tmp_path / "b.csv", row("=a.mov", document_id="0" * 16))
    with pytest.raises(ValueError, match=r"title =a\.mov was judged from 2 scans"):
        read_verdicts([first, second])


def test_without_a_verdict_there_is_no_table(tmp_path: Path) -> None:
    rows = read_verdicts([write(tmp_path / "a.csv", row(verdict=""), row(number=2, verdict=""))])
    with pytest.raises(ValueError, match="none of 2 events in the files has been judged"):
        settle(rows)
