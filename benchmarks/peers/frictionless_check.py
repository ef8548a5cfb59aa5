"""The peer of ``importer check`` that validates only: frictionless, with a schema of the same rules.

Usage: ``python -m benchmarks.peers.frictionless_check MANIFEST``

It neither groups rows nor says which others a faulty one holds back, and writes no report.
"""

import sys

from frictionless import Checklist, Field, Resource, Schema, system
from frictionless.fields import StringField

from benchmarks.manifest import HEADERS

_DAMAGE = (
    r"(?!#|[+-]?\d(?:[.,]\d+)?[Ee]\+\d|[1-9]\d{14}00+(?:\.0)?$|[A-Z][a-z]{2}-\d\d$|\d\d?-[A-Z][a-z]{2}$)"
)
_RULES = {
    "order_id": _DAMAGE + r"\s*0*[1-9]\d{0,18}(?:\.0)?\s*",
    "sku": _DAMAGE + r"[^\x00-\x1f]{1,255}",
    "quantity": r"\s*0*(?:[1-9]\d{0,5}|1000000)(?:\.0)?\s*",
    "tracking_number": _DAMAGE + r"[A-Za-z0-9-](?:\s*[A-Za-z0-9-]){4,49}",
}


def main(manifest: str) -> None:
    """Validate, and find every error."""
    with system.use_context(trusted=True):  # the manifest has an absolute path
        Resource(path=manifest, schema=Schema(fields=[*map(_field, HEADERS)])).validate(
            Checklist(), limit_errors=sys.maxsize
        )


def _field(name: str) -> Field:
    if name not in _RULES:
        return StringField(name=name)
    return StringField(name=name, constraints={"required": True, "pattern": _RULES[name]})


if __name__ == "__main__":
    main(sys.argv[1])
