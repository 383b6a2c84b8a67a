"""Encodings that a contract may name here, with letters of each: what the grammar accepts is what is tested."""

from dataclasses import dataclass
from functools import cache

from hinet_core.contract import ContractError, parse_contract

LETTERS = {
    "utf-8": "äß€推荐リスト🙂ж", "utf-16": "äß€推荐リスト🙂ж", "latin-1": "äöüßéñÅ£", "iso-8859-15": "äß€Š",
    "cp1252": "äß€“”Š", "cp1251": "ПривеёЁ", "koi8-r": "Приветё", "shift_jis": "リストのァ表能十ポソ",
    "cp932": "リスト①表ポ", "euc_jp": "リストのァ表", "gb18030": "推荐首页㐀€🙂", "gbk": "推荐首页",
    "big5": "推薦首頁功",
    "euc_kr": "추천목록", "utf-32": "äß€推🙂", "utf-16-le": "äß€推🙂", "iso2022_jp": "リスト表", "cp037": "äöüß",
    "utf-8-sig": "äß€推", "utf-7": "äß€推",
}  # fmt: skip


@dataclass(frozen=True)
class Coding:
    name: str
    letters: str = ""


def holds(codec: str, text: str) -> bool:
    """Whether the text can be written in the encoding and read back."""
    try:
        return text.encode(codec).decode(codec) == text
    except UnicodeError:
        return False


@cache
def codings() -> list[Coding]:
    """UTF-8 first."""
    return [Coding(name, letters) for name, letters in LETTERS.items() if accepted(name)]


def accepted(name: str) -> bool:
    source = {"name": "log", "files": "*", "format": "csv", "encoding": name}
    try:
        parse_contract({"sources": [source]})
    except ContractError as error:
        return "encoding" not in str(error)
    return True
