"""Ids in findings cannot be read back with a list of ids: the hash needs a key that stays in the home."""

import hashlib

import good_day
from good_day import DAY

from hinet_core import quality
from hinet_core.lake import Lake
from hinet_core.quality.hashed_ids import FILE, hash_of, key_of


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path):
    key = key_of(tmp_path)
    assert key_of(tmp_path) == key and len(key) == 32
    assert [one.name for one in tmp_path.iterdir()] == [FILE]
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_one_home_hashes_alike_and_no_other_does(tmp_path):
    keys = []
    for home in ("one", "other"):
        (tmp_path / home).mkdir()
        keys.append(key_of(tmp_path / home))
    assert hash_of(keys[0], 7) == hash_of(keys[0], "7") != hash_of(keys[1], 7)
    assert hash_of(keys[0], None) is None
    assert hash_of(keys[0], 7) == hashlib.blake2b(b"7", key=keys[0], digest_size=6).hexdigest()


def test_samples_of_a_lake_carry_the_hashes_of_its_home_and_the_key_is_in_no_table(con, tmp_path):
    good_day.fill(con)
    good_day.plant(con, "price", "1e9", "record_number = 8")
    found = quality.audit(con, good_day.contract(), "impressions", DAY, good_day.COUNTS, Lake(tmp_path / "lake"))
    (row,) = [one for one in found.tables["dq_results"].to_pylist() if one["sample"]]
    key = key_of(tmp_path)
    assert f'"user_id": "{hash_of(key, 2)}"' in row["sample"]
    assert not any(key.hex() in str(table.to_pylist()) for table in found.tables.values())
