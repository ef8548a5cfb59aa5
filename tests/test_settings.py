"""What the configuration file may say, and what is said about what it may not."""

import contextlib
import copy
import json
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from importer.errors import SetupError
from importer.settings import (
    DestinationSettings,
    Rate,
    Secret,
    Settings,
    destination,
    destination_for_check,
    load,
    parse_rate,
    sandbox_destination,
)

CANARY = "canary-T0KEN/value"
ENVIRONMENT = {"ADM_TOKEN": CANARY}
WORKING = '[destinations.adm]\nbase_url = "https://api.example.com"\ntoken_env = "ADM_TOKEN"\n'


def settings_of(folder: Path, text: str) -> Settings:
    path = folder / "importer.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, {})


def adm_of(
    folder: Path,
    lines: str = "",
    overrides: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] = ENVIRONMENT,
) -> DestinationSettings:
    return destination(settings_of(folder, WORKING + lines), "adm", environment, overrides or {})


def message_of(error: pytest.ExceptionInfo[SetupError], folder: Path) -> str:
    assert error.value.exit_status == 2
    return str(error.value).replace(f"{folder}/", "")


def test_what_is_not_configured_has_its_default(tmp_path: Path) -> None:
    adm = adm_of(tmp_path)
    assert adm.token is not None
    assert adm.token.reveal() == CANARY
    assert replace(adm, token=None) == DestinationSettings(
        name="adm",
        kind="adm",
        base_url="https://api.example.com",
        path="fulfillments/create",
        auth_header="X-ADM-Access-Token",
        auth_scheme="",
        token=None,
        body="flat",
        order_id="integer",
        on_500="retry",
        idempotency="none",
        extra={},
        account="",
        concurrency=16,
        timeout=30.0,
        max_attempts=5,
        rate=None,
        env_proxy=False,
        transport="own",
        sandbox=False,
    )


def test_every_key_is_taken_from_the_file(tmp_path: Path) -> None:
    text = """
        [destinations.east]
        kind = "adm"
        base_url = "https://api.example.com:8443/v1/"
        path = "fulfillments"
        token_env = "EAST"
        auth_header = "Authorization"
        auth_scheme = "Bearer"
        body = "by_fulfillment_order"
        order_id = "string"
        on_500 = "in-doubt"
        idempotency = "key"
        extra = { service = "Standard Ground", origin_address = { zip = "97201" } }
        account = "east 7"
        concurrency = 256
        timeout = 0.5
        max_attempts = 100
        rate = "2/40"
        env_proxy = true
        transport = "httpx"
    """
    east = destination(settings_of(tmp_path, text), "east", {"EAST": f" {CANARY}\n"}, {})
    assert east.token is not None
    assert east.token.reveal() == CANARY
    assert replace(east, token=None) == DestinationSettings(
        name="east",
        kind="adm",
        base_url="https://api.example.com:8443/v1",
        path="fulfillments",
        auth_header="Authorization",
        auth_scheme="Bearer",
        body="by_fulfillment_order",
        order_id="string",
        on_500="in-doubt",
        idempotency="key",
        extra={"service": "Standard Ground", "origin_address": {"zip": "97201"}},
        account="east 7",
        concurrency=256,
        timeout=0.5,
        max_attempts=100,
        rate=Rate(2.0, 40),
        env_proxy=True,
        transport="httpx",
    )


SHOP = '[destinations.shop]\nkind = "shoplazza"\nbase_url = "https://SHOP.myshoplaza.com"\ntoken_env = "T"\n'


def shop_of(folder: Path, lines: str = "") -> DestinationSettings:
    shop = destination(settings_of(folder, SHOP + lines), "shop", {"T": CANARY}, {})
    assert shop.token is not None
    assert shop.token.reveal() == CANARY
    return replace(shop, token=None)


