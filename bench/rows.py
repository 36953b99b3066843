"""The rows of the benchmark: who is measured, at which setting, in which environment. All data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

BASELINE = "raw-fp32"  # what every ratio is to: onnxruntime on a plain fp32 export
OURS = "edgebert"
SMALL = "minilm"  # the model that every row is measured on
POPULAR = ("st-onnx-qint8", "optimum-int8", "fastembed")  # what most people run today
BATCHES = (1, 2, 4, 8, 16, 32)  # each peer takes the one that it is fastest with


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the tables."""

    label: str
    peer: str = ""  # module of bench.peers
    environment: str = ""
    files: str = ""  # step of bench.prepare
    # what is installed for it; all that these require is counted as well
    packages: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    sized: bool = True  # whether its batch size is ours to choose
    small_only: bool = False  # measured on MiniLM only
    not_on: tuple[str, ...] = ()  # models that it is not measured on, for want of time
    missing: str = ""  # why it cannot be measured at all

    @property
    def ours(self) -> bool:
        """Whether it is edgebert itself."""
        return self.peer.startswith(OURS)


@dataclass(frozen=True, slots=True)
class Model:
    """One model and how much is asked of it."""

    label: str
    hidden: int
    trained: bool  # accuracy means something
    texts: int  # of the throughput
    probe: int  # blocks of 32 of them that batch sizes are tried on
    repeats: Mapping[int, int]  # tokens -> runs in one round


MODELS = {
    "minilm": Model("all-MiniLM-L6-v2 (6 x 384)", 384, True, 2000, 2, {16: 200, 128: 60, 512: 24}),
    "distilbert-base": Model(
        "distilbert-base shape (6 x 768), random weights",
        768,
        False,
        150,
        1,
        {16: 60, 128: 24, 512: 10},
    ),
    "bert-base": Model(
        "bert-base shape (12 x 768), random weights", 768, False, 100, 1, {16: 40, 128: 16, 512: 8}
    ),
    "roberta-base": Model(
        "roberta-base shape (12 x 768), random weights",
        768,
        False,
        100,
        1,
        {16: 40, 128: 16, 512: 8},
    ),
}

LEAN = ("numpy", "onnxruntime", "tokenizers")
OPENVINO = ("numpy", "openvino", "tokenizers")
CT2 = ("numpy", "ctranslate2", "tokenizers")
TORCH = ("torch", "transformers")
SAME_SHAPE = ("roberta-base",)  # costs what bert-base does
CORES = "cores"  # in settings, stands for how many the machine has
ALL = {"threads": CORES}
EACH = {"threads": 1, "workers": CORES}
BF16 = {"file": "model.onnx", "precision": "bf16"}
OV_INT8 = {"file": "model.xml", "precision": "bf16"}  # what int8 leaves, in OpenVINO's best

NONE: Mapping[str, Any] = MappingProxyType({})


def _on_openvino(
    label: str, files: str, settings: Mapping[str, Any], *, small_only: bool = False
) -> Row:
    return Row(
        f"edgebert {label}",
        "edgebert_bundle",
        "edgebert-openvino",
        files,
        (*LEAN, "openvino"),
        settings,
        sized=False,
        small_only=small_only,
    )


def _edgebert(level: str, files: str, settings: Mapping[str, Any] = NONE, **more: bool) -> Row:
    return Row(
        f"edgebert {level}",
        "edgebert_bundle",
        "onnxruntime",
        files,
        LEAN,
        settings,
        sized=False,
        **more,
    )


