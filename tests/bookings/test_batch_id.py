from __future__ import annotations

import uuid

import pytest

from include.bookings.batch_id import batch_id


def test_it_is_the_uuid5_of_the_specified_text() -> None:
    expected = uuid.uuid5(uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8"), "minox:123456/1/qms:3/9001")
    assert batch_id(123456, 1, 3, 9001) == expected
    assert str(expected) == "fa7b7ae2-b3b3-5164-8967-f5bb5810ffc5"


def test_the_same_numbers_give_the_same_id_however_they_are_written() -> None:
    assert batch_id("123456", "01", "3", "9001") == batch_id(123456, 1, 3, 9001.0)


def test_every_part_counts() -> None:
    ids = {batch_id(*numbers) for numbers in ((1, 1, 1, 1), (2, 1, 1, 1), (1, 2, 1, 1), (1, 1, 2, 1), (1, 1, 1, 2))}
    assert len(ids) == 5


@pytest.mark.parametrize("key", ["", "F1", "1.5"])
def test_what_is_no_whole_number_has_no_id(key: str) -> None:
    with pytest.raises(ValueError, match=r"whole number|needs"):
        batch_id(123456, 1, 3, key)
