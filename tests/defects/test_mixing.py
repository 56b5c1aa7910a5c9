import hashlib
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import soundfile
from pydantic import ValidationError

from padam.audio.loudness import integrated_loudness_lufs
from padam.audio.media import read_audio
from padam.defects.mixing import (
    ROLES,
    Layer,
    MixRanges,
    draw_layers,
    dump_layers,
    layer_candidates,
    load_layers,
    mix,
)
from padam.defects.plan import PlanConfig, check_plan, plan_clips
from padam.defects.shards import ClipRejectedError, synthesise_clip
from padam.defects.workflow import ClipParams, WorkflowConfig, render_clip
from tests.defects.conftest import RATE, music

RANGES = MixRanges()


def layer(role="music", source="music/a.flac", start_s=1.0, level_db=-10.0):
    return Layer(role=role, source=source, start_s=start_s, level_db=level_db)


def index(per_kind=6, kinds=("Dialogue", "music", "sfx", "film"), duration_s=40.0):
    return pd.DataFrame(
        [
            {
                "source": f"{kind}/{n}.flac", "kind": kind, "duration_s": duration_s,
                "split": ("train", "validation", "test")[n % 3],
            }
            for kind in kinds
            for n in range(per_kind)
        ]
    )  # fmt: skip


def layers_of(plan):
    return plan["layers"].map(load_layers)


def test_a_layer_lies_at_its_level_below_the_main_excerpt():
    main, over = music(3.0, seed=1), 0.3 * music(3.0, seed=2)
    total, (gain_db,) = mix(main, [(layer(level_db=-8.0), over)], RATE, 40.0)
    laid = total - main
    assert integrated_loudness_lufs(laid, RATE) == pytest.approx(
        integrated_loudness_lufs(main, RATE) - 8.0, abs=0.01
    )
    assert np.allclose(laid, 10 ** (gain_db / 20) * over, atol=1e-6)


def test_two_layers_add_up():
    main, one, two = (music(2.0, seed=seed) for seed in range(3))
    total, gains_db = mix(main, [(layer(), one), (layer(level_db=3.0), two)], RATE, 40.0)
    expected = main + sum(10 ** (g / 20) * a for g, a in zip(gains_db, (one, two), strict=True))
    assert np.allclose(total, expected, atol=1e-6)
    assert mix(main, [], RATE, 12.0) == (main, [])


def test_a_quiet_layer_is_raised_no_more_than_the_limit_at_full_scale():
    main, hushed = music(2.0), 0.01 * music(2.0, seed=1)
    total, (gain_db,) = mix(main, [(layer(level_db=0.0), hushed)], RATE, 12.0)
    at_full_scale = (total - main) / np.abs(main).max()
    assert 20 * np.log10(np.abs(at_full_scale).max() / np.abs(hushed).max()) == pytest.approx(
        12.0, abs=0.01
    )
    assert gain_db < 12.0


@pytest.mark.parametrize("silent", [0, 1])
def test_silence_has_no_level(silent):
    parts = [music(1.0), music(1.0)]
    parts[silent] *= 0
    name = ("the main excerpt", "layer music/a.flac")[silent]
    with pytest.raises(ValueError, match=f"{name} is silent"):
        mix(parts[0], [(layer(), parts[1])], RATE, 12.0)


@pytest.mark.parametrize(
    ("kind", "role"),
    [("Dialogue", "dialogue"), ("VO", "dialogue"), ("music", "music"), ("sfx", "effects"),
     ("ambience", "effects"), ("film", None), ("other", None)],
)  # fmt: skip
def test_folders_play_roles(kind, role):
    assert RANGES.role_of(kind) == role


def test_own_folders_replace_those_of_their_role_only():
    ranges = MixRanges(folders={"dialogue": ["Sprache"]})
    assert ranges.role_of("sprache") == "dialogue"
    assert ranges.role_of("speech") is None
    assert ranges.role_of("score") == "music"
    assert MixRanges.model_validate_json(ranges.model_dump_json()) == ranges


def test_wrong_ranges_stop_at_once():
    with pytest.raises(ValidationError, match="one role each"):
        MixRanges(folders={"effects": ["Music"]})
    with pytest.raises(ValidationError, match="layers"):
        MixRanges(layers=(1, 3))
    with pytest.raises(ValidationError, match="folders"):
        MixRanges(folders={"noise": ["noise"]})


