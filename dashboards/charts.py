"""Frame in, chart out. One palette: a model has the colour and the shape of its slot on every page.

Colours keep 3:1 against the light and the dark background and differ for the common kinds of colour blindness; nothing
is told by colour alone.
"""

import altair as alt
import pandas as pd

PALETTE = ("#0072B2", "#767676", "#D55E00", "#008F6B", "#B5589A", "#A77300")
SHAPES = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross")
STATUS_COLORS = {"kept": "#0072B2", "duplicate": "#A77300", "quarantined": "#D55E00"}
# Streamlit fits a chart into its height, axis, title and legend included.
FRAME_PX = 105
ROW_PX = 30
NEUTRAL = "#767676"


def model_scale(models: dict[str, int]) -> tuple[alt.Scale, alt.Scale]:
    """Colour and shape scales from display name -> slot."""
    names = list(models)
    return (
        alt.Scale(domain=names, range=[PALETTE[slot % len(PALETTE)] for slot in models.values()]),
        alt.Scale(domain=names, range=[SHAPES[slot % len(SHAPES)] for slot in models.values()]),
    )


def dots(frame: pd.DataFrame, models: dict[str, int], title: str, rule_at: float | None = None) -> alt.LayerChart:
    """One row per scenario, one mark with its interval per model.

    `frame` has row, model, value, low, high, low_n, text, in the order to show; hollow marks have few positives.
    """
    color, shape = model_scale(models)
    rows = list(dict.fromkeys(frame["row"]))
    offset = alt.YOffset("model:N", sort=list(models), scale=alt.Scale(paddingInner=0.4, paddingOuter=0.4))
    base = alt.Chart(frame.dropna(subset=["value"])).encode(
        y=alt.Y("row:N", sort=rows, title=None, axis=alt.Axis(labelLimit=110, labelOverlap=False)), yOffset=offset
    )
    legend = alt.Legend(orient="top", title=None, columns=3)
    hue = alt.Color("model:N", scale=color, legend=legend)
    x = alt.X("value:Q", title=title, scale=alt.Scale(zero=False, nice=True), axis=alt.Axis(tickCount=5))
    whiskers = (
        base.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=2)
        .encode(x=alt.X("low:Q", title=title), x2="high:Q", color=hue)
    )
    points = base.mark_point(size=70, strokeWidth=2, opacity=1).encode(
        x=x,
        color=hue,
        shape=alt.Shape("model:N", scale=shape, legend=legend),
        fill=alt.Color("model:N", scale=color, legend=None),
        fillOpacity=alt.condition("datum.low_n", alt.value(0.0), alt.value(1.0)),
        tooltip=[
            alt.Tooltip("row:N", title="Scenario"),
            alt.Tooltip("model:N", title="Model"),
            alt.Tooltip("text:N", title="Value"),
        ],
    )
    layers = [whiskers, points] if rule_at is None else [reference(rule_at), whiskers, points]
    height = len(rows) * max(26, 13 * len(models) + 8)
    return alt.LayerChart(layer=[*layers]).properties(height=height + FRAME_PX)


def reference(at: float, dashed: bool = False) -> alt.Chart:
    """A vertical line at a value."""
    dash = [5, 4] if dashed else [1, 0]
    return (
        alt.Chart(pd.DataFrame({"at": [at]}))
        .mark_rule(color=NEUTRAL, strokeWidth=1.5, strokeDash=dash, aria=False)
        .encode(x="at:Q")
    )


