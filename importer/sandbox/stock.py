"""An orders file → what each platform of the sandbox has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer.sandbox.orders import Store, document_of
from importer.sandbox.shops import Shop

if TYPE_CHECKING:
    from pathlib import Path


def from_file(path: Path, needed: str = "") -> tuple[Store, Shop]:
    """What ADM and Shoplazza have; the one of which the file says nothing has no orders.

    ``needed`` is the kind, ``adm`` or ``shoplazza``, of which it must say something.

    Raises:
        SetupError: the file can't be read, or is not of the form that Store.of and Shop.of have.
    """
    document, place = document_of(path), str(path)
    shop_told = "shoplazza" in document or needed == "shoplazza"
    orders_told = "orders" in document or needed == "adm" or not shop_told
    shop = Shop.of(document, place) if shop_told else Shop(())
    return Store.of(document, place) if orders_told else Store(()), shop


def any_order(order_id: str = "integer") -> tuple[Store, Shop]:
    """Platforms that have every order; ``order_id`` is the type that ADM's have in JSON."""
    return Store.any_order(order_id), Shop.any_order()
