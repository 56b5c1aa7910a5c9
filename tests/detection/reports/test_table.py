"""events.csv and the Audacity labels, read back by pandas."""

import io

import pandas as pd

from padam.detection.reports.audacity import audacity_labels
from padam.detection.reports.options import ReportOptions
from padam.detection.reports.table import COLUMNS, csv_table

from .documents import NASTY, RATE, document, event, three_events, unnamed


def read(text):
    return pd.read_csv(io.BytesIO(text.encode("utf-8")))


def test_pandas_reads_every_value_back():
    events = three_events()
    table = read(csv_table(document(events, file=NASTY)))
    assert tuple(table.columns) == COLUMNS
    numbers = ["event", "start_sample", "end_sample", "sample_rate"]
    assert (table[numbers].dtypes == "int64").all()
    times = ["start_s", "end_s", "duration_s", "peak_score", "probability"]
    assert (table[times].dtypes == "float64").all()
    for name in ("start_sample", "end_sample", "start_s", "end_s", "severity", "start_timecode"):
        assert table[name].tolist() == [one[name] for one in events]
    assert table["duration_s"].tolist() == [8.0, 0.5, 10.0]
    assert table["defect"].tolist() == ["hum", "drops", "packet_loss"]
    assert table["probability"].tolist() == [0.9, 0.4, 0.8]
    assert table["defects"].tolist() == ["hum clicks", "drops", "packet_loss"]
    assert table["channels"].tolist() == ["FL FR", "FR", "FL"]
    assert table["ebu_qc"].tolist()[:2] == ["0088B 0057B", "0008B"]
    assert table["ebu_qc"].isna().tolist() == [False, False, True]
    assert table["smpte_in"].tolist() == ["01:00:02:00", "01:00:20:00", "02:00:00:00"]
    assert table["smpte_out"].tolist() == ["01:00:10:00", "01:00:20:13", "02:00:10:00"]
    assert table["title"].nunique() == 1
    assert table["title"][0].startswith("a&b <c> \"d\" 'e' 🎬 |M:x ü z")


def test_a_clean_title_is_a_header():
    table = read(csv_table(document()))
    assert tuple(table.columns) == COLUMNS
    assert table.empty


def test_sound_without_pictures_has_no_frames():
    made = unnamed(document(three_events(), frame_rate=None, start=None))
    table = read(csv_table(made, ReportOptions(frame_rate="50")))
    empty = ["smpte_in", "smpte_out", "defect", "probability", "defects", "ebu_qc", "netflix"]
    assert table[empty].isna().all(axis=None)
    assert len(table) == 3


def test_codes_are_told_once():
    both = event(1, 0, RATE, defects={"clipping": 0.9, "quantization": 0.8})
    table = read(csv_table(document([both])))
    assert table["netflix"][0] == "[001] Audio Clipping/Distortion"


def test_labels_are_tab_separated_seconds_and_text():
    events = three_events()
    text = audacity_labels(document(events))
    table = pd.read_csv(io.StringIO(text), sep="\t", header=None, names=["start", "end", "label"])
    assert table["start"].tolist() == [one["start_sample"] / RATE for one in events[:1]] + [
        20.000021,
        3600.0,
    ]
    assert table["end"].tolist() == [10.0, 20.500021, 3610.0]
    assert table["label"].tolist() == [
        "issue: hum 0.90, clicks 0.60 (FL FR, score 0.88)",
        "fyi: drops 0.40 (FR, score 0.88)",
        "blocker: packet loss 0.80 (FL, score 0.88)",
    ]


def test_labels_of_a_channel_with_a_tab_in_its_name_stay_on_their_line():
    made = document(three_events())
    made["title"]["channel_names"] = ["left\tfront", "right\r\nfront"]
    lines = audacity_labels(made).splitlines()
    assert len(lines) == 3
    assert all(line.count("\t") == 2 for line in lines)


def test_a_clean_title_has_no_labels():
    assert audacity_labels(document()) == ""