def forest(frame: pd.DataFrame, published: dict[str, float]) -> alt.LayerChart:
    """Lift per scenario in percent: interval, point, hollow tick of the oracle, dashed published figures.

    `frame` has row, lift_pct, low_pct, high_pct, oracle_pct, conclusion, text, in the order to show.
    """
    rows = list(frame["row"])
    words = ["better", "worse", "no detectable difference"]
    title = "Lift of expected orders per request, %"
    base = alt.Chart(frame).encode(
        y=alt.Y("row:N", sort=rows, title=None, axis=alt.Axis(labelLimit=110, labelOverlap=False))
    )
    hue = alt.Color(
        "conclusion:N",
        scale=alt.Scale(domain=words, range=[PALETTE[0], PALETTE[2], NEUTRAL]),
        legend=alt.Legend(orient="top", title=None, columns=2),
    )
    shape = alt.Shape(
        "conclusion:N",
        scale=alt.Scale(domain=words, range=["triangle-right", "triangle-left", "circle"]),
        legend=alt.Legend(orient="top", title=None, columns=2),
    )
    whiskers = (
        base.transform_filter("isValid(datum.low_pct)")
        .mark_rule(strokeWidth=4)
        .encode(x=alt.X("low_pct:Q", title=title), x2="high_pct:Q", color=hue)
    )
    points = base.mark_point(size=110, filled=True, opacity=1).encode(
        x=alt.X("lift_pct:Q", title=title, axis=alt.Axis(tickCount=7)),
        color=hue,
        shape=shape,
        tooltip=[alt.Tooltip("row:N", title="Scenario"), alt.Tooltip("text:N", title="Lift")],
    )
    oracle = (
        base.transform_filter("isValid(datum.oracle_pct)")
        .mark_tick(thickness=2, size=11, color=NEUTRAL)
        .encode(x="oracle_pct:Q", tooltip=[alt.Tooltip("oracle_pct:Q", title="Oracle, %", format="+.2f")])
    )
    lines = [reference(value, dashed=True) for value in published.values()]
    return alt.LayerChart(layer=[reference(0.0), *lines, oracle, whiskers, points]).properties(
        height=len(rows) * ROW_PX + FRAME_PX + 25
    )


def stacked_days(frame: pd.DataFrame, marks: pd.DataFrame) -> alt.LayerChart:
    """Rows per day by what became of them; `marks` has day, status, rows for days that are not committed."""
    bars = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=alt.X("day:O", title="Day", axis=alt.Axis(labelOverlap=True, labelAngle=0)),
            y=alt.Y("rows:Q", title="Rows read", axis=alt.Axis(format="~s", tickCount=5)),
            color=alt.Color(
                "kind:N",
                scale=alt.Scale(domain=list(STATUS_COLORS), range=list(STATUS_COLORS.values())),
                legend=alt.Legend(orient="top", title=None),
            ),
            order=alt.Order("order:Q"),
            opacity=alt.condition("datum.status == 'committed'", alt.value(1.0), alt.value(0.45)),
            tooltip=["day:O", "status:N", "kind:N", alt.Tooltip("rows:Q", format=",")],
        )
    )
    words = (
        alt.Chart(marks)
        .mark_text(baseline="bottom", dy=-4, fontWeight="bold", color=PALETTE[2], aria=False)
        .encode(x="day:O", y="rows:Q", text="status:N")
    )
    return alt.LayerChart(layer=[bars, words]).properties(height=300)


def heatmap(frame: pd.DataFrame) -> alt.LayerChart:
    """Checks by day; `frame` has day, kind, state (pass, warning, critical), sign, text."""
    states = ["pass", "info", "warning", "critical"]
    colors = ["#8fb8d0", "#b9bec4", "#f0b35a", "#d9622b"]
    base = alt.Chart(frame).encode(
        x=alt.X("day:O", title="Day", axis=alt.Axis(labelOverlap=True, labelAngle=0)),
        y=alt.Y("kind:N", title=None, sort="ascending", axis=alt.Axis(labelLimit=150, labelOverlap=False)),
    )
    cells = base.mark_rect(stroke="white", strokeWidth=1).encode(
        color=alt.Color(
            "state:N", scale=alt.Scale(domain=states, range=colors), legend=alt.Legend(orient="top", title=None)
        ),
        tooltip=["day:O", "kind:N", alt.Tooltip("text:N", title="Result")],
    )
    signs = base.mark_text(fontWeight="bold", color="#000000", aria=False).encode(text="sign:N")
    return alt.LayerChart(layer=[cells, signs]).properties(height=26 * frame["kind"].nunique() + FRAME_PX)


def history(frame: pd.DataFrame, title: str) -> alt.LayerChart:
    """An observed value over days with its bounds; `frame` has day, observed, expected_low, expected_high, status."""
    base = alt.Chart(frame).encode(x=alt.X("day:O", title="Day", axis=alt.Axis(labelOverlap=True, labelAngle=0)))
    y = alt.Y("observed:Q", title=title, scale=alt.Scale(zero=False))
    line = base.mark_line(color=PALETTE[0]).encode(y=y)
    points = base.mark_point(size=70, filled=True, opacity=1).encode(
        y=y,
        color=alt.Color(
            "status:N",
            scale=alt.Scale(domain=["pass", "fail"], range=[PALETTE[0], PALETTE[2]]),
            legend=alt.Legend(orient="top", title=None),
        ),
        shape=alt.Shape("status:N", scale=alt.Scale(domain=["pass", "fail"], range=["circle", "cross"])),
        tooltip=["day:O", "observed:Q", "expected_low:Q", "expected_high:Q", "status:N"],
    )
    bounds = [
        base.transform_filter(f"isValid(datum.{name})")
        .mark_line(color=NEUTRAL, strokeDash=[5, 4], aria=False)
        .encode(y=alt.Y(f"{name}:Q"))
        for name in ("expected_low", "expected_high")
    ]
    return alt.LayerChart(layer=[*bounds, line, points]).properties(height=280)


