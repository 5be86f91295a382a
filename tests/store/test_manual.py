from pathlib import Path

import msgspec
import pytest

from dexctl.profile.load import load
from dexctl.randomize.appearance import Look
from dexctl.store import images, recordings, states

PAGE = (Path(__file__).parents[2] / "man" / "dexctl-data.5").read_text().replace("\\-", "-")
LOOK = Look(load("block-paper", [], {}).profile, 12)
SECTIONS = {
    "STATES": (states.COLUMNS, states.StatesMetadata),
    "IMAGES": (images.COLUMNS | LOOK.columns(), images.ImagesMetadata),
    "RECORDING": (recordings.columns(24, 20, (3, 200, 200)), recordings.RecordingMetadata),
}


def entries(title):
    """What each name of a section is said to be."""
    text = PAGE.partition(f".SH {title}\n")[2].partition("\n.SH ")[0].splitlines()
    found = {}
    for before, line, after in zip(text, text[1:], text[2:], strict=False):
        if before == ".TP" and line.startswith((".B ", ".BR ")):
            for name in line.split(maxsplit=1)[1].replace('", "', " ").split():
                found[name.strip('",')] = after
    return found


@pytest.mark.parametrize("title", SECTIONS)
def test_every_array_and_every_field_stands_in_the_page_and_no_other(title):
    columns, metadata = SECTIONS[title]
    fields = {field.name for field in msgspec.structs.fields(metadata)}
    assert set(entries(title)) == set(columns) | fields


@pytest.mark.parametrize("title", SECTIONS)
def test_arrays_have_the_type_and_the_dimensions_that_the_page_tells(title):
    told = entries(title)
    for name, column in SECTIONS[title][0].items():
        shape, _, rest = told[name].partition(")")
        assert rest.split()[0].strip(",:") == column.dtype, name
        assert len([part for part in shape.strip("(").split(",") if part]) == len(column.shape), name
