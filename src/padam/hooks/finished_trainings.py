"""A training's checkpoint goes when, and not before, its result is in the catalog."""

from typing import Final

from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline.node import Node

from padam.training.fitting import forget

SUFFIX: Final = "_checkpoints"
"""How the names of the datasets end that give a training its folder."""


class FinishedTrainingsHook:
    """Removes the checkpoint of a training once all outputs of its node are saved.

    A run that fails in between, on a full disk say, then needs no second training.
    """

    @hook_impl
    def after_catalog_created(self, catalog: CatalogProtocol) -> None:
        """Keep the catalog, which knows the folders."""
        self._catalog = catalog

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, node: Node) -> None:
        """Remove the checkpoint after the last output of a training's node."""
        if dataset_name != node.outputs[-1]:
            return
        for name in node.inputs:
            if name.endswith(SUFFIX):
                forget(self._catalog.load(name))
