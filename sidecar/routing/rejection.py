"""A request that no model shall see: what is wrong with it, in terms its sender understands."""

from sidecar.routing.reason import Reason


class RejectedError(Exception):
    """Raised where a request is found unanswerable; the client gets it as a 4xx in its own API's shape.

    `message` goes to the client: it names the offending field and what was expected, and never repeats the prompt.
    `param` (the field's path) and `code` are those of OpenAI's error objects, for SDKs that look at them.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        status: int = 400,
        param: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.status = status
        self.param = param
        self.code = code


def invalid_request(message: str, *, status: int = 400, param: str | None = None) -> RejectedError:
    """A body that is not a request of its API."""
    return RejectedError(Reason.INVALID_REQUEST, message, status=status, param=param)