@pytest.mark.parametrize("kind", ["Dialogue", "music", "sfx"])
def test_layers_are_of_other_roles_inside_their_sources_and_at_drawn_levels(kind):
    candidates = layer_candidates(index(), 10_000, RANGES)
    main = RANGES.role_of(kind)
    below = {
        "dialogue": (0.0, 0.0),
        "music": RANGES.music_below_dialogue_db,
        "effects": RANGES.effects_below_dialogue_db,
    }
    rng = np.random.default_rng(0)
    drawn = [draw_layers(rng, kind, candidates, 10_000, RANGES) for _ in range(300)]
    assert {len(layers) for layers in drawn} == {1, 2}
    for layers in drawn:
        roles = [each.role for each in layers]
        assert main not in roles
        assert len(set(roles)) == len(roles)
        for each in layers:
            assert RANGES.role_of(each.source.split("/")[0]) == each.role
            assert 0 <= each.start_s <= 30.0
            low = below[main][0] - below[each.role][1]
            high = below[main][1] - below[each.role][0]
            assert low - 1e-9 <= each.level_db <= high + 1e-9
    assert {each.role for layers in drawn for each in layers} == set(ROLES) - {main}
    assert load_layers(dump_layers(drawn[0])) == drawn[0]


def test_what_has_no_role_or_no_partner_stays_alone():
    rng = np.random.default_rng(0)
    candidates = layer_candidates(index(), 10_000, RANGES)
    assert draw_layers(rng, "film", candidates, 10_000, RANGES) == ()
    lonely = layer_candidates(index(kinds=("music", "film")), 10_000, RANGES)
    assert draw_layers(rng, "music", lonely, 10_000, RANGES) == ()
    assert layer_candidates(index(duration_s=9.9), 10_000, RANGES) == {}


def test_a_share_of_the_plan_is_mixed_from_the_clips_own_split():
    sources = index(60)
    plan = plan_clips(sources, PlanConfig(clips=400, mix_probability=0.3))
    split_of = sources.set_index("source")["split"]
    layers = layers_of(plan)
    mixed = layers.map(len) > 0
    assert not mixed[plan["kind"] == "film"].any()
    assert mixed[plan["kind"] != "film"].mean() == pytest.approx(0.3, abs=0.07)
    for split, laid in zip(plan["split"], layers, strict=True):
        assert {split_of[each.source] for each in laid} <= {split}


def test_without_mixes_a_plan_is_what_it_was():
    plan = plan_clips(index(), PlanConfig(clips=20))
    assert set(plan["layers"]) == {"[]"}
    mixed = plan_clips(index(), PlanConfig(clips=20, mix_probability=1.0))
    pd.testing.assert_frame_equal(
        plan.drop(columns=["clip_id", "layers"]), mixed.drop(columns=["clip_id", "layers"])
    )


def test_layers_and_digest_do_not_depend_on_the_number_of_clips():
    sources = index(30, duration_s=10.0)  # one place in each source, so starts agree
    few, many = (
        plan_clips(sources, PlanConfig(clips=count, mix_probability=0.8), "w").set_index("source")
        for count in (10, 70)
    )
    shared = few.index.intersection(many.index)
    assert len(shared) > 5
    assert few.loc[shared, "layers"].equals(many.loc[shared, "layers"])
    assert (few.loc[shared, "clip_id"].str[7:] == many.loc[shared, "clip_id"].str[7:]).all()


def test_a_plan_is_refused_with_another_workflow_or_changed_rows(tmp_path):
    plan = plan_clips(index(), PlanConfig(clips=20, mix_probability=0.5), "w")
    plan.to_parquet(tmp_path / "plan.parquet")
    stored = pd.read_parquet(tmp_path / "plan.parquet")
    check_plan(stored, "w")
    with pytest.raises(ValueError, match=r"--from-nodes synthesis\.draw_clip_plan"):
        check_plan(stored, "another")
    with pytest.raises(ValueError, match="draw it again"):
        check_plan(stored.assign(start_s=0.0), "w")


