"""The published weights that this project can use, and where they lie once fetched."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from padam.quality.installed_weights import WeightsError

CACHE_VARIABLE: Final = "PADAM_WEIGHTS"
DIGEST_SUFFIX: Final = ".sha256.json"
NISQA_SHA256: Final = "7ec4cf937514dd3f8860b21e66fabd8ca87a168572675ef8d979c4c4ad2e805c"


@dataclass(frozen=True)
class KnownWeights:
    """A file of weights: `file` is its name here, `megabytes` about what its publisher says.

    `sha256` is None where the publisher names none and none was ever computed here: then what is
    fetched first is recorded, and every later use compared with that.
    """

    name: str
    what: str
    url: str
    file: str
    sha256: str | None
    licence: str
    megabytes: float
    package: str | None = None


KNOWN: Final = {
    each.name: each
    for each in (
        KnownWeights(
            name="dnsmos",
            what="DNSMOS P.835, a baseline and a part of q̂",
            url="https://pypi.org/project/speechmos/",
            file="sig_bak_ovr.onnx",
            sha256="269fbebdb513aa23cddfbb593542ecc540284a91849ac50516870e1ac78f6edd",
            licence="MIT",
            megabytes=1.2,
            package="speechmos",
        ),
        KnownWeights(
            name="nisqa",
            what="NISQA v2.0, a baseline",
            url="https://github.com/gabrielmittag/NISQA/raw/master/weights/nisqa.tar",
            file="nisqa.tar",
            sha256=NISQA_SHA256,
            licence="CC BY-NC-SA 4.0",
            megabytes=1.1,
        ),
        KnownWeights(
            name="scoreq",
            what="SCOREQ without reference, natural speech, a baseline",
            url="https://zenodo.org/records/15739280/files/adapt_nr_telephone.onnx",
            file="adapt_nr_telephone.onnx",
            sha256=None,
            licence="see the record at Zenodo",
            megabytes=378,
        ),
        KnownWeights(
            name="cnn6",
            what="PANNs' CNN6 on AudioSet, a start for Audio Artifacts",
            url="https://zenodo.org/records/3987831/files/Cnn6_mAP%3D0.343.pth",
            file="Cnn6_mAP=0.343.pth",
            sha256=None,
            licence="see the record at Zenodo",
            megabytes=24,
        ),
    )
}


def known(name: str) -> KnownWeights:
    """Return what is known of weights by their name. Raises WeightsError for another name."""
    if name not in KNOWN:
        raise WeightsError(f"no weights are named '{name}'; there are {', '.join(KNOWN)}")
    return KNOWN[name]


def cache_folder() -> Path:
    """Return where fetched weights lie: `PADAM_WEIGHTS`, else a folder of the user's cache."""
    if own := os.environ.get(CACHE_VARIABLE):
        return Path(own)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "padam" / "weights"


def weights_path(name: str) -> Path:
    """Return where weights lie once fetched; whether they do is another question."""
    return cache_folder() / known(name).file


def expected_sha256(name: str, path: Path) -> str | None:
    """Return the digest to compare a file with: the known one, or that recorded beside it."""
    if (digest := known(name).sha256) is not None:
        return digest
    record = path.with_name(f"{path.name}{DIGEST_SUFFIX}")
    if not record.is_file():
        return None
    try:
        return str(json.loads(record.read_text(encoding="utf-8"))["sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"{record}: is no record of a digest; remove it and fetch again"
        ) from error
