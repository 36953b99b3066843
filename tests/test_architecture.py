"""Who may import whom, read off the sources: the layout of the house style, kept true."""

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import PACKAGE, ROOT

# What each module of the runtime may import of it, besides errors, results, config and manifest,
# which hold the typed values that pass everywhere.
EVERYWHERE = {"errors", "results", "config", "manifest"}
TASKS = {"tasks.answer", "tasks.classify", "tasks.embed", "tasks.fill", "tasks.tag"}
TASK = {"engine", "batching", "scores", "tokens", "vectors"}
# the learner is a task of its own: an engine, what is done to its outputs, and a file
LEARN: dict[str, set[str]] = {
    "learn": set(),
    "learn.encoder": {"batching", "bundle", "engine", "learn.features", "learn.state", "tokens"},
    "learn.encoding": {
        "learn.features",
        "learn.solve",
        "learn.state",
        "learn.statistics",
        "reader",
    },
    "learn.features": set(),
    "learn.head": {"learn.solve", "learn.state"},
    "learn.inputs": set(),
    "learn.journal": set(),
    "learn.learner": {
        "bundle",
        "learn.encoder",
        "learn.encoding",
        "learn.features",
        "learn.head",
        "learn.inputs",
        "learn.planning",
        "learn.receipts",
        "learn.report",
        "learn.solve",
        "learn.state",
        "learn.store",
        "learn.suggest",
    },
    "learn.left_out": {"learn.solve", "learn.statistics"},
    "learn.ledger": {"learn.features"},
    "learn.planning": {
        "bundle",
        "learn.encoder",
        "learn.features",
        "learn.inputs",
        "learn.receipts",
        "learn.state",
    },
    "learn.receipts": {"learn.features", "reader"},
    "learn.report": {
        "learn.encoding",
        "learn.features",
        "learn.left_out",
        "learn.ledger",
        "learn.receipts",
        "learn.solve",
        "learn.state",
    },
    "learn.rows": {"jobs.tables"},
    "learn.solve": {"learn.statistics"},
    "learn.state": {"learn.features", "learn.ledger", "learn.solve", "learn.statistics"},
    "learn.statistics": {"learn.features"},
    "learn.store": {"learn.encoding", "learn.journal", "learn.state", "reader"},
    "learn.suggest": {"learn.features", "learn.solve"},
}
# the cascade: places before a model, what is promised of them, and how they do
ROUTE: dict[str, set[str]] = {
    "route": set(),
    "route.answering": {
        "learn.head",
        "learn.solve",
        "route.certificate",
        "route.fitting",
        "route.full",
        "route.legs",
        "route.walking",
    },
    "route.auditing": {
        "route.answering",
        "route.certificate",
        "route.risk",
        "route.walking",
    },
    "route.building": {
        "bundle",
        "engine",
        "route.full",
        "route.legs",
        "route.places",
        "segments",
        "word_table",
    },
    "route.calibration": {
        "learn.solve",
        "route.certificate",
        "route.gate",
        "route.places",
        "route.risk",
    },
    "route.cascade": {
        "engine",
        "learn.learner",
        "reader",
        "route.answering",
        "route.auditing",
        "route.building",
        "route.calibration",
        "route.certificate",
        "route.certify",
        "route.encoding",
        "route.fitting",
        "route.full",
        "route.inputs",
        "route.production",
        "route.store",
        "route.walking",
    },
    "route.certificate": {
        "reader",
    },
    "route.certify": {
        "learn.features",
        "learn.ledger",
        "learn.solve",
        "route.answering",
        "route.calibration",
        "route.certificate",
        "route.fitting",
        "route.full",
        "route.risk",
        "route.scope",
        "route.walking",
    },
    "route.drift": set(),
    "route.encoding": {
        "reader",
        "route.building",
        "route.certificate",
        "route.full",
        "route.gate",
        "route.hadamard",
        "route.heads",
        "route.inputs",
        "route.legs",
        "route.places",
        "route.scope",
        "route.store",
        "route.walking",
    },
    "route.fitting": {
        "learn.features",
        "learn.solve",
        "learn.statistics",
        "route.full",
        "route.heads",
        "route.legs",
        "route.places",
        "route.scope",
        "route.walking",
        "tokens",
    },
    "route.full": {
        "batching",
        "bundle",
        "engine",
        "learn.head",
        "learn.learner",
        "learn.solve",
        "route.scope",
        "scores",
    },
    "route.gate": {
        "learn.solve",
    },
    "route.hadamard": {
        "learn.features",
    },
    "route.heads": {
        "learn.features",
        "learn.solve",
        "learn.statistics",
        "route.hadamard",
    },
    "route.inputs": {
        "learn.inputs",
        "route.full",
    },
    "route.legs": {
        "batching",
        "engine",
        "segments",
        "session",
        "tokens",
        "word_table",
    },
    "route.places": {
        "learn.features",
        "learn.solve",
        "route.gate",
        "route.heads",
    },
    "route.production": {
        "route.certificate",
        "route.drift",
    },
    "route.risk": {
        "learn.solve",
    },
    "route.scope": {
        "learn.solve",
    },
    "route.store": {
        "reader",
    },
    "route.walking": {
        "batching",
        "route.full",
        "route.legs",
        "route.places",
        "route.scope",
        "tokens",
    },
}
JOBS: dict[str, set[str]] = {
    "jobs": set(),
    "jobs.compression": {"jobs.extras"},
    "jobs.extras": set(),
    "jobs.local": {
        "bundle",
        "device.cpu",
        "engine_versions",
        "jobs.outputs",
        "jobs.parquet",
        "jobs.progress",
        "jobs.resume",
        "jobs.tables",
        "jobs.work",
        "loading",
        "version",
    },
    "jobs.on_ray": {
        "jobs.extras",
        "jobs.local",
        "jobs.outputs",
        "jobs.tables",
        "jobs.work",
        "loading",
    },
    "jobs.outputs": {"jobs.compression", "jobs.parquet", "jobs.work", "records", "vector_records"},
    "jobs.parquet": {"jobs.extras"},
    "jobs.progress": {"jobs.resume"},
    "jobs.resume": {"bundle"},
    "jobs.tables": {"jobs.compression", "jobs.parquet"},
    "jobs.work": {"jobs.tables", "loading", "records", "tokens", "vector_records", "vectors"},
}
# a labelled file through a bundle: what is right, what is found, how good that is, what it costs
EVALUATION: dict[str, set[str]] = {
    "answering": {"bundle", "labelled", "learn.learner", *TASKS},
    "checks": {"labelled", "splits"},
    "compare": {"answering", "bundle", "evaluate", "labelled", "metrics", "scoring"},
    "comparison_report": {"compare", "page", "plots", "reports"},
    "evaluate": {"answering", "bundle", "labelled", "measure", "metrics", "scoring"},
    "evaluation_options": {"answering", "bundle", "jobs.tables", "labelled", "metrics"},
    "labelled": set(),
    "metrics": {"jobs.extras"},
    "page": set(),
    "plots": {"metrics"},
    "reports": {"evaluate", "metrics", "page", "plots", "scoring"},
    "scoring": {"answering", "labelled", "metrics"},
    "splits": set(),
    "writing": set(),
}
MAY_IMPORT: dict[str, set[str]] = {
    "": {"version"},
    "__main__": {"cli"},
    "batching": {"tokens"},  # a batch is made of token rows
    "bundle": {"reader"},
    "cli": {"version"},
    "cli.bench": {"bundle", "device.cpu", "measure", "plain"},
    "cli.compare": {
        "compare",
        "comparison_report",
        "device.cpu",
        "evaluation_options",
        "jobs.tables",
        "labelled",
        "reports",
        "writing",
    },
    "cli.data": {
        "bundle",
        "checks",
        "jobs.tables",
        "labelled",
        "page",
        "splits",
        "tokens",
        "writing",
    },
    "cli.doctor": {"bundle", "device.doctor"},
    "cli.eval": {
        "device.cpu",
        "evaluate",
        "evaluation_options",
        "jobs.tables",
        "labelled",
        "reports",
        "writing",
    },
    "cli.export": set(),
    "cli.forget": {"learn.learner", "learn.receipts", "learn.rows"},
    "cli.inspect": {"bundle", "tuned"},
    "cli.learn": {"learn.features", "learn.learner", "learn.rows"},
    "cli.merge": {"learn.learner"},
    "cli.pack": {"packing"},
    "cli.predict": {"jobs.tables", "learn.learner", "records"},
    "cli.report": {"learn.learner", "learn.receipts"},
    "cli.route": {
        "jobs.tables",
        "learn.learner",
        "reader",
        "records",
        "route.building",
        "route.cascade",
        "route.encoding",
        "route.legs",
    },
    "cli.run": {
        "bundle",
        "jobs.local",
        "jobs.on_ray",
        "jobs.progress",
        "jobs.tables",
        "jobs.work",
        "vector_records",
        "vectors",
    },
    "cli.tune": {"bundle", "tuned", "tuning"},
    "cli.unpack": {"packing"},
    "cli.verify": {"bundle", "engine", "engines", "exits", "golden"},
    "device": set(),
    "device.cpu": set(),
    "device.doctor": {"bundle", "device.cpu", "tuned"},
    **LEARN,
    "amx": {"device.cpu"},
    "engine": {"batching", "bundle", "engines", "tokens"},
    "engine_versions": {"engines", "version"},
    "engines": {"batching", "lone", "session"},
    "exits": {"bundle", "engine", "engines", "golden", "segments", "tokens"},
    **JOBS,
    **EVALUATION,
    "golden": {"batching", "bundle", "engine", "reader", "tokens"},
    "loading": {"engine", *TASKS},
    "lone": {"batching", "session"},
    "measure": {"bundle", "engine", "golden", "plain", "tokens"},
    "packing": {"bundle"},
    "plain": {"tokens"},
    "reader": set(),
    "records": set(),
    **ROUTE,
    "scores": set(),
    "segments": {"batching", "session", "session_onnxruntime"},
    "session": {"batching"},
    "session_amx": {"amx", "batching", "reader"},
    "session_onnxruntime": {"batching", "session"},
    "session_openvino": {"batching", "session"},
    "tasks": set(),
    **{task: TASK for task in TASKS},
    # a classifier's logits read another way
    **{task: TASK | {"tasks.classify"} for task in ("tasks.rerank", "tasks.zero_shot")},
    "tokens": {"bundle"},
    "tuned": {"bundle", "device.cpu", "engine_versions", "engines", "reader", "version", "writing"},
    "tuning": {"batching", "bundle", "engine", "engines", "golden", "measure", "tuned"},
    "vector_records": {"records", "vectors"},
    "vectors": set(),
    "version": set(),
    "word_table": set(),
}
# the ground floor may import less than all others: no cycle starts here
GROUND: dict[str, set[str]] = {
    "errors": set(),
    "results": set(),
    "config": {"errors", "manifest"},
    "manifest": {"errors", "manifest_exits", "manifest_parts", "reader"},
    "manifest_exits": {"errors", "manifest_parts", "reader"},
    "manifest_parts": {"errors", "reader"},
}
# plain.py is not an engine: it is what the benchmark compares the engine with
ONLY_IN = {
    "onnxruntime": {"session_onnxruntime", "plain"},
    "openvino": {"session_openvino"},
    "tokenizers": {"tokens"},
}
EXTRAS_IN = {
    "pyarrow": "jobs.parquet",
    "ray": "jobs.on_ray",
    "scipy": "metrics",
    "seqeval": "metrics",
    "sklearn": "metrics",
    "zstandard": "jobs.compression",
}
NEVER = {"torch", "transformers", "optimum", "onnx", "safetensors", "edgebert_export"}
THIRD_PARTY = {"numpy", "onnxruntime", "tokenizers"}
OPTIONAL = {"openvino"}  # an extra's package, in a module that is imported by name
# modules that may import by name, as the house style says
IMPORTERS = {"", "cli", "cli.export", "engine", "engines", "jobs.extras"}
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}


