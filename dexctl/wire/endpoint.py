"""Endpoints as users write them: ``tcp://HOST:PORT``."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from dexctl.errors import RefusedError, UsageError


def host_of(endpoint: str) -> str:
    """Host of a TCP endpoint, without brackets.

    Raises:
        UsageError: it is no TCP endpoint.
    """
    try:
        parts = urlsplit(endpoint)
        host = parts.hostname if parts.scheme == "tcp" and parts.port is not None else None
    except ValueError:
        host = None
    if not host or endpoint.count("/") != 2:
        raise UsageError(f"{endpoint} is not tcp://HOST:PORT")
    return host


def host_to_bind(endpoint: str, keys: object | None, insecure: bool) -> str:
    """Host of a TCP endpoint that may be bound: off loopback only with keys.

    Args:
        keys: of the server; None for none.
        insecure: bind off loopback without keys all the same.

    Raises:
        UsageError: it is no TCP endpoint.
        RefusedError: other machines would reach it, and there are no keys.
    """
    host = host_of(endpoint)
    if keys is None and not insecure and not is_loopback(host):
        raise RefusedError(
            f"{endpoint} can be reached from other machines, and there are no keys",
            "Make keys with dexctl keygen and name them, or say --insecure.",
        )
    return host


def is_loopback(host: str) -> bool:
    """Whether a host, by name or address, can be reached from this machine alone."""
    if host == "*":
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None)
    except OSError:
        return False
    return all(ipaddress.ip_address(str(info[4][0])).is_loopback for info in found)
