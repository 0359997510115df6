"""System checks with stable ids: what `manage.py check` says of settings, the two tiers, broker and declarations.

An Error breaks a promise; a Warning costs speed or time; an Info says what a declaration means. Those marked * run with
`check --deploy` only, those marked † with `check --database`.

| id | what is wrong |
|---|---|
| E001 | `STATISTICS_CACHE` holds something wrong |
| E002 | CACHE_ALIAS names no usable entry of `CACHES` |
| E003 | the alias is a DummyCache, which keeps nothing |
| E004 | the alias ignores exceptions: a failed delivery would look delivered |
| E005 | the alias stores pickles, not text |
| E006 | the alias reads from replicas, which run behind delivered changes |
| E007 | redis-py is older than 6 |
| E008 | the alias decodes responses: its client gives texts where bytes are wanted |
| E009 | the alias has a CLIENT_CLASS that changes what is stored, or cannot count |
| E010 | `search_path` changes with the tenant, and the alias has no KEY_FUNCTION |
| E011 | `using` names no entry of `DATABASES` |
| E012 | a router sends a source, or the app's own models, to another database than the statistic's |
| E021 | `depends_on` names no installed model |
| E022 | a scope names no parameter of the function |
| E023 | a field path in a scope leads nowhere |
| E024 | `fields=` names no field of the model |
| E025 | `hydrate=` names variants without end, too many, or none of the signature |
| E026 | a manager of a `StatisticsSource` gives no `StatisticsQuerySet`, or hides that of another base |
| E027 | watched rows are deleted or changed by the database itself (`DB_CASCADE` and its like), which nobody sees |
| E028† | triggers are missing, altered, or of what is not declared |
| E029 | a statistic is to be watched by triggers on a database that has none of ours |
| E030† | texts of the app's tables on MySQL equal others, by case or accent |
| W001 | another alias has the same LOCATION: django-redis gives both the options of whichever is used first |
| W002 | the alias has no socket timeouts: a hung server costs seconds per call |
| W003 | the alias lets its client try again |
| W005 | a hydrated statistic's ttl is below two ticks: it is computed at every tick and may be stale all the same |
| W006 | the broker is Redis without timeouts, or tries again: one that is out keeps readers waiting |
| W007 | there is no broker, and tasks do not run eagerly |
| W008 | the broker is RabbitMQ without timeouts, or tries again: one that hangs keeps readers waiting for ever |
| W009 | Celery has no way to talk to the broker: no such scheme, or its packages are not installed |
| W010 | a scope ends at a column that may compare texts that differ as equal: every variant falls |
| W011* | the alias is in-process memory: processes do not see each other's changes |
| W012* | the server evicts keys that have no timeout, so generations too |
| W013* | the server could not be asked what it evicts |
| W014* | ENABLED is False: every call computes |
| W015* | tasks run eagerly: readers do the work of workers |
| W016* | statistics are to be hydrated, or messages wait for a worker, and no tick was seen lately |
| W017* | the server is in cluster mode, and the alias has not our client: it refuses keys of several slots |
| W018 | CELERY_ACCEPT_CONTENT lacks json: workers refuse every refresh and tick |
| W019 | a statistic is declared in a module that not all processes import |
| W020* | another database's statistics lie under the same KEY_PREFIX on the server |
| W021* | the role may not read what tells a PostgreSQL server from its copies |
| W022 | SQL cannot spell a scope as Python does: with triggers each change drops every variant |
| I001 | a plain model is watched by signals: bulk writes, raw SQL and other programs are not seen |
"""

from django.core.checks import Tags, register

from .broker import check_broker, check_broker_options, check_content, check_eager, check_tick, check_transport
from .cold_tier import check_databases, check_routers, check_texts
from .declarations import check_hydration, check_places, check_sources, check_ttls
from .deployment import check_enabled, check_eviction, check_processes
from .hot_tier import check_alias, check_connections, check_contract, check_settings
from .identities import check_other_sites, check_server_facts, check_tenants
from .sources import check_database_writes, check_managers, check_plain_models
from .triggers import check_spelling, check_triggers, check_vendors

TAG = "statistics_cache"

for _check in (check_settings, check_alias, check_contract, check_connections, check_tenants):
    register(_check, TAG)
for _check in (check_databases, check_routers, check_places, check_sources, check_hydration, check_ttls):
    register(_check, TAG)
for _check in (check_managers, check_database_writes, check_plain_models):
    register(_check, TAG)
for _check in (check_broker, check_transport, check_broker_options, check_content):
    register(_check, TAG)
for _check in (check_vendors, check_spelling):
    register(_check, TAG)
register(check_texts, Tags.database)
register(check_triggers, Tags.database)  # without our tag, which asks every database from Django 6.1 on
for _check in (check_processes, check_eviction, check_enabled, check_eager, check_tick):
    register(_check, TAG, deploy=True)
for _check in (check_other_sites, check_server_facts):
    register(_check, TAG, deploy=True)
