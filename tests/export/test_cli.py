"""`edgebert export` parses what its help shows, prints the report, and fails in one line."""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgebert.bundle import Bundle
from edgebert.cli import export as verb
from edgebert.cli import main
from edgebert.manifest import Level, PoolingMode
from edgebert_export import ExportError, Recipe, cli
from edgebert_export.cli import find_model, show_progress
from tests.make_tiny import write_checkpoint

pytestmark = pytest.mark.export

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
FP32 = ["--quantize", "fp32"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "model", "BertForSequenceClassification")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    """Collect the recipes that the command asks for, and export nothing."""
    recipes: list[Recipe] = []

    def collect(recipe: Recipe, progress: object) -> None:
        recipes.append(recipe)
        raise ExportError("stopped by the test")

    monkeypatch.setattr(cli, "export", collect)
    return recipes


def test_the_example_of_the_help_parses(asked: list[Recipe]) -> None:
    program, *arguments = shlex.split(verb.EXAMPLE)
    assert program == "edgebert"
    assert main(arguments) == 1
    assert asked == [Recipe(model=Path("path/to/all-MiniLM-L6-v2"), output=Path("minilm-int8"))]


def test_the_help_shows_the_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["export", "--help"])
    assert ended.value.code == 0
    assert verb.EXAMPLE in capsys.readouterr().out


def test_every_field_of_a_recipe_can_be_asked_for(asked: list[Recipe]) -> None:
    main(
        shlex.split(
            "export m out --quantize int8-accurate --task embed --pooling cls --normalize "
            "--calibrate c.txt --parity-texts p.txt --max-tokens 64 --layers-out 3 --target avx2 "
            "--min-cosine-mean 0.9 --min-cosine 0.8 --min-agreement 0.7 --name mine --overwrite "
            "--from-onnx --engine openvino --exits 2,4"
        )
    )
    (recipe,) = asked
    default = Recipe(model=Path("m"), output=Path("out"))
    fields = [name for name in Recipe.__slots__ if name not in ("model", "output")]
    assert len(fields) == 17
    assert all(getattr(recipe, name) != getattr(default, name) for name in fields)


def test_exits_are_layers_with_commas_between(
    asked: list[Recipe], capsys: pytest.CaptureFixture[str]
) -> None:
    main(["export", "m", "out", "--exits", "2,4"])
    assert asked[0].exits == (2, 4)
    with pytest.raises(SystemExit) as ended:
        main(["export", "m", "out", "--exits", "two"])
    assert ended.value.code == 2
    assert "'two' is not a list of layers such as 2,4" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "normalize"),
    [([], None), (["--normalize"], True), (["--no-normalize"], False)],
)
def test_normalisation_is_as_the_checkpoint_says_unless_stated(
    options: list[str], normalize: bool | None, asked: list[Recipe]
) -> None:
    main(["export", "m", "out", *options])
    assert asked[0].normalize is normalize


def test_an_export_ends_with_0_and_prints_the_report(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(model), str(tmp_path / "out"), *FP32]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert str(tmp_path / "out") in printed.out
    assert "fp32" in printed.out
    assert "64 texts (built-in sentences)" in printed.out
    assert "same decisions 100.00%" in printed.out


def test_the_report_as_json_is_the_one_in_the_bundle(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(model), str(tmp_path / "out"), *FP32, "--json"]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert json.loads(capsys.readouterr().out) == report


def test_options_reach_the_bundle(tmp_path: Path) -> None:
    model = write_checkpoint(tmp_path / "model")
    options = ["--pooling", "max", "--normalize", "--max-tokens", "9", "--name", "mine"]
    assert main(["export", str(model), str(tmp_path / "out"), *FP32, *options]) == 0
    manifest = Bundle.open(tmp_path / "out").manifest
    assert manifest.pooling is not None
    assert (manifest.pooling.mode, manifest.pooling.normalize) == (PoolingMode.MAX, True)
    assert (manifest.max_tokens, manifest.name) == (9, "mine")
    assert manifest.quantization.level is Level.FP32