def test_shoplazza_has_defaults_of_its_own(tmp_path: Path) -> None:
    assert shop_of(tmp_path) == DestinationSettings(
        name="shop",
        kind="shoplazza",
        base_url="https://shop.myshoplaza.com",
        auth_header="access-token",
        auth_scheme="",
        order_id="string",
        rate=Rate(2.0, 40),
        version="2022-01",
        operation="update",
        send_email=False,
        order_id_is="id",
        check_carriers=True,
    )


def test_every_key_of_shoplazza_is_taken_from_the_file(tmp_path: Path) -> None:
    lines = """
        version = "2026-01"
        operation = "auto"
        send_email = true
        order_id_is = "number"
        check_carriers = false
        account = "east 7"
        concurrency = 4
        timeout = 0.5
        max_attempts = 9
        rate = 20
        env_proxy = true
        transport = "httpx"
    """
    assert shop_of(tmp_path, lines) == DestinationSettings(
        name="shop",
        kind="shoplazza",
        base_url="https://shop.myshoplaza.com",
        auth_header="access-token",
        order_id="string",
        account="east 7",
        concurrency=4,
        timeout=0.5,
        max_attempts=9,
        rate=Rate(20.0, 1),
        env_proxy=True,
        transport="httpx",
        version="2026-01",
        operation="auto",
        send_email=True,
        order_id_is="number",
        check_carriers=False,
    )


VERSION_WORDS = '"2022-01" or "2024-07" or "2025-06" or "2026-01" or "2026-07"'
SHOP_KEYS = (
    "kind, base_url, token_env, token_file, account, concurrency, timeout, max_attempts, rate, env_proxy, "
    "transport, version, operation, send_email, order_id_is, check_carriers"
)
WRONG_FOR_A_SHOP = [
    ("version = '2021-07'", f'version: found "2021-07", expected {VERSION_WORDS}'),
    ("version = 2022", f"version: found 2022, expected {VERSION_WORDS}"),
    ("operation = 'ship'", 'operation: found "ship", expected "update" or "create" or "auto"'),
    ("send_email = 'yes'", 'send_email: found "yes", expected true or false'),
    ("order_id_is = 'name'", 'order_id_is: found "name", expected "id" or "number"'),
    ("check_carriers = 1", "check_carriers: found 1, expected true or false"),
    ("sendemail = true", "sendemail: unknown key; did you mean send_email?"),
    (
        "auth_header = 'X'",
        f"auth_header: unknown key; known is {SHOP_KEYS}",
    ),
]


@pytest.mark.parametrize(("line", "words"), WRONG_FOR_A_SHOP, ids=[line for line, _ in WRONG_FOR_A_SHOP])
def test_a_value_that_shoplazza_may_not_have_is_named_with_what_may(
    tmp_path: Path, line: str, words: str
) -> None:
    with pytest.raises(SetupError) as error:
        shop_of(tmp_path, line)
    assert message_of(error, tmp_path) == f"importer.toml: [destinations.shop] {words}"


def test_the_sandbox_can_be_a_shop_without_any_configuration(tmp_path: Path) -> None:
    bare = DestinationSettings(
        name="shoplazza",
        kind="shoplazza",
        base_url="http://127.0.0.1:8000",
        auth_header="access-token",
        order_id="string",
        sandbox=True,
    )
    assert sandbox_destination(Settings(None, {}), "shoplazza", "http://127.0.0.1:8000", {}) == bare
    named = settings_of(tmp_path, SHOP + "version = '2026-01'\n")
    assert sandbox_destination(named, "shop", "http://127.0.0.1:8000", {}) == replace(
        bare, name="shop", version="2026-01"
    )


def test_the_command_line_overrides_the_file_where_it_says_something(tmp_path: Path) -> None:
    overrides = {"rate": Rate(3.0, 9), "concurrency": 2, "timeout": 7, "max_attempts": None}
    adm = adm_of(tmp_path, "concurrency = 4\nmax_attempts = 8\n", overrides)
    assert (adm.rate, adm.concurrency, adm.timeout, adm.max_attempts) == (Rate(3.0, 9), 2, 7.0, 8)


