"""What a user asks of export, typed and checked; no work is done here."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from edgebert.manifest import EngineName, Level, PoolingMode, Task
from edgebert_export.errors import ExportError


class Target(StrEnum):
    """The weakest CPU that the bundle must come out right on."""

    ANY = "any"  # VNNI, AMX or ARM: 8-bit weights
    AVX2 = "avx2"  # 7-bit weights: u8 x s8 sums of 16 bits would saturate (onnxruntime#6004)

    @property
    def weight_bits(self) -> int:
        """Bits of a quantized weight."""
        return 7 if self is Target.AVX2 else 8


class Road(StrEnum):
    """The ways from a model to a bundle's graphs."""

    NATIVE = "native"  # edgebert builds the graph from the tensors: fastest, no torch
    OPTIMUM = "optimum"  # optimum exports the graph, edgebert quantizes and completes it
    ONNX = "onnx"  # the model's folder holds the graph already


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One export; the defaults are right for most models."""

    model: Path  # the checkpoint's folder
    output: Path  # the bundle's folder
    road: Road | None = None  # None: native where it builds the architecture, else optimum
    quantize: Level = Level.INT8
    task: Task | None = None  # None: as the checkpoint says; `embed` takes a head's encoder alone
    pooling: PoolingMode | None = None  # None: as the checkpoint says; refused if it does not
    normalize: bool | None = None  # None: as the checkpoint says; false if it has no say
    calibrate: Path | None = None  # one text a line: fixes activation scales (static)
    parity_texts: Path | None = None  # one text a line: what parity is measured on
    max_tokens: int | None = None  # lower the limit further
    layers_out: int = 1  # embed: pool so many of the last layers, each an output (for `learn`)
    exits: tuple[int, ...] = ()  # embed and classify: layers after which a cascade may stop
    target: Target = Target.ANY
    min_cosine_mean: float | None = None  # None: the level's floor
    min_cosine: float | None = None
    min_agreement: float | None = None
    name: str | None = None  # None: the output folder's name
    engine: EngineName = EngineName.ONNXRUNTIME  # another: its graph and proof are added
    overwrite: bool = False  # replace a bundle that stands at `output`

    def __post_init__(self) -> None:
        for key in ("min_cosine_mean", "min_cosine", "min_agreement"):
            value = getattr(self, key)
            if value is not None and not -1 <= value <= 1:
                raise ExportError(f"{key} is {value}; it must lie between -1 and 1")
        if self.max_tokens is not None and self.max_tokens < 3:
            raise ExportError(f"max_tokens is {self.max_tokens}; it must be 3 or more")
        if self.layers_out < 1:
            raise ExportError(f"layers_out is {self.layers_out}; it must be 1 or more")
        if list(self.exits) != sorted(set(self.exits)) or min(self.exits, default=1) < 1:
            raise ExportError(
                f"exits are {self.exits}; they must be numbers of layers, 1 or more, the least "
                "first and each once"
            )
        if self.quantize is Level.FP32 and self.calibrate is not None:
            raise ExportError("calibrate fixes the scales of int8; fp32 has none, leave it out")
        int8 = self.quantize is not Level.FP32
        if self.engine is EngineName.OPENVINO and int8 and self.calibrate is None:
            raise ExportError(
                "engine openvino computes int8 with fixed scales only; give texts of your domain "
                "with --calibrate FILE, or take --quantize fp32"
            )
        if self.engine is EngineName.AMX and self.quantize is not Level.INT8:
            raise ExportError(
                f"engine amx computes int8; take --quantize int8 instead of {self.quantize}, or "
                "leave the engine out"
            )
