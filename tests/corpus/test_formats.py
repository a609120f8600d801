"""The folder structures in which corpora are published, rebuilt with invented rows."""

import re
from pathlib import Path

import numpy as np
import pytest

from slrcli.corpus import open_corpus
from slrcli.errors import DataError, UsageError

PHOENIX_HEADER = "id|folder|signer|annotation\n"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def clip(path: Path, columns: int = 6) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.zeros((4, columns), np.float32))
    return path


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG")


def multisigner(root: Path, suffix: str = ".corpus.csv") -> Path:
    """`phoenix-2014-multisigner` as it unpacks: tables, and a folder of pictures for every clip."""
    for split, signer in (("train", "Signer01"), ("dev", "Signer03"), ("test", "Signer08")):
        name = f"01April_2010_Thursday_heute_{split}-5"
        row = f"{name}|{name}/1/*.png|{signer}|__ON__ HEUTE loc-NORD REGEN __OFF__\n"
        write(root / f"annotations/manual/{split}{suffix}", PHOENIX_HEADER + row)
        picture(root / f"features/fullFrame-210x260px/{split}/{name}/1/{name}_fn000000-0.png")
    return root


@pytest.mark.parametrize(
    "place",
    ["features/{split}", "features/fullFrame-210x260px/{split}", "features/mediapipe/{split}", "features", "{split}"],
)
def test_phoenix_2014_finds_landmarks_beside_the_pictures(tmp_path, place):
    root = multisigner(tmp_path / "phoenix-2014-multisigner")
    files = {
        split: clip(root / place.format(split=split) / f"01April_2010_Thursday_heute_{split}-5.npy")
        for split in ("train", "dev", "test")
    }
    corpus = open_corpus(root)
    assert corpus.format == "phoenix2014" and not corpus.notes
    assert {split: corpus.require_features(split)[0].features for split in files} == files
    assert corpus.split("test")[0].signer == "Signer08"


def test_landmarks_in_a_folder_of_their_own_are_found_by_id(tmp_path):
    root = multisigner(tmp_path / "corpus")
    file = clip(tmp_path / "landmarks/train/01April_2010_Thursday_heute_train-5.npy")
    assert open_corpus(root, features=tmp_path / "landmarks").require_features("train")[0].features == file


def test_of_two_sets_of_features_none_is_chosen_in_silence(tmp_path):
    root = multisigner(tmp_path)
    for name in ("mediapipe", "openpose"):
        clip(root / f"features/{name}/train/01April_2010_Thursday_heute_train-5.npy")
    corpus = open_corpus(root)
    assert corpus.unmatched("train") and "mediapipe, openpose" in corpus.notes[0] and "--features" in corpus.notes[0]
    assert not open_corpus(root, features=root / "features/openpose").unmatched("train")


def test_si5_has_to_be_chosen_and_the_hint_says_how(tmp_path):
    multisigner(tmp_path / "phoenix-2014-signerindependent-SI5", ".SI5.corpus.csv")
    with pytest.raises(DataError, match="phoenix-2014-signerindependent-SI5 --format phoenix2014-si5"):
        open_corpus(tmp_path)
    with pytest.raises(DataError, match="--format phoenix2014-si5"):
        open_corpus(tmp_path / "phoenix-2014-signerindependent-SI5")
    corpus = open_corpus(tmp_path / "phoenix-2014-signerindependent-SI5", "phoenix2014-si5")
    assert [len(corpus.split(name)) for name in ("train", "dev", "test")] == [1, 1, 1]


def test_phoenix_2014_t(tmp_path):
    root = tmp_path / "PHOENIX-2014-T"
    header = "name|video|start|end|speaker|orth|translation\n"
    for split in ("train", "dev", "test"):
        name = f"11August_2010_Wednesday_{split}-1"
        row = f"{name}|{name}/1/*.png|-1|-1|Signer08|JETZT WETTER MORGEN|und nun das wetter\n"
        write(root / f"annotations/manual/PHOENIX-2014-T.{split}.corpus.csv", header + row)
        picture(root / f"features/fullFrame-210x260px/{split}/{name}/images0001.png")
        clip(root / f"features/fullFrame-210x260px/{split}/{name}.npy")
    write(root / "annotations/manual/PHOENIX-2014-T.train-complex-annotation.corpus.csv", header)
    corpus = open_corpus(root)
    assert corpus.format == "phoenix2014t" and corpus.require_features("dev")[0].glosses == (
        "JETZT",
        "WETTER",
        "MORGEN",
    )


