"""The OpenAPI contracts as JSON Schema validators."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

FOLDER = Path(__file__).resolve().parent.parent / "contracts"
_URI = "urn:contract"


class Contract:
    """One OpenAPI document and the validators of its schemas.

    Args:
        path: The YAML file of the contract.
    """

    def __init__(self, path: Path) -> None:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self.document: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), loader)  # noqa: S506 - both are safe loaders
        self._registry: Any = Registry().with_resource(_URI, DRAFT202012.create_resource(self.document))
        self._validators: dict[tuple[str, ...], Draft202012Validator] = {}

    def schema(self, name: str) -> dict[str, Any]:
        """Give a schema of the contract's components.

        Args:
            name: Its name under `components/schemas`.

        Returns:
            The schema as it stands in the contract.

        Raises:
            KeyError: When the contract has no such schema.
        """
        found: dict[str, Any] = self.document["components"]["schemas"][name]
        return found

    def component(self, name: str) -> Draft202012Validator:
        """Give the validator of a schema of the contract's components.

        Args:
            name: Its name under `components/schemas`.

        Returns:
            A Draft 2020-12 validator that checks formats as well.
        """
        return self.at("components", "schemas", name)

    def response(self, path: str, method: str, status: int) -> Draft202012Validator | None:
        """Give the validator of the JSON body of an answer.

        Args:
            path: The path as the contract writes it, with its braces.
            method: The HTTP method in lower case.
            status: The HTTP status.

        Returns:
            The validator, or None when the contract describes no JSON body for it.

        Raises:
            KeyError: When the contract does not know the status for this operation.
        """
        responses = self.document["paths"][path][method]["responses"]
        key = str(status) if str(status) in responses else f"{status // 100}XX"
        answer = responses[key]
        where: tuple[str, ...] = ("paths", path, method, "responses", key)
        if "$ref" in answer:
            where = tuple(answer["$ref"].removeprefix("#/").split("/"))
            answer = self.document["components"]["responses"][where[-1]]
        if "application/json" not in answer.get("content", {}):
            return None
        return self.at(*where, "content", "application/json", "schema")

    def at(self, *steps: str) -> Draft202012Validator:
        """Give the validator of the schema at a place of the document.

        Args:
            *steps: The keys from the root of the document to the schema.

        Returns:
            A Draft 2020-12 validator that checks formats as well.
        """
        if steps not in self._validators:
            pointer = "/".join(quote(step.replace("~", "~0").replace("/", "~1")) for step in steps)
            self._validators[steps] = Draft202012Validator(
                {"$ref": f"{_URI}#/{pointer}"},
                registry=self._registry,
                format_checker=Draft202012Validator.FORMAT_CHECKER,
            )
        return self._validators[steps]


@cache
def contract(system: str) -> Contract:
    """Load a contract, once per process.

    Args:
        system: `minox` or `qms`.

    Returns:
        The contract.
    """
    return Contract(FOLDER / f"{system}.openapi.yaml")
