"""Where only the runtime is installed, these tests cannot even be imported."""

from importlib.util import find_spec

if any(find_spec(name) is None for name in ("bench", "edgebert_export", "onnx", "safetensors")):
    collect_ignore_glob = ["test_*.py"]
