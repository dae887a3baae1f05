"""The OpenAPI document says what the API does: by comparison with the route table, and by schemathesis."""

import os

import pytest
import schemathesis
from api_client import seeded
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi import checks

from timeline import Timeline
from timeline.api.openapi import document
from timeline.api.pages import Assets
from timeline.api.routes import table

EXAMPLES = int(os.environ.get("TIMELINE_EXAMPLES", "12"))
"""Examples for each operation. By hand: TIMELINE_EXAMPLES=500 pytest tests/test_openapi.py"""

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]


def make_table():
    with Timeline.temporary() as timeline:
        return table(timeline, Assets())


OPERATIONS = [(route.method.lower(), route.path) for route in make_table() if route.documented]
ENDLESS = {route.path for route in make_table() if route.endless}


@pytest.fixture(scope="module")
def routes():
    return make_table()


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with seeded(tmp_path_factory.mktemp("openapi")) as client:
        yield client


@pytest.fixture(scope="module")
def described(client):
    return client.get("/v1/openapi.json").json()


def test_every_route_is_described_or_says_that_it_is_not(routes, described):
    wanted = {(route.path, route.method.lower()) for route in routes if route.documented}
    assert {(path, method) for path, item in described["paths"].items() for method in item} == wanted
    assert not [route.path for route in routes if route.path.startswith("/v1") and not route.documented]


def test_everything_is_explained(routes, described):
    for path, item in described["paths"].items():
        for method, operation in item.items():
            route = next(route for route in routes if (route.path, route.method.lower()) == (path, method))
            assert operation["summary"]
            assert all(parameter.get("description") for parameter in operation["parameters"]), path
            given = [parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"]
            assert given == [parameter.name for parameter in route.parameters]
            assert ("requestBody" in operation) == (route.body is not None)
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert list(response["content"]) == ["application/problem+json"]


def test_every_reference_leads_somewhere(described):
    def references(value):
        if isinstance(value, dict):
            yield from ([value["$ref"]] if "$ref" in value else [])
            value = list(value.values())
        if isinstance(value, list):
            for item in value:
                yield from references(item)

    assert set(references(described)) <= {f"#/components/schemas/{name}" for name in described["components"]["schemas"]}


def test_the_same_routes_make_the_same_document(routes):
    assert document(routes, "1") == document(routes, "1")


@pytest.fixture(scope="module")
def schema(described):
    return schemathesis.openapi.from_dict(described, config=SchemathesisConfig())


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_schemathesis(schema, client, method, path, mode):
    if path in ("/v1", "/v1/token") and mode is GenerationMode.NEGATIVE:
        pytest.skip("it takes nothing that could be wrong")
    if path in ENDLESS:
        pytest.skip("its answer never ends: tests/test_stream.py asks it")
    strategy = schema[path][method].as_strategy(generation_mode=mode)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        derandomize=EXAMPLES < 100,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def ask(case):
        sent = case.as_transport_kwargs(base_url="http://testserver", headers=client.writer)
        sent.pop("cookies", None)
        sent["headers"] = [(name, value.encode("utf-8")) for name, value in sent["headers"].items()]
        if isinstance(sent.get("data"), bytes | str):
            sent["content"] = sent.pop("data")
        case.validate_response(client.request(**sent), checks=CHECKS)

    ask()