def test_an_override_out_of_range_names_its_option(tmp_path: Path) -> None:
    with pytest.raises(SetupError) as error:
        adm_of(tmp_path, overrides={"max_attempts": 101})
    assert message_of(error, tmp_path) == "--max-attempts: found 101, expected a whole number from 1 to 100"


ADDRESSES = [
    ("https://API.Example.COM", "https://api.example.com"),
    ("HTTPS://api.example.com:443/", "https://api.example.com"),
    ("https://api.example.com:8443//", "https://api.example.com:8443"),
    ("https://api.example.com/Shop%20One/v1/", "https://api.example.com/Shop%20One/v1"),
    ("http://localhost:8080", "http://localhost:8080"),
    ("http://LocalHost:80/api", "http://localhost/api"),
    ("http://127.8.9.10:1", "http://127.8.9.10:1"),
    ("http://[::1]:8080/", "http://[::1]:8080"),
    ("https://[2001:DB8::1]", "https://[2001:db8::1]"),
]


@pytest.mark.parametrize(("written", "kept"), ADDRESSES)
def test_an_address_is_kept_in_one_form(tmp_path: Path, written: str, kept: str) -> None:
    settings = settings_of(tmp_path, f'[destinations.adm]\nbase_url = "{written}"\n')
    assert destination_for_check(settings, "adm").base_url == kept


ADDRESS_WORDS = (
    "an address such as https://api.example.com/v1, without user, query or fragment; http:// is only for "
    "this machine (127.0.0.1, [::1], localhost)"
)
WRONG_ADDRESSES = [
    ("http://api.example.com", "http://api.example.com"),
    ("http://127.0.0.1.example.com", "http://127.0.0.1.example.com"),
    ("http://localhost.example.com", "http://localhost.example.com"),
    ("http://10.0.0.1", "http://10.0.0.1"),
    ("http://[::2]", "http://[::2]"),
    ("http://[:::]", "http://[:::]"),
    ("ftp://localhost", "ftp://localhost"),
    ("api.example.com", "api.example.com"),
    ("https://", "https://"),
    ("https:///v1", "https:///v1"),
    ("https://api.example.com:0", "https://api.example.com:0"),
    ("https://api.example.com:65536", "https://api.example.com:65536"),
    (f"https://me:{CANARY}@api.example.com", "https://***@api.example.com"),
    (f"https://{CANARY}@api.example.com", "https://***@api.example.com"),
    (f"https://api.example.com/?key={CANARY}", "https://api.example.com/?***"),
    ("https://api.example.com?", "https://api.example.com?***"),
    ("https://api.example.com/#top", "https://api.example.com/#top"),
    ("https://api.example.com/a/../b", "https://api.example.com/a/../b"),
    ("https://api.example.com/%2E%2e", "https://api.example.com/%2E%2e"),
    ("https://api.example.com/a//b", "https://api.example.com/a//b"),
    ("https://api.example.com/a b", "https://api.example.com/a b"),
    ("https://api.example.com/%zz", "https://api.example.com/%zz"),
    (" https://api.example.com", " https://api.example.com"),
    ("https://bücher.example", "https://bücher.example"),
    ("https://api.example.com@evil.example", "https://***@evil.example"),
]


@pytest.mark.parametrize(("written", "shown"), WRONG_ADDRESSES)
def test_an_address_that_is_not_safe_is_refused_without_showing_credentials(
    tmp_path: Path, written: str, shown: str
) -> None:
    with pytest.raises(SetupError) as error:
        settings_of(tmp_path, f'[destinations.adm]\nbase_url = "{written}"\n')
    assert message_of(error, tmp_path) == (
        f'importer.toml: [destinations.adm] base_url: found "{shown}", expected {ADDRESS_WORDS}'
    )


