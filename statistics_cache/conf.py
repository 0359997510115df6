"""The one setting, `STATISTICS_CACHE`: a dict, read at use and checked as a whole."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, NamedTuple, Self

from django.conf import settings as django_settings
from django.core import mail
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from .declaring.declaration import Declaration, Variant, share_of
from .declaring.parameters import did_you_mean
from .declaring.sources import CaptureBy
from .entry import Found, Limits
from .exceptions import PayloadError, SettingsError

NOTHING: dict[str, Any] = {}
FOR_EVER = 100 * 365 * 86_400.0  # seconds: what is longer means no more, and no server, lock or datetime counts as far


def to_seconds(value: object) -> object:
    """Take a timedelta for a number of seconds."""
    return value.total_seconds() if isinstance(value, timedelta) else value


def bounded(seconds: float) -> float:
    """Take what is longer than 100 years for 100 years."""
    return min(seconds, FOR_EVER)


Seconds = Annotated[float, BeforeValidator(to_seconds), Field(gt=0, allow_inf_nan=False), AfterValidator(bounded)]


class Settings(BaseModel):
    """The settings and their defaults; a duration is a number of seconds or a timedelta, above 0."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ENABLED: bool = Field(default=True, description="False computes every call live and writes nothing.")
    CACHE_ALIAS: str = Field("default", description="The entry of CACHES that is the hot tier.")
    KEY_PREFIX: str = Field("statistics", pattern=r"^[\w.:-]{1,20}$", description="The start of every hot key.")
    CAPTURE: CaptureBy = Field("signals", description="How changes are seen where nothing else is declared.")
    NOTIFY: bool = Field(default=False, description="True has PostgreSQL tell `statistics_listen` of each change.")
    WATCH_SOURCES: Literal["off", "warn", "raise"] | None = Field(
        None, description="What is done about tables that a compute reads and its statistic does not name."
    )
    TTL: Seconds = Field(300, description="The age below which an entry is fresh.")
    STALE_TTL: Seconds = Field(3600, description="The age below which an entry may be served at all.")
    PROOF_INTERVAL: Seconds = Field(30, description="How long a hot entry is believed without asking the database.")
    HYDRATION_ENABLED: bool = Field(default=True, description="False makes `hydrate` do nothing.")
    JITTER: float = Field(0.1, ge=0, lt=1, description="The part of its ttl by which an entry may be stale earlier.")
    TICK: Seconds = Field(30, description="How often beat sends the tick.")
    BATCH: int = Field(500, ge=1, description="How many refreshes one tick queues at most.")
    AUDIT: int = Field(0, ge=0, description="How many fresh values one tick computes anew, to compare.")
    MAX_PAYLOAD: int = Field(1_000_000, ge=1, description="How many bytes a value may have as JSON.")
    MAX_PARAMETERS: int = Field(10_000, ge=1, description="How many bytes a call's parameters may have as JSON.")
    MAX_ENTRIES: int = Field(100_000, ge=1, description="How many rows of a statistic are kept; the tick prunes.")
    QUEUE: str | None = Field(None, min_length=1, description="The queue of refreshes; None leaves it to Celery.")
    LEASE_TTL: Seconds = Field(60, description="How long a process that was killed may keep others from its entry.")
    WAIT_TIMEOUT: Seconds = Field(20, description="How long a call waits for another's compute of the same entry.")
    BREAKER_PAUSE: Seconds = Field(5, description="How long a cache or broker that failed is left alone.")

    @model_validator(mode="after")
    def stale_ttl_is_not_below_ttl(self) -> Self:
        """Refuse a STALE_TTL that is given and below TTL."""
        if "STALE_TTL" in self.model_fields_set and self.STALE_TTL < self.TTL:
            raise ValueError(
                f"STALE_TTL ({self.STALE_TTL:g} s) is below TTL ({self.TTL:g} s); both count from the compute"
            )
        return self


class _Known(NamedTuple):
    """A dict that was read and a shallow copy of it, what it says, and the limits of statistics under it."""

    given: object
    copy: object
    settings: Settings
    limits: dict[Declaration[..., Any], Limits]


class _Memo:
    """The last dict that was read; a new one (`override_settings`), and one changed in place, is read anew."""

    last: _Known | None = None


def _known() -> _Known:
    given = getattr(django_settings, "STATISTICS_CACHE", NOTHING)
    last = _Memo.last
    if last is None or given is not last.given or given != last.copy:
        copy = dict(given) if isinstance(given, Mapping) else given
        last = _Memo.last = _Known(given, copy, read_settings(copy), {})
    return last


def settings() -> Settings:
    """Give the settings in force. Raises SettingsError, naming the key and what to write."""
    return _known().settings


