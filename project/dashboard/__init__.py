"""The first page of the demo: statistics that live, and buttons that make trouble."""