KEYS = (
    "kind, base_url, token_env, token_file, account, concurrency, timeout, max_attempts, rate, env_proxy, "
    "transport, path, auth_header, auth_scheme, body, order_id, on_500, idempotency, extra"
)
LITERAL_WORDS = (
    "a token is never written in this file; put it into an environment variable or a file of its own, and "
    "name that with token_env or token_file"
)
WRONG_FILES = [
    ("x", "not TOML: expected '=' after a key in a key/value pair (at end of document)"),
    ('a = 1\nb = "', "not TOML: unterminated string (at end of document)"),
    (
        "a = 1\nb = 2 3",
        "not TOML: expected newline or end of document after a statement (at line 2, column 7)",
    ),
    ("a = " + "[" * 20_000, "not TOML that can be read: nested too deeply"),
    ("destination = 1", "destination: unknown key; did you mean destinations?"),
    ("[adm]", "adm: unknown key; known is destinations"),
    ("destinations = 'x'", 'destinations: found "x", expected tables [destinations.NAME]'),
    ("[[destinations]]", "destinations: found a list, expected tables [destinations.NAME]"),
    ("[destinations]\nadm = 1", "[destinations.adm]: found 1, expected a table"),
    (
        '[destinations."a\\nb"]',
        "[destinations.\"a\\nb\"]: expected a name of letters, digits, '-' and '_'",
    ),
    ("[destinations.shop]", '[destinations.shop] kind: missing, expected "adm" or "shoplazza"'),
    (
        "[destinations.adm]\nkind = 'amd'",
        '[destinations.adm] kind: found "amd", expected "adm" or "shoplazza"; did you mean adm?',
    ),
    (
        "[destinations.adm]\nkind = ['adm']",
        '[destinations.adm] kind: found a list, expected "adm" or "shoplazza"',
    ),
    (
        "[destinations.adm]\nbase_ulr = 'https://api.example.com'",
        "[destinations.adm] base_ulr: unknown key; did you mean base_url?",
    ),
    (
        "[destinations.adm]\nxyz = 1",
        f"[destinations.adm] xyz: unknown key; known is {KEYS}",
    ),
    (
        f"[destinations.adm]\ntokn = '{CANARY}'",
        "[destinations.adm] tokn: unknown key; did you mean token_env?",
    ),
    (
        f"[destinations.adm]\ntoken = '{CANARY}'",
        f"[destinations.adm] token: {LITERAL_WORDS}",
    ),
    (
        "[destinations.adm]\ntoken_env = 'A'\ntoken_file = 'a'",
        "[destinations.adm] token_env, token_file: found both, expected one of them",
    ),
]


