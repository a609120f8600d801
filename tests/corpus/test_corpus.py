"""Corpora: recognising formats, reading tables, finding features, dividing into splits."""

import csv
import os
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slrcli.corpus import Corpus, Utterance, default_split, dev_from_train, open_corpus
from slrcli.corpus.tables import check_id
from slrcli.errors import DataError, UsageError

PHOENIX = "id|folder|signer|annotation\n"


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def phoenix(root: Path, name: str = "annotations/manual/{split}.corpus.csv", **splits: str) -> Path:
    """A corpus in the Phoenix layout; every split is given as `id gloss gloss` lines."""
    for split, lines in (splits or {"train": "a A B\nb B", "dev": "c A", "test": "d B"}).items():
        rows = [line.split(" ", 1) for line in lines.splitlines()]
        text = "".join(f"{id}|{id}/1/*.png|Signer01|{glosses}\n" for id, glosses in rows)
        write(root / name.format(split=split), PHOENIX + text)
    return root


def features(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.zeros((2, 3), np.float32)) if path.suffix == ".npy" else np.savez(path, np.zeros((2, 3)))


def ids(corpus: Corpus) -> dict[str, list[str]]:
    return {name: [item.id for item in utterances] for name, utterances in corpus.splits.items()}


# Formats


@pytest.mark.parametrize("place", ["annotations/manual/", "annotations/", ""])
@pytest.mark.parametrize("prefix", ["", "phoenix2014."])
def test_phoenix_tables_are_found_wherever_they_lie(tmp_path, place, prefix):
    corpus = open_corpus(phoenix(tmp_path, place + prefix + "{split}.corpus.csv"))
    assert corpus.format == "phoenix2014"
    assert ids(corpus) == {"train": ["a", "b"], "dev": ["c"], "test": ["d"]}
    assert corpus.split("train")[0].glosses == ("A", "B")


def test_columns_go_by_name_and_bom_crlf_blank_lines_and_double_blanks_do_not_matter(tmp_path):
    text = "\ufeffSigner|annotation|id|folder\r\ns1|A  B |x|\r\n\r\ns2||y|\r\n"
    first, second = open_corpus(write(tmp_path / "train.corpus.csv", text).parent).split("train")
    assert (first.id, first.glosses, first.signer, first.line) == ("x", ("A", "B"), "s1", 2)
    assert (second.id, second.glosses, second.line) == ("y", (), 4)


def test_quotes_mean_nothing_between_bars(tmp_path):
    corpus = open_corpus(phoenix(tmp_path, train='x "A B" C\ny D"'))
    assert [item.glosses for item in corpus.split("train")] == [('"A', 'B"', "C"), ('D"',)]


def test_the_si5_split_is_never_chosen_silently(tmp_path):
    si5 = "annotations/manual/{split}.SI5.corpus.csv"
    phoenix(tmp_path, si5, train="s A")
    with pytest.raises(DataError, match="--format phoenix2014-si5"):
        open_corpus(tmp_path)
    phoenix(tmp_path)
    assert open_corpus(tmp_path).format == "phoenix2014"
    assert ids(open_corpus(tmp_path, "phoenix2014-si5")) == {"train": ["s"]}


def test_phoenix2014t(tmp_path):
    header = "name|video|start|end|speaker|orth|translation\n"
    write(tmp_path / "annotations/manual/PHOENIX-2014-T.train.corpus.csv", header + "n|n/*.png|-1|-1|Signer08|A B|ja\n")
    write(tmp_path / "annotations/manual/PHOENIX-2014-T.train-complex-annotation.corpus.csv", header)
    features(tmp_path / "features/train/n.npy")
    corpus = open_corpus(tmp_path)
    (item,) = corpus.require_features("train")
    assert (corpus.format, item.glosses, item.signer) == ("phoenix2014t", ("A", "B"), "Signer08")


def test_csl_daily(tmp_path):
    rows = "0|S1_P0003_T00|99|你 好|你好|你 好|r a\n1|S2_P0001_T00|9|我|我|我|r\n2|S3_P0001_T00|9|他|他|他|r\n"
    write(tmp_path / "sentence_label/video_map.txt", "index|name|length|gloss|char|word|postag\n" + rows)
    with pytest.raises(DataError, match=r"split_1\.txt"):
        open_corpus(tmp_path)
    write(tmp_path / "sentence_label/split_1.txt", "name|split\nS1_P0003_T00|train\nS2_P0001_T00|dev\n")
    corpus = open_corpus(tmp_path)
    assert corpus.format == "csl-daily" and ids(corpus) == {"train": ["S1_P0003_T00"], "dev": ["S2_P0001_T00"]}
    assert (corpus.split("train")[0].glosses, corpus.split("train")[0].signer) == (("你", "好"), "P0003")
    assert corpus.notes == ("1 utterances of video_map.txt have no split in split_1.txt and are left out.",)


