"""The configuration file and the environment → frozen values; nothing else reads either.

What may stand in the file is the table ``_KINDS`` at the end: one entry for each kind of destination, one
line for each of its keys; ``_DEFAULTS`` has what a kind sets for itself. A token is never written in the
file, and never shown.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import unquote

import platformdirs
from msgspec import Struct, field

from importer.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

FILE_NAME: Final = "importer.toml"
DEFAULT_KIND: Final = "adm"
KINDS_THAT_MAIL: Final = frozenset({"shoplazza"})
"""Destinations that mail the customer when they are asked to."""
KINDS_THAT_CAN_BE_READ: Final = frozenset({"shoplazza"})
"""Destinations that tell what they have."""
SHOPLAZZA_VERSIONS: Final = ("2022-01", "2024-07", "2025-06", "2026-01", "2026-07")
_SANDBOX_PATH: Final = "fulfillments/create"


class Secret:
    """A token that shows itself only to the one who asks with ``reveal``."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The token itself, for the header it goes into."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __format__(self, _: str) -> str:
        return "***"

    def __deepcopy__(self, _: dict[int, Any]) -> Secret:
        return self  # else it would go through __reduce__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


class Rate(Struct, frozen=True):
    """At most so many requests a second on average, ``burst`` of them at once."""

    per_second: float
    burst: int


class DestinationSettings(Struct, frozen=True):
    """One ``[destinations.NAME]`` with every value resolved.

    ``base_url`` is tidy: lower-case host, no default port, no trailing slash; it is empty only where nothing
    is sent. ``timeout`` is in seconds, for one attempt from connecting to the last byte. ``token`` is None
    for the sandbox and where nothing is sent. ``account`` tells two accounts at one base_url apart.
    ``extra`` has constant fields for every body. ``env_proxy`` says whether HTTPS_PROXY and its like count,
    and ``transport`` whether HTTP is spoken by the importer's own transport or by httpx's.
    From ``version`` on it is Shoplazza's: ``operation`` is update, create or auto, ``send_email`` mails
    customers of whom the manifest says nothing, ``order_id_is`` says whether order ids of the manifest are
    the platform's ids or its numbers, and ``check_carriers`` compares carriers with the platform's list.
    """

    name: str
    kind: str
    base_url: str
    path: str = "fulfillments/create"
    auth_header: str = "X-ADM-Access-Token"
    auth_scheme: str = ""
    token: Secret | None = None
    body: str = "flat"
    order_id: str = "integer"
    on_500: str = "retry"
    idempotency: str = "none"
    extra: Mapping[str, Any] = field(default_factory=dict)
    account: str = ""
    concurrency: int = 16
    timeout: float = 30.0
    max_attempts: int = 5
    rate: Rate | None = None
    env_proxy: bool = False
    transport: str = "own"
    sandbox: bool = False
    version: str = "2022-01"
    operation: str = "update"
    send_email: bool = False
    order_id_is: str = "id"
    check_carriers: bool = True


class Settings(Struct, frozen=True):
    """What the configuration file says; ``path`` is None when there is none.

    The tables of ``destinations`` are checked, but no token has been read yet.
    """

    path: Path | None
    destinations: Mapping[str, Mapping[str, Any]]


def load(config: Path | None, environment: Mapping[str, str]) -> Settings:
    """Read ``config``, or else ``importer.toml`` here or in the user's configuration folder, if there is one.

    Raises:
        SetupError: the file can't be read, is not TOML, or says something that it may not say.
    """
    for path in (config,) if config else (Path(FILE_NAME), _user_folder(environment) / FILE_NAME):
        content = _content(path)
        if content is not None:
            return parse(content, path)
    if config:
        raise SetupError(f"{config}: no such file, expected the configuration")
    return Settings(None, {})


def parse(content: bytes, path: Path) -> Settings:
    """What ``content`` says as the configuration file ``path``.

    Raises:
        SetupError: it is not TOML, or says something that it may not say.
    """
    return Settings(path, _destinations(_document(content, path), path))


def config_here() -> Path | None:
    """The configuration that ``load`` reads in this folder when none is named, if there is one."""
    path = Path(FILE_NAME)
    return path if path.exists() else None


