"""What names of columns tell: the words of the field for users, items, requests, times, places; names of a contract."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence

from hinet_core.contract.columns import RESERVED, RESERVED_STARTS

ID_WORDS = {"id", "ids", "key", "no", "nr", "num", "number", "code", "hash", "uuid", "guid", "idx", "index", "hashed"}
USER = (
    "user", "uid", "userid", "customer", "customerid", "client", "member", "visitor", "visitorid", "viewer", "account",
    "buyer", "shopper", "person", "profile", "passenger", "guest", "reader", "listener", "player", "subscriber",
    "kunde", "kunden", "nutzer", "benutzer", "besucher", "usuario", "cliente", "utilisateur", "visiteur", "session",
    "device", "cookie", "imei",
)  # fmt: skip
ITEM = (
    "item", "iid", "itemid", "product", "productid", "sku", "article", "artikel", "goods", "good", "content", "video",
    "movie", "film", "song", "track", "news", "doc", "document", "post", "photo", "adgroup", "ad", "adid", "creative",
    "asin", "poi", "shop", "store", "restaurant", "dish", "offer", "listing", "hotel", "property", "recipe", "book",
    "course", "app", "game", "job", "produkt", "producto", "produit", "articulo", "campaign",
)  # fmt: skip
REQUEST = (
    "request", "requestid", "req", "rid", "search", "srch", "query", "impression", "slate", "page", "pageview", "pv",
    "trace", "exposure", "session", "sessionid", "visit", "anfrage", "suche", "sitzung",
)  # fmt: skip
TIME = (
    "shown", "exposed", "exposure", "impression", "time", "timestamp", "ts", "datetime", "event", "date", "logged",
    "created", "zeit", "zeitpunkt", "zeitstempel", "datum", "uhrzeit", "fecha", "hora", "heure", "moment", "t", "dt",
    "when", "at",
)  # fmt: skip
CLOCK = ("time", "hour", "hourmin", "hhmm", "hhmmss", "clock", "zeit", "uhrzeit", "hora", "heure")
POSITION = ("position", "pos", "slot", "rank", "platz", "posicion", "rang", "place_in_list")
PROPENSITY = ("propensity", "pscore")
SCENARIO = (
    "scenario", "scene", "tab", "channel", "kanal", "surface", "placement", "module", "section", "page", "place",
    "entry", "area", "bereich", "ort", "seite", "domain", "pid", "market", "country", "land", "site", "campaign",
    "source", "platform", "view",
)  # fmt: skip
EVENT = ("event", "behavior", "behaviour", "action", "type", "interaction", "aktion", "ereignis", "kind")
CODED = ("label", "action", "behavior", "behaviour", "feedback", "outcome", "target", "result", "status", "stage")
RATING = ("rating", "stars", "score", "bewertung")
ORDERED = (
    "order", "ordered", "orders", "buy", "bought", "purchase", "purchased", "pay", "paid", "payment", "transaction",
    "conversion", "convert", "converted", "booking", "booked", "kauf", "gekauft", "bestellt", "bestellung", "compra",
    "achat", "install", "checkout",
)  # fmt: skip
CLICKED = ("click", "clicked", "clicks", "clk", "klick", "geklickt", "clic", "tap", "open", "play", "view", "read")
SHOWN = ("view", "views", "pv", "impression", "impressions", "show", "shown", "exposure", "expose", "display", "seen")
NO = ("no", "nein", "non", "nee", "nej", "nie", "ei", "nao", "net", "нет", "否", "off", "never", "none")
DENIALS = ("non", "not", "un", "dis", "hate", "skip")
EVENTS = {*CLICKED, *ORDERED, *SHOWN, "cart", "addtocart", "fav", "favorite", "like", "share", "follow", "add"}


def words(name: str) -> list[str]:
    """The lower-case words of a name: 'playTimeMs' -> ['play', 'time', 'ms']."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", plain(name))
    return re.findall(r"[a-z0-9]+", apart.lower())


def plain(name: str) -> str:
    """Without accents: 'Größe' -> 'Grosse'."""
    decomposed = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    return "".join(mark for mark in decomposed if not unicodedata.combining(mark))


def names_a(name: str, vocabulary: Collection[str]) -> bool:
    """Whether the name says nothing but this and perhaps that it is an id: user, user_id, userid, kunden_nr; of the
    field of an object its own name, with or without those of the objects that it is in: ctx.user.id."""
    parts = name.split(".")
    return any(_says_only(words(".".join(parts[place:])), vocabulary) for place in range(len(parts)))


def _says_only(found: Sequence[str], vocabulary: Collection[str]) -> bool:
    rest = [one for one in found if one not in ID_WORDS]
    if len(rest) == 1 and rest[0] not in vocabulary and rest[0].endswith("id"):
        rest = [rest[0].removesuffix("id")]
    return bool(rest) and all(one in vocabulary for one in rest)


def are_events(texts: Collection[str]) -> bool:
    """Whether most of these values are names of events, and one of them is more than being shown."""
    known = [text for text in texts if EVENTS & {text.lower(), *words(text)}]
    return 2 * len(known) >= len(texts) and any(acts(text) for text in known)


def several_events(texts: Collection[str]) -> bool:
    """Events of different kinds: two names are known, so that they are no states of one (paid, billed)."""
    return are_events(texts) and len([text for text in texts if EVENTS & {text.lower(), *words(text)}]) > 1


def acts(text: str) -> bool:
    """Whether an event is something that somebody did, not only an exposure."""
    return not set(SHOWN) & {text.lower(), *words(text)}


def denies(text: str) -> bool:
    """Whether a name says that something did not happen, or that somebody disliked it."""
    return any(word.startswith(DENIALS) for word in words(text))


def says_no(text: str) -> bool:
    """Whether a value does: nein, not_clicked, no click."""
    spoken = words(text) or [text.strip().lower()]
    return spoken[0] in NO or denies(text)


def speaks_of(name: str, vocabulary: Collection[str]) -> bool:
    """Whether some word of the name is one of these."""
    return bool(set(words(name)) & set(vocabulary))


def rank_of(name: str, vocabulary: tuple[str, ...]) -> int:
    """The place of the name's first known word in a vocabulary that begins with the surest."""
    found = [vocabulary.index(one) for one in (*words(name), *(w.removesuffix("id") for w in words(name)))
             if one in vocabulary]  # fmt: skip
    return min(found, default=len(vocabulary))


def contract_names(raws: Iterable[str], taken: Collection[str] = (), prefix: str = "col") -> dict[str, str]:
    """A name that a contract may use for each of the file's names: letters, digits and _, each once."""
    used = {one.lower() for one in taken}
    found = {}
    for number, raw in enumerate(raws, 1):
        base = re.sub(r"[^A-Za-z0-9]+", "_", plain(raw)).strip("_")
        if not base or base[0].isdigit():
            base = f"{prefix}_{base}" if base else f"{prefix}{number}"
        if base.lower() in RESERVED or base.lower().startswith(RESERVED_STARTS):
            base = f"log_{base}"
        name, again = base, 2
        while name.lower() in used:
            name, again = f"{base}_{again}", again + 1
        used.add(name.lower())
        found[raw] = name
    return found