def test_csl_daily(tmp_path):
    rows = "0|S000020_P0000_T00|103|他 想 去|他 想 去|他 想 去|r v v\n1|S000007_P0003_T00|99|你 好|你 好|你 好|r a\n"
    write(tmp_path / "sentence_label/video_map.txt", "index|name|length|gloss|char|word|postag\n" + rows)
    write(tmp_path / "sentence_label/split_1.txt", "name|split\nS000020_P0000_T00|train\nS000007_P0003_T00|test\n")
    write(tmp_path / "sentence_label/csl2020ct_v2.pkl", "a pickle that nobody opens")
    picture(tmp_path / "sentence/frames_512x512/S000020_P0000_T00/000000.jpg")
    clip(tmp_path / "features/S000020_P0000_T00.npy")
    corpus = open_corpus(tmp_path)
    (item,) = corpus.require_features("train")
    assert (item.signer, item.glosses) == ("P0000", ("他", "想", "去")) and corpus.split("test")[0].signer == "P0003"


def isharah(root: Path, task: str) -> None:
    write(root / f"annotations_v2/{task}/train.txt", "id|gloss\n14_0004|هو ذهب بيت\n03_0021|انا اكل\n")
    write(root / f"annotations_v2/{task}/dev.txt", "id|gloss\n09_0004|هو ذهب بيت\n")
    write(root / f"annotations_v2/{task}/{task}_test.txt", "id\n11_0001\n")


def test_isharah_has_the_signer_in_the_name_and_a_test_split_without_glosses(tmp_path):
    isharah(tmp_path, "SI")
    for name in ("14_0004", "03_0021", "09_0004", "11_0001"):
        clip(tmp_path / f"poses/{name}.npy", 172)
    corpus = open_corpus(tmp_path, features=tmp_path / "poses")
    assert corpus.format == "isharah-si"
    assert [(item.signer, item.glosses) for item in corpus.require_features("train")] == [
        ("14", ("هو", "ذهب", "بيت")),
        ("03", ("انا", "اكل")),
    ]
    assert [(item.id, item.glosses) for item in corpus.require_features("test")] == [("11_0001", ())]


def test_the_largest_size_of_isharah_that_is_there_is_read(tmp_path):
    for size in (1000, 2000):
        write(tmp_path / f"annotations_v2/isharah{size}/SI/train.txt", f"id|gloss\n14_{size}|هو\n")
    corpus = open_corpus(tmp_path)
    assert corpus.format == "isharah-si" and [item.id for item in corpus.split("train")] == ["14_2000"]


def test_both_tasks_of_isharah_are_a_question_to_the_user(tmp_path):
    isharah(tmp_path, "SI")
    isharah(tmp_path, "US")
    with pytest.raises(DataError, match=r"isharah-si, isharah-us.*--format isharah-si"):
        open_corpus(tmp_path)
    assert {path.parent.name for path in open_corpus(tmp_path, "isharah-us").tables} == {"US"}


HOW2SIGN = "VIDEO_ID\tVIDEO_NAME\tSENTENCE_ID\tSENTENCE_NAME\tSTART_REALIGNED\tEND_REALIGNED\tSENTENCE\n"


def test_how2sign_is_read_where_it_is_named_because_its_sentences_are_no_glosses(tmp_path):
    row = "-d5dN54tH2E\t-d5dN54tH2E-1-rgb_front\t-d5dN54tH2E_0\t-d5dN54tH2E_0-1-rgb_front\t0.0\t4.1\tWe're 6\" apart.\n"
    for split in ("train", "val"):
        write(tmp_path / f"how2sign_realigned_{split}.csv", HOW2SIGN + row)
        clip(tmp_path / f"features/{split}/-d5dN54tH2E_0-1-rgb_front.npy")
    with pytest.raises(DataError, match="--format how2sign"):
        open_corpus(tmp_path)
    corpus = open_corpus(tmp_path, "how2sign")
    (item,) = corpus.require_features("dev")
    assert item.glosses == ("We're", '6"', "apart.") and item.features.parent.name == "val"


def test_isl_cslrt_has_a_folder_of_takes_for_every_row(tmp_path):
    text = 'Sentence,SIGN GLOSSES\nare you free today,YOU FREE TODAY\n"no, i am bored",I BORED\n'
    write(tmp_path / "corpus_csv_files/ISL Corpus sign glosses.csv", text)
    files = [clip(tmp_path / f"features/are you free today/{take}.npy") for take in ("1", "2")]
    corpus = open_corpus(tmp_path)
    assert corpus.format == "isl-cslrt" and "All utterances are taken as train" in corpus.notes[0]
    assert [(item.id, item.features) for item in corpus.split("train")] == [
        ("are you free today/1", files[0]),
        ("are you free today/2", files[1]),
        ("no, i am bored", None),
    ]
    assert corpus.split("train")[1].glosses == ("YOU", "FREE", "TODAY")


# Columns that are called otherwise


