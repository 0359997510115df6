"""Metrics through OpenTelemetry, where it is installed (the extra `otel`): nothing here is asked by a hot hit."""
