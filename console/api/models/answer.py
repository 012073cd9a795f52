"""What every answer of ``/api/v1`` is."""

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """An answer, or a part of one."""

    model_config = ConfigDict(frozen=True, from_attributes=True, use_attribute_docstrings=True)