OWN = "Clip Name,Who,Signed,Part\nc1,ann,HELLO YOU,train\nc2,bob,WHAT,val\n"
COLUMNS = {"id": "Clip Name", "glosses": "signed", "signer": "Who", "split": "Part"}


def test_columns_may_be_named(tmp_path):
    table = write(tmp_path / "mine.csv", OWN)
    with pytest.raises(DataError, match="slr corpus --column"):
        open_corpus(tmp_path)
    with pytest.raises(DataError, match=r"mine\.csv, line 1.*The header has: clip name, who, signed, part"):
        open_corpus(tmp_path, annotations=table)
    corpus = open_corpus(tmp_path, columns=COLUMNS)
    assert [(item.id, item.signer, item.split) for item in corpus.split("dev")] == [("c2", "bob", "dev")]
    with pytest.raises(DataError, match="No column is named nobody"):
        open_corpus(tmp_path, annotations=table, columns={**COLUMNS, "signer": "nobody"})
    with pytest.raises(UsageError, match=r"--column.*Did you mean 'signer'"):
        open_corpus(tmp_path, columns={"singer": "Who"})


def test_a_corpus_toml_says_it_to_every_command(tmp_path):
    root = tmp_path / "corpus"
    write(root / "tables/mine.csv", OWN)
    file = clip(tmp_path / "elsewhere/c1.npy")
    columns = "\n".join(f'{key} = "{name}"' for key, name in COLUMNS.items())
    write(root / "corpus.toml", f'annotations = "tables"\nfeatures = "../elsewhere"\n[columns]\n{columns}\n')
    corpus = open_corpus(root)
    assert corpus.split("train")[0].features.resolve() == file and corpus.split("train")[0].glosses == ("HELLO", "YOU")
    clip(tmp_path / "third/c1.npy")
    assert open_corpus(root, features=tmp_path / "third").split("train")[0].features == tmp_path / "third/c1.npy"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("format = 1", "format must be a text"),
        ("colums = {}", "Did you mean 'columns'"),
        ("[columns]\nname = 'x'", "Known columns: id"),
        ("format =", "not TOML"),
        ("format = 'phonix2014'", "Did you mean 'phoenix2014"),
        ("features = 'nowhere'", "no such folder"),
        (f"features = '{'x' * 5000}'", "no such folder"),
        (f"features = '{'x' * 5000}.pkl'", "no such folder"),
        (f"annotations = '{'x' * 5000}'", "cannot be read"),
    ],
)
def test_a_corpus_toml_that_says_nonsense_is_named(tmp_path, text, said):
    multisigner(tmp_path)
    write(tmp_path / "corpus.toml", text)
    with pytest.raises((DataError, UsageError), match=said):
        open_corpus(tmp_path)


def test_the_published_tables_are_found_from_their_own_folders(real_data, tmp_path):
    source = real_data / "data" / "phoenix2014"
    for split, count in (("train", 5671), ("dev", 540), ("test", 629)):
        table = tmp_path / f"annotations/manual/{split}.corpus.csv"
        write(table, (source / f"phoenix2014.{split}.corpus.csv").read_text(encoding="utf-8"))
        corpus = open_corpus(tmp_path)
        assert len(corpus.split(split)) == count and all(item.glosses for item in corpus.split("train"))
    first = corpus.split("dev")[0]
    file = clip(tmp_path / f"features/fullFrame-210x260px/dev/{first.id}.npy")
    assert open_corpus(tmp_path).split("dev")[0].features == file


@pytest.mark.parametrize(
    ("train", "dev", "wanted"),
    [
        ('"RAIN,SUN,NORTH" "SUN,RAIN" NORTH', '"RAIN,SUN" NORTH SUN', ["RAIN", "SUN"]),
        ('"RAIN;SUN;NORTH" "SUN;RAIN;SUN"', '"RAIN;SUN"', ["RAIN", "SUN"]),
        ('"RAIN,1 SUN" "SUN NORTH"', '"RAIN,SUN"', ["RAIN,SUN"]),
    ],
)
def test_a_small_table_is_taken_apart_like_the_others_of_its_corpus(tmp_path, train, dev, wanted):
    for split, cells in (("train", train), ("dev", dev)):
        rows = re.findall(r'"[^"]*"|\S+', cells)
        write(tmp_path / f"{split}.csv", "id,glosses\n" + "".join(f"{split}{i},{c}\n" for i, c in enumerate(rows)))
    corpus = open_corpus(tmp_path)
    assert list(corpus.split("dev")[0].glosses) == wanted
    told = [note for note in corpus.notes if "are separated by" in note]
    assert [("train.csv" in note, "dev.csv" in note) for note in told] == ([] if len(wanted) == 1 else [(True, True)])
