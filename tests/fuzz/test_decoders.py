"""Whatever bytes come from disk or the wire are read or refused as stated: no crash, no hang, no memory beyond a bound.

``corpus/DECODER`` keeps what once broke one, and is tried first; ``tools/fuzz`` adds to it.
"""

import tracemalloc
from pathlib import Path

import pytest
from decoders import DECODERS
from hypothesis import given, settings

from .broken import broken

CORPUS = Path(__file__).parent / "corpus"
MOST_BYTES = 64 << 20
# Those that open a whole dataset, or resolve a profile, take tens of milliseconds.
SLOW = {"profile", "setting", "checkpoint", "checkpoint-header", "failure", "states", "images", "recording", "run"}


@pytest.fixture(params=DECODERS)
def decoder(request, tmp_path):
    return DECODERS[request.param](tmp_path)


def test_what_is_whole_is_read_to_its_end(decoder):
    for seed in decoder.seeds:
        decoder.decode(seed)


@pytest.mark.parametrize("name", DECODERS)
def test_any_bytes_are_read_or_refused_as_stated(name, tmp_path):
    decoder = DECODERS[name](tmp_path)
    for path in sorted((CORPUS / name).glob("*")):
        decoder.attempt(path.read_bytes())

    @settings(max_examples=12 if name in SLOW else 60)
    @given(broken(decoder.seeds))
    def try_them(data):
        tracemalloc.start()
        try:
            decoder.attempt(data)
            assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
        finally:
            tracemalloc.stop()

    try_them()


def test_the_corpus_is_of_decoders_that_there_are():
    assert {path.name for path in CORPUS.iterdir() if path.is_dir()} <= DECODERS.keys()