@pytest.mark.parametrize(
    "text",
    [
        'id,glosses,signer,split\nx,"A,1 B",s1,train\ny,C,s2,valid\n',
        "name\tgloss\tspeaker\tsubset\nx\tA,1 B\ts1\ttrain\ny\tC\ts2\tVal\n",
    ],
)
def test_one_plain_table_with_a_split_column(tmp_path, text):
    write(tmp_path / "all.csv", text)
    write(tmp_path / "frames.tsv", "x\t12\n")
    corpus = open_corpus(tmp_path)
    assert corpus.format == "table" and ids(corpus) == {"train": ["x"], "dev": ["y"]}
    assert (corpus.split("train")[0].glosses, corpus.split("val")[0].signer) == (("A,1", "B"), "s2")


def test_semicolons_separate_where_no_comma_does(tmp_path):
    corpus = open_corpus(write(tmp_path / "train.csv", 'id;glosses\nx;"A;1"\n').parent)
    assert corpus.split("train")[0].glosses == ("A;1",)


def test_plain_tables_for_each_split(tmp_path):
    write(tmp_path / "annotations/train.txt", "id|gloss\n01_1|A\n")
    write(tmp_path / "annotations/validation.txt", "id|gloss\n02_1|NA\n")
    corpus = open_corpus(tmp_path)
    assert ids(corpus) == {"train": ["01_1"], "dev": ["02_1"]} and corpus.split("dev")[0].glosses == ("NA",)


def test_a_named_table_is_read_wherever_it_lies(tmp_path):
    table = write(tmp_path / "elsewhere" / "mine.csv", "id,annotation\nx,A\n")
    (tmp_path / "data").mkdir()
    corpus = open_corpus(tmp_path / "data", annotations=table)
    assert ids(corpus) == {"train": ["x"]} and "train" in corpus.notes[0]
    named = write(tmp_path / "elsewhere" / "test.SI5.corpus.csv", PHOENIX + "x||s|A\n")
    assert open_corpus(tmp_path / "data", annotations=named).format == "phoenix2014-si5"
    assert ids(open_corpus(tmp_path / "data", "phoenix2014-si5", annotations=named.parent)) == {"test": ["x"]}


def test_several_corpora_in_one_folder_are_a_question_to_the_user(tmp_path):
    phoenix(tmp_path, "phoenix2014.{split}.corpus.csv")
    write(tmp_path / "PHOENIX-2014-T.train.corpus.csv", "name|orth\nn|A\n")
    with pytest.raises(DataError, match=r"phoenix2014, phoenix2014t.*--format"):
        open_corpus(tmp_path)
    assert open_corpus(tmp_path, "phoenix2014t").split("train")[0].id == "n"


def test_what_cannot_be_recognised_says_what_would_be(tmp_path):
    with pytest.raises(DataError, match=r"csl-daily.*--annotations"):
        open_corpus(tmp_path)
    phoenix(tmp_path / "inner")
    with pytest.raises(DataError, match="inner looks like phoenix2014"):
        open_corpus(tmp_path)
    with pytest.raises(DataError, match=r"video_map\.txt in"):
        open_corpus(tmp_path, "csl-daily")
    with pytest.raises(UsageError, match="phoenix2014t"):
        open_corpus(tmp_path, "phoenix2014tt")
    with pytest.raises(DataError, match="no such folder"):
        open_corpus(tmp_path / "missing")
    with pytest.raises(UsageError, match="No corpus folder"):
        open_corpus("")
    with pytest.raises(DataError, match="--annotations"):
        open_corpus(write(tmp_path / "a.csv", "id,glosses\n"))


def test_two_tables_for_one_split_or_for_all_are_refused(tmp_path):
    phoenix(tmp_path, "val.corpus.csv", x="a A")
    phoenix(tmp_path, "dev.corpus.csv", x="a A")
    with pytest.raises(DataError, match=r"dev\.corpus\.csv and val\.corpus\.csv"):
        open_corpus(tmp_path)
    for name in ("a.csv", "b.tsv"):
        write(tmp_path / "plain" / name, "id,glosses\nx,A\n")
    with pytest.raises(DataError, match=r"2 tables.*a\.csv, b\.tsv"):
        open_corpus(tmp_path / "plain")


