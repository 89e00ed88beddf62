"""Which URLs given by users the server may connect to (SSRF guard): public addresses, HTTP or HTTPS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import urljoin, urlsplit

from aed.errors import InvalidInput

type Address = IPv4Address | IPv6Address

MAX_URL_LENGTH: Final = 2000
_PORTS: Final = {"http": 80, "https": 443}

_PRIVATE: Final[Mapping[IPv4Network | IPv6Network, str]] = {
    IPv4Network("127.0.0.0/8"): "this machine itself",
    IPv6Network("::1/128"): "this machine itself",
    IPv4Network("10.0.0.0/8"): "a private network",
    IPv4Network("172.16.0.0/12"): "a private network",
    IPv4Network("192.168.0.0/16"): "a private network",
    IPv4Network("100.64.0.0/10"): "a provider's internal network",
    IPv6Network("fc00::/7"): "a private network",
}
"""Private networks, which an operator may permit."""
_NEVER: Final[Mapping[IPv4Network | IPv6Network, str]] = {
    IPv4Network("0.0.0.0/8"): "not the address of a server",
    IPv4Network("169.254.0.0/16"): "a link-local address, used for internal services",
    IPv4Network("192.88.99.0/24"): "a relay into another network",
    IPv4Network("224.0.0.0/4"): "a multicast address",
    IPv6Network("fe80::/10"): "a link-local address, used for internal services",
    IPv6Network("ff00::/8"): "a multicast address",
    IPv6Network("::ffff:0:0/96"): "an embedded IPv4 address",
    IPv6Network("2002::/16"): "an embedded IPv4 address",
    IPv6Network("2001::/32"): "an embedded IPv4 address",
}
_IPV4_BEHIND_IPV6: Final = IPv6Network("64:ff9b::/96")
"""NAT64 prefix (RFC 6052): such an address counts as the IPv4 address in it."""
_GLOBAL_IPV6: Final = ip_network("2000::/3")


def refusal_reason(address: Address, *, is_private_allowed: bool = False) -> str | None:
    """Return why an address is refused; None if it is public.

    `is_private_allowed` opens the machine itself and private networks, and nothing else.
    """
    if address in _IPV4_BEHIND_IPV6:
        return refusal_reason(IPv4Address(int(address) & 0xFFFF_FFFF), is_private_allowed=is_private_allowed)
    for networks, is_open in ((_NEVER, False), (_PRIVATE, is_private_allowed)):
        for network, what in networks.items():
            if address in network:
                return None if is_open else what
    if isinstance(address, IPv6Address) and address not in _GLOBAL_IPV6:
        return "not a public internet address"
    if not address.is_global or address.is_reserved:
        return "not a public internet address"
    return None


@dataclass(frozen=True, slots=True)
class Target:
    """The host, port and path of a URL."""

    url: str
    scheme: str
    host: str
    port: int

    @property
    def address(self) -> Address | None:
        """The IP address, if the URL has one in place of a name."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None


def target_of(url: str) -> Target:
    """Parse a URL. Raises InvalidInput for one that is refused whatever its address."""
    if len(url) > MAX_URL_LENGTH:
        raise InvalidInput(
            "The URL must have at most {max_url_length} characters.",
            field="url",
            max_url_length=MAX_URL_LENGTH,
        )
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise InvalidInput(
            "The URL must be ASCII without spaces: copy it from the browser's address bar.", field="url"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidInput(
            "This is not a URL: it must look like https://host/list.csv.", field="url"
        ) from None
    if parts.scheme not in _PORTS or not parts.hostname or "%" in parts.hostname:
        raise InvalidInput("The URL must begin with https:// or http:// and a server name.", field="url")
    if parts.username is not None or parts.password is not None:
        raise InvalidInput(
            "The URL must not contain a user or password, because URLs are shown and logged.", field="url"
        )
    return Target(
        url=parts._replace(fragment="").geturl(),
        scheme=parts.scheme,
        host=parts.hostname,
        port=port if port is not None else _PORTS[parts.scheme],
    )


def redirected(target: Target, location: str) -> Target:
    """Return the target of a redirect. Raises InvalidInput for an invalid one, or one from HTTPS to HTTP."""
    try:
        there = target_of(urljoin(target.url, location))
    except ValueError:
        raise InvalidInput("The URL redirects to an invalid URL.", field="url") from None
    except InvalidInput as error:
        raise InvalidInput(
            "The URL redirects to one that is not allowed: {value}", field="url", value=error.detail
        ) from None
    if target.scheme == "https" and there.scheme == "http":
        raise InvalidInput(
            "The URL redirects from https to http, where the data could be changed on the way.", field="url"
        )
    return there