ROWS: dict[str, Row] = {
    "edgebert-int8": _edgebert("int8", "bundle-int8"),
    "edgebert-int8-static": _edgebert("int8, calibrated", "bundle-int8-static"),
    "edgebert-int8-accurate": _edgebert("int8-accurate", "bundle-int8-accurate", small_only=True),
    "edgebert-fp32": _edgebert("fp32", "bundle-fp32", small_only=True),
    "edgebert-amx": _edgebert("int8, amx", "bundle-int8-amx", {"engine": "amx"}),
    "edgebert-openvino-int8": _on_openvino(
        "int8, openvino", "bundle-int8-openvino", {"engine": "openvino"}
    ),
    "edgebert-openvino-bf16": _on_openvino(
        "fp32, openvino (bf16)", "bundle-fp32-openvino", {"engine": "openvino"}, small_only=True
    ),
    "edgebert-tuned": _on_openvino(
        "int8, tuned",
        "bundle-tuned",
        {"engine": "tuned", "bundle": "bundle"},
        small_only=True,
    ),
    "raw-fp32": Row("onnxruntime fp32", "onnxruntime_session", "onnxruntime", "onnx", LEAN, ALL),
    "raw-int8": Row(
        "onnxruntime int8 per channel", "onnxruntime_session", "onnxruntime", "onnx-int8", LEAN, ALL
    ),
    "raw-int8-workers": Row(
        "onnxruntime int8 per channel, a worker a core",
        "onnxruntime_session",
        "onnxruntime",
        "onnx-int8",
        LEAN,
        EACH,
        not_on=SAME_SHAPE,
    ),
    "optimum-o2": Row(
        "optimum O2",
        "optimum_model",
        "optimum",
        "optimum-o2",
        ("optimum-onnx", "onnxruntime"),
        ALL,
        small_only=True,
    ),
    "optimum-int8": Row(
        "optimum int8",
        "optimum_model",
        "optimum",
        "optimum-int8",
        ("optimum-onnx", "onnxruntime"),
        ALL,
        not_on=SAME_SHAPE,
    ),
    "st-torch": Row(
        "sentence-transformers, torch",
        "sentence_transformers_model",
        "sentence-transformers",
        "checkpoint",
        ("sentence-transformers",),
        ALL | {"backend": "torch"},
        small_only=True,
    ),
    "st-onnx-qint8": Row(
        "sentence-transformers, onnx qint8",
        "sentence_transformers_model",
        "sentence-transformers",
        "st-onnx-qint8",
        ("sentence-transformers", "optimum-onnx", "onnxruntime"),
        ALL | {"backend": "onnx", "model": {"file_name": "onnx/model_qint8_avx512_vnni.onnx"}},
        not_on=SAME_SHAPE,
    ),
    "st-openvino": Row(
        "sentence-transformers, openvino",
        "sentence_transformers_model",
        "sentence-transformers",
        "st-openvino",
        ("sentence-transformers", "optimum-intel", "openvino"),
        ALL | {"backend": "openvino"},
        small_only=True,
    ),
    "fastembed": Row(
        "fastembed, custom model fp32",
        "fastembed_model",
        "fastembed",
        "onnx",
        ("fastembed",),
        ALL,
        not_on=SAME_SHAPE,
    ),
    "fastembed-int8": Row(
        "fastembed, custom model int8",
        "fastembed_model",
        "fastembed",
        "onnx-int8",
        ("fastembed",),
        ALL,
        small_only=True,
    ),
    "ct2-int8": Row(
        "CTranslate2 int8",
        "ctranslate2_encoder",
        "ctranslate2",
        "ct2-int8",
        CT2,
        ALL,
        not_on=SAME_SHAPE,
    ),
    "ct2-int8-workers": Row(
        "CTranslate2 int8, a worker a core",
        "ctranslate2_encoder",
        "ctranslate2",
        "ct2-int8",
        CT2,
        EACH,
    ),
    "openvino-bf16": Row(
        "OpenVINO bf16", "openvino_model", "openvino", "onnx", OPENVINO, ALL | BF16
    ),
    "openvino-bf16-workers": Row(
        "OpenVINO bf16, a stream a core",
        "openvino_model",
        "openvino",
        "onnx",
        OPENVINO,
        EACH | BF16,
    ),
    "openvino-int8": Row(
        "OpenVINO int8 (NNCF)",
        "openvino_model",
        "openvino",
        "openvino-int8",
        OPENVINO,
        ALL | OV_INT8,
    ),
    "openvino-int8-workers": Row(
        "OpenVINO int8 (NNCF), a stream a core",
        "openvino_model",
        "openvino",
        "openvino-int8",
        OPENVINO,
        EACH | OV_INT8,
    ),
    "torch-fp32": Row(
        "torch eager fp32",
        "torch_model",
        "torch",
        "checkpoint",
        TORCH,
        ALL | {"dtype": "float32"},
        small_only=True,
    ),
    "torch-bf16": Row(
        "torch eager bf16",
        "torch_model",
        "torch",
        "checkpoint",
        TORCH,
        ALL | {"dtype": "bfloat16"},
        not_on=SAME_SHAPE,
    ),
    "tei": Row(
        "text-embeddings-inference",
        missing="a Rust server shipped as a container; no package registry has it",
    ),
}


def on_cores(settings: Mapping[str, Any], cores: int) -> dict[str, Any]:
    """Fill in how many cores there are."""
    return {name: cores if value == CORES else value for name, value in settings.items()}