# Rows


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (PHOENIX + "a|b|c|A\nd|e\n", r"2 columns, the header 4.*line 3"),
        (PHOENIX + "a|b|c|A|B\n", r"5 columns.*line 2"),
        (PHOENIX + "|b|c|A\n", r"has no id.*line 2"),
        ("id|folder\na|b\n", r"No column is named glosses or gloss.*line 1.*id, folder"),
        ("", "empty"),
        (PHOENIX, "no utterance"),
        (PHOENIX.encode() + b"a|b|c|\xfcBER\n", r"0xfc at position 34.*line 2"),
        (PHOENIX.encode("utf-16"), "no utterance"),
        (b"\xff\xfe" + b"i\0d\0|\0\x00\xdc", "not UTF-16-LE: byte.*line 1"),
    ],
)
def test_a_table_that_cannot_be_read_is_named_with_its_line(tmp_path, content, text):
    write(tmp_path / "train.corpus.csv", content)
    with pytest.raises(DataError, match=text):
        open_corpus(tmp_path)


def test_lines_of_quoted_cells_are_counted_as_the_file_has_them(tmp_path):
    write(tmp_path / "train.csv", 'id,glosses\nx,"A\nB"\n\ny,C\n')
    assert [item.line for item in open_corpus(tmp_path).split("train")] == [2, 5]
    for broken, line in (('x,"A\n', 2), ("x,A\ny\n", 3)):
        write(tmp_path / "train.csv", "id,glosses\n" + broken)
        with pytest.raises(DataError, match=f"line {line}"):
            open_corpus(tmp_path)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.from_regex(r"[\w.-]*\w", fullmatch=True), st.lists(st.from_regex(r"\w+", fullmatch=True))))
)
def test_a_table_gives_what_the_csv_module_wrote(tmp_path_factory, rows):
    root = tmp_path_factory.mktemp("table")
    with (root / "train.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["id", "glosses"], ["first", "A"], *((id, " ".join(words)) for id, words in rows)])
    found = [(item.id, list(item.glosses)) for item in open_corpus(root).split("train")]
    assert found == [("first", ["A"]), *rows]


def test_repeated_ids_and_empty_annotations_are_kept_for_the_checks(tmp_path):
    corpus = open_corpus(phoenix(tmp_path, train="a A\na B\nb "))
    assert [(item.id, item.glosses, item.line) for item in corpus.split("train")] == [
        ("a", ("A",), 2),
        ("a", ("B",), 3),
        ("b", (), 4),
    ]


@pytest.mark.parametrize(
    "id", ["../x", "/etc/x", "a/../b", "a//b", ".", "..", "a\\b", "a\0b", "C:x", "a\x1b[2Jb", "a/"]
)
def test_an_id_that_leads_elsewhere_is_refused(tmp_path, id):
    with pytest.raises(DataError, match="cannot be a file name"):
        check_id(id, "here")
    phoenix(tmp_path, train="good A")
    table = tmp_path / "annotations/manual/train.corpus.csv"
    write(table, table.read_bytes() + f"{id}|x|s|A\n".encode())
    with pytest.raises(DataError, match="line 3"):
        open_corpus(tmp_path)


# Features


@pytest.mark.parametrize(
    "file", ["features/dev/c.npy", "features/dev/c.npz", "features/val/c.npy", "features/c.npy", "dev/c.npy", "c.npz"]
)
def test_features_are_found_by_id(tmp_path, file):
    features(tmp_path / file)
    corpus = open_corpus(phoenix(tmp_path))
    assert corpus.require_features("dev")[0].features == tmp_path / file
    assert [item.id for item in corpus.unmatched("train")] == ["a", "b"]


def test_the_nearer_folder_and_npy_win(tmp_path):
    features(tmp_path / "c.npy", tmp_path / "features/dev/c.npz")
    assert open_corpus(phoenix(tmp_path)).split("dev")[0].features == tmp_path / "features/dev/c.npz"
    features(tmp_path / "features/dev/c.npy")
    assert open_corpus(tmp_path).split("dev")[0].features == tmp_path / "features/dev/c.npy"


def test_another_folder_of_features_overrules(tmp_path):
    features(tmp_path / "corpus/features/dev/c.npy", tmp_path / "other/dev/c.npy", tmp_path / "other/a.npy")
    corpus = open_corpus(phoenix(tmp_path / "corpus"), features=tmp_path / "other")
    assert corpus.split("dev")[0].features == tmp_path / "other/dev/c.npy"
    assert corpus.split("train")[0].features == tmp_path / "other/a.npy"
    with pytest.raises(DataError, match="no such folder"):
        open_corpus(tmp_path / "corpus", features=tmp_path / "missing")


@pytest.mark.parametrize(
    "path", ["clips/one.npy", "./clips/one.mp4", "clips/one/1/*.png", "one.npz", "{root}/clips/one"]
)
def test_the_path_column_helps_where_the_id_does_not(tmp_path, path):
    features(tmp_path / "clips/one.npy", tmp_path / "features/one.npy")
    write(tmp_path / "train.csv", f"id,glosses,path\nx,A,{path.format(root=tmp_path)}\n")
    assert open_corpus(tmp_path).require_features("train")[0].features.stem == "one"


@pytest.mark.parametrize("path", ["../secret.npy", "/secret.npy", "inner/../../secret", "{root}/../secret.npy"])
def test_a_path_never_leads_out_of_the_corpus(tmp_path, path):
    features(tmp_path / "secret.npy", tmp_path / "corpus/inner/x.npy")
    text = f"id,glosses,path\nmissing,A,{path.format(root=tmp_path / 'corpus')}\n"
    corpus = open_corpus(write(tmp_path / "corpus/train.csv", text).parent)
    assert corpus.split("train")[0].features is None


def test_ids_may_name_folders_below(tmp_path):
    features(tmp_path / "features/train/day1/x.npy")
    corpus = open_corpus(phoenix(tmp_path, train="day1/x A\nday2/x A"))
    assert [item.features is not None for item in corpus.split("train")] == [True, False]


def test_missing_features_are_counted_named_and_the_paths_told(tmp_path):
    phoenix(tmp_path, train="\n".join(f"clip{number} A" for number in range(8)))
    features(tmp_path / "features/train/clip0.npy", tmp_path / "features/train/zzz.npy")
    corpus = open_corpus(tmp_path)
    with pytest.raises(DataError) as caught:
        corpus.require_features("train")
    error = caught.value
    assert error.what == "7 of 8 utterances of train have no feature file: clip1, clip2, clip3, clip4, clip5, ..."
    assert "clip1.npy (or .npz, " in error.where and "--features" in error.fix
    assert f"{tmp_path / 'features/train'} (2 feature files, such as clip0.npy)" in error.where
    assert f"{tmp_path / 'train'} (no such folder)" in error.where


def test_a_large_corpus_is_opened_without_asking_for_single_files(tmp_path, monkeypatch):
    count = 20_000
    phoenix(tmp_path, train="\n".join(f"clip{number} A B C" for number in range(count)))
    (tmp_path / "features/train").mkdir(parents=True)
    for number in range(200):
        (tmp_path / f"features/train/clip{number}.npy").touch()
    asked = []
    monkeypatch.setattr(os, "scandir", lambda path, real=os.scandir: asked.append(path) or real(path))
    monkeypatch.setattr(Path, "exists", lambda self: pytest.fail("asked for a single file"))
    start = time.perf_counter()
    corpus = open_corpus(tmp_path)
    assert time.perf_counter() - start < 10
    assert len(corpus.unmatched("train")) == count - 200
    assert len(asked) < 40


# Splits


def test_default_split_is_test_else_dev(tmp_path):
    assert default_split(open_corpus(phoenix(tmp_path / "1"))) == "test"
    assert default_split(open_corpus(phoenix(tmp_path / "2", dev="a A", train="b B"))) == "dev"
    with pytest.raises(DataError, match="--split train"):
        default_split(open_corpus(phoenix(tmp_path / "3", train="b B")))


def test_splits_have_other_names_and_an_unknown_one_lists_them(tmp_path):
    corpus = open_corpus(phoenix(tmp_path, "{split}.corpus.csv", training="a A", Validation="b B", testing="c C"))
    assert ids(corpus) == {"train": ["a"], "dev": ["b"], "test": ["c"]}
    assert corpus.split("valid") is corpus.split("dev")
    with pytest.raises(DataError, match="train, dev, test"):
        corpus.split("holdout")


def utterances(*names: str) -> list[Utterance]:
    return [Utterance(name, ("A",), split="train") for name in names]


def test_a_tenth_of_train_becomes_dev_by_seed_whatever_the_order():
    items = utterances(*(f"u{number}" for number in range(100)))
    train, dev = dev_from_train(items, seed=1)
    assert (len(train), len(dev)) == (90, 10) and {item.split for item in dev} == {"dev"}
    assert {item.id for item in train} | {item.id for item in dev} == {item.id for item in items}
    assert {item.id for item in dev_from_train(items[::-1], seed=1)[1]} == {item.id for item in dev}
    assert {item.id for item in dev_from_train(items, seed=2)[1]} != {item.id for item in dev}


def test_both_parts_keep_something_and_a_repeated_id_stays_together():
    train, dev = dev_from_train(utterances("a", "b"), seed=0)
    assert len(train) == len(dev) == 1
    for seed in range(20):
        train, dev = dev_from_train(utterances("a", "a", "b", "c"), seed=seed)
        assert not {item.id for item in train} & {item.id for item in dev}
    with pytest.raises(DataError, match="too few"):
        dev_from_train(utterances("a", "a"), seed=0)


def test_with_dev_takes_from_train_only_where_there_is_none(tmp_path):
    corpus = open_corpus(phoenix(tmp_path / "1"))
    assert corpus.with_dev(1) == (corpus, False)
    corpus = open_corpus(phoenix(tmp_path / "2", train="a A\nb B\nc C", test="d D"))
    changed, taken = corpus.with_dev(1)
    assert taken and list(changed.splits) == ["train", "dev", "test"] and "dev" not in corpus.splits
    assert len(changed.split("train")) == 2 and len(changed.split("dev")) == 1
    with pytest.raises(DataError, match="2/features/train"):
        changed.require_features("dev")


def test_a_dev_share_of_nothing_leaves_train_whole(tmp_path):
    corpus = open_corpus(phoenix(tmp_path, train="\n".join(f"u{i} A" for i in range(20)), test="d D"))
    changed, taken = corpus.with_dev(1, 0.0)
    ids = {item.id for item in changed.split("train")}
    assert taken and len(ids) == 20
    assert {item.id for item in changed.split("dev")} < ids and len(changed.split("dev")) == 2
    assert len(corpus.with_dev(1, 0.5)[0].split("dev")) == 10


def test_the_hash_follows_content_not_order_or_place(tmp_path):
    one = open_corpus(phoenix(tmp_path / "1", train="a A B\nb B")).hash
    assert one == open_corpus(phoenix(tmp_path / "2", "{split}.corpus.csv", train="b B\na A  B")).hash
    others = [{"train": "a A\nb B"}, {"test": "a A B\nb B"}, {"train": "a A\nb B B"}, {"train": "a A B\nc B"}]
    assert len({one, *(open_corpus(phoenix(tmp_path / f"x{i}", **item)).hash for i, item in enumerate(others))}) == 5


def test_a_normalised_corpus_differs_in_glosses_alone(tmp_path):
    corpus = open_corpus(phoenix(tmp_path, train="a loc-NORD __PU__"))
    changed = corpus.normalised("phoenix2014")
    assert changed.split("train")[0].glosses == ("NORD",) and corpus.split("train")[0].glosses[0] == "loc-NORD"
    assert changed.split("train")[0].line == 2 and changed.source == corpus.source


def test_the_source_names_the_train_table_and_its_content(tmp_path):
    source = open_corpus(phoenix(tmp_path)).source
    assert source.startswith("train.corpus.csv sha256:") and len(source.split(":")[1]) == 64


def test_the_published_tables(real_data, tmp_path):
    folder = real_data / "data" / "phoenix2014"
    with pytest.raises(DataError, match=r"phoenix2014, phoenix2014t.*--format"):
        open_corpus(folder)
    (tmp_path / "annotations" / "manual").mkdir(parents=True)
    for split in ("train", "dev", "test"):
        link = tmp_path / "annotations" / "manual" / f"{split}.corpus.csv"
        link.symlink_to(folder / f"phoenix2014.{split}.corpus.csv")
    linked, lying = open_corpus(tmp_path), open_corpus(folder, "phoenix2014")
    assert linked.hash == lying.hash
    assert {name: len(items) for name, items in linked.splits.items()} == {"train": 5671, "dev": 540, "test": 629}
    other = open_corpus(folder, "phoenix2014t")
    assert {name: len(items) for name, items in other.splits.items()} == {"train": 7096, "dev": 519, "test": 642}
    assert sum(len(item.glosses) for item in lying.split("test")) == 6504


@pytest.mark.parametrize("suffix", [".npy", ".parquet", ".safetensors"])
def test_a_path_column_names_files_of_every_suffix(tmp_path, suffix):
    (tmp_path / "files" / "7").mkdir(parents=True)
    (tmp_path / "files" / "7" / f"12{suffix}").write_bytes(b"")
    (tmp_path / "train.csv").write_text(f"id,glosses,path\na,HELLO,files/7/12{suffix}\n")
    corpus = open_corpus(tmp_path, "table", annotations=tmp_path / "train.csv")
    assert corpus.split("train")[0].features == tmp_path / "files" / "7" / f"12{suffix}"
