"""The importer of Ali-CCP on literal lines: control bytes, absent and repeated fields, lines that do not fit."""

import re

import pyarrow.parquet as pq
import pytest
from public_logs import packed, write

from hinet_core.sources.aliccp import HEAVIEST, convert

USER = "bacff91692951881"
OWN = [(205, 7, "1.0"), (210, 5, "1.0"), (210, 6, "1.0"), (301, 9351665, "1.0"), (509, 88, "1.09861")]


def skeleton(sample, click=0, conversion=0, index=USER, features=OWN, told=None):
    return f"{sample},{click},{conversion},{index},{len(features) if told is None else told},{packed(*features)}"


def common(index, *features):
    return f"{index},{len(features)},{packed(*features)}"


@pytest.fixture
def run(tmp_path):
    """Convert literal lines of the train part; its rows and what was said."""

    def convert_lines(rows, users, limit=None):
        write(tmp_path / "sample_skeleton_train.csv", rows)
        write(tmp_path / "common_features_train.csv", users)
        files = {path.name: path for path in tmp_path.glob("*.csv")}
        said = convert(files, tmp_path / "landing", limit)
        assert [path.name for path in (tmp_path / "landing").iterdir()] == ["aliccp_train.parquet"]
        found = pq.read_table(tmp_path / "landing" / "aliccp_train.parquet").to_pylist()
        return sorted(found, key=lambda row: int(row["sample_id"])), said

    return convert_lines


def test_an_exposure_gets_its_own_fields_and_those_of_its_user(run):
    users = [common("0" * 16, (101, 1, "1.0")), common(USER, (101, 2, "1.0"), (127, 3, "1.0"))]
    (row,), said = run([skeleton(17, click=1)], users)
    assert {name: value for name, value in row.items() if value is not None} == {
        "sample_id": "17", "click": "1", "conversion": "0", "common_feature_index": USER, "f205": "7",
        "f301": "9351665", "f210": [5, 6], "w210": [1.0, 1.0], "f509": "88", "w509": 1.09861, "f101": "2", "f127": "3",
        "found_user": True, "incomplete": False,
    }  # fmt: skip
    assert said == ["train: 1 exposures"]


def test_a_field_is_its_whole_name(run):
    """127, 127_14 and 127_140 are different fields, and an id may be a field's number."""
    histories = [("127_14", 205, "0.5"), ("127_140", 4, "0.6"), ("127_14", 9, "0.7")]
    users = [common(USER, *histories, (1270, 1, "1.0"), (8101, 1, "1.0"), (101, 127, "1.0"))]
    own = [(2050, 1, "1.0"), (1205, 1, "1.0"), (2101, 3, "1.0"), (301, 205, "1.0")]
    (row,), _ = run([skeleton(1, features=own)], users)
    assert (row["f127"], row["f127_14"], row["w127_14"]) == (None, [9, 205], [0.7, 0.5])
    assert (row["f101"], row["f205"], row["f210"], row["f301"]) == ("127", None, None, "205")


def test_what_is_odd_is_kept_and_told(run):
    rows = [
        skeleton(1, conversion=1), skeleton(2, index="f" * 16), skeleton(3, features=OWN[:1], told=9),
        skeleton(4, features=[]), "5,0,0",
    ]  # fmt: skip
    long = [("109_14", n, f"{n / 100}") for n in range(HEAVIEST + 3)]
    found, said = run(rows, [common(USER, *long), common(USER, (101, 8, "1.0")), "broken"])
    assert [row["sample_id"] for row in found] == ["1", "2", "3", "4"]
    assert [row["f205"] for row in found] == ["7", "7", "7", None]
    assert found[0]["f109_14"] == list(range(HEAVIEST + 2, 2, -1))  # the heaviest, and of the first line of the index
    assert {row["f101"] for row in found} == {None}
    assert said == [
        "train: 4 exposures",
        "train: 1 exposures with a conversion but no click",
        "train: 1 exposures whose line of the common file is missing",
        "train: 2 exposures with another number of features than their line says",
        f"train: 1 users with more than {HEAVIEST} entries of a history, of which the heaviest are kept",
        "common_features_train.csv: 1 lines are no record and were left out (the first is line 3)",
        "sample_skeleton_train.csv: 1 lines are no record and were left out (the first is line 5)",
    ]


def test_the_first_rows_need_only_their_users(run):
    rows = [skeleton(n, index=f"{n:016x}") for n in range(9)]
    found, said = run(rows, [common(f"{n:016x}", (101, n, "1.0")) for n in range(9)], limit=2)
    assert [(row["sample_id"], row["f101"]) for row in found] == [("0", "0"), ("1", "1")]
    assert said == ["train: 2 exposures"]


def test_an_interrupted_import_leaves_nothing(tmp_path, monkeypatch):
    write(tmp_path / "sample_skeleton_train.csv", [skeleton(1)])
    write(tmp_path / "common_features_train.csv", [common(USER, (101, 2, "1.0"))])

    def stop(batches, label):
        if re.match("sample_skeleton", label):
            raise KeyboardInterrupt
        yield from batches

    monkeypatch.setattr("hinet_core.sources.aliccp.track", stop)
    with pytest.raises(KeyboardInterrupt):
        convert({path.name: path for path in tmp_path.glob("*.csv")}, tmp_path / "landing", None)
    assert list((tmp_path / "landing").iterdir()) == []
