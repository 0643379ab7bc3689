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
    "quantise": {"rangecoder", "tables"},
    "entropy": {"errors", "layers", "networks", "quantise", "rangecoder", "tables"},
    "pretrained": {"errors", "networks", "tables"},
    "codec": {
        "container", "entropy", "errors", "imageio", "networks",
        "pixels", "pretrained", "rangecoder", "search", "tables", "tiling",
    },
    "denoise": {"imageio", "networks", "pixels", "pretrained", "tiling"},
    "batch": {"errors", "files"},
    "report": {"batch"},
    "cli_info": {"batch", "container", "denoise", "errors", "files", "imageio"},
    "cli_types": set(),
    "cli_train": {"cli_types", "errors", "networks", "train.data", "train.export", "train.loop"},
    "cli": {"batch", "cli_info", "cli_train", "cli_types", "codec", "denoise", "errors", "files", "imageio", "report"},
    "train": set(),
    "train.data": {"errors", "files", "imageio"},
    "train.noise": set(),
    "train.losses": {"layers", "networks", "tables", "train.noise"},
    "train.start": {"layers", "networks"},
    "train.parallel": set(),
    "train.loop": {
        "", "errors", "files", "networks", "pretrained",
        "train.data", "train.losses", "train.parallel", "train.start",
    },
    "train.export": {"errors", "files", "tables", "pretrained", "train.loop"},
    "bench": set(),
    "bench.codec": {"bench.metrics", "codec", "imageio"},
    "bench.denoise": {"bench.metrics", "denoise", "imageio"},
    "bench.metrics": set(),
    "bench.crops": {"codec", "denoise", "imageio"},
    "bench.__main__": {
        "bench.codec", "bench.crops", "bench.denoise", "bench.metrics", "codec", "denoise", "imageio",
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
