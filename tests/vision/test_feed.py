import numpy as np
import pytest

from dexctl.errors import DataError
from dexctl.store.images import Images
from dexctl.vision.feed import Feed, in_portions, read_pictures, shuffled


def numbers(pictures):
    return pictures.pictures[:, 0, 0, 0, 0].tolist()


def taken(feed, count):
    return [numbers(feed.take()) for _ in range(count)]


def test_every_picture_of_an_iterator_is_learned_from_once_and_keeps_its_pose(make_pictures):
    parts = [make_pictures(count, first, first) for count, first in ((40, 0), (8, 40), (30, 48))]
    by_number = {number: pose for part in parts for number, pose in zip(numbers(part), part.position_m, strict=True)}
    found = []
    with Feed(iter(parts), 8, seed=0) as feed:
        while (batch := feed.take()) is not None:
            assert len(batch) == 8
            for number, position in zip(numbers(batch), batch.position_m, strict=True):
                assert np.array_equal(position, by_number[number])
            found += numbers(batch)
    assert len(found) == len(set(found)) == 78 // 8 * 8
    assert found != sorted(found)


def test_the_order_depends_on_the_seed_alone(make_pictures):
    def order(seed):
        with Feed(iter([make_pictures(64)]), 8, seed) as feed:
            return taken(feed, 8)

    assert order(1) == order(1) != order(2)


def test_an_error_of_the_source_comes_where_pictures_are_taken(make_pictures):
    def breaks():
        yield make_pictures(200)
        raise DataError("row 200 is lost")

    with Feed(breaks(), 8, seed=0) as feed, pytest.raises(DataError, match="row 200"):
        taken(feed, 26)


def test_taking_ends_when_asked_to(make_pictures):
    asked = []

    def stop():
        asked.append(True)
        return len(asked) > 3

    def never():
        while not len(asked) > 3:
            yield from ()
        yield make_pictures(8)

    with Feed(never(), 8, seed=0) as feed:
        assert feed.take(stop) is None
    assert feed.waited_s > 0


def test_datasets_are_shuffled_round_after_round_each_row_once_a_round(write_images, tmp_path):
    datasets = [Images(write_images(tmp_path / f"{first}.zarr", 20, first)) for first in (0, 20)]
    portions = shuffled(datasets, seed=0)
    rounds = [sorted(numbers(next(portions)) + numbers(next(portions))) for _ in range(3)]
    assert rounds == [list(range(40))] * 3


def test_rows_in_order_come_in_portions(write_images, tmp_path):
    images = Images(write_images(tmp_path / "a.zarr", 30))
    assert [number for part in in_portions(images, 3, 17) for number in numbers(part)] == list(range(3, 17))


def test_what_is_read_is_what_was_written(write_images, make_pictures, tmp_path):
    wanted = make_pictures(6, 5, seed=3)
    found = read_pictures(Images(write_images(tmp_path / "a.zarr", 6, 5, seed=3)), 0, 6)
    for name in vars(wanted):
        assert np.array_equal(getattr(found, name), getattr(wanted, name)), name
