"""The model as MLflow keeps and serves it: a scan's answer, or the reason why there is none."""

import base64
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema
import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from padam.audio.media import read_audio
from padam.detection.padam_model import PadamModel
from padam.detection.reports.json_report import schema
from padam.detection.scan import scan_title
from padam.hooks.registered_model import pyfunc_model, requirements
from tests.detection.conftest import loud_title, tiny_model  # noqa: F401
from tests.servers import fetch, free_port, serving


@pytest.fixture(scope="module")
def logged(tiny_model: PadamModel, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    folder = tmp_path_factory.mktemp("logged")
    tiny_model.save(folder / "padam_model")
    with pyfunc_model(folder / "padam_model") as kept:
        mlflow.pyfunc.save_model(folder / "pyfunc", **kept)
    return folder / "pyfunc"


@pytest.fixture(scope="module")
def served(logged: Path) -> Iterator[mlflow.pyfunc.PyFuncModel]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", sys.path[:])  # MLflow puts the model's code in front
        yield mlflow.pyfunc.load_model(str(logged))


def encoded(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()


def test_a_path_and_a_files_bytes_are_answered_with_the_scan(
    served: Any,
    logged: Path,
    loud_title: Path,  # noqa: F811
) -> None:
    rows = [
        {"path": str(loud_title)},
        {"audio": encoded(loud_title)},
        {"path": loud_title.as_uri()},
    ]
    by_path, by_bytes, by_url = served.predict(pd.DataFrame(rows))
    model = PadamModel.load(logged.parent / "padam_model")
    assert by_path == by_url == scan_title(loud_title, model.scorer())
    assert by_bytes["title"]["file"] == "row 2"
    assert by_bytes["segments"] == by_path["segments"]
    jsonschema.validate(by_bytes, schema(), jsonschema.Draft202012Validator)


def test_segments_carry_the_scores_and_probabilities_of_the_model(
    served: Any,
    tiny_model: PadamModel,  # noqa: F811
    loud_title: Path,  # noqa: F811
) -> None:
    (answer,) = served.predict(pd.DataFrame([{"path": str(loud_title)}]))
    expected = tiny_model.scorer().score([read_audio(loud_title, sample_rate=16_000)])
    scores = np.array([segment["channel_scores"] for segment in answer["segments"]])
    np.testing.assert_allclose(scores.ravel(), expected["score"], atol=1e-6)
    worst = expected.loc[expected.groupby("start_s")["score"].idxmax()]
    for name in tiny_model.label_names:
        found = [segment["defects"][name] for segment in answer["segments"]]
        np.testing.assert_allclose(found, worst[f"p_{name}"], atol=1e-6)


def test_signature_example_and_environment_are_kept(logged: Path, served: Any) -> None:
    assert served.metadata.get_input_schema().input_names() == ["audio", "path"]
    assert not served.metadata.get_input_schema().required_input_names()
    outputs = served.metadata.get_output_schema()
    assert outputs.input_names() == list(schema()["properties"])
    example = json.loads((logged / "input_example.json").read_text())
    (answer,) = served.predict(pd.DataFrame(example["data"], columns=example["columns"]))
    assert answer["segments"][0]["end_s"] == pytest.approx(1.2)
    assert (logged / "requirements.txt").read_text().split() == requirements()
    assert f"numpy=={version('numpy')}" in requirements()
    assert not [line for line in requirements() if "+" in line], "no package index has these"
    code = logged / "code" / "padam"
    assert (code / "detection" / "scan.py").is_file()
    assert not list(code.rglob("*.safetensors")), "the weights that come with the package"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{}], "no row"),
        ([{"path": "a.wav", "audio": "QUJD"}], r"row 1 must hold one text: .* holds audio, path"),
        ([{"audio": None, "path": ""}], "holds neither"),
        ([{"path": "a.wav"}, {"path": None}], r"row 1: a\.wav: file not found"),
        ([{"audio": "no base64!"}], "row 1: audio is not base64"),
        ([{"audio": "QUJD"}], "row 1: audio: not a readable media file"),
        ([{"audio": "===="}], "row 1: audio is not base64"),
        ([{"path": "."}], "is a folder"),
        ([{"path": "nowhere://a.wav"}], "Protocol not known: nowhere"),
    ],
)
def test_a_row_that_cannot_be_scanned_names_itself_and_the_reason(
    served: Any, rows: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(MlflowException, match=message) as caught:
        served.predict(pd.DataFrame(rows))
    assert caught.value.get_http_status_code() == 400


def test_paths_can_be_kept_below_one_folder(
    served: Any,
    loud_title: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = served.unwrap_python_model()
    inside = pd.DataFrame([{"path": str(loud_title)}])
    monkeypatch.setattr(model, "media_root", str(loud_title.parent))
    assert served.predict(inside)[0]["segments"]
    around = loud_title.parent / ".." / loud_title.parent.name / ".." / "title.wav"
    for outside in ("/etc/passwd", str(around), "s3://bucket/title.wav"):
        with pytest.raises(MlflowException, match="may not read there"):
            served.predict(pd.DataFrame([{"path": outside}]))
    monkeypatch.setattr(model, "media_root", "s3://bucket")
    for outside in (str(loud_title), "s3://bucket-2/a.wav", "s3://bucket/../b/a.wav"):
        with pytest.raises(MlflowException, match="may not read there"):
            served.predict(pd.DataFrame([{"path": outside}]))


def test_a_server_answers_with_the_scores_of_a_scan_and_with_reasons(
    logged: Path,
    tiny_model: PadamModel,  # noqa: F811
    loud_title: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    port, log = free_port(), tmp_path / "serve.log"
    url = f"http://127.0.0.1:{port}"
    command = [
        *(sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(logged)),
        *("--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)),
    ]
    # outside the project, and with the code that is kept with the model
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    with serving(command, tmp_path, log, environment) as process:
        fetch(f"{url}/ping", process, log)
        rows = [{"audio": encoded(loud_title)}, {"path": str(loud_title)}]
        status, answer = ask(url, {"dataframe_records": rows})
        assert status == 200
        expected = scan_title(loud_title, tiny_model.scorer())["segments"]
        for document in answer["predictions"]:
            assert len(document["segments"]) == len(expected) == 4
            for found, offline in zip(document["segments"], expected, strict=True):
                np.testing.assert_allclose(
                    found["channel_scores"], offline["channel_scores"], atol=1e-6
                )
                assert found["defects"] == pytest.approx(offline["defects"], abs=1e-6)
        status, refusal = ask(url, {"dataframe_records": [{"audio": "QUJD" * 10_000}]})
        assert status == 400
        assert "row 1: audio: not a readable media file" in refusal["message"]
        assert "stack_trace" not in refusal
        assert len(refusal["message"]) < 500, "what was sent is not sent back"
        assert ask(url, {"rows": []})[0] == 400


def ask(url: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    content = json.dumps(request).encode()
    header = {"Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(f"{url}/invocations", content, header), timeout=60
        ) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
