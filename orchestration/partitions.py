"""Days as partitions, and which days an asset reads to make one of its own."""

from datetime import timedelta

import dagster as dg

from hinet_core.contract import Contract


def days_of(contract: Contract) -> dg.DailyPartitionsDefinition:
    """One partition per day of the log; of a log without a last day, through today: a model can be as of today."""
    end = contract.last_day + timedelta(days=1) if contract.last_day else None
    return dg.DailyPartitionsDefinition(
        start_date=contract.first_day.isoformat(),
        end_date=end.isoformat() if end else None,
        timezone=contract.time_zone,
        end_offset=0 if end else 1,
    )


def reads(upstream: dg.AssetKey, first: int, last: int) -> dg.AssetDep:
    """Day D of an asset is made from days D+first … D+last of `upstream`; days that do not exist are left out."""
    return dg.AssetDep(
        upstream,
        partition_mapping=dg.TimeWindowPartitionMapping(
            start_offset=first, end_offset=last, allow_nonexistent_upstream_partitions=True
        ),
    )


def same_day(upstream: dg.AssetKey) -> dg.AssetDep:
    """The day D is made from the day D of `upstream`."""
    return reads(upstream, 0, 0)
