"""Text that a format can hold: titles come with any name that a file system allows."""

from __future__ import annotations

import re
from typing import Final
from xml.etree import ElementTree

_REPLACEMENT: Final = "\ufffd"
# What XML 1.0 has no place for, and half characters, which stand for undecodable bytes in names.
_NOT_IN_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BREAKS: Final = re.compile("[\t\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]+")


def legal(text: str) -> str:
    """The text with what neither XML nor UTF-8 can hold replaced by U+FFFD."""
    return _NOT_IN_XML.sub(_REPLACEMENT, text)


def one_line(text: str) -> str:
    """The text on one line: tabs and line breaks become spaces, what is not legal U+FFFD."""
    return legal(_BREAKS.sub(" ", text))


def child(
    parent: ElementTree.Element, tag: str, text: object = None, **attributes: object
) -> ElementTree.Element:
    """Append an element with text and attributes made legal; booleans as XML Schema writes them."""
    found = ElementTree.SubElement(
        parent, tag, {name: legal(_written(value)) for name, value in attributes.items()}
    )
    if text is not None:
        found.text = legal(_written(text))
    return found


def xml_text(root: ElementTree.Element, doctype: str | None = None) -> str:
    """An indented XML document in UTF-8 with its declaration, and `<!DOCTYPE …>` on request."""
    ElementTree.indent(root)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    head += f"<!DOCTYPE {doctype}>\n" if doctype else ""
    return head + ElementTree.tostring(root, encoding="unicode") + "\n"


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
