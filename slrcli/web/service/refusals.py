"""What the service refuses: errors with a status of HTTP. Light to import, for the processes that read."""

from slrcli.errors import DependencyError, SlrError


class Refused(SlrError):
    """A request that is not answered.

    Attributes:
        status: of HTTP.
    """

    status = 422


class Unauthorised(Refused):
    """The token is missing or wrong."""

    status = 401


class Forbidden(Refused):
    """The request comes from a page of somebody else."""

    status = 403


class TooLarge(Refused):
    """The clip is larger or longer than the service allows."""

    status = 413


class NoClip(Refused):
    """The name does not say which format a clip has, or nothing reads it."""

    status = 415


class Busy(Refused):
    """The service has enough to do."""

    status = 503


class Gone(Refused):
    """The client does not wait for its answer; the status is for the log alone."""

    status = 499


class TooSlow(Refused):
    """The clip takes longer than the service allows."""

    status = 504


def status_of(error: SlrError) -> int:
    """The status of HTTP that belongs to an error; 422 for what is wrong with a clip."""
    if isinstance(error, Refused):
        return error.status
    return 501 if isinstance(error, DependencyError) else 422


def parts_of(error: SlrError) -> dict[str, str]:
    """An error as plain values."""
    return {"what": error.what, "where": error.where, "fix": error.fix}