def trend(frame: pd.DataFrame, models: dict[str, int], title: str) -> alt.LayerChart:
    """A metric by as_of with its interval as a band; `frame` has as_of, model, value, low, high."""
    color, shape = model_scale(models)
    base = alt.Chart(frame.dropna(subset=["value"])).encode(
        x=alt.X("as_of:O", title="Trained as of", axis=alt.Axis(labelAngle=0))
    )
    legend = alt.Legend(orient="top", title=None, symbolOpacity=1)
    hue = alt.Color("model:N", scale=color, legend=legend)
    band = base.mark_area(opacity=0.15, aria=False).encode(
        y=alt.Y("low:Q", title=title, scale=alt.Scale(zero=False)),
        y2="high:Q",
        color=hue,
    )
    y = alt.Y("value:Q", title=title, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5))
    line = base.mark_line().encode(y=y, color=hue)
    points = base.mark_point(size=60, filled=True, opacity=1).encode(
        y=y,
        color=hue,
        shape=alt.Shape("model:N", scale=shape, legend=legend),
        tooltip=["as_of:O", "model:N", alt.Tooltip("text:N", title="Value")],
    )
    return alt.LayerChart(layer=[band, line, points]).properties(height=320)


def days_of_test(frame: pd.DataFrame) -> alt.LayerChart:
    """The lift so far by day, in percent: point, bar of the fixed interval, band of the one for daily looks, truth.

    `frame` has day, lift_pct, low_pct, high_pct, sequential_low_pct, sequential_high_pct, true_pct. The first days are
    cut off where their bars are wider than any band.
    """
    ends = frame[["sequential_low_pct", "sequential_high_pct"]].dropna()
    ends = frame[["low_pct", "high_pct"]].dropna() if ends.empty else ends
    low, high = (0.0, 0.0) if ends.empty else (ends.min().min(), ends.max().max())
    shown = [min(low, 0.0, frame["lift_pct"].iloc[-1]), max(high, 0.0, frame["lift_pct"].iloc[-1])]
    title = "Lift so far, %"
    scale = alt.Scale(domain=shown, nice=True)
    base = alt.Chart(frame).encode(x=alt.X("day:O", title="By the end of day", axis=alt.Axis(labelAngle=0)))
    band = (
        base.transform_filter("isValid(datum.sequential_low_pct)")
        .mark_area(opacity=0.18, color=PALETTE[0], clip=True, aria=False)
        .encode(y=alt.Y("sequential_low_pct:Q", title=title, scale=scale), y2="sequential_high_pct:Q")
    )
    bars = (
        base.transform_filter("isValid(datum.low_pct)")
        .mark_rule(strokeWidth=3, color=PALETTE[0], clip=True)
        .encode(y=alt.Y("low_pct:Q", title=title, scale=scale), y2="high_pct:Q")
    )
    points = base.mark_point(size=70, filled=True, opacity=1, color=PALETTE[0], clip=True).encode(
        y=alt.Y("lift_pct:Q", title=title, scale=scale),
        tooltip=[alt.Tooltip("day:O", title="Day")]
        + [
            alt.Tooltip(f"{name}_pct:Q", title=words, format="+.2f")
            for name, words in (
                ("lift", "Lift, %"), ("low", "Fixed, from"), ("high", "Fixed, to"),
                ("sequential_low", "For daily looks, from"), ("sequential_high", "For daily looks, to"),
                ("true", "Truth, %"),
            )
        ],
    )  # fmt: skip
    truth = base.mark_line(color=NEUTRAL, strokeDash=[5, 4], clip=True, aria=False).encode(
        y=alt.Y("true_pct:Q", title=title, scale=scale)
    )
    zero = (
        alt.Chart(pd.DataFrame({"at": [0.0]}))
        .mark_rule(color=NEUTRAL, strokeWidth=1.5, aria=False)
        .encode(y=alt.Y("at:Q", title=title, scale=scale))
    )
    return alt.LayerChart(layer=[zero, band, bars, truth, points]).properties(height=320)
