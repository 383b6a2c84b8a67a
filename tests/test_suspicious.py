"""Names that smell of outcomes: every outcome of the public logs is suspected, none of their inputs is."""

import pytest

from hinet_core.contract import load_contract, packaged_contracts
from hinet_core.contract.suspicious import suspicious

# As the publishers of KuaiRand, Tenrec, Taobao, Criteo, Ali-CCP and RetailRocket spell them, and some common ones.
OUTCOMES = """
is_click is_like is_follow is_comment is_forward is_hate long_view play_time_ms profile_stay_time comment_stay_time
is_profile_enter click follow like share watching_times nonclk clk conversion conversion_timestamp conversion_id
attribution click_nb cpo purchase is_order order_at ordered bought playTimeMs PlayTime dwell_time dwellTimeSec spend
total_spend revenue revenue_eur GMV conversions purchased is_purchase paid_at reward label add_to_cart order_value
watch-time read_percentage non_click Clicked finished
"""
INPUTS = """
user_id video_id date hourmin time_ms duration_ms tab follow_user_num fans_user_num register_days video_duration
server_width music_id tag video_category gender age hist_1 cms_segid adgroup_id pid brand price campaign click_pos
cost time_since_last_click cat1 cate_id position slot order_id sort_order market_share user_clicks_7d
past_purchases previous_order_value item_price like_minded_group shared_flat is_weekend playlist display
comment_language label_printer_model view follower_count
"""


@pytest.mark.parametrize("name", OUTCOMES.split())
def test_an_outcome_is_suspected(name):
    assert "known only after the exposure" in (suspicious(name) or "")


@pytest.mark.parametrize("name", INPUTS.split())
def test_an_input_is_not(name):
    assert suspicious(name) is None


@pytest.mark.parametrize("contract", packaged_contracts())
def test_no_input_of_a_packaged_contract_is_suspected(contract):
    assert [column.name for column in load_contract(contract).inputs if suspicious(column.name)] == []


def test_the_reason_quotes_what_gave_it_away():
    assert suspicious("playTimeMs") == (
        "'play_time' tells how long somebody stayed, which is known only after the exposure"
    )
