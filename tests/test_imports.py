"""The layers of the package: imports point downwards only, and help needs no torch."""

import ast
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

# Each module may import those named, and nothing else of the package.
ALLOWED: dict[str, set[str]] = {
    "__init__": set(),
    "__main__": {"cli"},
    "errors": set(),
    "layers": set(),
    "tables": set(),
    "tiling": set(),
    "pixels": set(),
    "search": set(),
    "metadata": set(),
    "container": {"errors"},
    "files": {"errors"},
    "imageio": {"errors", "metadata"},
    "rangecoder": {"errors", "tables"},
    "networks": {"layers"},
    "rate": {"layers", "networks", "tables"},
    "refine": {"layers", "networks", "rate", "tiling"},
    "quantise": {"rangecoder", "tables"},
    "entropy": {"errors", "layers", "networks", "quantise", "rangecoder", "tables"},
    "pretrained": {"errors", "networks", "tables"},
    "codec": {
        "container", "entropy", "errors", "imageio", "networks",
        "pixels", "pretrained", "rangecoder", "refine", "search", "tables", "tiling",
    },
    "denoise": {"imageio", "networks", "pixels", "pretrained", "tiling"},
    "batch": {"errors", "files"},
    "report": {"batch"},
    "cli_info": {"batch", "container", "denoise", "errors", "files", "imageio"},
    "cli_types": set(),
    "cli_train": {"cli_types", "errors", "networks", "train.data", "train.export", "train.loop"},
    "cli_bench": {
        "bench.codec", "bench.crops", "bench.denoise", "bench.denoisers", "bench.noisy", "bench.peers", "bench.present",
        "bench.session", "bench.sources", "bench.summary", "bench.table", "cli_types", "codec", "denoise", "errors",
        "files", "pretrained",
    },
    "cli": {
        "batch", "cli_bench", "cli_info", "cli_train", "cli_types", "codec", "denoise", "errors", "files", "imageio",
        "report",
    },
    "train": set(),
    "train.data": {"errors", "files", "imageio"},
    "train.noise": set(),
    "train.losses": {"layers", "networks", "rate", "train.noise"},
    "train.start": {"layers", "networks"},
    "train.parallel": set(),
    "train.loop": {
        "", "errors", "files", "layers", "networks", "pretrained",
        "train.data", "train.losses", "train.parallel", "train.start",
    },
    "train.export": {"errors", "files", "tables", "pretrained", "train.loop"},
    "bench": set(),
    "bench.metrics": set(),
    "bench.sources": {"errors", "files", "imageio"},
    "bench.table": {"bench.sources", "errors", "files"},
    "bench.session": {"bench.sources", "bench.table", "errors", "files"},
    "bench.views": {"bench.sources"},
    "bench.pca": {"bench.sources", "rangecoder", "tables"},
    "bench.peers": {"bench.pca", "bench.sources", "codec", "imageio"},
    "bench.denoisers": {"bench.sources", "denoise", "imageio", "networks", "pretrained"},
    "bench.match": {"bench.peers", "bench.sources", "search"},
    "bench.memory": {"bench.peers", "bench.sources", "codec", "errors"},
    "bench.codec": {
        "bench.match", "bench.memory", "bench.metrics", "bench.peers", "bench.session", "bench.sources",
        "bench.table", "bench.views", "pixels",
    },
    "bench.denoise": {
        "bench.denoisers", "bench.metrics", "bench.session", "bench.sources", "bench.table", "bench.views", "errors",
        "pixels",
    },
    "bench.crops": {
        "bench.denoise", "bench.denoisers", "bench.match", "bench.peers", "bench.sources", "codec", "pixels",
    },
    "bench.noisy": {
        "bench.denoise", "bench.peers", "bench.session", "bench.sources", "bench.summary", "bench.table", "denoise",
        "imageio", "pixels",
    },
    "bench.summary": {"bench.denoisers", "bench.metrics", "bench.peers", "bench.table"},
    "bench.plots": {"bench.metrics", "bench.peers"},
    "bench.report": {"bench.summary", "bench.views"},
    "bench.present": {
        "__init__", "bench.codec", "bench.denoise", "bench.denoisers", "bench.peers", "bench.plots", "bench.report",
        "bench.summary", "bench.table", "files",
    },
}  # fmt: skip


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "aecodec":
            module = node.module.removeprefix("aecodec").removeprefix(".")
            for alias in node.names:
                inner = f"{module}.{alias.name}".removeprefix(".")
                is_module = any((ROOT / "aecodec" / f"{inner.replace('.', '/')}{end}").exists() for end in (".py", ""))
                found.add(inner if is_module else module)
        elif isinstance(node, ast.Import):
            found |= {a.name.removeprefix("aecodec.") for a in node.names if a.name.startswith("aecodec")}
    return found - {""}


def test_modules_import_only_what_lies_below_them() -> None:
    package = ROOT / "aecodec"
    for path in sorted(package.rglob("*.py")):
        name = ".".join(path.relative_to(package).with_suffix("").parts).removesuffix(".__init__") or "__init__"
        assert name in ALLOWED, f"{name}: say in this table what it may import"
        assert imports_of(path) <= ALLOWED[name], name


def test_help_imports_no_torch_and_no_numpy() -> None:
    code = (
        "import sys\nfrom aecodec.cli import cli\n"
        "try:\n    cli(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'numpy', 'PIL', 'constriction', 'tqdm'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.splitlines()[-1] == "[]"