def module_of(path: Path) -> str:
    """Name a file as Python would, `edgebert` left out: "cli.run", "" for the package itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


SOURCES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(SOURCES[module].read_text(encoding="utf-8"))


def for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


@cache
def imports(module: str) -> frozenset[str]:
    """Give the full names of all modules that a module imports, anywhere in its text."""
    found: set[str] = set()
    waiting: list[ast.AST] = [tree(module)]
    while waiting:
        node = waiting.pop()
        if for_types_only(node):
            continue
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            for name in node.names:
                below = f"{node.module}.{name.name}".removeprefix("edgebert.")
                found.add(f"edgebert.{below}" if below in SOURCES else str(node.module))
        waiting += ast.iter_child_nodes(node)
    return frozenset(found)


def own(module: str) -> set[str]:
    """Give the modules of edgebert that a module imports."""
    names = {name for name in imports(module) if name.partition(".")[0] == "edgebert"}
    return {name.partition(".")[2] for name in names}


def calls(module: str, name: str) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == name
    ]


def test_every_module_has_its_row() -> None:
    assert set(SOURCES) <= MAY_IMPORT.keys() | GROUND.keys()


@pytest.mark.parametrize("module", SOURCES)
def test_a_module_imports_only_what_its_row_allows(module: str) -> None:
    allowed = GROUND[module] if module in GROUND else MAY_IMPORT[module] | EVERYWHERE
    assert own(module) <= allowed


@pytest.mark.parametrize("module", SOURCES)
def test_nothing_but_the_entry_point_imports_the_command_line(module: str) -> None:
    found = {name for name in own(module) if name.partition(".")[0] == "cli"}
    assert not found or module == "__main__"


@pytest.mark.parametrize("module", SOURCES)
def test_the_runtime_never_imports_the_export_stage_or_its_tools(module: str) -> None:
    assert not {name.partition(".")[0] for name in imports(module)} & NEVER


@pytest.mark.parametrize("module", SOURCES)
def test_each_engine_has_one_user(module: str) -> None:
    for package, users in ONLY_IN.items():
        found = any(name.partition(".")[0] == package for name in imports(module))
        assert found == (module in users)


def test_the_runtime_needs_three_packages_only() -> None:
    names = {name.partition(".")[0] for module in SOURCES for name in imports(module)}
    assert names - set(sys.stdlib_module_names) - {"edgebert"} == THIRD_PARTY | OPTIONAL


@pytest.mark.parametrize(("package", "user"), EXTRAS_IN.items())
def test_what_an_extra_brings_has_one_user(package: str, user: str) -> None:
    loaded = {
        module: {ast.unparse(call.args[0]).strip("'").partition(".")[0] for call in found}
        for module in SOURCES
        if (found := calls(module, "load_extra"))
    }
    assert {module for module, names in loaded.items() if package in names} == {user}


@pytest.mark.parametrize("module", SOURCES)
def test_imports_stand_at_the_top(module: str) -> None:
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = [n for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)]
            assert not inner, f"line {inner[0].lineno}"


@pytest.mark.parametrize("module", SOURCES)
def test_only_the_package_and_the_verbs_import_by_name(module: str) -> None:
    assert not calls(module, "__import__")
    assert not calls(module, "import_module") or module in IMPORTERS


def test_the_export_verb_alone_reaches_the_export_stage() -> None:
    texts = {
        module: [ast.unparse(call.args[0]) for call in calls(module, "import_module")]
        for module in sorted(IMPORTERS)
    }
    assert texts == {
        "": ["_HOMES[name]"],
        "cli": ["f'edgebert.cli.{name}'"],
        "cli.export": ["'edgebert_export.cli'"],
        "engine": ["'edgebert.tuned'"],
        "engines": [
            "'edgebert.session_onnxruntime'",
            "'edgebert.session_openvino'",
            "'edgebert.session_amx'",
            "'edgebert.amx'",
        ],
        "jobs.extras": ["module"],
    }


def test_no_import_goes_round_in_a_circle() -> None:
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module not in done:
            for name in sorted(own(module)):
                visit(name, (*path, module))
            done.add(module)

    for module in SOURCES:
        visit(module, ())


@pytest.mark.parametrize("folder", ["edgebert", "export", "tests", "bench", "examples"])
def test_no_file_has_a_name_that_says_nothing(folder: str) -> None:
    paths = (ROOT / folder).rglob("*.py")
    assert not [path for path in paths if path.stem in EMPTY_NAMES]


def test_the_export_stage_does_not_import_the_command_line() -> None:
    for path in sorted((ROOT / "export").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert not str(node.module).startswith("edgebert.cli"), path
            if isinstance(node, ast.Import):
                assert not any(name.name.startswith("edgebert.cli") for name in node.names), path


@pytest.mark.parametrize("package", ["optimum", "transformers"])
def test_one_road_alone_uses_optimum(package: str) -> None:
    users = [
        path.stem
        for path in sorted((ROOT / "export").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        and ast.unparse(node).split()[1].partition(".")[0] == package
    ]
    assert set(users) == {"optimum_road"}


@pytest.mark.parametrize("module", SOURCES)
def test_a_module_opens_with_what_it_does(module: str) -> None:
    assert ast.get_docstring(tree(module))