def destination(
    settings: Settings, name: str, environment: Mapping[str, str], overrides: Mapping[str, Any]
) -> DestinationSettings:
    """Everything that is needed to post to ``name``, its token included.

    ``overrides`` has what the command line says of rate, concurrency, timeout and max_attempts; None means
    that it says nothing.

    Raises:
        SetupError: it is not configured, lacks its base_url or token, or an override is out of range.
    """
    table = _table(settings, name)
    if "base_url" not in table:
        raise SetupError(
            f"{_where(settings, name)} base_url: missing, expected the address that you were given (there is "
            f"no default); write into {settings.path or FILE_NAME}:\n\n{_example(name, table['kind'])}"
        )
    return _resolved(name, table, overrides, token=_token(settings, name, environment))


def sandbox_destination(
    settings: Settings, name: str | None, base_url: str, overrides: Mapping[str, Any]
) -> DestinationSettings:
    """The sandbox at ``base_url`` in the shape of ``name``; without a name, in that of the default kind.

    Raises:
        SetupError: ``name`` is not configured and no kind of destination, or an override is out of range.
    """
    name = name or DEFAULT_KIND
    table = {"rate": None, **_table(settings, name)}  # it has time, whatever the platform's own rate is
    fixed = {"base_url": base_url.rstrip("/"), "path": _SANDBOX_PATH, "env_proxy": False, "sandbox": True}
    return _resolved(name, table, overrides, **fixed)


def destination_for_check(
    settings: Settings, name: str, overrides: Mapping[str, Any] | None = None
) -> DestinationSettings:
    """What a dry run needs of ``name``: no token, and an empty base_url where none is configured.

    ``overrides`` are as for ``destination``.

    Raises:
        SetupError: ``name`` is not configured and no kind of destination, or an override is out of range.
    """
    return _resolved(name, _table(settings, name), overrides or {})


def parse_rate(text: str) -> Rate:
    """``N/BURST`` or ``N`` (then without bursts): so many a second.

    Raises:
        ValueError: it is not that, with the words for it.
    """
    match = _RATE.fullmatch(text.strip())
    rate = Rate(float(match[1]), int(match[2] or 1)) if match else None
    if rate is None or not (rate.per_second > 0 and rate.burst):
        raise ValueError(f"found {text!r}, expected {_RATE_WORDS}")
    return rate


_RATE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(?:/([0-9]{1,9}))?")
_RATE_WORDS = 'requests a second above 0, as in 5, or with a burst of 1 or more, as in "2/40"'


def is_name(text: str) -> bool:
    """Whether a destination may be called that."""
    return _NAME.fullmatch(text) is not None


def token_variable(name: str) -> str:
    """What the environment variable with the token of a destination is best called."""
    return f"{name.upper().replace('-', '_')}_TOKEN"


def has_key(kind: str, key: str) -> bool:
    """Whether a destination of the kind may say ``key``."""
    return key in _KINDS[kind]


def judge(kind: str, key: str, value: object) -> None:
    """See that ``key`` may have that value in a destination of the kind.

    Raises:
        ValueError: it may not, with the words for it.
    """
    found = _KINDS[kind][key]
    try:
        found.keep(value)
    except ValueError:
        raise ValueError(f"found {_found(value, found)}, expected {found.expected}") from None


# --- the file ------------------------------------------------------------------------------------------


def _user_folder(environment: Mapping[str, str]) -> Path:
    # platformdirs asks the environment of this process, not the one that was handed in.
    folder = environment.get("XDG_CONFIG_HOME", "")
    return Path(folder) / "importer" if folder else platformdirs.user_config_path("importer")


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SetupError(f"{path}: can't be read: {error.strerror}") from error


def _document(content: bytes, path: Path) -> dict[str, Any]:
    # The causes hold the whole text, and with it what should not be shown.
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SetupError(f"{path}: line {line}: not UTF-8 text; save the file as UTF-8") from None
    except ValueError as error:
        words = str(error)
        raise SetupError(f"{path}: not TOML: {words[:1].lower()}{words[1:]}") from None
    except RecursionError:
        raise SetupError(f"{path}: not TOML that can be read: nested too deeply") from None


def _destinations(document: dict[str, Any], path: Path) -> dict[str, dict[str, Any]]:
    for key in document:
        if key != "destinations":
            raise _unknown(f"{path}: {_key_shown(key)}", key, ["destinations"])
    tables = document.get("destinations", {})
    if not isinstance(tables, dict):
        raise SetupError(f"{path}: destinations: found {_found(tables)}, expected tables [destinations.NAME]")
    return {name: _checked_table(name, table, path) for name, table in tables.items()}


