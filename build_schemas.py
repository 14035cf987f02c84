"""Make the schema file of the built-in kinds: run by the wheel build, or by hand in a checkout.

The schemas of a Kubernetes release come from the PyPI package `kubernetes-validate`, which has made
JSON Schema of them; `restore` takes that back, so that what comes out are the definitions of the
release's own swagger document. The file is two zlib streams, one after the other: the structure,
which every server loads, then the descriptions, which only OpenAPI documents need. The repository
carries no schema; `python build_schemas.py` does nothing when the file is up to date.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import sys
import zlib
from pathlib import Path
from typing import Any

PACKAGE = "kubernetes-validate"
RELEASE = "v1.36"
SOURCE = "kubernetes-json-schema/v1.36.0-local/_definitions.json"
TARGET = Path("src/roost/api/schema") / f"{RELEASE}.json.zz"

_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
#: The two types that can be text or number; the package has lost how the document describes them.
_UNIONS = {
    _QUANTITY: {
        "type": "string",
        "description": "A decimal number with an optional suffix, e.g. 500m, 1.5, 2Gi or 3e6.",
    },
    _INT_OR_STRING: {
        "type": "string",
        "format": "int-or-string",
        "description": "An integer, or text such as a percentage or the name of a port.",
    },
}


def restore(schema: Any) -> Any:
    """Return a schema as the swagger document has it: no nulls, no enums, plain references."""
    if isinstance(schema, list):
        return [restore(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    restored = {}
    for key, value in schema.items():
        if key == "properties":
            restored[key] = {name: restore(item) for name, item in value.items()}
        elif key == "type" and isinstance(value, list):
            restored[key] = next(name for name in value if name != "null")
        elif key == "$ref":
            restored[key] = value.replace("#/$defs/", "#/definitions/")
        elif key != "enum":
            restored[key] = restore(value)
    return restored


def definitions(source: bytes) -> dict[str, Any]:
    """Return the definitions of the swagger document, by name, from the package's file."""
    restored = {name: restore(schema) for name, schema in json.loads(source)["$defs"].items()}
    return restored | _UNIONS


def split(schemas: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (structure, descriptions): {definition: schema}, {definition: {field or "": text}}."""
    structure, descriptions = {}, {}
    for name, schema in schemas.items():
        texts = {}
        bare = {key: value for key, value in schema.items() if key != "description"}
        if "description" in schema:
            texts[""] = schema["description"]
        if "properties" in schema:
            bare["properties"] = {}
            for field, node in schema["properties"].items():
                if "description" in node:
                    texts[field] = node["description"]
                bare["properties"][field] = {k: v for k, v in node.items() if k != "description"}
        structure[name] = bare
        descriptions[name] = texts
    return structure, descriptions


def encode(source: bytes) -> bytes:
    """Return the contents of the schema file. The same source gives the same bytes."""
    streams = (
        json.dumps(part, separators=(",", ":"), sort_keys=True).encode()
        for part in split(definitions(source))
    )
    return b"".join(zlib.compress(stream, 9) for stream in streams)


def _stamp() -> str:
    """Return what the file depends on, as text: the package's version and this program."""
    program = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    return f"{importlib.metadata.version(PACKAGE)} {program}"


def build(root: Path) -> Path:
    """Write the schema file under `root` unless it is up to date, and return its path.

    Raises importlib.metadata.PackageNotFoundError if the package is not installed.
    """
    target, stamp_file = root / TARGET, root / TARGET.with_suffix(".stamp")
    stamp = _stamp()
    if target.exists() and stamp_file.exists() and stamp_file.read_text() == stamp:
        return target
    package = importlib.util.find_spec("kubernetes_validate")
    if package is None or package.origin is None:
        raise importlib.metadata.PackageNotFoundError(PACKAGE)
    source = (Path(package.origin).parent / SOURCE).read_bytes()
    part = target.with_suffix(".part")
    part.write_bytes(encode(source))
    part.replace(target)
    stamp_file.write_text(stamp)
    return target


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand, where the build tool need not be installed
    pass
else:

    class SchemaBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # configured by nobody
        """Put the schema file into the wheel (an editable one finds it in the tree)."""

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 (hatchling's)
            target = build(Path(self.root))
            build_data["artifacts"].append(f"/{target.relative_to(self.root).as_posix()}")


if __name__ == "__main__":
    sys.stdout.write(f"{build(Path(__file__).resolve().parent)}\n")
