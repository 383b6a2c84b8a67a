"""Tiny logs in the exact layout of the public ones, quirks included, each with the truth about its rows.

Every writer fills a folder as the publisher's archive does when unpacked and returns a `Truth` that it counted itself.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path


@dataclass
class Truth:
    """What must come out: rows by verdict, and per scenario the kept rows and the positives of each task."""

    duplicate: int = 0
    quarantined: int = 0
    unmatched: dict[str, int] = field(default_factory=dict)
    violations: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    positives: Counter[tuple[str, str]] = field(default_factory=Counter)

    def keep(self, scenario: str, **labels: int) -> None:
        """Count a row; tasks after the first hold only where the first does."""
        self.kept[scenario] += 1
        first = next(iter(labels.values()))
        for task, label in labels.items():
            self.positives[scenario, task] += label and first
            self.violations[task] += label > first


def write(path: Path, lines: Iterable[str], encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding=encoding)


KUAIRAND = (
    "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate,long_view,"
    "play_time_ms,duration_ms,profile_stay_time,comment_stay_time,is_profile_enter,is_rand,tab"
)
KUAIRAND_USERS = (
    "user_id,user_active_degree,is_lowactive_period,is_live_streamer,is_video_author,follow_user_num,"
    "follow_user_num_range,fans_user_num,fans_user_num_range,friend_user_num,friend_user_num_range,register_days,"
    "register_days_range," + ",".join(f"onehot_feat{n}" for n in range(18))
)
KUAIRAND_VIDEOS = (
    "video_id,author_id,video_type,upload_dt,upload_type,visible_status,video_duration,server_width,server_height,"
    "music_id,music_type,tag"
)


def kuairand(folder: Path, version: str, parts: tuple[str, ...] = ("",)) -> Truth:
    """Standard logs over six Beijing days, a long view without a click, a row that comes twice, an unknown tab."""
    draw, truth = random.Random(version), Truth()
    data = folder / f"KuaiRand-{version}" / "data"
    start = datetime(2022, 4, 7, 16, tzinfo=UTC)  # midnight of the 8th in Beijing
    halves: dict[str, list[str]] = {"4_08_to_4_21": [], "4_22_to_5_08": []}
    for number in range(240):
        half, day = ("4_08_to_4_21", number % 3) if number < 120 else ("4_22_to_5_08", 14 + number % 3)
        shown = start + timedelta(days=day, seconds=300 * number)
        tab, click = draw.choice([0, 1, 1, 1, 2, 4, 6, 11]), draw.randrange(2)
        long_view, like = draw.randrange(2), int(draw.random() < 0.1)
        local = shown + timedelta(hours=8)
        row = [
            draw.randrange(20), 100 + draw.randrange(12), f"{local:%Y%m%d}", local.hour * 100 + local.minute,
            int(shown.timestamp() * 1000) + number, click, like, 0, 0, 0, 0, long_view, draw.randrange(30_000), 9000,
            0, 0, 0, 0, tab,
        ]  # fmt: skip
        halves[half].append(",".join(map(str, row)))
        truth.keep(str(tab), click=click, long_view=long_view)
    first = halves["4_08_to_4_21"]
    first.append(first[0])
    truth.duplicate = 1
    first.append(",".join([*first[1].split(",")[:-1], "15"]))
    truth.quarantined = 1
    for half, rows in halves.items():
        for nth, part in enumerate(parts):
            write(data / f"log_standard_{half}_{version}{part}.csv", [KUAIRAND, *rows[nth :: len(parts)]])
    # The random log and the statistics of the publisher lie beside and must not be read.
    write(data / f"log_random_4_22_to_5_08_{version}.csv", [KUAIRAND, first[0]])
    write(data / f"video_features_statistic_{version}.csv", ["video_id,counts", "100,7"])
    users = [
        f'{user},full_active,0,0,1,{user},"(0,10]",3,"[1,10)",0,0,400,"[366,730]",'
        + ",".join("" if n == 4 else f"{n}.0" if n > 11 else str(n) for n in range(18))
        for user in range(19)  # user 19 has no row
    ]
    write(data / f"user_features_{version}.csv", [KUAIRAND_USERS, *users])
    videos = [f'{video},7,NORMAL,2022-03-01,LongImport,0.0,,720.0,1280.0,9.0,,"12,65"' for video in range(100, 112)]
    write(data / f"video_features_basic_{version}.csv", [KUAIRAND_VIDEOS, *videos])
    everyone = [row for rows in halves.values() for row in rows]
    lost = sum(row.startswith("19,") for row in set(everyone) if not row.endswith(",15"))
    truth.unmatched = {"users": lost, "videos": 0}
    return truth


def aliexpress(folder: Path) -> Truth:
    """Two of the five countries: no header, one page to many products, a code 0/1/2, a page without its user row."""
    draw, truth = random.Random(1), Truth(unmatched={"pages": 0})
    for country in ("nl", "es"):
        inside = folder / f"aliexpress_{country.upper()}_datasets"
        for part, pages in (("train", 40), ("test", 20)):
            users, items = [], []
            for page in range(pages):
                numbers = [str(draw.randrange(9)) for _ in range(7)] + [f"{draw.random():.4f}" for _ in range(23)]
                if page:
                    users.append(",".join([f"{page}", *numbers, "1", "2"]))
                for _ in range(3):
                    code = draw.choice([0, 0, 1, 2])
                    cells = [
                        str(draw.randrange(9)) if n in (19, 34, 35, 36, 40, 41, 42) else f"{draw.random():.4f}"
                        for n in range(2, 49)
                    ]
                    items.append(",".join([f"{page}", *cells, str(code)]))
                    truth.keep(country, click=int(code > 0), buy=int(code == 2))
                    truth.unmatched["pages"] += not page
            if country == "nl" and part == "train":
                items.append(items[0][:-1] + "3")
                truth.quarantined = 1
            write(inside / f"{country}_user_{part}.csv", users)
            write(inside / f"{country}_item_{part}.csv", items)
    return truth


def tenrec(folder: Path) -> Truth:
    """Four files of two kinds, the scenario in their names, one of them misspelt, no times, gender 0 = unknown."""
    draw, truth = random.Random(2), Truth()
    videos = "user_id,item_id,click,follow,like,share,video_category,watching_times,gender,age"
    articles = "user_id,item_id,click,follow,like,share,read,favorite,read_percentage,gender,age"
    for feed in ("QK-video", "QB-video", "QK-article", "QB-artilce"):
        header, rows = videos if feed.endswith("video") else articles, []
        for number in range(60):
            click, like, share = draw.randrange(2), draw.randrange(2), draw.randrange(2)
            outcomes = f"{click},0,{like},{share}"
            middle = f"{draw.randrange(9)},{click}" if header == videos else f"{click},0,{50 * click}"
            rows.append(f"{number // 6},{number},{outcomes},{middle},{number % 3},{draw.randrange(8)}")
            truth.keep(feed.replace("artilce", "article"), click=click, like=like, share=share)
        write(folder / "Tenrec" / f"{feed}.csv", [header, *rows])
    qk = folder / "Tenrec" / "QK-video.csv"
    rows = qk.read_text().splitlines()
    write(qk, [*rows, rows[1]])
    truth.duplicate = 1
    return truth


def tenrec_ctr(folder: Path) -> Truth:
    """Videos with ten clicked items, padded with 0."""
    draw, truth = random.Random(3), Truth()
    header = "user_id,item_id,click,follow,like,share,video_category,watching_times,gender,age," + ",".join(
        f"hist_{n}" for n in range(1, 11)
    )
    rows = []
    for number in range(80):
        click = draw.randrange(2)
        hist = [str(n) if n < number // 8 else "0" for n in range(1, 11)]
        rows.append(f"{number // 8},{number},{click},0,0,0,3,1,1,2,{','.join(hist)}")
        truth.keep("QK-video", click=click, like=0, share=0)
    write(folder / "ctr_data_1M.csv", [header, *rows])
    return truth


def open_bandit(folder: Path) -> Truth:
    """Policy and campaign in the path, an unnamed index column, as many affinities as the campaign has items."""
    draw, truth = random.Random(4), Truth(unmatched={"items": 0})
    start = datetime(2019, 11, 24, tzinfo=UTC)
    for policy in ("bts", "random"):
        for campaign, width in (("all", 5), ("men", 2), ("women", 3)):
            inside = folder / "open_bandit_dataset" / policy / campaign
            names = [f"user-item_affinity_{n}" for n in range(width)]
            header = ",timestamp,item_id,position,click,propensity_score," + ",".join(
                [*(f"user_feature_{n}" for n in range(4)), *names]
            )
            rows = []
            for number in range(28):
                shown = start + timedelta(hours=6 * number, microseconds=number + 1)
                click = int(draw.random() < 0.3)
                cells = [
                    number, f"{shown:%Y-%m-%d %H:%M:%S.%f}+00:00", number % width, 1 + number % 3, click,
                    1e-6 if number == 5 else 1 / width, *"abcd", *[float(n == 1) for n in range(width)],
                ]  # fmt: skip
                rows.append(",".join(map(str, cells)))
                truth.keep(campaign, click=click)
            write(inside / f"{campaign}.csv", [header, *rows])
            items = [f"{n},{n},{-0.5 * n},{policy}x,{campaign}y,z" for n in range(width)]
            features = ",".join(f"item_feature_{n}" for n in range(4))
            write(inside / "item_context.csv", [f",item_id,{features}", *items])
    return truth


def taobao_ads(folder: Path) -> Truth:
    """Keys of two names, a blank at the end of a header, NULL brands, seconds cut into days at +08:00."""
    draw, truth = random.Random(5), Truth(unmatched={"ads": 0, "users": 0})
    start = int(datetime(2017, 5, 5, 16, tzinfo=UTC).timestamp())
    rows = []
    for number in range(160):
        click, place, user, ad = draw.randrange(2), draw.choice(["430548_1007", "430539_1007"]), number % 9, number % 7
        rows.append(f"{user},{start + number * 4320},{ad},{place},{1 - click},{click}")
        truth.keep(place, click=click)
        truth.unmatched["users"] += user == 8
    write(folder / "raw_sample.csv", ["user,time_stamp,adgroup_id,pid,nonclk,clk", *rows])
    ads = [f"{ad},4,5,6,{'NULL' if ad < 3 else ad},{ad + 0.5}" for ad in range(7)]
    write(folder / "ad_feature.csv", ["adgroup_id,cate_id,campaign_id,customer,brand,price", *ads])
    header = (
        "userid,cms_segid,cms_group_id,final_gender_code,age_level,pvalue_level,shopping_level,occupation,"
        "new_user_class_level "
    )
    write(folder / "user_profile.csv", [header, *(f"{user},0,5,2,4,,3,0,{user}" for user in range(8))])
    write(folder / "behavior_log.csv", ["user,time_stamp,btag,cate,brand", "1,1494000000,pv,3,4"])
    return truth


def packed(*features: tuple[object, ...]) -> str:
    """Ali-CCP's cell: features between \\x01, in each field \\x02 id \\x03 weight."""
    return "\x01".join(f"{field}\x02{one}\x03{weight}" for field, one, weight in features)


