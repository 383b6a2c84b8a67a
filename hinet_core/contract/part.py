"""What every table of a contract shares: unknown keys are mistakes, and so are values of another kind."""

from datetime import date
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @field_validator("*", mode="before")
    @classmethod
    def _of_its_kind(cls, value: Any, info: ValidationInfo) -> Any:
        """Pydantic reads true as 1, "3" as 3, 1 as true and 0 as a day of 1970: in a contract these are slips."""
        kinds = leaves(cls.model_fields[str(info.field_name)].annotation) - {NoneType}
        if kinds == {bool} and not isinstance(value, bool | None):
            raise PydanticCustomError("bool_type", "")
        if kinds == {date} and isinstance(value, int | float):
            raise PydanticCustomError("date_type", "")
        if kinds and kinds <= {int, float} and isinstance(value, bool | str):
            raise PydanticCustomError("int_type" if kinds == {int} else "float_type", "")
        return value


def leaves(annotation: Any) -> set[Any]:
    """int and NoneType of `int | None`, also where one is annotated; tuple[int, ...] is a leaf."""
    if get_origin(annotation) is Annotated:
        return leaves(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return {leaf for part in get_args(annotation) for leaf in leaves(part)}
    return {annotation}
