from types import SimpleNamespace

from padam.hooks import FinishedTrainingsHook


def test_a_checkpoint_goes_after_the_last_output_is_saved(tmp_path):
    checkpoint = tmp_path / "last.ckpt"
    checkpoint.write_bytes(b"weights")
    hook = FinishedTrainingsHook()
    hook.after_catalog_created(SimpleNamespace(load={"stage_1_checkpoints": tmp_path}.__getitem__))
    node = SimpleNamespace(
        inputs=["media", "stage_1_checkpoints"], outputs=["audio_encoder", "history"]
    )
    hook.after_dataset_saved("audio_encoder", node)
    assert checkpoint.is_file()
    hook.after_dataset_saved("history", node)
    assert not checkpoint.exists()
    # with nothing left to remove, and for a node that trains nothing
    hook.after_dataset_saved("history", node)
    hook.after_dataset_saved("table", SimpleNamespace(inputs=["media"], outputs=["table"]))
