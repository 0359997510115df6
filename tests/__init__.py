from statistics_cache.signals import declared_late, log_declared_late

declared_late.disconnect(log_declared_late)  # tests declare when all is loaded, on purpose
