"""When requests come: how many a day, at which hour, in which scenario."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from hinet_core.world.config import WorldConfig

HOURS = np.arange(24)
HOUR_US = 3_600_000_000


@dataclass(frozen=True)
class Traffic:
    """The calendar of a world. Hours are local to its time zone."""

    config: WorldConfig
    first_day: date
    time_zone: str

    def days(self) -> list[date]:
        return [self.first_day + timedelta(days=offset) for offset in range(self.config.days)]

    def requests_on(self, day: date) -> int:
        """Requests of a day: fixed, not drawn, so a log has the size its settings say."""
        return round(self.config.requests_per_day * (self.config.weekend_requests if is_weekend(day) else 1.0))

    @property
    def weekend_share(self) -> float:
        """Share of requests that fall on Saturday or Sunday in an average week."""
        weekend = 2 * self.config.weekend_requests
        return weekend / (5 + weekend)

    @cached_property
    def hour_scenario_HS(self) -> NDArray[np.float64]:  # noqa: N802
        """Joint probability of hour and scenario: margins are the daily curve and the exact shares."""
        scenarios = list(self.config.scenarios.values())
        hours_H = hour_intensity()
        share_S = np.array([one.share for one in scenarios])
        share_S = share_S / share_S.sum()
        peak_S = np.array([one.peak_hour for one in scenarios])
        swing = np.cos(2 * np.pi * (HOURS[:, None] - peak_S[None]) / 24)
        joint = hours_H[:, None] * share_S[None] * (1 + self.config.share_swing * swing)
        # Iterative proportional fitting keeps the swing and restores both margins.
        for _ in range(100):
            joint *= (hours_H / joint.sum(axis=1))[:, None]
            joint *= (share_S / joint.sum(axis=0))[None]
        return joint

    def hour_start_us(self, day: date) -> NDArray[np.int64]:
        """(24,) epoch microseconds (UTC) at which each local hour of the day begins."""
        zone = ZoneInfo(self.time_zone)
        starts = [datetime(day.year, day.month, day.day, int(hour), tzinfo=zone) for hour in HOURS]
        return np.array([round(start.timestamp()) * 1_000_000 for start in starts], dtype=np.int64)


def is_weekend(day: date) -> bool:
    return day.weekday() >= 5


def hour_intensity() -> NDArray[np.float64]:
    """(24,) share of a day's requests per hour: a quiet night, peaks at lunch (12) and dinner (18)."""
    lunch = np.exp(-0.5 * ((HOURS - 12) / 1.5) ** 2)
    dinner = np.exp(-0.5 * ((HOURS - 18) / 2.0) ** 2)
    awake = 1 / (1 + np.exp(-(HOURS - 8.0)))
    curve = 0.05 + 0.25 * awake + lunch + 0.9 * dinner
    return curve / curve.sum()
