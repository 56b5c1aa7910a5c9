"""All defects by name; one line here and one module is a new defect."""

from padam.defects.base import Defect
from padam.defects.clicks import Clicks
from padam.defects.clipping import Clipping
from padam.defects.drops import Drops
from padam.defects.hiss import Hiss
from padam.defects.hum import Hum
from padam.defects.packet_loss import PacketLoss
from padam.defects.quantization import Quantization

_ALL: tuple[Defect, ...] = (
    Hum(),
    Hiss(),
    Drops(),
    Clipping(),
    Quantization(),
    PacketLoss(),
    Clicks(),
)

DEFECTS: dict[str, Defect] = {defect.name: defect for defect in _ALL}
"""Defects in the order of the paper, which is the order of the labels."""

DEFECT_NAMES: tuple[str, ...] = tuple(DEFECTS)