@pytest.mark.parametrize(("text", "words"), WRONG_FILES, ids=[words[:50] for _, words in WRONG_FILES])
def test_a_file_that_says_what_it_may_not_is_refused_with_the_place(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(SetupError) as error:
        settings_of(tmp_path, text)
    assert message_of(error, tmp_path) == f"importer.toml: {words}"


HIDDEN = "text that is not shown, since it may be the token"
PATH_WORDS = 'a path below base_url, as in "fulfillments/create", without "..", query or fragment'
HEADER_WORDS = "the name of a header that is not set by the importer itself"
SCHEME_WORDS = 'one word such as "Bearer", without the token'
VARIABLE_WORDS = "the name of the environment variable that has the token"
SECONDS_WORDS = "seconds, above 0 and up to 3600"
RATE_WORDS = 'requests a second above 0, as in 5, or with a burst of 1 or more, as in "2/40"'
EXTRA_WORDS = (
    "a table of texts, numbers, lists and tables that sets none of line_items, "
    "line_items_by_fulfillment_order, order_id, tracking_number"
)
WRONG_VALUES = [
    ("base_url = 5", "5", ADDRESS_WORDS),
    ("path = '/fulfillments'", '"/fulfillments"', PATH_WORDS),
    ("path = 'a/../b'", '"a/../b"', PATH_WORDS),
    ("path = '%2e%2E/b'", '"%2e%2E/b"', PATH_WORDS),
    ("path = 'a?b=1'", '"a?***"', PATH_WORDS),
    ("path = 'a#b'", '"a#b"', PATH_WORDS),
    ("path = ''", '""', PATH_WORDS),
    ("path = 'https://evil.example'", '"https://evil.example"', PATH_WORDS),
    ("token_env = 5", "5", VARIABLE_WORDS),
    (f"token_env = '{CANARY}'", HIDDEN, VARIABLE_WORDS),
    ("token_file = ''", '""', "the path of the file that has the token"),
    (f"auth_header = 'X-Token: {CANARY}'", HIDDEN, HEADER_WORDS),
    ("auth_header = 'content-type'", HIDDEN, HEADER_WORDS),
    ("auth_header = 'Idempotency-Key'", HIDDEN, HEADER_WORDS),
    ("auth_header = ''", HIDDEN, HEADER_WORDS),
    (f"auth_scheme = 'Bearer {CANARY}'", HIDDEN, SCHEME_WORDS),
    ("body = 'nested'", '"nested"', '"flat" or "by_fulfillment_order"'),
    ("order_id = 1", "1", '"integer" or "string"'),
    ("on_500 = true", "true", '"retry" or "in-doubt"'),
    ("idempotency = ['key']", "a list", '"none" or "key"'),
    ("extra = 'x'", '"x"', EXTRA_WORDS),
    ("extra = { order_id = 1 }", "a table of order_id", EXTRA_WORDS),
    ("extra = { a = 1, line_items = [] }", "a table of a, line_items", EXTRA_WORDS),
    ("extra = { day = 2026-01-31 }", "a table of day", EXTRA_WORDS),
    ("extra = { weight = nan }", "a table of weight", EXTRA_WORDS),
    ("account = 'a\tb'", '"a\\tb"', "text of up to 80 characters on one line"),
    ("concurrency = 0", "0", "a whole number from 1 to 256"),
    ("concurrency = 257", "257", "a whole number from 1 to 256"),
    ("concurrency = true", "true", "a whole number from 1 to 256"),
    ("concurrency = '16'", '"16"', "a whole number from 1 to 256"),
    ("timeout = 0", "0", SECONDS_WORDS),
    ("timeout = 3600.5", "3600.5", SECONDS_WORDS),
    ("timeout = nan", "NaN", SECONDS_WORDS),
    ("timeout = false", "false", SECONDS_WORDS),
    ("max_attempts = 1.0", "1.0", "a whole number from 1 to 100"),
    ("rate = 0", "0", RATE_WORDS),
    ("rate = inf", "Infinity", RATE_WORDS),
    ("rate = '2/0'", '"2/0"', RATE_WORDS),
    ("rate = true", "true", RATE_WORDS),
    ("env_proxy = 1", "1", "true or false"),
    ("transport = 'aiohttp'", '"aiohttp"', '"own" or "httpx"'),
]


@pytest.mark.parametrize(("line", "found", "expected"), WRONG_VALUES)
def test_a_value_that_may_not_be_is_named_with_what_may(
    tmp_path: Path, line: str, found: str, expected: str
) -> None:
    with pytest.raises(SetupError) as error:
        settings_of(tmp_path, f"[destinations.adm]\n{line}\n")
    key = line.partition(" =")[0]
    assert message_of(error, tmp_path) == (
        f"importer.toml: [destinations.adm] {key}: found {found}, expected {expected}"
    )


def test_a_long_value_is_shown_shortened(tmp_path: Path) -> None:
    with pytest.raises(SetupError) as error:
        settings_of(tmp_path, f"[destinations.adm]\nbody = '{'x' * 81}'\n")
    assert message_of(error, tmp_path) == (
        f'importer.toml: [destinations.adm] body: found "{"x" * 80}…", '
        'expected "flat" or "by_fulfillment_order"'
    )


def test_a_file_in_another_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "importer.toml"
    path.write_bytes("# one\n# Größe\n".encode("latin-1"))
    with pytest.raises(SetupError) as error:
        load(path, {})
    assert message_of(error, tmp_path) == "importer.toml: line 2: not UTF-8 text; save the file as UTF-8"


def test_a_byte_order_mark_is_no_trouble(tmp_path: Path) -> None:
    path = tmp_path / "importer.toml"
    path.write_bytes(b"\xef\xbb\xbf" + WORKING.encode())
    assert load(path, {}).destinations == {
        "adm": {"kind": "adm", "base_url": "https://api.example.com", "token_env": "ADM_TOKEN"}
    }


def test_a_named_file_must_be_there_and_readable(tmp_path: Path) -> None:
    with pytest.raises(SetupError) as error:
        load(tmp_path / "other.toml", {})
    assert message_of(error, tmp_path) == "other.toml: no such file, expected the configuration"
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(SetupError) as error:
        load(tmp_path / "folder.toml", {})
    assert message_of(error, tmp_path) == "folder.toml: can't be read: Is a directory"


def test_the_file_is_looked_for_here_and_then_in_the_users_folder(tmp_path: Path) -> None:
    here, home = tmp_path / "here", tmp_path / "home"
    (home / "importer").mkdir(parents=True)
    here.mkdir()
    environment = {"XDG_CONFIG_HOME": str(home)}
    with contextlib.chdir(here):
        assert load(None, environment) == Settings(None, {})
        (home / "importer" / "importer.toml").write_text("")
        assert load(None, environment) == Settings(home / "importer" / "importer.toml", {})
        Path("importer.toml").write_text("")
        assert load(None, environment) == Settings(Path("importer.toml"), {})
        assert load(home / "importer" / "importer.toml", environment).path == home / "importer/importer.toml"


def test_what_is_missing_is_shown_as_lines_to_write() -> None:
    with pytest.raises(SetupError) as error:
        destination(Settings(None, {}), "adm", ENVIRONMENT, {})
    assert str(error.value) == (
        "importer.toml: [destinations.adm] base_url: missing, expected the address that you were given "
        "(there is no default); write into importer.toml:\n\n"
        "    [destinations.adm]\n"
        '    base_url = "https://…"\n'
        '    token_env = "ADM_TOKEN"    # the variable that has the token'
    )


def test_what_is_missing_of_a_named_destination_is_shown_with_its_kind(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "[destinations.east-2]\nkind = 'adm'\n")
    with pytest.raises(SetupError) as error:
        destination(settings, "east-2", ENVIRONMENT, {})
    assert message_of(error, tmp_path) == (
        "importer.toml: [destinations.east-2] base_url: missing, expected the address that you were given "
        "(there is no default); write into importer.toml:\n\n"
        "    [destinations.east-2]\n"
        '    kind = "adm"\n'
        '    base_url = "https://…"\n'
        '    token_env = "EAST_2_TOKEN"    # the variable that has the token'
    )


def test_the_lines_that_are_shown_work_once_the_address_is_filled_in(tmp_path: Path) -> None:
    with pytest.raises(SetupError) as error:
        destination(Settings(None, {}), "adm", ENVIRONMENT, {})
    lines = str(error.value).partition("\n\n")[2].replace("…", "api.example.com")
    adm = destination(settings_of(tmp_path, lines), "adm", ENVIRONMENT, {})
    assert replace(adm, token=None) == replace(adm_of(tmp_path), token=None)


def test_a_destination_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "[destinations.east]\nkind = 'adm'\n")
    words = (
        "--to eats: no such destination in importer.toml; there is adm, east, shoplazza; did you mean east?"
    )
    asks: list[Callable[[], object]] = [
        lambda: destination(settings, "eats", {}, {}),
        lambda: sandbox_destination(settings, "eats", "http://127.0.0.1:1", {}),
        lambda: destination_for_check(settings, "eats"),
    ]
    for ask in asks:
        with pytest.raises(SetupError) as error:
            ask()
        assert message_of(error, tmp_path) == words
    with pytest.raises(SetupError) as error:
        destination(Settings(None, {}), "shop", {}, {})
    assert str(error.value) == (
        "--to shop: no such destination and no importer.toml; there is adm, shoplazza; "
        "did you mean shoplazza?"
    )


