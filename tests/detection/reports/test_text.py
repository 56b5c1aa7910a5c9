"""Text that every format can hold."""

from xml.etree import ElementTree

import pytest

from padam.detection.reports.text import child, legal, one_line, xml_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("film.mov", "film.mov"),
        ("a\tb\r\nc\u2028d", "a b c d"),
        ("a\x00b\x1bc\x7f", "a\ufffdb\ufffdc\x7f"),
        ("\ud83c\uffff\udcff", "\ufffd\ufffd\ufffd"),
        ("🎬 é", "🎬 é"),
    ],
)
def test_one_line(text, expected):
    assert one_line(text) == expected


def test_every_character_comes_back_from_xml_or_as_the_replacement():
    codes = [*range(0x300), *range(0xD7F0, 0xE010), *range(0xFFF0, 0x10010), 0x10FFFF]
    for code in codes:
        text = f"x{chr(code)}y"
        root = ElementTree.Element("root")
        child(root, "a", text, b=text)
        read = ElementTree.fromstring(xml_text(root).encode("utf-8"))[0]
        assert read.get("b") == legal(text)
        if chr(code) != "\r":  # XML takes it for a line break
            assert read.text == legal(text)
        assert legal(text) in (text, "x\ufffdy")


def test_values_are_written_as_xml_schema_has_them():
    root = ElementTree.Element("root")
    child(root, "a", True, b=3)
    assert '<a b="3">true</a>' in xml_text(root, doctype="root")
    assert xml_text(root, doctype="root").splitlines()[1] == "<!DOCTYPE root>"
