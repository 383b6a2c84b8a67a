"""Names and texts that a log may hold and that careless code trips over: keywords, quotes, other scripts, SQL."""

INJECTION = [
    "it's", "x; DROP TABLE staged; --", "'); SELECT 1; --", "{}", "$1", "%s", "\\", "`", "a=b", "null?", "100%",
]  # fmt: skip

# Of contract columns: letters, digits and _.
CONTRACT_NAMES = [
    "select", "order", "Table", "value", "desc", "group_by", "x1", "_y", "end", "from", "where", "line", "limit",
    "row", "all", "null", "column0", "filename", "key_user", "found", "count", "part", "reason", "t", "side", "primary",
    "rank", "timestamp", "date", "index", "d", "raw_line", "like", "file_order", "unnest", "struct", "values", "cast",
    "case", "not", "user_id",
]  # fmt: skip

# Of file columns: anything.
FILE_NAMES = [
    "user id", "Nutzer-Nr", "SELECT", 'say "hi"', "it's", "a.b", "$.x", "x;y", "a,b", "1st", "%d", "user_id ", "A|B",
    "raw.user", "naïve", "ユーザー", "line", "record_number", "path", "[0]", "{}", "--", "/*", "?", "tab", "col:1", "é",
    "json", "x' OR 1=1; --", "filename", "day", "reasons", "row", "key_item", "null", "column1", "file_row_number",
    "a\\b", "🙂", "id", "from", "#", "a*",
]  # fmt: skip

NULL_WORDS = ["NULL", "\\N", "-", "n/a", "None", "NaN", "(null)", "?", "-1e9", "it's null"]
PLACES = ["home", "search", "1", "2", "Startseite", "it's", 'a"b', "x'; DROP TABLE staged; --", "TRUE", "0", "é"]