def aliccp(folder: Path) -> Truth:
    """Two parts of a skeleton and a common file, control bytes, absent fields, a conversion without a click."""
    draw, truth = random.Random(6), Truth()
    for part, size in (("train", 60), ("test", 30)):
        rows, users = [], []
        for user in range(6):
            features = [(101, 900 + user, 1.0), (122, 7, 1.0), (127, 3, 1.0)]
            features += [("127_14", 500 + n, round(draw.random(), 5)) for n in range(user)]
            users.append(f"{user:016x},{len(features)},{packed(*features)}")
        for number in range(size):
            click, conversion, place = draw.randrange(2), int(draw.random() < 0.2), 9351665 + number % 3
            features = [(205, number % 8, 1.0), (210, 5, 1.0), (210, 6, 1.0), (301, place, 1.0), (508, 1, 2.30259)]
            rows.append(f"{number},{click},{conversion},{number % 6:016x},5,{packed(*features)}")
            truth.keep(str(1 + number % 3), click=click, conversion=conversion)
        rows.append(f"{size},0,0,{0:016x},1,{packed((301, 9351665, 1.0))}")  # no item
        truth.quarantined += 1
        write(folder / f"sample_skeleton_{part}.csv", rows)
        write(folder / f"common_features_{part}.csv", users)
    return truth