def _checked_table(name: str, table: object, path: Path) -> dict[str, Any]:
    where = f"{path}: [destinations.{_key_shown(name)}]"
    if not _NAME.fullmatch(name):
        raise SetupError(f"{where}: expected a name of letters, digits, '-' and '_'")
    if not isinstance(table, dict):
        raise SetupError(f"{where}: found {_found(table)}, expected a table")
    if "token" in table:
        raise SetupError(
            f"{where} token: a token is never written in this file; put it into an environment variable or a "
            "file of its own, and name that with token_env or token_file"
        )
    keys = _KINDS[_kind(name, table, where)]
    for key in table:
        if key not in keys:
            raise _unknown(f"{where} {_key_shown(key)}", key, keys)
    if len(_TOKEN_READERS.keys() & table.keys()) > 1:
        raise SetupError(f"{where} token_env, token_file: found both, expected one of them")
    checked = {key: _checked(keys[key], value, f"{where} {key}") for key, value in table.items()}
    return {"kind": name, **checked}


_NAME = re.compile(r"[A-Za-z0-9_-]{1,50}")


def _kind(name: str, table: dict[str, Any], where: str) -> str:
    kind = table.get("kind", name if name in _KINDS else None)
    if isinstance(kind, str) and kind in _KINDS:
        return kind
    found = "missing" if kind is None else f"found {_found(kind)}"
    near = difflib.get_close_matches(kind, _KINDS, n=1) if isinstance(kind, str) else []
    raise SetupError(f"{where} kind: {found}, expected {_either(_KINDS)}{_did_you_mean(near)}")


def _checked(key: _Key, value: object, where: str) -> object:
    try:
        return key.keep(value)
    except ValueError:
        raise SetupError(f"{where}: found {_found(value, key)}, expected {key.expected}") from None


def _unknown(where: str, key: str, known: Collection[str]) -> SetupError:
    near = _did_you_mean(difflib.get_close_matches(key, known, n=1))
    return SetupError(f"{where}: unknown key{near or '; known is ' + ', '.join(known)}")


def _did_you_mean(near: list[str]) -> str:
    return f"; did you mean {near[0]}?" if near else ""


def _either(words: Collection[str]) -> str:
    return " or ".join(f'"{word}"' for word in words)


def _key_shown(key: str) -> str:
    return key if _NAME.fullmatch(key) else json.dumps(_cut(key))


def _found(value: object, key: _Key | None = None) -> str:
    if isinstance(value, dict):
        return _cut(f"a table of {', '.join(map(_key_shown, value))}") if value else "an empty table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str) and key is not None and key.may_be_token:
        return "text that is not shown, since it may be the token"
    if isinstance(value, str):
        # A password or a token may stand before the @ of an address, or in its query.
        value = re.sub(r"\?.*", "?***", re.sub(r"//.*@", "//***@", value), flags=re.DOTALL)
        return json.dumps(_cut(value), ensure_ascii=False)
    return json.dumps(value, default=str)


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


_MOST_SHOWN = 80


# --- one destination -----------------------------------------------------------------------------------


def _table(settings: Settings, name: str) -> Mapping[str, Any]:
    if name in settings.destinations:
        return settings.destinations[name]
    if name in _KINDS:
        return {"kind": name}
    known = sorted({*settings.destinations, *_KINDS})
    near = _did_you_mean(difflib.get_close_matches(name, known, n=1))
    where = f"in {settings.path}" if settings.path else f"and no {FILE_NAME}"
    raise SetupError(
        f"--to {_key_shown(name)}: no such destination {where}; there is {', '.join(known)}{near}"
    )


def _where(settings: Settings, name: str) -> str:
    return f"{settings.path or FILE_NAME}: [destinations.{name}]"


def _example(name: str, kind: str) -> str:
    lines = [f"[destinations.{name}]", *([f'kind = "{kind}"'] if kind != name else [])]
    variable = token_variable(name)
    lines += ['base_url = "https://…"', f'token_env = "{variable}"    # the variable that has the token']
    return "\n".join(f"    {line}" for line in lines)


def _resolved(
    name: str, table: Mapping[str, Any], overrides: Mapping[str, Any], **fixed: object
) -> DestinationSettings:
    keys = _KINDS[table["kind"]]
    given = {
        key: _checked(keys[key], value, f"--{key.replace('_', '-')}")
        for key, value in overrides.items()
        if value is not None
    }
    configured = {key: value for key, value in table.items() if key not in _TOKEN_READERS}
    values: dict[str, Any] = {"base_url": "", **_DEFAULTS[table["kind"]], **configured, **given, **fixed}
    return DestinationSettings(name=name, **values)


