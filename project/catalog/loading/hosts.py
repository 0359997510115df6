"""Where a download comes from."""

from urllib.parse import urlsplit


def host_of(url: str) -> str:
    """The host in a URL: lower case, without port and credentials; '' where there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # an open bracket, or characters that no host can hold
        return ""
