"""What cannot be answered, as RFC 9457 says it: problem+json that names what the caller can mend, and no internals."""

from typing import Any

from django.http import JsonResponse

PROBLEM = "application/problem+json"
TITLES = {400: "Bad parameter", 404: "Not found", 503: "Not available"}


class Problem(Exception):
    """A request that gets no value; `parameter` names the one that is wrong."""

    def __init__(self, status: int, detail: str, parameter: str | None = None, retry_after: int | None = None) -> None:
        """Take what is told; `retry_after` is seconds."""
        super().__init__(detail)
        self.status, self.detail, self.parameter, self.retry_after = status, detail, parameter, retry_after

    def response(self) -> JsonResponse:
        """Say so; nobody may keep it."""
        told: dict[str, Any] = {"type": "about:blank", "title": TITLES[self.status], "status": self.status}
        told["detail"] = self.detail
        if self.parameter is not None:
            told["parameter"] = self.parameter
        headers = {"Cache-Control": "no-store"}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        return JsonResponse(told, status=self.status, content_type=PROBLEM, headers=headers)
