"""What this machine's CPU offers to int8 matrix products, read from the system."""

import platform
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


class Int8Path(StrEnum):
    """The kernels that onnxruntime's MLAS takes for u8 x s8 products."""

    AMX = "amx-int8"
    VNNI = "vnni"
    AVX2 = "avx2"  # 16-bit sums saturate: weights of 8 bits can come out wrong
    SSE = "sse"  # as avx2
    I8MM = "arm-i8mm"
    DOT = "arm-dotprod"
    NEON = "arm-neon"
    UNKNOWN = "unknown"


# the first whose flags are all there; names as Linux prints them in /proc/cpuinfo
PATHS: tuple[tuple[Int8Path, tuple[str, ...]], ...] = (
    (Int8Path.AMX, ("amx_int8", "avx512_vnni")),
    (Int8Path.VNNI, ("avx512_vnni",)),
    (Int8Path.VNNI, ("avx_vnni",)),
    (Int8Path.AVX2, ("avx2",)),
    (Int8Path.SSE, ("sse4_1",)),
    (Int8Path.I8MM, ("i8mm",)),
    (Int8Path.DOT, ("asimddp",)),
    (Int8Path.NEON, ("asimd",)),
)
# what onnxruntime and OpenVINO choose kernels by, so that last bits may differ
KERNEL_FLAGS = (
    *("sse4_1", "avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16"),
    *("amx_int8", "amx_bf16", "asimd", "asimddp", "asimdhp", "i8mm", "bf16", "sve"),
)
SATURATING = frozenset({Int8Path.AVX2, Int8Path.SSE})  # onnxruntime#6004


@dataclass(frozen=True, slots=True)
class Cpu:
    """The processor as far as it matters here."""

    architecture: str
    model: str
    flags: frozenset[str]

    @property
    def kernels(self) -> str:
        """Name what decides a model's last bits: machines of the same name give the same ones."""
        return " ".join([self.architecture, *(one for one in KERNEL_FLAGS if one in self.flags)])

    @property
    def int8_path(self) -> Int8Path:
        """The kernels that int8 bundles will run on."""
        for path, needed in PATHS:
            if self.flags.issuperset(needed):
                return path
        return Int8Path.UNKNOWN


def read_cpu(cpuinfo: Path = CPUINFO) -> Cpu:
    """Read the processor from the system; unknown where it does not say."""
    try:
        text = cpuinfo.read_text()
    except OSError:
        return Cpu(platform.machine(), platform.processor() or "unknown", frozenset())
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip().lower(), value.strip())
    flags = fields.get("flags", fields.get("features", ""))
    return Cpu(platform.machine(), fields.get("model name", "unknown"), frozenset(flags.split()))
