import threading

import numpy as np
import pytest

from padam.audio.ahead import read_ahead


def blocks(count):
    for number in range(count):
        yield np.full((1, 4), number, np.float32)


def test_blocks_come_whole_and_in_order():
    assert [block[0, 0] for block in read_ahead(blocks(5))] == [0, 1, 2, 3, 4]
    assert list(read_ahead(blocks(0))) == []


def test_the_next_block_is_made_while_one_is_in_use_and_no_more_than_that():
    made: list[int] = []
    second = threading.Event()

    def counted():
        for number in range(4):
            made.append(number)
            if number == 1:
                second.set()
            yield np.zeros((1, 1), np.float32)

    ahead = read_ahead(counted())
    next(ahead)
    assert second.wait(10)
    assert made == [0, 1]
    ahead.close()


def test_an_error_comes_in_its_place():
    def broken():
        yield from blocks(2)
        raise ValueError("the third block")

    ahead = read_ahead(broken())
    assert [next(ahead)[0, 0], next(ahead)[0, 0]] == [0, 1]
    with pytest.raises(ValueError, match="the third block"):
        next(ahead)
