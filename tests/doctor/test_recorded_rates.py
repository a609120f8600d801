"""What `slr check data` says of clips whose files say other frame rates."""

import json

import pytest
from support.calling import slr
from support.frame_rates import write_corpus


def findings(root, *options) -> list[dict]:
    done = slr("check", "data", "--data-dir", root, "--only", "D27", "--json", *options)
    return [item for item in json.loads(done.stdout)["findings"] if item["code"] == "SLR-D27"]


@pytest.mark.parametrize(
    ("rates", "told", "count"),
    [((30, 30, 60), "", 12), ((30, 60, 100), "", 24), ((30, 60), "fps = 25\n", 36), ((30, 29.97), "", 0)],
)
def test_clips_of_another_rate_than_the_corpus_are_listed(tmp_path, rates, told, count):
    root = write_corpus(tmp_path, rates)
    (root / "corpus.toml").write_text(told)
    warnings = [item for item in findings(root) if "recorded at another frame rate" in item["what"]]
    assert [item["what"].split()[0] for item in warnings] == ([str(count)] if count else [])


def test_rates_are_counted_clip_by_clip(tmp_path):
    said = [item["what"] for item in findings(write_corpus(tmp_path, (30, 60, 60)))]
    assert any("frame rates: 30 (12), 60 (24)" in what for what in said)
    silent = [item["what"] for item in findings(write_corpus(tmp_path / "silent", told=False))]
    assert not any("frame rates:" in what for what in silent)