def _token(settings: Settings, name: str, environment: Mapping[str, str]) -> Secret:
    table, where = settings.destinations[name], _where(settings, name)
    for key, read in _TOKEN_READERS.items():
        if key in table:
            source, text = read(settings, table[key], environment, f"{where} {key}")
            return _secret(source, text.strip())
    raise SetupError(
        f"{where} token_env: missing, expected the name of the environment variable that has the token, or "
        "token_file with the file that has it"
    )


def _from_variable(_: Settings, name: str, environment: Mapping[str, str], where: str) -> tuple[str, str]:
    return f"{where}: the environment variable {name}", environment.get(name, "")


def _from_file(settings: Settings, name: str, environment: Mapping[str, str], where: str) -> tuple[str, str]:
    folder = settings.path.parent if settings.path else Path()
    try:
        path = folder / _expanded(Path(name), environment)
        # Replaced characters are refused afterwards; an exception would hold the token.
        return f"{where}: {path}", path.read_bytes().decode("utf-8-sig", errors="replace")
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SetupError(f"{where}: {name} can't be read: {reason}") from error


def _expanded(path: Path, environment: Mapping[str, str]) -> Path:
    if path.parts[:1] == ("~",) and environment.get("HOME"):
        return Path(environment["HOME"], *path.parts[1:])
    return path.expanduser()


def _secret(source: str, text: str) -> Secret:
    if not text:
        raise SetupError(f"{source} is not set or empty, expected the token")
    if len(text.splitlines()) > 1:
        raise SetupError(f"{source} has several lines, expected the token alone")
    if not all("!" <= character <= "~" for character in text):
        raise SetupError(
            f"{source} has a space or a character that no token has, expected printable ASCII without spaces"
        )
    return Secret(text)


_TOKEN_READERS: Final[Mapping[str, Callable[[Settings, str, Mapping[str, str], str], tuple[str, str]]]] = {
    "token_env": _from_variable,
    "token_file": _from_file,
}


# --- what the keys may be ------------------------------------------------------------------------------


class _Key(Struct, frozen=True):
    """``keep`` gives the value as it is kept, or ValueError when it is not as ``expected`` says."""

    keep: Callable[[object], object]
    expected: str
    may_be_token: bool = False


def _when(fits: Callable[[object], bool]) -> Callable[[object], object]:
    def keep(value: object) -> object:
        if not fits(value):
            raise ValueError
        return value

    return keep


def _one_of(*words: str) -> _Key:
    return _Key(_when(lambda value: value in words), _either(words))


def _whole_number(lowest: int, highest: int) -> _Key:
    return _Key(
        _when(lambda value: type(value) is int and lowest <= value <= highest),
        f"a whole number from {lowest} to {highest}",
    )


def _text(pattern: str, expected: str, *, may_be_token: bool = False) -> _Key:
    form = re.compile(pattern)
    fits = _when(lambda value: isinstance(value, str) and form.fullmatch(value) is not None)
    return _Key(fits, expected, may_be_token)


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _MOST_SECONDS:
        raise ValueError
    return float(value)


_MOST_SECONDS = 3600


def _rate(value: object) -> Rate:
    if isinstance(value, Rate):
        return value
    if isinstance(value, str):
        return parse_rate(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _MOST_PER_SECOND:
        raise ValueError
    return Rate(float(value), 1)


_MOST_PER_SECOND = 1e9


def _base_url(value: object) -> str:
    # An @ is a user's most likely, even after a slash: one in a password is often left as it is.
    match = _ADDRESS.fullmatch(value) if isinstance(value, str) and "@" not in value else None
    if match is None:
        raise ValueError
    scheme, host, path = match["scheme"].lower(), match["host"].lower(), match["path"]
    port = int(match["port"] or _DEFAULT_PORTS[scheme])
    allowed = _is_loopback(host) or scheme == "https"
    if not allowed or not 0 < port <= _HIGHEST_PORT or not _has_plain_parts(path):
        raise ValueError
    return f"{scheme}://{host}{'' if port == _DEFAULT_PORTS[scheme] else f':{port}'}{path}"


_DEFAULT_PORTS = {"http": 80, "https": 443}
_HIGHEST_PORT = 65535
_PART = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+"  # RFC 3986, 3.3: segment-nz
_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])"
    rf"(?::(?P<port>[0-9]{{1,5}}))?(?P<path>(?:/{_PART})*)/*",
    re.IGNORECASE | re.ASCII,
)


