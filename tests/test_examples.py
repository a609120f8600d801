"""The examples: the same corpora, byte for byte, as the benchmark's own builder makes, from packs and raw files."""

import importlib.util
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
AUSLAN_SIGNS = ("God", "alive", "his_hers", "is_true_", "no", "not-my-problem", "read", "ready")
TRADUTTORE_SIGNS = (
    "can", "coffee", "get", "hello", "i", "large", "medium", "muffin",
    "no", "please", "small", "tea", "thank-you", "water",
)  # fmt: skip


def run(*arguments):
    return subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, timeout=120)


def make(name, *arguments):
    done = run(EXAMPLES / f"{name}.py", *arguments)
    assert done.returncode == 0, done.stderr


def refusal(name, *arguments):
    """What the script says when it refuses: no traceback, nothing but the message."""
    done = run(EXAMPLES / f"{name}.py", *arguments)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    return done.stderr


def contents(folder):
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def pack(path, frames, **known):
    """Write clips that lie end to end, as `--clips` reads them."""
    np.savez(path, x=np.concatenate(frames), length=np.array([len(x) for x in frames]), **known)
    return path


def recording(rng, columns):
    """Six decimals, as the raw text files have."""
    return np.round(rng.normal(size=(rng.integers(4, 9), columns)), 6).astype(np.float32)


@pytest.fixture(scope="module")
def theirs(real_data, tmp_path_factory):
    """Name -> the corpus of the benchmark's own builder, made when it is first asked for."""

    @cache
    def made(name):
        folder = tmp_path_factory.mktemp("theirs") / name
        assert run(real_data / "benchmarks" / "build.py", name, folder).returncode == 0
        return contents(folder)

    return made


@pytest.mark.slow
@pytest.mark.parametrize("name", ["isl30", "auslan", "traduttore", "boston104"])
def test_an_example_writes_the_corpus_of_the_table(real_data, theirs, tmp_path, name):
    source = real_data / "data" / name
    given = ["--raw", source] if name == "boston104" else ["--clips", source / "clips.npz"]
    make(name, *given, tmp_path / "ours")
    assert contents(tmp_path / "ours") == theirs(name)


@pytest.mark.slow
def test_raw_auslan_files_in_the_order_of_their_names_are_the_pack(real_data, theirs, tmp_path):
    """Written out as the archive has them, under the archive's spelling, the real clips come back in their order."""
    with np.load(real_data / "data" / "auslan" / "clips.npz", allow_pickle=False) as clips:
        arrays = {key: clips[key] for key in clips.files}
    spelling = {"GOD": "God", "I": "I", "NORWAY": "Norway", "COMPUTER_PC_": "computer_PC_"}
    frames = np.split(arrays["x"], np.cumsum(arrays["length"])[:-1])
    for x, sign, session, take in zip(frames, arrays["sign"], arrays["session"], arrays["rep"], strict=True):
        folder = tmp_path / "raw" / f"tctodd{session}"
        folder.mkdir(parents=True, exist_ok=True)
        np.savetxt(folder / f"{spelling.get(str(sign), str(sign).lower())}-{take}.tsd", x, "%.6f", delimiter="\t")
    make("auslan", "--raw", tmp_path / "raw", tmp_path / "ours")
    assert contents(tmp_path / "ours") == theirs("auslan")


@pytest.fixture
def auslan(tmp_path):
    """A made-up archive of nine sessions, and the seven of them that are used as a pack."""
    rng = np.random.default_rng(0)
    frames, signs, sessions = [], [], []
    for session in range(1, 10):
        folder = tmp_path / "tctodd" / f"tctodd{session}"
        folder.mkdir(parents=True)
        for sign in AUSLAN_SIGNS:
            for take in (1, 2, 3):
                x = recording(rng, 22)
                np.savetxt(folder / f"{sign}-{take}.tsd", x, "%.6f", delimiter="\t")
                if session in range(2, 9):
                    frames, signs, sessions = [*frames, x], [*signs, sign.upper()], [*sessions, session]
    pack(tmp_path / "clips.npz", frames, sign=np.array(signs), session=np.array(sessions))
    return tmp_path


def test_auslan_is_the_same_from_raw_files_and_from_a_pack(auslan):
    make("auslan", "--raw", auslan / "tctodd", auslan / "raw")
    make("auslan", "--clips", auslan / "clips.npz", auslan / "packed")
    assert contents(auslan / "raw") == contents(auslan / "packed")
    table = (auslan / "raw" / "annotations" / "dev.corpus.csv").read_text()
    assert "session7" in table and "session6" not in table and "IS_TRUE_" in table and "NOT-MY-PROBLEM" in table


