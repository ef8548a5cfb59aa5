"""The order platform, served on loopback: to try things out without credentials, and for tests.

It is as strict as the API's document and remembers what it was sent. It does not honour ``Idempotency-Key``:
what is sent twice is created twice, so that a doubled post shows.
"""

from importer.sandbox.app import application
from importer.sandbox.orders import Created, Received, Store
from importer.sandbox.server import Sandbox, serve

__all__ = ["Created", "Received", "Sandbox", "Store", "application", "serve"]