def default_capture() -> CaptureBy:
    """Give the setting CAPTURE; while the settings are wrong, which a check says, its default."""
    try:
        return settings().CAPTURE
    except SettingsError:
        return "signals"


def is_tried_out() -> bool:
    """Tell whether this process is under DEBUG or runs tests: there mistakes may cost something to find."""
    return bool(django_settings.DEBUG) or hasattr(mail, "outbox")  # which Django makes for tests


def wants_notices() -> bool:
    """Give the setting NOTIFY; while the settings are wrong, its default."""
    try:
        return settings().NOTIFY
    except SettingsError:
        return False


def read_settings(given: object) -> Settings:
    """Check a dict of settings. Raises SettingsError with every fault in it."""
    if not isinstance(given, Mapping):
        raise SettingsError(f"STATISTICS_CACHE is {given!r}. Make it a dict, for example {{'TTL': 300}}.")
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        raise SettingsError(" ".join(describe(fault) for fault in error.errors())) from error


def describe(fault: Mapping[str, Any]) -> str:
    """Say what is wrong with one key."""
    if not fault["loc"]:
        return f"STATISTICS_CACHE: {fault['msg']}."
    name = str(fault["loc"][0])
    if fault["type"] == "extra_forbidden":
        return f"STATISTICS_CACHE has no key {name!r}.{did_you_mean(name, Settings.model_fields)}"
    return f"STATISTICS_CACHE[{name!r}] is {fault['input']!r}: {fault['msg']}."


def check_size(declaration: Declaration[..., Any], payload: str) -> str:
    """Give a payload back. Raises PayloadError, naming statistic and size, for one that is larger than MAX_PAYLOAD."""
    size, most = len(payload.encode()), settings().MAX_PAYLOAD
    if size > most:
        raise PayloadError(
            f"{declaration.name}: its value has {size:,} bytes as JSON, more than MAX_PAYLOAD ({most:,}). "
            "Return less, split it by a parameter, or raise MAX_PAYLOAD."
        )
    return payload


def max_parameters() -> int:
    """Give the setting MAX_PARAMETERS, as it is now."""
    return settings().MAX_PARAMETERS


def limits(declaration: Declaration[..., Any]) -> Limits:
    """Give a statistic's ttl, stale_ttl and proof interval in seconds, as they are now."""
    known = _known()
    if (found := known.limits.get(declaration)) is None:
        found = known.limits[declaration] = read_limits(declaration, known.settings)
    return found


def limits_of(declaration: Declaration[..., Any], variant: Variant) -> Limits:
    """Give the limits of one variant: its ttl is shorter than the statistic's by up to JITTER, always by as much.

    So entries that were stored together do not all fall due together, and none is older than was said.
    """
    known = _known()
    ttl, stale_ttl, proof = known.limits.get(declaration) or limits(declaration)
    return Limits(ttl * (1.0 - known.settings.JITTER * variant.share), stale_ttl, proof)


def limits_of_key(declaration: Declaration[..., Any], key: str) -> Limits:
    """Give the limits of the variant of a key, as `limits_of` does, where there is no variant to ask."""
    ttl, stale_ttl, proof = limits(declaration)
    return Limits(ttl * (1.0 - _known().settings.JITTER * share_of(key)), stale_ttl, proof)


def may_serve(declaration: Declaration[..., Any], found: Found[Any], allow_stale: bool | None = None) -> bool:
    """Tell whether policy lets a stale value be given: where stale_ttl is above ttl, unless the caller says otherwise.

    A value whose source changed is given only by a statistic that revalidates.
    """
    if found.state == "expired" or (found.is_changed and declaration.on_change == "expire"):
        return False
    return allows_old(declaration, allow_stale)


def allows_old(declaration: Declaration[..., Any], allow_stale: bool | None) -> bool:
    """Tell whether policy lets a value be given that is older than its ttl."""
    bounds = limits(declaration)
    return bounds.stale_ttl > bounds.ttl if allow_stale is None else allow_stale


def read_limits(declaration: Declaration[..., Any], conf: Settings) -> Limits:
    """Join what is declared and what is set.

    Of a ttl and a stale_ttl that contradict each other, the one from the settings gives way to the declared one.
    """
    ttl = bounded(declaration.ttl.total_seconds()) if declaration.ttl else conf.TTL
    if declaration.stale_ttl is None:
        return Limits(ttl, max(conf.STALE_TTL, ttl), conf.PROOF_INTERVAL)
    stale_ttl = bounded(declaration.stale_ttl.total_seconds())
    return Limits(min(ttl, stale_ttl), stale_ttl, conf.PROOF_INTERVAL)