def _is_loopback(host: str) -> bool:
    if host.startswith("["):
        return ipaddress.IPv6Address(host[1:-1]) == ipaddress.IPv6Address("::1")
    try:
        return ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _path(value: object) -> str:
    if not isinstance(value, str) or not _RELATIVE_PATH.fullmatch(value) or not _has_plain_parts(value):
        raise ValueError
    return value


_RELATIVE_PATH = re.compile(rf"{_PART}(?:/{_PART})*/?")


def _has_plain_parts(path: str) -> bool:
    return not any(unquote(part) in {".", ".."} for part in path.split("/"))


def _header(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(_RFC_9110_TOKEN, value):
        raise ValueError
    if value.lower() in _HEADERS_OF_OURS:
        raise ValueError
    return value


_RFC_9110_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # noqa: S105 - a name's form (RFC 9110, 5.6.2), no secret
_HEADERS_OF_OURS = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "host"}
    | {"idempotency-key", "transfer-encoding", "user-agent"}
)


def _extra(value: object) -> dict[str, Any]:
    if not isinstance(value, dict) or _FIELDS_OF_OURS & value.keys():
        raise ValueError
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, RecursionError):  # TOML has dates, JSON has none
        raise ValueError from None
    return value


_FIELDS_OF_OURS = frozenset({"order_id", "line_items", "tracking_number", "line_items_by_fulfillment_order"})

_TRUE_OR_FALSE: Final = _Key(_when(lambda value: isinstance(value, bool)), "true or false")

_SHARED: Final[Mapping[str, _Key]] = {
    "kind": _Key(_when(lambda value: value in _KINDS), "the kind of the destination"),
    "base_url": _Key(
        _base_url,
        "an address such as https://api.example.com/v1, without user, query or fragment; http:// is only for "
        "this machine (127.0.0.1, [::1], localhost)",
    ),
    "token_env": _text(
        "[A-Za-z_][A-Za-z0-9_]*", "the name of the environment variable that has the token", may_be_token=True
    ),
    "token_file": _text(r"[^\x00]+", "the path of the file that has the token"),
    "account": _Key(
        _when(lambda value: isinstance(value, str) and len(value) <= _MOST_SHOWN and value.isprintable()),
        f"text of up to {_MOST_SHOWN} characters on one line",
    ),
    "concurrency": _whole_number(1, 256),
    "timeout": _Key(_seconds, f"seconds, above 0 and up to {_MOST_SECONDS}"),
    "max_attempts": _whole_number(1, 100),
    "rate": _Key(_rate, _RATE_WORDS),
    "env_proxy": _TRUE_OR_FALSE,
    "transport": _one_of("own", "httpx"),
}

_ADM: Final[Mapping[str, _Key]] = {
    "path": _Key(
        _path, 'a path below base_url, as in "fulfillments/create", without "..", query or fragment'
    ),
    "auth_header": _Key(
        _header, "the name of a header that is not set by the importer itself", may_be_token=True
    ),
    "auth_scheme": _text(
        rf"(?:{_RFC_9110_TOKEN})?", 'one word such as "Bearer", without the token', may_be_token=True
    ),
    "body": _one_of("flat", "by_fulfillment_order"),
    "order_id": _one_of("integer", "string"),
    "on_500": _one_of("retry", "in-doubt"),
    "idempotency": _one_of("none", "key"),
    "extra": _Key(
        _extra,
        "a table of texts, numbers, lists and tables that sets none of " + ", ".join(sorted(_FIELDS_OF_OURS)),
    ),
}

_SHOPLAZZA: Final[Mapping[str, _Key]] = {
    "version": _one_of(*SHOPLAZZA_VERSIONS),
    "operation": _one_of("update", "create", "auto"),
    "send_email": _TRUE_OR_FALSE,
    "order_id_is": _one_of("id", "number"),
    "check_carriers": _TRUE_OR_FALSE,
}

_KINDS: Final[Mapping[str, Mapping[str, _Key]]] = {
    "adm": {**_SHARED, **_ADM},
    "shoplazza": {**_SHARED, **_SHOPLAZZA},
}
KINDS: Final = tuple(_KINDS)
"""The kinds of destination that there are."""

_DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "adm": {},
    # the page "API Rate Limits": 2 requests a second for an app in a store; the bucket behind it holds 40
    "shoplazza": {"auth_header": "access-token", "order_id": "string", "rate": Rate(2.0, 40)},
}
"""What a kind has where the configuration says nothing, other than DestinationSettings has."""