def test_isl30_is_the_same_from_raw_files_and_from_a_pack(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "readme.txt").write_text("no recording")
    files = {}
    for sign in ("born", "you"):
        for i in range(1, 11):
            # One signer's name is capitalised in one sign: the files move to the front, the signer stays the fifth.
            name = f"{'P' if (sign, i) == ('born', 5) else 'p'}{i:02d}"
            for take in (1, 2, 3):
                files[f"{sign}_{name}_{take}.txt"] = recording(rng, 60), sign.upper(), i
    for name, (x, _, _) in files.items():
        np.savetxt(tmp_path / "texts" / name, x, "%.7f")
    used = [entry for _, entry in sorted(files.items()) if entry[2] <= 8]
    frames, signs, signers = zip(*used, strict=True)
    pack(tmp_path / "clips.npz", frames, sign=np.array(signs), signer=np.array(signers))
    make("isl30", "--raw", tmp_path / "texts", tmp_path / "raw")
    make("isl30", "--clips", tmp_path / "clips.npz", tmp_path / "packed")
    assert contents(tmp_path / "raw") == contents(tmp_path / "packed")
    table = (tmp_path / "raw" / "annotations" / "dev.corpus.csv").read_text()
    assert "|s08|" in table and "|s07|" not in table


def test_traduttore_is_the_same_from_raw_files_and_from_a_pack(tmp_path):
    rng = np.random.default_rng(0)
    frames, signs, parts = [], [], []
    for sign in [*TRADUTTORE_SIGNS, "yes"]:  # one folder more than the corpus has
        for take in range(14):  # by number, so that 10 follows 9: ten to train, one to dev, two left out
            folder = tmp_path / "MP_Data" / sign / str(take)
            folder.mkdir(parents=True)
            x = rng.normal(size=(20, 258))
            kept = 19 if take == 3 else 20  # a take that broke off
            for frame in range(kept):
                np.save(folder / f"{frame}.npy", x[frame])
            position = take - (take > 3)  # among the thirteen whole ones
            if sign != "yes" and take != 3 and position < 11:
                frames, signs = [*frames, x.astype(np.float16)], [*signs, sign.upper()]
                parts.append("train" if position < 9 else "dev")
    pack(tmp_path / "clips.npz", frames, sign=np.array(signs), part=np.array(parts))
    make("traduttore", "--raw", tmp_path / "MP_Data", tmp_path / "raw")
    make("traduttore", "--clips", tmp_path / "clips.npz", tmp_path / "packed")
    assert contents(tmp_path / "raw") == contents(tmp_path / "packed")
    assert "THANK-YOU" in (tmp_path / "raw" / "annotations" / "train.corpus.csv").read_text()


def test_boston104_orders_videos_frames_and_words(tmp_path):
    (tmp_path / "hands_condensed.csv").write_text(
        "video,frame,left-x,left-y,right-x,right-y,nose-x,nose-y\n"
        "10,0,1,1,1,1,1,1\n9,1,2,2,2,2,2,2\n9,0,3,3,3,3,3,3\n11,0,4,4,4,4,4,4\n"
    )
    head = "video,speaker,word,startframe,endframe\n"
    (tmp_path / "train_words.csv").write_text(head + "10,w,HI,0,1\n9,m,GO,12,14\n9,m,JOHN,3,9\n")
    (tmp_path / "test_words.csv").write_text(head + "11,w,HI,0,1\n")
    make("boston104", "--raw", tmp_path, tmp_path / "out")
    table = (tmp_path / "out" / "annotations" / "train.corpus.csv").read_text().splitlines()
    assert table[1:] == [
        "boston104-train-00001|boston104-train-00001.npy|m|JOHN GO",
        "boston104-train-00002|boston104-train-00002.npy|w|HI",
    ]
    first = np.load(tmp_path / "out" / "features" / "train" / "boston104-train-00001.npy")
    assert first.dtype == np.float32 and first[:, 0].tolist() == [3, 2] and first.shape == (2, 6)