ADM_WHERE = "importer.toml: [destinations.adm]"
ODD_CHARACTER_WORDS = "has a space or a character that no token has, expected printable ASCII without spaces"
WRONG_TOKENS = [
    ("", "is not set or empty, expected the token"),
    (" \n", "is not set or empty, expected the token"),
    (f"{CANARY}\n{CANARY}", "has several lines, expected the token alone"),
    (f"Bearer {CANARY}", ODD_CHARACTER_WORDS),
    (f"{CANARY}é", ODD_CHARACTER_WORDS),
    (f"{CANARY}\x07", ODD_CHARACTER_WORDS),
]


@pytest.mark.parametrize(("text", "words"), WRONG_TOKENS)
def test_a_variable_without_a_usable_token_is_named_but_not_shown(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(SetupError) as error:
        adm_of(tmp_path, environment={"ADM_TOKEN": text})
    assert message_of(error, tmp_path) == (
        f"{ADM_WHERE} token_env: the environment variable ADM_TOKEN {words}"
    )


def test_a_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError) as error:
        adm_of(tmp_path, environment={})
    assert message_of(error, tmp_path) == (
        f"{ADM_WHERE} token_env: the environment variable ADM_TOKEN is not set or empty, expected the token"
    )


def test_a_destination_without_a_token_says_how_to_give_one(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "[destinations.adm]\nbase_url = 'https://api.example.com'\n")
    with pytest.raises(SetupError) as error:
        destination(settings, "adm", ENVIRONMENT, {})
    assert message_of(error, tmp_path) == (
        f"{ADM_WHERE} token_env: missing, expected {VARIABLE_WORDS}, or token_file with the file that has it"
    )


