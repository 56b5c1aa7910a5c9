"""The gallery as a versioned dataset."""

from pathlib import Path

from kedro.io import Version

from padam.datasets.gallery import GalleryDataset
from padam.datasets.shards import ClipShards
from padam.defects.distribution import compare_with_intended
from padam.defects.gallery import GalleryConfig, plan_gallery
from padam.defects.shards import write_shard
from padam.defects.workflow import ClipParams, WorkflowConfig
from tests.defects.test_gallery import PAIRS, manifest


def test_a_version_holds_a_page_of_clips_read_from_the_shards(tmp_path: Path) -> None:
    write_shard(tmp_path / "clips-000000.tar", PAIRS.values())
    shown = manifest({"clean": ClipParams.model_validate(PAIRS["clean"].metadata["params"])})
    tables = compare_with_intended(shown, WorkflowConfig(sample_rate=16_000))
    clips = ClipShards((tmp_path / "clips-000000.tar",))
    gallery = plan_gallery(shown, *tables, clips.select, GalleryConfig())
    dataset = GalleryDataset(
        filepath=str(tmp_path / "gallery"), version=Version(None, "2026-01-01T00.00.00.000Z")
    )
    assert not dataset.exists()
    dataset.save(gallery)
    assert dataset.exists()
    page = dataset.load()
    assert page.parent == tmp_path / "gallery" / "2026-01-01T00.00.00.000Z" / "gallery"
    assert "Clip clean" in page.read_text(encoding="utf-8")
    assert len(list((page.parent / "audio").iterdir())) == 2
