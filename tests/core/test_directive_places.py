from core.errors import InvalidSdlError, SdlProblem
from core.sdl import parse_gateway_schema

TOPIC = '@topic(name: "t", keyField: "id")'


def problems_of(sdl: str) -> list[SdlProblem]:
    try:
        parse_gateway_schema(f"type Query {{ a: Int }}\n{sdl}")
    except InvalidSdlError as error:
        return error.problems
    return []


def test_a_directive_of_an_interface_has_to_be_repeated_by_each_type() -> None:
    interface = f"interface I {{ id: Int p: Int {TOPIC} }}"
    repeating = f"type A implements I {{ id: Int p: Int {TOPIC} }}"
    silent = "type B implements I { id: Int p: Int } type C implements I { id: Int p: Int }"

    assert [] == problems_of(f"{interface} {repeating}")
    assert [
        SdlProblem(
            "@topic on I.p, a field of an interface, has no effect. Write it on the field of each type too: B, C.",
            2,
            30,
        )
    ] == problems_of(f"{interface} {repeating} {silent}")


def test_a_directive_of_an_interface_without_types_has_no_effect() -> None:
    assert [
        (
            "@topic on I.p, a field of an interface, has no effect. "
            "Write it on the field of each type that implements it: there is none yet."
        )
    ] == [problem.message for problem in problems_of(f"interface I {{ id: Int p: Int {TOPIC} }}")]


def test_a_directive_of_a_type_needs_none_on_the_interface() -> None:
    assert [] == problems_of(f"interface I {{ id: Int p: Int }} type A implements I {{ id: Int p: Int {TOPIC} }}")