def with_token_file(folder: Path, name: str, environment: Mapping[str, str]) -> str:
    text = f"[destinations.adm]\nbase_url = 'https://api.example.com'\ntoken_file = '{name}'\n"
    token = destination(settings_of(folder, text), "adm", environment, {}).token
    assert token is not None
    return token.reveal()


def test_a_token_file_is_found_beside_the_configuration_or_in_the_home_folder(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "token").write_bytes(b"\xef\xbb\xbf beside \r\n")
    (tmp_path / "home" / "token").write_text("at-home\n")
    environment = {"HOME": str(tmp_path / "home")}
    names = ("token", str(tmp_path / "token"), "~/token")
    assert [with_token_file(tmp_path, name, environment) for name in names] == ["beside", "beside", "at-home"]


@pytest.mark.parametrize(("text", "words"), WRONG_TOKENS)
def test_a_file_without_a_usable_token_is_named_but_not_shown(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "token").write_text(text, encoding="utf-8")
    with pytest.raises(SetupError) as error:
        with_token_file(tmp_path, "token", {})
    assert message_of(error, tmp_path) == f"{ADM_WHERE} token_file: token {words}"


def test_a_token_file_that_is_not_text_is_refused_without_showing_it(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(CANARY.encode() + b"\xff")
    with pytest.raises(SetupError) as error:
        with_token_file(tmp_path, "token", {})
    assert message_of(error, tmp_path) == f"{ADM_WHERE} token_file: token {ODD_CHARACTER_WORDS}"


UNREADABLE = [
    ("absent", "No such file or directory"),
    (".", "Is a directory"),
    ("~nobody-of-that-name/token", "Could not determine home directory."),
]


@pytest.mark.parametrize(("name", "reason"), UNREADABLE)
def test_a_token_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(SetupError) as error:
        with_token_file(tmp_path, name, {})
    assert message_of(error, tmp_path) == f"{ADM_WHERE} token_file: {name} can't be read: {reason}"


def test_the_sandbox_is_like_the_destination_but_for_address_and_token(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, WORKING + 'order_id = "string"\nenv_proxy = true\n')
    like_adm = DestinationSettings(
        name="adm",
        kind="adm",
        base_url="http://127.0.0.1:8000",
        order_id="string",
        concurrency=3,
        sandbox=True,
    )
    overrides = {"concurrency": 3, "rate": None}
    assert sandbox_destination(settings, "adm", "http://127.0.0.1:8000/", overrides) == like_adm
    assert sandbox_destination(settings, None, "http://127.0.0.1:8000", overrides) == like_adm


def test_the_sandbox_needs_no_configuration() -> None:
    assert sandbox_destination(Settings(None, {}), None, "http://127.0.0.1:8000", {}) == DestinationSettings(
        name="adm", kind="adm", base_url="http://127.0.0.1:8000", sandbox=True
    )


def test_a_dry_run_needs_neither_address_nor_token(tmp_path: Path) -> None:
    bare = DestinationSettings(name="adm", kind="adm", base_url="")
    assert destination_for_check(Settings(None, {}), "adm") == bare
    settings = settings_of(tmp_path, WORKING)
    assert destination_for_check(settings, "adm") == replace(bare, base_url="https://api.example.com")


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("5", Rate(5.0, 1)),
        (" 0.25 ", Rate(0.25, 1)),
        ("2/40", Rate(2.0, 40)),
        ("999999999/999999999", Rate(999_999_999.0, 999_999_999)),
    ],
)
def test_a_rate_is_so_many_a_second_and_a_burst(text: str, rate: Rate) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text", ["", "0", "0.0/5", "5/0", "-1", "1e3", "nan", "inf", "5/", "/5", "1/2/3", "٣"]
)
def test_what_is_no_rate_is_refused_with_what_is(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        parse_rate(text)
    assert str(error.value) == f"found {text!r}, expected {RATE_WORDS}"


@pytest.mark.parametrize(
    ("written", "rate"), [("5", Rate(5.0, 1)), ("0.5", Rate(0.5, 1)), ("'2/40'", Rate(2.0, 40))]
)
def test_a_rate_in_the_file_is_a_number_or_text(tmp_path: Path, written: str, rate: Rate) -> None:
    assert adm_of(tmp_path, f"rate = {written}\n").rate == rate


def test_a_token_is_not_shown_by_anything_but_reveal(tmp_path: Path) -> None:
    adm = adm_of(tmp_path)
    token = adm.token
    assert token is not None
    texts = (
        repr(token),
        str(token),
        f"{token}",
        f"{token:>60}",
        f"{token!r:s}",
        "{}".format(token),  # noqa: UP032 - another way for it to slip out
        "%s %r" % (token, token),  # noqa: UP031 - another way for it to slip out
        repr(adm),
        repr(asdict(adm)),
        repr(copy.deepcopy(adm)),
    )
    assert [text for text in texts if CANARY in text or "***" not in text] == []
    assert token.reveal() == CANARY


def test_a_token_is_not_pickled(tmp_path: Path) -> None:
    for value in (Secret(CANARY), adm_of(tmp_path)):
        with pytest.raises(TypeError, match=r"^a secret is not pickled$"):
            pickle.dumps(value)


@given(
    st.text(alphabet="htps:/.@?#[]%25aE1\\ é", max_size=30), st.sampled_from(["base_url", "path", "account"])
)
def test_any_text_in_the_file_is_taken_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, text: str, key: str
) -> None:
    folder = tmp_path_factory.mktemp("any")
    try:
        settings = settings_of(folder, f"[destinations.adm]\n{key} = {json.dumps(text)}\n")
    except SetupError as error:
        assert str(error).startswith(f"{folder}/importer.toml: [destinations.adm] {key}: found ")  # noqa: PT017 - either end is right
        return
    kept = asdict(destination_for_check(settings, "adm"))[key]
    assert key != "base_url" or kept.startswith("https://")
    assert key == "account" or not set("?# \\") & set(kept)
