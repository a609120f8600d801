"""Tables that are written, and read again."""

import numpy as np
import pytest
from support.calling import slr

from slrcli.corpus import open_corpus

HOSTILE = ["../../x", "{root}/x", "..", ".", "a/b", "a\\b", "con", "NUL.txt", "dots.", "C:x", "\u202eniart", "x" * 61]


def table(folder, splits):
    """A corpus of one table, an utterance per split."""
    folder.mkdir()
    rows = [f"clip-{number},A B{number},{split}" for number, split in enumerate(splits)]
    (folder / "all.csv").write_text("id,glosses,split\n" + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return folder


@pytest.mark.parametrize("split", HOSTILE)
def test_a_split_is_a_name_and_no_path(tmp_path, split):
    source = table(tmp_path / "corpus", ["train", split.format(root=tmp_path)])
    before = sorted(tmp_path.rglob("*"))
    for command in (["corpus", source, "--out", tmp_path / "deep" / "out"], ["corpus", source]):
        result = slr(*command)
        assert result.exit_code == 1 and "all.csv, line 3" in " ".join(result.stderr.split())
        assert "defect" not in result.stderr
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("splits", [["train", "dev", "test"], ["train", "extra"], ["a", "b", "loose signs"]])
def test_splits_of_any_name_are_read_again(tmp_path, splits):
    source = table(tmp_path / "corpus", splits)
    result = slr("corpus", source, "--out", tmp_path / "out", "--format", "table")
    assert result.exit_code == 0, result.stderr
    read, again = open_corpus(source), open_corpus(tmp_path / "out")
    assert read.splits.keys() == again.splits.keys() and read.hash == again.hash


def test_sentences_are_composed_for_no_split_that_nobody_would_find(tmp_path):
    source = table(tmp_path / "corpus", [])
    names = [f"{gloss}{number}" for gloss in "AB" for number in range(4)]
    rows = [f"{name},{name[0]},{'dev' if name[1] == '0' else 'extra'}" for name in names]
    (source / "all.csv").write_text("id,glosses,split\n" + "".join(f"{row}\n" for row in rows))
    (source / "features").mkdir()
    for name in names:
        np.save(source / "features" / f"{name}.npy", np.random.default_rng(names.index(name)).normal(size=(20, 60)))
    result = slr("compose", source, "--out", tmp_path / "out", "--signs", "1", "1", "--split-by", "given")
    assert result.exit_code == 1 and "extra" in result.stderr and not (tmp_path / "out").exists()