def test_what_is_missing_is_named_without_a_traceback(tmp_path):
    assert "hands_condensed.csv" in refusal("boston104", "--raw", tmp_path, tmp_path / "out")
    assert "tctodd2" in refusal("auslan", "--raw", tmp_path, tmp_path / "out")
    assert "SIGN_SIGNER_TAKE.txt" in refusal("isl30", "--raw", tmp_path, tmp_path / "out")
    assert "can holds no takes" in refusal("traduttore", "--raw", tmp_path, tmp_path / "out")
    for name in ("isl30", "auslan", "traduttore"):
        assert "no.npz" in refusal(name, "--clips", tmp_path / "no.npz", tmp_path / "out")
    (tmp_path / "you_somebody_1.txt").touch()
    assert "names 1 signers, expected 10" in refusal("isl30", "--raw", tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_recording_that_does_not_fit_is_named(auslan):
    bad = auslan / "tctodd" / "tctodd4" / "read-2.tsd"
    np.savetxt(bad, np.zeros((3, 15)))
    assert "read-2.tsd" in refusal("auslan", "--raw", auslan / "tctodd", auslan / "out")
    bad.write_text("<html>not found</html>")
    assert "read-2.tsd" in refusal("auslan", "--raw", auslan / "tctodd", auslan / "out")
    (auslan / "broken.npz").write_bytes((auslan / "clips.npz").read_bytes()[:500])
    assert "broken.npz" in refusal("auslan", "--clips", auslan / "broken.npz", auslan / "out")
    one_short = pack(auslan / "short.npz", [np.zeros((4, 22))], sign=np.array(["A", "B"]), session=np.array([2]))
    assert "short.npz" in refusal("auslan", "--clips", one_short, auslan / "out")


def test_too_few_recordings_to_compose_are_refused_before_anything_is_written(tmp_path):
    frames = [np.zeros((4, 60), np.float32)] * 16
    few = pack(tmp_path / "few.npz", frames, sign=np.array(["A"] * 16), signer=np.repeat(np.arange(1, 9), 2))
    assert "fewer than 6" in refusal("isl30", "--clips", few, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["isl30", "auslan", "traduttore", "boston104"])
def test_help_shows_how_to_call_it(name):
    done = run(EXAMPLES / f"{name}.py", "--help")
    assert done.returncode == 0 and f"python examples/{name}.py --raw" in done.stdout


def test_a_published_report_of_sclite_is_made_again():
    folder = os.environ.get("SLR_PUBLISHED")
    if not folder:
        pytest.skip("SLR_PUBLISHED does not name a folder with clips.txt and google.txt")
    done = run(EXAMPLES / "published" / "lingit.py", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1652 hits, 322 S, 638 D, 34 I" in done.stdout


def test_a_published_report_that_does_not_come_out_is_an_error(tmp_path):
    lines = [f"a b (LL-Firenze__{number})\nx (RF-Firenze__{number})\n" for number in range(1, 219)]
    (tmp_path / "clips.txt").write_text("".join(lines), encoding="utf-8")
    (tmp_path / "google.txt").write_text("".join(lines).replace("a b (LL-Firenze__7)", "A (LL-Firenze__7)"), "utf-8")
    done = run(EXAMPLES / "published" / "lingit.py", tmp_path)
    ours = [line.split() for line in done.stdout.splitlines() if " ours " in line]
    assert done.returncode == 1 and ours == [
        ["ll", "ours", "217", "434", "99.8", "0.0", "0.2", "0.0", "0.2", "0.5"],
        ["rf", "ours", "217", "217", "100.0", "0.0", "0.0", "0.0", "0.0", "0.0"],
        ["Sum/Avg", "ours", "434", "651", "99.8", "0.0", "0.2", "0.0", "0.2", "0.2"],
    ]
    (tmp_path / "google.txt").write_text("".join(lines[:5]), encoding="utf-8")
    done = run(EXAMPLES / "published" / "lingit.py", tmp_path)
    assert done.returncode == 1 and "434 references, 10 hypotheses" in done.stderr and "Traceback" not in done.stderr


def test_no_fold_has_a_say_in_its_own_setting():
    path = EXAMPLES / "folds" / "language_model.py"
    spec = importlib.util.spec_from_file_location("language_model", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    errors = {(0.0, 0.0): [0, 9, 9], (0.5, 0.0): [50, 5, 5], (1.0, 1.0): [9, 5, 5]}
    assert module.chosen(errors, 0) == (
        0.5,
        0.0,
    )  # of equals the lighter one
    assert module.chosen(errors, 1) == (0.0, 0.0)


def test_the_tasks_of_a_job_array_extract_the_parts_one_each(tmp_path):
    """Slurm's part is played by the environment that it makes and a `srun` that only shows its command."""
    shim = tmp_path / "srun"
    shim.write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    shim.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    for task in range(3):
        slurm = {"SLURM_ARRAY_TASK_ID": str(task), "SLURM_ARRAY_TASK_COUNT": "3"}
        command = ["bash", EXAMPLES / "cluster" / "extract.slurm", "my videos", "out", "--fps", "25"]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **slurm, "PATH": path})
        assert done.stdout == f"slr|extract|my videos|--out|out|--part|{task + 1}/3|--fps|25|", done.stderr
