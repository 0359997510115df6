"""`python -m tests.worker`: a process of the site that does what it is told on its standard input."""

import django

django.setup()

from tests.worker.orders import main  # noqa: E402  (models can be imported now)

main()
