"""The OpenAPI document: what it says, and that who sends what it allows, or does not, is never answered 500."""

from collections import Counter
from typing import Any

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from django.test import Client
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error, response_schema_conformance, status_code_conformance

from statistics_cache import statistic
from tests.admin.conftest import count_secretly

NAMES = ("catalog.usage_statistics", "tests.spelt", "tests.stock")  # parameters of every kind
EXAMPLES = 10  # of each statistic, the same each time
CHECKS = [not_a_server_error, response_schema_conformance, status_code_conformance]


def read() -> Any:
    """Give the document, as nobody in particular reads it."""
    return Client().get("/statistics/openapi.json").json()


@pytest.mark.usefixtures("every_kind", "db")
def test_the_document_describes_what_is_served() -> None:
    """Every parameter with its schema, and no reference that leads nowhere."""
    document = read()
    told = document["paths"]["/statistics/tests.spelt/"]["get"]
    assert [each["name"] for each in told["parameters"] if each["required"]] == ["level", "days"]
    parts = {f"#/components/{kind}/{name}" for kind, named in document["components"].items() for name in named}
    assert references(document) <= parts


def references(document: object) -> set[str]:
    """Give every reference in a document."""
    if isinstance(document, dict):
        return {document["$ref"]} if "$ref" in document else set().union(*map(references, document.values()))
    return set().union(*map(references, document)) if isinstance(document, list) else set()


@pytest.mark.django_db
def test_what_is_hidden_is_not_described() -> None:
    """To whom `visible_to` hides a statistic the document does not tell of it."""
    declare: Any = statistic(name="tests.secret", visible_to=lambda user: user is None)
    declare(count_secretly)
    assert "tests.stock" in str(read())
    assert "secret" not in str(read())


@pytest.mark.usefixtures("every_kind")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("mode", "common"), [(GenerationMode.POSITIVE, 200), (GenerationMode.NEGATIVE, 400)])
def test_nothing_is_a_server_error(mode: GenerationMode, common: int) -> None:
    """What the document allows is given, what it does not is refused, and each answer is one that it describes."""
    schema = schemathesis.openapi.from_wsgi("/statistics/openapi.json", get_wsgi_application())
    answered: Counter[int] = Counter()
    for name in NAMES:
        send(schema[f"/statistics/{name}/"]["GET"].as_strategy(generation_mode=mode), answered)
    assert set(answered) <= {200, 400, 404}
    assert answered.most_common()[0][0] == common


def send(cases: Any, answered: Counter[int]) -> None:
    """Send examples, and count how they are answered."""

    @settings(
        max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(cases)
    def play(case: Any) -> None:
        response = case.call()
        answered[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)

    play()