@pytest.fixture(scope="module")
def stems(tmp_path_factory):
    """Dialogue in 5.1, music in stereo and in 5.1, effects in mono."""
    root = tmp_path_factory.mktemp("stems")
    for name, channels in (("dx/d", 6), ("music/m", 2), ("music/s", 6), ("sfx/e", 1)):
        (root / name).parent.mkdir(exist_ok=True)
        audio = music(4.0, channels, seed=channels)
        soundfile.write(root / f"{name}.flac", audio.T, RATE, subtype="PCM_24")
    return root


def row(*layers, source="dx/d.flac"):
    return {
        "clip_id": "000000-00000000", "source": source, "split": "train", "kind": "dx",
        "start_s": 0.5, "duration_s": 1.5, "seed": 3, "layers": dump_layers(layers),
    }  # fmt: skip


TWO = (layer(source="music/m.flac"), layer("effects", "sfx/e.flac", 2.0, -12.0))


def test_the_metadata_replay_a_mix(stems):
    config = WorkflowConfig()
    pair = synthesise_clip(stems, row(*TWO), config)
    metadata = json.loads(json.dumps(pair.metadata))
    total = read_audio(stems / metadata["source"], 0.5, 1.5, channels=2)
    for laid in metadata["layers"]:
        audio = read_audio(stems / laid["source"], laid["start_s"], 1.5, channels=2)
        total = total + np.float32(10 ** (laid["gain_db"] / 20)) * audio
    reference, degraded = render_clip(total, RATE, ClipParams.model_validate(metadata["params"]))
    assert np.abs(reference - pair.reference).max() <= 2**-23
    assert np.abs(degraded - pair.degraded).max() <= 2**-23
    alone = synthesise_clip(stems, row(), config)
    assert alone.metadata["layers"] == []
    assert not np.allclose(alone.reference, pair.reference, atol=0.01)


def test_layers_take_the_channels_of_the_main_excerpt(stems):
    config = WorkflowConfig(channels=None)
    assert len(synthesise_clip(stems, row(*TWO, source="sfx/e.flac"), config).reference) == 1
    assert len(synthesise_clip(stems, row(*TWO, source="music/m.flac"), config).reference) == 2
    alone, mixed = (synthesise_clip(stems, row(*given), config).reference for given in ((), TWO))
    assert len(mixed) == 6
    # beyond the front three, the mix is the main excerpt at another gain
    assert np.corrcoef(alone[5], mixed[5])[0, 1] == pytest.approx(1.0, abs=1e-6)
    surround = synthesise_clip(stems, row(layer(source="music/s.flac")), config).reference
    assert np.corrcoef(alone[5], surround[5])[0, 1] < 0.999


def test_a_layer_that_cannot_be_read_rejects_its_clip_with_the_reason(stems):
    (stems / "music" / "empty.flac").touch()
    for name, reason in (("none", "file not found"), ("empty", "file is empty")):
        with pytest.raises(ClipRejectedError, match=rf"layer music/{name}\.flac: {reason}"):
            synthesise_clip(stems, row(layer(source=f"music/{name}.flac")), WorkflowConfig())
    with pytest.raises(ClipRejectedError, match=r"layer music/m\.flac: the file ends 0\.50 s"):
        synthesise_clip(stems, row(layer(source="music/m.flac", start_s=3.0)), WorkflowConfig())


def test_another_process_makes_the_same_bits(stems):
    config = WorkflowConfig(channels=None)
    program = (
        "import hashlib, json, sys\n"
        "from padam.defects.shards import synthesise_clip\n"
        "from padam.defects.workflow import WorkflowConfig\n"
        "root, rows, config = sys.argv[1:]\n"
        "config = WorkflowConfig.model_validate_json(config)\n"
        "for row in reversed(json.loads(rows)):\n"
        "    pair = synthesise_clip(root, row, config)\n"
        "    both = pair.reference.tobytes() + pair.degraded.tobytes()\n"
        "    print(hashlib.sha256(both).hexdigest())\n"
    )
    rows = [{**row(*TWO), "seed": seed} for seed in range(4)]
    arguments = [str(stems), json.dumps(rows), config.model_dump_json()]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    pairs = [synthesise_clip(stems, each, config) for each in rows]
    expected = [
        hashlib.sha256(pair.reference.tobytes() + pair.degraded.tobytes()).hexdigest()
        for pair in pairs
    ]
    assert done.stdout.split() == expected[::-1]
    assert len({tuple(pair.metadata["labels"]) for pair in pairs}) > 1
