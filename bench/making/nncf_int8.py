"""OpenVINO's static int8, by NNCF with its preset for transformers."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import nncf
import numpy as np
import openvino
from tokenizers import Tokenizer

from bench.workloads import CALIBRATION

LIMIT = 256  # tokens of a calibration text


def make(source: Path, target: Path) -> None:
    """Quantize on what all peers calibrate on."""
    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(LIMIT)
    given = source.with_name("checkpoint") / CALIBRATION
    texts = given.read_text(encoding="utf-8").splitlines()
    model = openvino.Core().read_model(source / "model.onnx")
    names = [port.any_name for port in model.inputs]

    def feeds() -> Iterator[dict[str, np.ndarray]]:
        for text in texts:
            ids = np.array([tokenizer.encode(text).ids], np.int64)
            known = {
                "input_ids": ids,
                "attention_mask": np.ones_like(ids),
                "token_type_ids": np.zeros_like(ids),
            }
            yield {name: known[name] for name in names}

    quantized = nncf.quantize(
        model,
        nncf.Dataset(list(feeds())),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(texts),
    )
    openvino.save_model(quantized, target / "model.xml")
    shutil.copyfile(source / "tokenizer.json", target / "tokenizer.json")
