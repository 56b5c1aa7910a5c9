"""Chunks of the artifact simulator: spectrograms to read one by one, and the table of them all."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from padam.audio.storage import Location, read_bytes
from padam.datasets.shards import (
    REJECTED_SUFFIX,
    ArrayShardsDataset,
    MappedArrayShardsDataset,
)

TABLE_SUFFIX = ".parquet"


@dataclass(frozen=True)
class ArtifactChunks:
    """Log-mel spectrograms (T, 64) by chunk id, read when asked for, with a row for each."""

    log_mel: Mapping[str, npt.NDArray[np.float16]]
    table: pd.DataFrame
    rejected: pd.DataFrame


class ArtifactChunksDataset(MappedArrayShardsDataset):
    """Safetensors of spectrograms, with a Parquet table and the rejected beside each shard."""

    @staticmethod
    def write_shard(path: Path, content: Any) -> None:
        """Write a ``ChunkShard``; the spectrograms, whose name the shard is known by, come last."""
        pd.DataFrame(content.rows).to_parquet(path.with_suffix(TABLE_SUFFIX), index=False)
        if content.rejected:
            path.with_suffix(REJECTED_SUFFIX).write_text(json.dumps(content.rejected, indent=1))
        ArrayShardsDataset.write_shard(path, content.log_mel)

    def read_folder(self, folder: Location) -> Any:
        """Return ``ArtifactChunks``; of the spectrograms only the names are read."""
        tables = [
            pd.read_parquet(io.BytesIO(read_bytes(path)))
            for path in self.files(folder, TABLE_SUFFIX)
        ]
        filled = [table for table in tables if len(table)]
        rejected = [
            row
            for path in self.files(folder, REJECTED_SUFFIX)
            for row in json.loads(read_bytes(path))
        ]
        return ArtifactChunks(
            super().read_folder(folder),
            pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(),
            pd.DataFrame(rejected, columns=["source", "start_s", "version", "reason"]),
        )
