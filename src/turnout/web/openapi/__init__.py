"""The OpenAPI 3.1 document, derived from the catalogue of reports and the table of errors."""

from turnout.web.openapi.document import openapi_document

__all__ = ["openapi_document"]
