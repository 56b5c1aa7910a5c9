from pathlib import Path, PurePosixPath

import pytest
import yaml

from padam.corpus.recipe import CorpusError, Package, Recipe, read_recipe


def test_the_recipe_and_the_split_of_its_environment_agree(project: Path) -> None:
    recipe = read_recipe(project / "conf/open/corpus.yml")
    synthesis = yaml.safe_load((project / "conf/open/parameters/synthesis.yml").read_text())
    split = synthesis["synthesis"]["split"]
    named = {name: set(folders) for name, folders in split["folders"].items()}
    assert named == recipe.split_folders()
    assert split["fractions"]["train"] == 1.0


def test_no_package_is_in_two_splits(project: Path) -> None:
    synthesis = yaml.safe_load((project / "conf/open/parameters/synthesis.yml").read_text())
    folders = synthesis["synthesis"]["split"]["folders"]
    validation, test = (
        {PurePosixPath(folder).name for folder in folders[split]}
        for split in ("validation", "test")
    )
    train = set(read_recipe(project / "conf/open/corpus.yml").packages["train"])
    assert not validation & test
    assert not train & (validation | test)


def test_a_package_in_two_splits_is_refused() -> None:
    music = {"a": {"kinds": "music"}}
    with pytest.raises(ValueError, match="in two splits: a"):
        Recipe.model_validate({"packages": {"train": music, "test": music}})


def test_the_first_kind_that_matches_counts() -> None:
    package = Package(kinds={"dialogue": ("*/voices/*",), "music": ("*/music/*",)})
    assert package.kind(PurePosixPath("usr/Voices/music/a.ogg")) == "dialogue"
    assert package.kind(PurePosixPath("music/a.ogg")) == "music"
    assert package.kind(PurePosixPath("usr/share/a.ogg")) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("packages: {train: {a: {kinds: noise}}}", "give dialogue, music, effects"),
        ("packages: {tests: {a: {kinds: music}}}", "give train, validation, test"),
        ("packages: {train: {a: {kinds: {}}}}", "at least 1 item"),
        ("packages: {train: {a: {kinds: music, film: 3}}}", "film"),
        ("packages: [", "parsing"),
    ],
)
def test_a_recipe_that_is_wrong_is_refused_with_the_reason(
    tmp_path: Path, text: str, reason: str
) -> None:
    path = tmp_path / "corpus.yml"
    path.write_text(text)
    with pytest.raises(CorpusError, match=reason):
        read_recipe(path)


def test_only_takes_what_is_in_the_recipe() -> None:
    recipe = Recipe.model_validate({"packages": {"test": {"a": {"kinds": "music"}}}})
    assert recipe.only(("a",)) == recipe
    with pytest.raises(CorpusError, match="b: not in the recipe, which has a"):
        recipe.only(("b",))
