"""Statistics in templates: `{% load statistics_cache %}`."""
