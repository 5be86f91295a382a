import pytest
from hypothesis import given
from hypothesis import strategies as st

from dexctl.errors import ProfileError
from dexctl.profile import layers

KEYS = st.sampled_from("abc")
VALUES = st.integers(0, 9) | st.lists(st.integers(0, 9), max_size=2)
TABLES = st.recursive(
    st.dictionaries(KEYS, VALUES, max_size=3),
    lambda inner: st.dictionaries(KEYS, VALUES | inner, max_size=3),
    max_leaves=12,
)


def merged_by_hand(below, above):
    result = dict(below)
    for name, value in above.items():
        both = isinstance(value, dict) and isinstance(result.get(name), dict)
        result[name] = merged_by_hand(result[name], value) if both else value
    return result


@given(TABLES)
def test_flattening_and_nesting_are_inverse(table):
    assert layers.nest(layers.flatten(table, "a.toml")) == table


@given(TABLES, TABLES)
def test_laying_is_merging_table_by_table(below, above):
    laid = layers.lay(layers.flatten(below, "below"), layers.flatten(above, "above"))
    assert layers.nest(laid) == merged_by_hand(below, above)


@given(TABLES, TABLES)
def test_every_value_keeps_the_origin_that_gave_it(below, above):
    lower, upper = layers.flatten(below, "below"), layers.flatten(above, "above")
    for key, entry in layers.lay(lower, upper).items():
        assert entry == (lower if entry.origin == "below" else upper)[key]
        assert entry.origin == "above" or upper.get(key, entry) == entry


@given(TABLES)
def test_laying_over_nothing_or_itself_changes_nothing(table):
    layer = layers.flatten(table, "a")
    assert layers.lay({}, layer) == layers.lay(layer, {}) == layers.lay(layer, layer) == layer


def read(folder, name="child", **files):
    for file, text in files.items():
        (folder / f"{file}.toml").write_text(text)
    return layers.nest(layers.read(folder / f"{name}.toml"))


def test_own_keys_win_over_inherited_ones_and_later_parents_over_earlier(tmp_path):
    table = read(
        tmp_path,
        first="[t]\na = 1\nb = 1\nc = 1",
        second="[t]\nb = 2\nc = 2",
        child='inherits = ["first", "second"]\n[t]\nc = 3',
    )
    assert table == {"t": {"a": 1, "b": 2, "c": 3}}


def test_inheritance_reaches_through_generations(tmp_path):
    table = read(tmp_path, a="[t]\nx = 1\ny = 1", b='inherits = "a"\n[t]\ny = 2', child='inherits = "b"')
    assert table == {"t": {"x": 1, "y": 2}}


def test_lists_are_replaced_whole(tmp_path):
    assert read(tmp_path, a="x = [1, 2, 3]", child='inherits = "a"\nx = [4]') == {"x": [4]}


def test_a_parent_stands_beside_the_child_or_among_the_shipped(tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "mine.toml").write_text("[object]\nsize_m = 1.0")
    table = read(tmp_path, child='inherits = ["object/block", "parts/mine", "parts/mine.toml"]')
    assert table["object"]["size_m"] == 1.0
    assert table["object"]["kind"] == "block"


def test_a_file_named_like_a_shipped_profile_may_inherit_it(tmp_path):
    assert read(tmp_path, "machine", machine='inherits = "machine"\n[run]\nseed = 5')["run"]["seed"] == 5


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"child": 'inherits = "a"', "a": 'inherits = "child"'}, ("may not inherit itself", "child.toml -> ")),
        ({"child": 'inherits = "object/blok"'}, ("child.toml: inherits: 'object/blok'", "'object/block' or")),
        ({"child": 'inherits = "none.toml"'}, ("child.toml: inherits: there is no file", "none.toml")),
        ({"child": "inherits = 3"}, ("child.toml: inherits: expected a profile's name or a list of names, got 3",)),
        ({"child": "a = = 1"}, ("child.toml: is not TOML", "line 1")),
        ({"child": '"a.b" = 1'}, ("child.toml: a.b: a key may not hold a dot",)),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, files, words):
    with pytest.raises(ProfileError) as caught:
        read(tmp_path, **files)
    for word in words:
        assert word in str(caught.value)


def test_text_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "a.toml").write_bytes(b'a = "\xff"')
    with pytest.raises(ProfileError, match="is not TOML"):
        layers.read(tmp_path / "a.toml")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    (tmp_path / "folder.toml").mkdir()
    for name in ("none.toml", "folder.toml"):
        with pytest.raises(ProfileError, match="there is no such profile file"):
            layers.find(str(tmp_path / name))


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(ProfileError, match=r"profile 'blok-yaw' is unknown\nDid you mean 'block-yaw' or "):
        layers.find("blok-yaw")


def test_an_unknown_name_far_from_all_lists_the_whole_profiles_and_no_part():
    with pytest.raises(ProfileError) as caught:
        layers.find("xyzzy")
    listed, _, rest = caught.value.remedy.removeprefix("Whole profiles: ").partition("; ")
    assert {"block", "block-yaw", "vision-small"} <= set(listed.split(", "))
    assert not {"cameras", "hand/shadow", "machine"} & set(listed.split(", "))
    assert rest == "'dexctl profile list' has all."


def test_an_unknown_profile_that_is_inherited_is_refused_with_the_file_that_does(tmp_path):
    (tmp_path / "a.toml").write_text('inherits = "xyzzy"')
    with pytest.raises(ProfileError, match=r"a\.toml: inherits: 'xyzzy' is unknown\n'dexctl profile list' has all"):
        layers.read(tmp_path / "a.toml")


def test_shipped_files_are_named_by_their_place():
    assert layers.origin_of(layers.find("hand/shadow")) == "profiles/hand/shadow.toml"
