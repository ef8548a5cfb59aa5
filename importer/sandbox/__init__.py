"""The order platforms, served on loopback: to try things out without credentials, and for tests.

They are as strict as the APIs' documents and remember what they were sent. They don't honour
``Idempotency-Key``: what is sent twice is created twice, so that a doubled post shows. On demand they
misbehave (see faults.py).
"""

from typing import TYPE_CHECKING

from importer import later
from importer.sandbox.documents import REHEARSALS

if TYPE_CHECKING:
    from importer.sandbox.faults import Faults, rehearsal
    from importer.sandbox.orders import Created, Received, Store
    from importer.sandbox.server import Sandbox, serve
    from importer.sandbox.shops import Bucket, Shop

__all__ = [
    "REHEARSALS",
    "Bucket",
    "Created",
    "Faults",
    "Received",
    "Sandbox",
    "Shop",
    "Store",
    "rehearsal",
    "serve",
]

_MODULES = {
    **dict.fromkeys(("Faults", "rehearsal"), "faults"),
    **dict.fromkeys(("Created", "Received", "Store"), "orders"),
    **dict.fromkeys(("Sandbox", "serve"), "server"),
    **dict.fromkeys(("Bucket", "Shop"), "shops"),
}
__getattr__ = later.names(__name__, _MODULES)  # the options name the rehearsals, and few runs have one
