"""Tiny ONNX networks, written byte by byte: the package onnx is not needed for three nodes.

Only what is used here of the format (onnx.proto3, IR version 8, opset 13).
"""

import struct
from pathlib import Path


def mean_square_network(path: Path, scale: float, offset: float, name: str = "wav") -> Path:
    """Write a network (1, samples) → (1, 1): offset + scale · mean of the squares."""
    nodes = [
        _node("Mul", [name, name], ["square"]),
        _node("ReduceMean", ["square"], ["mean"], _ints("axes", [1]) + _int("keepdims", 1)),
        _node("Mul", ["mean", "scale"], ["scaled"]),
        _node("Add", ["scaled", "offset"], ["mos"]),
    ]
    graph = b"".join(_field(1, node) for node in nodes)
    graph += _field(2, b"graph")
    graph += _field(5, _scalar("scale", scale)) + _field(5, _scalar("offset", offset))
    graph += _field(11, _value(name, [1, "samples"])) + _field(12, _value("mos", [1, 1]))
    opset = _field(8, _varint_field(2, 13))
    path.write_bytes(_varint_field(1, 8) + _field(7, graph) + opset)
    return path


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def _varint_field(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _node(kind: str, inputs: list[str], outputs: list[str], attributes: bytes = b"") -> bytes:
    parts = [_field(1, name.encode()) for name in inputs]
    parts += [_field(2, name.encode()) for name in outputs]
    return b"".join(parts) + _field(4, kind.encode()) + attributes


def _int(name: str, value: int) -> bytes:
    return _field(5, _field(1, name.encode()) + _varint_field(3, value) + _varint_field(20, 2))


def _ints(name: str, values: list[int]) -> bytes:
    listed = b"".join(_varint_field(8, value) for value in values)
    return _field(5, _field(1, name.encode()) + listed + _varint_field(20, 7))


def _scalar(name: str, value: float) -> bytes:
    shape = _varint_field(1, 1) + _varint_field(1, 1)
    return (
        shape + _varint_field(2, 1) + _field(8, name.encode()) + _field(9, struct.pack("<f", value))
    )


def _value(name: str, shape: list[int | str]) -> bytes:
    dims = b"".join(
        _field(1, _varint_field(1, d) if isinstance(d, int) else _field(2, d.encode()))
        for d in shape
    )
    kind = _field(1, _varint_field(1, 1) + _field(2, dims))
    return _field(1, name.encode()) + _field(2, kind)
