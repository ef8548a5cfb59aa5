"""The carriers that are known, how manifests spell them, and where the public follows a parcel."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Texts: TypeAlias = pa.Array[Any] | pa.ChunkedArray[Any]  # Any - string or large_string, both are taken
    Text: TypeAlias = pa.LargeStringArray
    Codes: TypeAlias = NDArray[np.int8]  # of a carrier: its place in CARRIERS counted from 1


class Carrier(Struct, frozen=True):
    """A carrier, or a business of one whose numbers are others.

    ``spellings`` are those of ``tracking_company`` cells, folded to letters and digits without case. ``url``
    is the public page of a parcel, ``{}`` for its number; "" where there is none that needs the number alone.
    """

    spellings: tuple[str, ...]
    url: str = ""


_UPS: Final = "https://www.ups.com/track?tracknum={}"
_USPS: Final = "https://tools.usps.com/go/TrackConfirmAction?tLabels={}"
_FEDEX: Final = "https://www.fedex.com/fedextrack/?trknbr={}"
_DHL_EXPRESS: Final = "https://www.dhl.com/en/express/tracking.html?brand=DHL&AWB={}"
_ONTRAC: Final = "https://www.ontrac.com/tracking/?number={}"

CARRIERS: Final[Mapping[str, Carrier]] = MappingProxyType(
    {
        "UPS": Carrier(("ups", "unitedparcelservice", "unitedparcelserviceups", "upsn"), _UPS),
        "UPS Mail Innovations": Carrier(("upsmailinnovations", "mailinnovations", "upsmi"), _UPS),
        "UPS SurePost": Carrier(("upssurepost", "surepost", "upsgroundsaver"), _UPS),
        "USPS": Carrier(
            (
                "usps",
                "uspostalservice",
                "uspostal",
                "uspost",
                "usmail",
                "unitedstatespostalservice",
                "unitedstatespostalserviceusps",
            ),
            _USPS,
        ),
        "FedEx": Carrier(("fedex", "federalexpress", "fdeg", "fdxe"), _FEDEX),
        "FedEx SmartPost": Carrier(("fedexsmartpost", "smartpost", "fedexgroundeconomy"), _FEDEX),
        "DHL": Carrier(("dhl",)),
        "DHL Express": Carrier(("dhlexpress", "dhlworldwideexpress"), _DHL_EXPRESS),
        "DHL eCommerce": Carrier(
            ("dhlecommerce", "dhlecommercesolutions", "dhlglobalmail", "dhlsmartmail"),
            "https://webtrack.dhlecs.com/?trackingnumber={}",
        ),
        "DHL Paket": Carrier(
            ("dhlpaket", "dhlpaketde", "dhlparcelde", "dhlgermany", "dhlde"),
            "https://www.dhl.de/de/privatkunden/dhl-sendungsverfolgung.html?piececode={}",
        ),
        "Pitney Bowes": Carrier(("pitneybowes", "newgistics")),
        "OnTrac": Carrier(("ontrac",), _ONTRAC),
        "LaserShip": Carrier(("lasership",), _ONTRAC),  # one company with OnTrac since 2021, and one site
        "Canada Post": Carrier(
            ("canadapost", "postescanada", "canadapostpostescanada"),
            "https://www.canadapost-postescanada.ca/track-reperage/en#/search?searchFor={}",
        ),
        "Royal Mail": Carrier(
            ("royalmail",), "https://www.royalmail.com/track-your-item#/tracking-results/{}"
        ),
        "Evri": Carrier(("evri", "hermesuk", "myhermes"), "https://www.evri.com/track/parcel/{}"),
        "Hermes": Carrier(("hermes", "hermesgermany", "hermesde", "myhermesde")),
        "DPD": Carrier(
            ("dpd", "dpdgermany", "dpdde", "dpdgroup"), "https://tracking.dpd.de/status/en_US/parcel/{}"
        ),
        "GLS": Carrier(("gls", "glsgermany", "glsde"), "https://gls-group.eu/EU/en/parcel-tracking?match={}"),
        "PostNL": Carrier(("postnl",)),
        "La Poste": Carrier(
            ("laposte", "colissimo", "lapostecolissimo", "colissimolaposte"),
            "https://www.laposte.fr/outils/suivre-vos-envois?code={}",
        ),
        "Correos": Carrier(
            ("correos", "correosdeespaña", "correosespaña"),
            "https://www.correos.es/es/es/herramientas/localizador/envios/detalle?tracking-number={}",
        ),
        "Poste Italiane": Carrier(
            ("posteitaliane", "posteit"), "https://www.poste.it/cerca/index.html#/risultati-spedizioni/{}"
        ),
        "Australia Post": Carrier(
            ("australiapost", "auspost"), "https://auspost.com.au/mypost/track/details/{}"
        ),
        "Japan Post": Carrier(
            ("japanpost", "日本郵便", "ゆうパック"),
            "https://trackings.post.japanpost.jp/services/srv/search/direct?reqCodeNo1={}",
        ),
        "Yamato": Carrier(
            ("yamato", "yamatotransport", "kuronekoyamato", "ヤマト運輸", "ヤマト", "クロネコヤマト"),
            "https://jizen.kuronekoyamato.co.jp/jizen/servlet/crjz.b.NQ0010?id={}",
        ),
        "Sagawa": Carrier(
            ("sagawa", "sagawaexpress", "佐川急便", "佐川"),
            "https://k2k.sagawa-exp.co.jp/p/web/okurijosearch.do?okurijoNo={}",
        ),
        "China Post": Carrier(("chinapost", "chinapostems", "中国邮政")),
        "SF Express": Carrier(("sfexpress", "sf", "shunfeng", "顺丰", "顺丰速运", "順豐速運")),
        "Yanwen": Carrier(
            ("yanwen", "yanwenexpress", "yanwenlogistics", "燕文", "燕文物流"),
            "https://track.yw56.com.cn/en/querydel?nums={}",
        ),
        "YunExpress": Carrier(
            ("yunexpress", "yuntrack", "yunexpresslogistics", "云途", "云途物流"),
            "https://www.yuntrack.com/parcelTracking?id={}",
        ),
        "4PX": Carrier(("4px", "4pxexpress", "递四方"), "https://track.4px.com/#/result/0/{}"),
        "Cainiao": Carrier(
            ("cainiao", "cainiaoglobal", "菜鸟"), "https://global.cainiao.com/newDetail.htm?mailNoList={}"
        ),
        "Amazon": Carrier(("amazon", "amazoncom", "amazonmcf", "amazonfba")),
        "Amazon Logistics": Carrier(
            ("amazonlogistics", "amazonlogisticsuk", "amazonshipping", "amzl", "amzlus"),
            "https://track.amazon.com/tracking/{}",
        ),
    }
)
"""Carrier → its spellings and its page; a service may follow a spelling ("UPS Next Day Air").

