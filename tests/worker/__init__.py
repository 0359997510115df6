"""An app whose statistics a real worker and a real beat refresh, and the processes around it."""
