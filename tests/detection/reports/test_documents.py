"""The documents of these tests are those that a scan writes."""

import jsonschema
import pytest

from padam.detection.reports.json_report import schema

from .documents import document, three_events, undetermined, unnamed


@pytest.mark.parametrize(
    "made",
    [
        document(),
        document(three_events()),
        document(three_events(), frame_rate=None, start=None),
        document(three_events(), frame_rate=(30000, 1001), start="00:59:59;28"),
        unnamed(document(three_events())),
        undetermined(),
    ],
)
def test_documents_follow_the_schema(made):
    jsonschema.validate(made, schema(), jsonschema.Draft202012Validator)