def test_a_failure_ends_with_1_and_one_line_on_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(tmp_path / "none"), str(tmp_path / "out")]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"error: {tmp_path / 'none'}: no such folder")
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["model"],
        ["model", "out", "--quantize", "int4"],
        ["model", "out", "--pooling", "median"],
        ["model", "out", "--task", "translate"],
        ["model", "out", "--max-tokens", "many"],
        ["model", "out", "--unknown"],
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["export", *arguments])
    assert ended.value.code == 2
    assert "usage: edgebert" in capsys.readouterr().err


def test_an_interrupt_ends_with_130(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(recipe: Recipe, progress: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "export", interrupt)
    assert main(["export", str(model), str(tmp_path / "out")]) == 130


def test_the_command_runs_in_a_process_of_its_own(model: Path, tmp_path: Path, python: Run) -> None:
    done = python("-m", "edgebert", "export", str(model), str(tmp_path / "out"), *FP32)
    assert (done.returncode, done.stderr) == (0, b"")
    assert Bundle.open(tmp_path / "out").manifest.task == "classify"


def test_an_export_needs_no_torch(model: Path, tmp_path: Path, python: Run) -> None:
    code = (
        "import sys; from edgebert.cli import main; code = main(sys.argv[1:]); "
        "print({'torch', 'transformers', 'huggingface_hub'} & set(sys.modules)); sys.exit(code)"
    )
    done = python("-c", code, "export", str(model), str(tmp_path / "out"), *FP32)
    assert done.stdout.splitlines()[-1] == b"set()"


def test_without_the_extra_the_error_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "edgebert_export.cli", None)
    assert main(["export", "model", "out"]) == 1
    assert 'pip install "edgebert[export]"' in capsys.readouterr().err


# Hub names


def test_a_hub_name_without_the_hub_client_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert main(["export", "someone/some-model", "out"]) == 1
    assert "to fetch it from the hub, `pip install huggingface_hub`" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["model", "./a/b", "/a/b", "a/b/c", "../a"])
def test_what_is_no_hub_name_is_looked_for_here_alone(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert find_model(name) == Path(name)


def test_a_local_folder_goes_before_a_hub_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "someone" / "some-model").mkdir(parents=True)
    assert find_model("someone/some-model") == Path("someone/some-model")


def fake_hub(monkeypatch: pytest.MonkeyPatch, download: Callable[..., str]) -> None:
    hub = type(sys)("huggingface_hub")
    hub.snapshot_download = download
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)


def test_a_hub_name_is_fetched_without_the_weights_that_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, list[str]]] = []

    def download(name: str, *, ignore_patterns: list[str]) -> str:
        calls.append((name, ignore_patterns))
        return str(tmp_path)

    fake_hub(monkeypatch, download)
    assert find_model("someone/some-model") == tmp_path
    assert calls == [("someone/some-model", ["*.onnx*", "*.h5", "*.msgpack"])]
    find_model("someone/some-model", graphs=True)
    assert "*.safetensors" in calls[1][1]
    assert "*.onnx*" not in calls[1][1]


def test_a_hub_that_gives_nothing_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(name: str, **options: object) -> str:
        raise RuntimeError("404 for someone/some-model")

    fake_hub(monkeypatch, download)
    with pytest.raises(ExportError, match="no such folder, and the hub gave none: 404"):
        find_model("someone/some-model")


# The progress line


@pytest.mark.parametrize(
    ("share", "line"),
    [
        (0.0, "\r\033[K[........................]   0% step"),
        (0.5, "\r\033[K[############............]  50% step"),
        (1.0, "\r\033[K[########################] 100% step\n"),
    ],
)
def test_the_progress_line_is_drawn_over_itself_and_ends_at_the_end(
    share: float, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    show_progress("step", share)
    assert capsys.readouterr().err == line


@pytest.mark.parametrize(("options", "drawn"), [([], True), (["--quiet"], False)])
def test_progress_is_drawn_on_a_terminal_unless_told_to_be_quiet(
    options: list[str],
    drawn: bool,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    main(["export", str(model), str(tmp_path / "out"), *FP32, *options])
    assert ("100%" in capsys.readouterr().err) is drawn
