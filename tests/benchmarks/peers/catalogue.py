"""Which peers there are, in the order of the tables."""

from typing import NamedTuple


class Listed(NamedTuple):
    """A peer: its title, its class in this folder, and the distribution whose version is told."""

    title: str
    path: str
    package: str


OURS, FLOOR, TEXT = "statistics-cache", "redis-py", "django-text"
PEERS = {
    FLOOR: Listed("redis-py GET + validate", "floor.Floor", "redis"),
    TEXT: Listed("django-redis text + validate", "django_caches.DjangoText", "django-redis"),
    "django-pickle": Listed("django-redis pickle", "django_caches.DjangoCache", "django-redis"),
    "django-core": Listed("Django's own RedisCache", "django_caches.DjangoCache", "django"),
    "get-or-set": Listed("cache.get_or_set", "django_caches.GetOrSet", "django-redis"),
    "herd": Listed("django-redis HerdClient", "django_caches.DjangoCache", "django-redis"),
    "cacheback": Listed("cacheback", "cacheback.Cacheback", "django-cacheback"),
    "cacheops": Listed("cacheops cached_as", "cacheops.CachedFunction", "django-cacheops"),
    "cacheops-fresh": Listed("cacheops keep_fresh", "cacheops.KeptFresh", "django-cacheops"),
    "cacheops-queryset": Listed("cacheops queryset", "cacheops.CachedQueryset", "django-cacheops"),
    "cachalot": Listed("cachalot queryset", "cachalot.Cachalot", "django-cachalot"),
    "cache-memoize": Listed("cache-memoize", "memoize.Memoize", "django-cache-memoize"),
    "dogpile": Listed("dogpile.cache", "dogpile_cache.Dogpile", "dogpile.cache"),
    "cashews": Listed("cashews (async)", "cashews_cache.Cashews", "cashews"),
    "aiocache": Listed("aiocache (async)", "aiocache_cache.Aiocache", "aiocache"),
    "swr-memoize": Listed("swr-memoize", "swr.Swr", "django-swr-memoize"),
    "view": Listed("materialised view", "view.View", "psycopg"),
    OURS: Listed("statistics_cache", "ours.Ours", "django-statistics-cache"),
}
