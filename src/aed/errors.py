"""Expected errors: each has a sentence for the person who caused it, and an HTTP status."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import ClassVar


class AedError(Exception):
    """An expected failure. `detail` says what to do; `field` names the part of the input that is wrong.

    `detail` is a template if `values` are given: `NotFound("There is no job {name}.", name=name)`. Do not use
    f-strings: the template is the key of its translation (`aed.translation`).
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "error"
    title: ClassVar[str] = "Something went wrong"
    retry_after_seconds: int | None = None
    """When to try again, sent as Retry-After; every 429 and 503 has it."""
    errors: Sequence[Mapping[str, str]] = ()
    """{field, detail} of each of several errors."""

    def __init__(self, detail: str, *, field: str | None = None, **values: object) -> None:
        self.template, self.values = detail, values
        self.detail = detail.format_map(values) if values else detail
        super().__init__(self.detail)
        self.field = field


class InvalidInput(AedError):
    """A value is not valid."""

    status = 422
    code = "invalid-input"
    title = "Invalid input"


class InvalidQuery(InvalidInput):
    """A query is not valid, where a standard requires the status 400."""

    status = 400


class NotSignedIn(AedError):
    """There is no token or session, or it is wrong, revoked or expired."""

    status = 401
    code = "not-signed-in"
    title = "Authentication required"


class TokenExpired(NotSignedIn):
    """The token has expired."""


class CodeNeeded(NotSignedIn):
    """Signing in with a password is suspended: use a code that is sent to the phone number."""

    code = "code-needed"
    title = "Code required"


class PhoneNeeded(NotSignedIn):
    """The platform says who it is, but no person here is linked to that yet: a phone number is needed."""

    code = "phone-needed"
    title = "Phone number required"


class NameNeeded(NotSignedIn):
    """The phone number is proved, but nobody here has it: a name is needed to open an account."""

    code = "name-needed"
    title = "Name required"


class NotAllowed(AedError):
    """The caller is known, but not permitted to do this."""

    status = 403
    code = "not-allowed"
    title = "Not allowed"


class NotFound(AedError):
    """There is no such thing, or the viewer may not see it; the response is the same."""

    status = 404
    code = "not-found"
    title = "Not found"


class Conflict(AedError):
    """It exists already, or its state does not permit this."""

    status = 409
    code = "conflict"
    title = "Conflict with the current state"


class TooLarge(AedError):
    """The request body exceeds the limit of its route."""

    status = 413
    code = "too-large"
    title = "Request body too large"


class TooSlow(AedError):
    """The request body did not arrive in time."""

    status = 408
    code = "too-slow"
    title = "Request body not received in time"


class ChangedMeanwhile(AedError):
    """It was amended by somebody else after it was read."""

    status = 412
    code = "changed-meanwhile"
    title = "Changed in the meantime"


class VersionNeeded(AedError):
    """An amendment lacks If-Match, the version that it amends."""

    status = 428
    code = "version-needed"
    title = "If-Match required"


class TooBusy(AedError):
    """Too many requests of this kind at once; a later attempt will succeed."""

    status = 429
    code = "too-busy"
    title = "Too many requests"

    def __init__(
        self, detail: str, *, field: str | None = None, retry_after_seconds: int = 5, **values: object
    ) -> None:
        super().__init__(detail, field=field, **values)
        self.retry_after_seconds = retry_after_seconds


class TooManyOpen(AedError):
    """The caller, or their estate, has reached the limit of open reports."""

    status = 429
    code = "too-many-open"
    title = "Too many open reports"
    retry_after_seconds = 60


class NoRoom(AedError):
    """This machine has no room to store what was sent; the request itself is valid."""

    status = 507
    code = "no-room"
    title = "No storage space left"


class DatabaseUnavailable(AedError):
    """The database does not answer; a later attempt may succeed."""

    status = 503
    code = "database-unavailable"
    title = "Database not available"
    retry_after_seconds = 5


class Overloaded(AedError):
    """More requests are under way than can be answered soon; a later attempt will succeed."""

    status = 503
    code = "overloaded"
    title = "Too many requests at once"
    retry_after_seconds = 2


class Draining(AedError):
    """The server is about to stop: load balancers must send new requests to another one."""

    status = 503
    code = "draining"
    title = "The server is about to stop"
    retry_after_seconds = 2


class DatabaseLimitsLost(AedError):
    """Connections to PostgreSQL do not have the time limits of the settings."""

    status = 503
    code = "database-limits-lost"
    title = "Database without time limits"
    retry_after_seconds = 60


class LivePlacesUnavailable(AedError):
    """The store of live locations does not answer; a later attempt may succeed."""

    status = 503
    code = "live-places-unavailable"
    title = "Live locations cannot be stored right now"
    retry_after_seconds = 5


class NetworkFileUnusable(AedError):
    """A walking network or OSM file that is missing, truncated, damaged or of another version."""

    status = 500
    code = "network-file-unusable"
    title = "Walking network cannot be read"


class KeysUnusable(AedError):
    """An encryption key is missing, or does not decrypt a value."""

    status = 500
    code = "keys-unusable"
    title = "Encrypted data cannot be read"


class BackupFailed(AedError):
    """A backup or a restore failed; the previous data is unchanged."""

    status = 500
    code = "backup-failed"
    title = "Backup or restore failed"


class BackupUnusable(AedError):
    """A backup is missing, incomplete, damaged, foreign, or of another kind or a newer version."""

    status = 422
    code = "backup-unusable"
    title = "Backup cannot be used"


class SigningKeysUnusable(AedError):
    """The keys that sign certificates are missing, damaged or cannot be read."""

    status = 500
    code = "signing-keys-unusable"
    title = "Certificates cannot be signed or checked"


class PaperNotMade(AedError):
    """A PDF cannot be made on this machine, such as for lack of a Chinese font."""

    status = 500
    code = "paper-not-made"
    title = "PDF cannot be created on this machine"


class ExtraNotInstalled(AedError):
    """A setting or an endpoint needs an optional dependency that is not installed."""

    status = 501
    code = "extra-not-installed"
    title = "Optional dependency not installed"


@contextmanager
def requires_extra(extra: str, *, needed_by: str, field: str | None = None) -> Iterator[None]:
    """Raise ExtraNotInstalled in place of ModuleNotFoundError: wrap the import of an optional dependency."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ExtraNotInstalled(
            "{needed_by} needs the extra '{extra}': run pip install 'aed[{extra}]'.",
            field=field,
            needed_by=needed_by,
            extra=extra,
        ) from error