"DHL" and "Amazon" alone leave open which of their businesses, or of the carriers they use, is meant.
"""

NO_COMPANY: Final = 0
STRANGER: Final = len(CARRIERS) + 1
CODES: Final = {"": NO_COMPANY} | {name: code for code, name in enumerate(CARRIERS, start=1)}


def one_array(texts: Texts) -> Text:
    """Give the texts in one piece, '' for null."""
    whole = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    whole = whole.cast(pa.large_string())
    return whole.fill_null("") if whole.null_count else whole


def named(companies: Texts | None, count: int) -> Codes:
    """Give the code of the carrier that each row names: NO_COMPANY, its place in CARRIERS, or STRANGER."""
    if companies is None:
        return np.zeros(count, np.int8)
    spelled = one_array(companies).dictionary_encode()
    codes = np.array([_code(str(company)) for company in spelled.dictionary.to_pylist()], np.int8)
    each: Codes = codes[spelled.indices.to_numpy()]
    return each


def _code(company: str) -> int:
    folded = "".join(filter(str.isalnum, company.casefold()))
    if not folded:
        return NO_COMPANY
    found = _SPELLED_WITH_SERVICE.fullmatch(folded)
    spelling = found[1] if found else folded
    return CODES[_SPELLINGS[spelling]] if spelling in _SPELLINGS else STRANGER


_SPELLINGS: Final = {spelling: name for name, carrier in CARRIERS.items() for spelling in carrier.spellings}

# The words of service names. The rest of a name must be made of them, so that neither "Upstate Couriers" nor
# "UPS or USPS" nor "UPS Freight" is taken for a carrier. No word is made of others, so matching is quick.
_SERVICE_WORDS = (
    "1st|2nd|2|3|24|48|first|second|third|next|same|day|air|am|pm|early|overnight|ground|home|delivery|residential|"
    "express|expedited|saver|select|standard|priority|economy|international|intl|worldwide|domestic|class|mail|media|"
    "package|packet|parcel|retail|advantage|plus|tracked|signed|special|guaranteed|regular|xpresspost|return|flat|rate|"
    "box|envelope|service|canada|usa|inc|corporation"
)
# more words make another business of these: "DHL Freight", "Correos Express", "Hermes UK", "SF International"
_EXACT_ONLY: Final = frozenset({"DHL", "Amazon", "Correos", "Hermes", "SF Express", "China Post"})
_LONGEST_FIRST = sorted(
    (spelling for spelling, name in _SPELLINGS.items() if name not in _EXACT_ONLY), key=len, reverse=True
)
_SPELLED_WITH_SERVICE: Final = re.compile(f"({'|'.join(_LONGEST_FIRST)})(?:{_SERVICE_WORDS})*")
