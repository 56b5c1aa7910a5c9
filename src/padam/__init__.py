"""PADAM: no-reference detection of audio defects in professional media."""

__version__ = "0.1.0"
