"""Values with a meaning: read and written without loss."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.config.faults import InvalidValue
from components.config.values import Duration, Quantity


@pytest.mark.parametrize(
    ("written", "seconds", "go"),
    [
        ("24h", 86_400, "24h"),
        ("1d", 86_400, "24h"),
        ("730d", 63_072_000, "17520h"),
        ("15m", 900, "15m"),
        ("90m", 5_400, "1h30m"),
        ("1h30m5s", 5_405, "1h30m5s"),
        ("1d12h", 129_600, "36h"),
    ],
)
def test_a_duration_is_read_and_written_as_go_reads_it(written: str, seconds: int, go: str) -> None:
    duration = Duration.parse(written)
    assert duration.seconds == seconds
    assert duration.go == go, "Go's time.ParseDuration knows no days"


@pytest.mark.parametrize("written", ["24", 24, 24.0, "", None, "h", "1.5h", "-1h", "1h 30m", "30m1h", "1w", True, [1]])
def test_what_is_no_duration_is_refused(written: object) -> None:
    with pytest.raises(InvalidValue):
        Duration.parse(written)


@given(st.integers(min_value=1, max_value=10**9))
def test_a_duration_reads_what_it_writes(seconds: int) -> None:
    assert Duration.parse(str(Duration(seconds))) == Duration(seconds)


@given(st.integers(min_value=1, max_value=10**9), st.integers(min_value=1, max_value=10**9))
def test_durations_are_ordered_by_their_length(one: int, other: int) -> None:
    assert (Duration(one) < Duration(other)) == (one < other)
    assert (Duration(one) >= Duration(other)) == (one >= other)


@pytest.mark.parametrize(
    ("written", "text", "amount"),
    [
        ("500m", "500m", Decimal("0.5")),
        (1, "1", Decimal(1)),
        (0.5, "0.5", Decimal("0.5")),
        ("128Mi", "128Mi", Decimal(134_217_728)),
        ("1G", "1G", Decimal(10**9)),
        ("2Gi", "2Gi", Decimal(2 * 2**30)),
    ],
)
def test_a_quantity_keeps_its_text_and_knows_its_amount(written: object, text: str, amount: Decimal) -> None:
    quantity = Quantity.parse(written)
    assert (str(quantity), quantity.amount) == (text, amount)


@pytest.mark.parametrize("written", ["", "Mi", "1MB", "1 Gi", "-1", True, None, [1], "1e3", "1mi"])
def test_what_is_no_quantity_is_refused(written: object) -> None:
    with pytest.raises(InvalidValue):
        Quantity.parse(written)
