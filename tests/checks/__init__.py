"""What manage.py check says."""
