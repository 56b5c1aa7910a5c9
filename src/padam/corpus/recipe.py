"""What the open corpus is made of: packages, the kinds of sound in them, and their splits."""

from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

KINDS = ("dialogue", "music", "effects")
SPLITS = ("train", "validation", "test")
LOOKALIKES = "lookalikes"
"""What a folder of clean sounds that resemble defects is called among the packages."""


class CorpusError(Exception):
    """What keeps the corpus, or a package of it, from being made; the reason is the message."""


class Package(BaseModel):
    """A package's kinds of sound, and the number of films made of its music.

    `kinds` maps a kind to patterns of paths in the package, in lower case and with a slash before
    the first folder, where `*` stands for slashes, too. The first kind that matches counts; a file
    that matches none is left out. One kind alone may be given as its name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kinds: dict[str, tuple[str, ...]] = Field(min_length=1)
    films: int = Field(0, ge=0)

    @field_validator("kinds", mode="before")
    @classmethod
    def _one_kind(cls, kinds: Any) -> Any:
        return {kinds: ("*",)} if isinstance(kinds, str) else kinds

    @field_validator("kinds")
    @classmethod
    def _known_kinds(cls, kinds: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        if unknown := set(kinds) - set(KINDS):
            raise ValueError(f"kinds {', '.join(sorted(unknown))}: give {', '.join(KINDS)}")
        return kinds

    def kind(self, file: PurePath) -> str | None:
        """Return the kind of a file, given relative to the package's root."""
        path = f"/{file.as_posix().lower()}"
        for kind, patterns in self.kinds.items():
            if any(fnmatchcase(path, pattern) for pattern in patterns):
                return kind
        return None


class JoiningRules(BaseModel):
    """Which sounds stay files of their own, and how short ones are joined to files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    long_s: float = Field(10.5, gt=0)  # from here on a file stands alone
    min_piece_s: float = Field(0.3, gt=0)
    joined_s: float = Field(45.0, gt=0)
    min_joined_s: float = Field(12.0, gt=0)
    fade_s: float = Field(0.02, gt=0)
    # white noise under what is joined, since pauses of digital zeros would be drops
    noise_db: float = Field(-78.0, le=-60)


class FilmRules(BaseModel):
    """The part of a piece of music that a film is made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_s: float = Field(10.0, ge=0)
    duration_s: float = Field(60.0, gt=0)


class Recipe(BaseModel):
    """The corpus, packages by split; raises ValueError for a package in two splits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    packages: dict[str, dict[str, Package]]
    lookalikes: Package = Package(kinds={"effects": ("*",)})
    joining: JoiningRules = JoiningRules()
    films: FilmRules = FilmRules()

    @model_validator(mode="after")
    def _one_split_each(self) -> "Recipe":
        if unknown := set(self.packages) - set(SPLITS):
            raise ValueError(f"packages of {', '.join(sorted(unknown))}: give {', '.join(SPLITS)}")
        names = [name for packages in self.packages.values() for name in packages]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"in two splits: {', '.join(twice)}")
        return self

    def split_folders(self) -> dict[str, set[str]]:
        """Return the folders below the media that validation and test have to themselves."""
        return {
            split: {
                *(f"{kind}/{name}" for name, each in packages.items() for kind in each.kinds),
                *(f"film/{split}" for each in packages.values() if each.films),
            }
            for split, packages in self.packages.items()
            if split != "train"
        }

    def only(self, names: tuple[str, ...]) -> "Recipe":
        """Return the recipe of some packages. Raises CorpusError for one that is not in it."""
        known = {name for packages in self.packages.values() for name in packages}
        if unknown := set(names) - known:
            raise CorpusError(
                f"{', '.join(sorted(unknown))}: not in the recipe, which has "
                f"{', '.join(sorted(known))}"
            )
        chosen = {
            split: {name: each for name, each in packages.items() if name in names}
            for split, packages in self.packages.items()
        }
        return self.model_copy(update={"packages": chosen})


def read_recipe(path: Path) -> Recipe:
    """Read a recipe. Raises CorpusError for a file that is missing, no YAML or not valid."""
    try:
        return Recipe.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise CorpusError(f"{path}: {error}") from error
