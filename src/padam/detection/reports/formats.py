"""The report files by name: what each is called in a title's folder, and who writes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from padam.detection.reports.audacity import audacity_labels
from padam.detection.reports.ebu_qc import ebu_qc_report
from padam.detection.reports.edl import edit_list, resolve_markers
from padam.detection.reports.json_report import Document
from padam.detection.reports.junit import junit_report
from padam.detection.reports.markers import xmeml_markers
from padam.detection.reports.options import ReportOptions
from padam.detection.reports.table import csv_table


@dataclass(frozen=True)
class Format:
    """A report file: its name in the folder, and the function that makes its text (UTF-8)."""

    file_name: str
    text: Callable[[Document, ReportOptions], str]


FORMATS: Final[dict[str, Format]] = {
    "csv": Format("events.csv", csv_table),
    "audacity": Format("audacity_labels.txt", audacity_labels),
    "edl": Format("events.edl", edit_list),
    "resolve": Format("resolve_markers.edl", resolve_markers),
    "xmeml": Format("markers.xml", xmeml_markers),
    "ebu-qc": Format("ebu_qc.xml", ebu_qc_report),
    "junit": Format("junit.xml", junit_report),
}
"""Formats by the names that a person asks for them with."""
