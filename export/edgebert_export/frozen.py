"""A learner's head put into its encoder's graphs: an ordinary classifier bundle.

The steps of `edgebert.learn` again as ONNX nodes: unit length, the grid, random features, linear
scores. In float32, so a score may differ from the learner's by rounding, and a text that lies
between two classes may fall to the other; the share that does is measured and bounded.
"""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgebert.bundle import Bundle, new_folder, seal
from edgebert.config import RuntimeConfig
from edgebert.engine import Engine
from edgebert.golden import GOLDEN_NAME
from edgebert.learn.features import GRID, LARGEST, RANDOM_STEP, FeatureMap
from edgebert.learn.learner import Learner
from edgebert.learn.solve import Head, HeadKind
from edgebert.manifest import Activation, Graph, Graphs, Manifest, Parity, Task
from edgebert.tasks.classify import Classifier
from edgebert_export.checkpoint import dump_json
from edgebert_export.errors import ExportError
from edgebert_export.onnx_writer import Array
from edgebert_export.parity import FLOORS, check_parity, measure_parity
from edgebert_export.pipeline import make_golden
from edgebert_export.report import write_report
from edgebert_export.write import WEIGHTS_NAME

# of the encoder's files; the others say what the encoder is, which the classifier is not
KEPT = {WEIGHTS_NAME, "config.json", "tokenizer.json", "tokenizer_config.json"}
LEAST_AGREEMENT = 0.98  # of the classifier's decisions with the learner's


def as_bundle(
    learner: Learner, output: Path, texts: Sequence[str], *, overwrite: bool = False
) -> Bundle:
    """Freeze what a learner knows now into a classifier bundle.

    Args:
        learner: with one label a text, a head of discriminants, and no prompt.
        output: the bundle's folder.
        texts: what the bundle is proven on; some hundred of those that it is for.
        overwrite: replace a bundle that stands there.

    Raises:
        ExportError: such a learner cannot be frozen, or the bundle decides too differently.
        ParityError: its two graphs are too far apart.
        BundleError: the output cannot be written.
    """
    head, source = learner.head(), learner.bundle
    _check(learner, head, texts)
    with new_folder(output, overwrite=overwrite) as work:
        for name in KEPT & source.manifest.files.keys():
            shutil.copyfile(source.file(name), work / name)
        graphs = source.manifest.graphs
        for graph in (graphs.main, graphs.masked):
            model = onnx.load(source.file(graph.file), load_external_data=False)
            _add_head(model, learner.state.setting.features, head)
            (work / graph.file).write_bytes(model.SerializeToString(deterministic=True))
        manifest = _manifest(learner, output.name)
        engine = Engine.from_parts(work, manifest, RuntimeConfig(threads=1))
        _check_decisions(learner, engine, texts)
        masked = replace(manifest, graphs=replace(manifest.graphs, main=manifest.graphs.masked))
        reference = Engine.from_parts(work, masked, RuntimeConfig(threads=1))
        parity = _parity(engine, reference, texts)
        check_parity(parity)
        manifest = replace(manifest, parity=parity)
        golden = make_golden(engine, reference, texts)
        (work / GOLDEN_NAME).write_bytes(dump_json(golden.to_json()))
        write_report(work, manifest, golden)
        seal(work, manifest)
    return Bundle.open(output)


def _check(learner: Learner, head: Head, texts: Sequence[str]) -> None:
    if head.kind is HeadKind.RIDGE:
        raise ExportError("a ridge head gives no softmax scores; freeze discriminants (head 'lda')")
    if learner.state.setting.prompt is not None:
        raise ExportError("this learner puts a prompt before texts, which a classifier cannot")
    if not texts:
        raise ExportError("no texts to prove the bundle on; give some that it is for")


def _add_head(model: onnx.ModelProto, features: FeatureMap, head: Head) -> None:
    """Put the head behind the pooled outputs of a graph, and its logits in their place."""
    graph = model.graph
    pooled = [value.name for value in graph.output if value.name.startswith("sentence_embedding")]
    del graph.output[:]

    def constant(name: str, array: Array) -> str:
        graph.initializer.append(numpy_helper.from_array(array, f"learned.{name}"))
        return f"learned.{name}"

    def node(kind: str, inputs: list[str], name: str, **attributes: int) -> str:
        graph.node.append(
            helper.make_node(kind, inputs, [f"learned.{name}"], f"learned.{name}", **attributes)
        )
        return f"learned.{name}"

    def scalar(name: str, value: float) -> str:
        return constant(name, np.array(value, np.float32))

    axis = constant("axis", np.array([-1], np.int64))
    units = []
    for place, value in enumerate(pooled[: features.layers]):
        length = node("ReduceL2", [value, axis], f"length_{place}", keepdims=1)
        units.append(node("Div", [value, length], f"unit_{place}"))
    value = node("Concat", units, "units", axis=-1) if len(units) > 1 else units[0]
    value = node("Mul", [value, scalar("grid", GRID)], "scaled")
    value = node("Round", [value], "on_grid")
    if features.random:
        signs = constant("signs_s8", features.signs.astype(np.int8))
        signs = node("Cast", [signs], "signs", to=TensorProto.FLOAT)
        value = node("Relu", [node("MatMul", [value, signs], "projected")], "positive")
        value = node("Mul", [value, scalar("step", 1 / RANDOM_STEP)], "steps")
        value = node("Min", [node("Round", [value], "rounded"), scalar("most", LARGEST)], "random")
    # scores count by their differences: centred, float32 keeps more of them
    weights = head.weights - head.weights.mean(axis=1, keepdims=True)
    bias = head.sharpness * (head.bias - head.bias.mean())
    weights = constant("weights", (head.sharpness / features.scale * weights).astype(np.float32))
    value = node("MatMul", [value, weights], "scores")
    graph.node.append(
        helper.make_node("Add", [value, constant("bias", bias.astype(np.float32))], ["logits"])
    )
    shape = ["batch", len(head.bias)]
    graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape))


def _manifest(learner: Learner, name: str) -> Manifest:
    source = learner.bundle.manifest
    graphs = {
        kind: Graph(file=graph.file, inputs=graph.inputs, outputs=("logits",))
        for kind, graph in (("main", source.graphs.main), ("masked", source.graphs.masked))
    }
    return replace(
        source,
        name=name,
        task=Task.CLASSIFY,
        labels=learner.classes,
        activation=Activation.SOFTMAX,
        pooling=None,
        prompts={},
        default_prompt=None,
        graphs=Graphs(**graphs),
        segments=(),  # the head is in none of them
    )


def _check_decisions(learner: Learner, engine: Engine, texts: Sequence[str]) -> None:
    found = Classifier(engine).classify(texts)
    wanted = learner.predict(texts)
    same = [a.label == b.label for a, b in zip(found, wanted, strict=True)]
    if float(np.mean(same)) < LEAST_AGREEMENT:
        raise ExportError(
            f"the frozen bundle decides as the learner on {np.mean(same):.1%} of {len(texts)} "
            f"texts, demanded {LEAST_AGREEMENT:.0%}; give more texts, of the kind it is for"
        )


def _parity(engine: Engine, reference: Engine, texts: Sequence[str]) -> Parity:
    floor = FLOORS[Task.CLASSIFY][engine.manifest.quantization.level]
    return measure_parity(engine, reference, texts, source="given, its masked graph", floor=floor)
