"""The model that comes with the package: trained on the open corpus, for use without training.

`MODEL_CARD.md` beside this file says what it was trained on, how well it does and what it misses;
`training_runs.json` are the MLflow runs that trained it. `padam model ship` writes the folder.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from padam.detection.padam_model import PadamModel

HERE: Final = Path(__file__).parent
MODEL, RUNS, CARD, DIGESTS = "padam_model", "training_runs.json", "MODEL_CARD.md", "sha256.json"


class ShippedModelError(OSError):
    """The shipped model is not there, or is not what was shipped; the message says what to do."""


def load_model() -> PadamModel:
    """Return the shipped model, ready for inference; see `model_folder` for its errors."""
    # what scans takes a second to import, which finding the folder need not wait for
    from padam.detection.padam_model import PadamModel

    return PadamModel.load(model_folder())


def model_folder(shipped: Path = HERE) -> Path:
    """Return the folder of the shipped model, every file of which has its SHA-256 checked.

    Raises ShippedModelError where a file is missing, or is not the one that was shipped.
    """
    for file, digest in shipped_digests(shipped).items():
        path = shipped / file
        if not path.is_file():
            raise ShippedModelError(f"the shipped model is incomplete: {path} is missing; {_AGAIN}")
        if file_digest(path) != digest:
            raise ShippedModelError(
                f"the shipped model is not used: {path} was changed since it was shipped (its "
                f"SHA-256 is not that of {DIGESTS}); {_AGAIN}"
            )
    return shipped / MODEL


def shipped_digests(shipped: Path = HERE) -> dict[str, str]:
    """Return the SHA-256 of each shipped file by its path below the folder.

    Raises ShippedModelError where nothing was shipped, or the list itself is damaged.
    """
    try:
        digests = json.loads((shipped / DIGESTS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ShippedModelError(
            f"no model is shipped in {shipped}: this copy of padam came without its weights. "
            "Install padam from a wheel or a whole checkout, train a model with `kedro run` and "
            "scan with --model newest, or name a model folder with --model"
        ) from None
    except ValueError as error:
        raise ShippedModelError(f"{shipped / DIGESTS} is damaged ({error}); {_AGAIN}") from error
    if not isinstance(digests, dict) or f"{MODEL}/model.json" not in digests:
        raise ShippedModelError(f"{shipped / DIGESTS} names no model; {_AGAIN}")
    return digests


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_AGAIN = "install padam again, or name another model with --model"