def aliccp_aitm(folder: Path) -> Truth:
    """Three processed parts with a header, 0 = rare or missing."""
    draw, truth = random.Random(7), Truth()
    fields = "101,121,122,124,125,126,127,128,129,205,206,207,216,508,509,702,853,301"
    for part in ("train", "dev", "test"):
        rows = []
        for number in range(40):
            click, purchase = draw.randrange(2), int(draw.random() < 0.2)
            ids = [number % 5, *[number % 3] * 16, number % 4]
            rows.append(",".join(map(str, [click, purchase, *ids])))
            truth.keep(str(number % 4), click=click, purchase=purchase)
        write(folder / f"ctr_cvr.{part}", [f"click,purchase,{fields}", *rows])
    return truth


WRITERS: dict[str, Callable[[Path], Truth]] = {
    "aliccp": aliccp,
    "aliccp_aitm": aliccp_aitm,
    "aliexpress": aliexpress,
    "kuairand_1k": lambda folder: kuairand(folder, "1k"),
    "kuairand_27k": lambda folder: kuairand(folder, "27k", ("_part1", "_part2")),
    "kuairand_pure": lambda folder: kuairand(folder, "pure"),
    "open_bandit": open_bandit,
    "taobao_ads": taobao_ads,
    "tenrec": tenrec,
    "tenrec_ctr": tenrec_ctr,
}
