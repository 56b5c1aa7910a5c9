"""The making of the corpus, from packages to media, licences and tables; what is there is kept."""

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from tqdm import tqdm

from padam.audio.media import probe
from padam.audio.storage import written_whole
from padam.corpus.films import choose_music, render_film
from padam.corpus.layout import Placement, find_sounds, make_file, place_sounds
from padam.corpus.packages import LICENCE, fetch, unpack, version
from padam.corpus.recipe import KINDS, LOOKALIKES, CorpusError, Package, Recipe

LOG_EVERY_S = 60.0
FILE_COLUMNS = [
    "file",
    "kind",
    "split",
    "package",
    "version",
    "licence",
    "duration_s",
    "made_from",
]
LICENCE_NAMES = ("copyright*", "licen[cs]e*", "readme*", "sources.csv")
"""What may tell the licences of a folder that is no package, in lower case."""


@dataclass
class Material:
    """A package, or the folder of look-alikes, on its way into the corpus."""

    name: str
    split: str
    package: Package
    version: str = ""
    root: Path = Path()
    problem: str = ""
    placements: list[Placement] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Corpus:
    """Tables of what was made: the files, what was left out and why, and a row per package."""

    files: pd.DataFrame
    rejected: pd.DataFrame
    packages: pd.DataFrame


def build_corpus(
    recipe: Recipe,
    target: Path,
    *,
    lookalikes: Path | None = None,
    films: bool = False,
    jobs: int = -1,
) -> Corpus:
    """Make the corpus below `target`, and write its tables there as CSV files.

    `packages` and `unpacked` hold what was fetched, `media` the corpus as <kind>/<package>/…,
    `licences` the copyright file of each package. A package that cannot be had is a row of the
    tables with the reason; the others are made. `jobs` processes work at once, -1: one for each
    core. Raises CorpusError where there is nothing to lay out, or no way to make films.
    """
    materials = [
        Material(name, split, package)
        for split, packages in recipe.packages.items()
        for name, package in packages.items()
    ]
    for material in _progress(materials, "packages fetched and unpacked", len(materials)):
        _obtain(material, target)
    if lookalikes is not None:
        if not lookalikes.is_dir():
            raise CorpusError(f"look-alikes: '{lookalikes}' is no folder")
        materials.append(Material(LOOKALIKES, "train", recipe.lookalikes, root=lookalikes))
    found = [material for material in materials if not material.problem]
    if not found:
        raise CorpusError("; ".join(f"{each.name}: {each.problem}" for each in materials))
    _lay_out(found, recipe, jobs)
    media = target / "media"
    for leftover in media.rglob(".*.partial"):  # of a run that was killed
        leftover.unlink()
    rows = _make_files(found, recipe, media, jobs)
    licences = {each.name: _copy_licences(each, target / "licences") for each in found}
    if films:
        rows += _make_films(found, rows, recipe, media, jobs)
    corpus = _tables(materials, rows, licences)
    for name, table in vars(corpus).items():
        with written_whole(target / f"{name}.csv") as partial:
            table.to_csv(partial, index=False)
    return corpus


def _obtain(material: Material, target: Path) -> None:
    try:
        deb = fetch(material.name, target / "packages")
        material.version = version(deb)
        material.root = target / "unpacked" / deb.stem
        material.left_out = unpack(deb, material.root)
    except CorpusError as error:
        material.problem = str(error)


def _lay_out(materials: list[Material], recipe: Recipe, jobs: int) -> None:
    tasks = [(each.root, each.package, recipe.joining) for each in materials]
    described = _parallel(find_sounds, tasks, jobs, "packages listened to")
    for material, sounds in zip(materials, described, strict=True):
        material.placements, left_out = place_sounds(material.name, sounds, recipe.joining)
        material.left_out |= left_out


def _make_files(
    materials: list[Material], recipe: Recipe, media: Path, jobs: int
) -> list[dict[str, Any]]:
    made = [(material, placement) for material in materials for placement in material.placements]
    tasks = [(placement, material.root, media, recipe.joining) for material, placement in made]
    durations_s = _parallel(make_file, tasks, jobs, "files made")
    return [
        _row(material, placement.file, placement.sources, duration_s)
        for (material, placement), duration_s in zip(made, durations_s, strict=True)
    ]


def _make_films(
    materials: list[Material], rows: list[dict[str, Any]], recipe: Recipe, media: Path, jobs: int
) -> list[dict[str, Any]]:
    films = []
    for material in materials:
        durations_s = {
            row["file"]: row["duration_s"]
            for row in rows
            if row["package"] == material.name and row["kind"] == "music"
        }
        chosen = choose_music(durations_s, material.package.films, recipe.films)
        films += [
            (material, music, f"film/{material.split}/{material.name}_{number:02d}.mkv")
            for number, music in enumerate(chosen)
        ]
    tasks = [(media / music, media / film, recipe.films) for _, music, film in films]
    for _ in _parallel(render_film, tasks, jobs, "films drawn"):
        pass
    return [
        _row(material, film, (music,), probe(media / film).duration_s)
        for material, music, film in films
    ]


def _row(
    material: Material, file: str, sources: tuple[str, ...], duration_s: float
) -> dict[str, Any]:
    return {
        "file": file,
        "kind": file.partition("/")[0],
        "split": material.split,
        "package": material.name,
        "version": material.version,
        "licence": f"licences/{material.name}",
        "duration_s": round(duration_s, 3),
        "made_from": " | ".join(sources),
    }


def _copy_licences(material: Material, folder: Path) -> str:
    """Copy what tells the licences to a folder of the package's name; return the names."""
    names = (LICENCE,) if material.version else LICENCE_NAMES
    files = sorted(
        file
        for file in material.root.iterdir()
        if file.is_file() and any(Path(file.name.lower()).match(name) for name in names)
    )
    for file in files:
        (folder / material.name).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, folder / material.name / file.name)
    return ", ".join(file.name for file in files)


def _tables(
    materials: list[Material], rows: list[dict[str, Any]], licences: dict[str, str]
) -> Corpus:
    files = pd.DataFrame(rows, columns=FILE_COLUMNS).sort_values("file", ignore_index=True)
    rejected = pd.DataFrame(
        [(each.name, *item) for each in materials for item in sorted(each.left_out.items())],
        columns=["package", "file", "reason"],
    )
    minutes = files.groupby(["package", "kind"])["duration_s"].sum() / 60
    packages = pd.DataFrame(
        {
            "package": each.name,
            "version": each.version,
            "split": each.split,
            "licence": licences.get(each.name, ""),
            "files": int((files["package"] == each.name).sum()),
            "left_out": len(each.left_out),
            **{
                f"{kind}_min": round(float(minutes.get((each.name, kind), 0.0)), 1)
                for kind in (*KINDS, "film")
            },
            "problem": each.problem,
        }
        for each in materials
    )
    return Corpus(files, rejected, packages)


def _parallel(
    work: Callable[..., Any], tasks: list[tuple[Any, ...]], jobs: int, label: str
) -> list[Any]:
    results = joblib.Parallel(n_jobs=jobs, return_as="generator")(
        joblib.delayed(work)(*task) for task in tasks
    )
    return list(_progress(results, label, len(tasks)))


def _progress(items: Iterable[Any], label: str, total: int) -> Iterator[Any]:
    """Yield the items with a bar on a terminal, or a line a minute elsewhere."""
    every_s = 0.1 if sys.stderr.isatty() else LOG_EVERY_S
    yield from tqdm(items, total=total, desc=label, mininterval=every_s, maxinterval=every_s)
