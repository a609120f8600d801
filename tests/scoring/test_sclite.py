"""sclite's counts, against sclite itself where it is installed (Debian's package sctk), and against brute force."""

import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slrcli.scoring.align import align_sclite, align_vac
from slrcli.scoring.protocols import get_protocol
from slrcli.scoring.sclite import escaped, meaning, signer_of
from slrcli.scoring.wer import by_group
from slrcli.transcripts import read_segments

SCLITE = shutil.which("sclite") or "/usr/lib/sctk/bin/sclite"
needs_sclite = pytest.mark.skipif(not Path(SCLITE).exists(), reason="sclite (Debian's package sctk) is not installed")


def lightest(ref, hyp):
    """Weight of the lightest path by its recursive definition."""
    if not ref or not hyp:
        return 3 * (len(ref) + len(hyp))
    pair = lightest(ref[1:], hyp[1:]) + 4 * (ref[0] != hyp[0])
    return min(pair, lightest(ref[1:], hyp) + 3, lightest(ref, hyp[1:]) + 3)


@given(st.lists(st.sampled_from("ABC"), max_size=5), st.lists(st.sampled_from("ABC"), max_size=5))
def test_the_path_is_the_lightest_and_gives_both_sides_back(ref, hyp):
    for aligner in (align_sclite, align_vac):
        found = aligner(ref, hyp)
        counts = found.counts
        weight = 4 * counts.substitutions + 3 * (counts.deletions + counts.insertions)
        assert weight == lightest(tuple(ref), tuple(hyp))
        assert found.ref == tuple(ref) and found.hyp == tuple(hyp)


def test_a_path_with_more_errors_than_the_edit_distance():
    assert align_sclite(list("ABCDE"), list("DEXYZ")).counts.errors == 6


def run_sclite(folder, utterances):
    """Counts by utterance id from sclite's own alignments; `utterances` are (id, signer, ref, hyp)."""
    with (
        (folder / "ref.stm").open("w", encoding="utf-8") as ref,
        (folder / "hyp.ctm").open("w", encoding="utf-8") as hyp,
    ):
        for id, signer, reference, hypothesis in sorted(utterances):  # sclite wants both files in one order
            ref.write(f"{id} 1 {signer} 0.0 1.79769e+308 {' '.join(reference)}\n")
            hyp.writelines(f"{id} 1 {number}.00 0.50 {gloss}\n" for number, gloss in enumerate(hypothesis))
    command = [SCLITE, "-h", "hyp.ctm", "ctm", "-r", "ref.stm", "stm", "-f", "0", "-o", "pralign", "stdout"]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=300).stdout
    found = re.findall(r"^File: (\S+)\n(?:.*\n)*?Scores: \(#C #S #D #I\) (\d+) (\d+) (\d+) (\d+)", said, re.MULTILINE)
    written = {id.lower(): id for id, *_ in utterances}  # as sclite writes them
    return {written[id]: tuple(map(int, numbers)) for id, *numbers in found}


def ours(protocol, utterances):
    refs, hyps = ({item[0]: item[place] for item in utterances} for place in (2, 3))
    found = protocol.score(refs, hyps).utterances
    return {item.id: (item.hits, item.substitutions, item.deletions, item.insertions) for item in found}


@needs_sclite
def test_thousands_of_pairs_get_the_counts_of_sclite(tmp_path):
    rng = random.Random(11)
    utterances = []
    for number in range(6000):
        alphabet = "ABCDEFGHIJKLMNOPabÄä"[: rng.choice([2, 3, 5, 9, 20])]
        ref, hyp = (rng.choices(alphabet, k=rng.randint(1, 14)) for _ in range(2))
        utterances.append((f"u{number:05}", f"s{number % 3}", ref, hyp))
    assert run_sclite(tmp_path, utterances) == ours(get_protocol("sclite"), utterances)


MARKS = "{}()/*@;\\<>%-_+[]!?#~^&|'\"$=.,:"


@needs_sclite
def test_tokens_of_any_marks_are_counted_as_sclite_counts_them_escaped_where_it_would_read_them(tmp_path):
    rng = random.Random(12)
    words = [a + b + c for a in ("", "A") for b in MARKS for c in ("", "B", b)]
    plain = [word for word in words if not meaning(word)]
    assert len(plain) > 100 and {"(A)", "A/B", "}", "%"}.isdisjoint(map(meaning, plain))
    utterances, safe = [], []
    for number in range(3000):
        pool = rng.sample(words if number % 2 else plain, 6)
        ref, hyp = (rng.choices(pool, k=rng.randint(1, 8)) for _ in range(2))
        utterances.append((f"u{number:05}", "s", ref, hyp))
        safe.append((f"u{number:05}", "s", list(map(escaped, ref)), list(map(escaped, hyp))))
    wanted = ours(get_protocol("sclite"), utterances)
    assert run_sclite(tmp_path, safe) == wanted
    untouched = [item for item in utterances if not any(map(meaning, [*item[2], *item[3]]))]
    assert len(untouched) >= 1500
    assert run_sclite(tmp_path, untouched) == {item[0]: wanted[item[0]] for item in untouched}


@needs_sclite
@pytest.mark.parametrize("token", ["A{B", "A\\B", "A;B", "@", "A*", "<A"])
def test_tokens_with_a_meaning_are_those_that_sclite_does_not_compare(token, tmp_path):
    """For each, some hypothesis gets another count from sclite than its text would get: the warning is not idle."""
    others = ([], ["AB"], ["A"], [token])
    utterances = [("u1", "s", [token, "X"], [*other, "X"]) for other in others]
    counts = [run_sclite(tmp_path, [item]) == ours(get_protocol("sclite"), [item]) for item in utterances]
    assert meaning(token) and not all(counts)


@needs_sclite
def test_ids_of_a_trn_name_the_signers_that_sclite_finds_in_them(tmp_path):
    rng = random.Random(14)
    refs, hyps = {}, {}
    for number in range(200):
        signer, mark = rng.choice(["anna", "bert", "cy_d"]), rng.choice("-_")
        id = f"{signer}{mark}{rng.choice(['', '-', '_x'])}{number}"
        refs[id], hyps[id] = (rng.choices("ABC", k=rng.randint(1, 5)) for _ in range(2))
    for name, side in (("ref", refs), ("hyp", hyps)):
        (tmp_path / name).write_text("".join(f"{' '.join(text)} ({id})\n" for id, text in side.items()))
    command = [SCLITE, "-r", "ref", "trn", "-h", "hyp", "trn", "-i", "rm", "-o", "rsum", "stdout"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True).stdout
    rows = re.findall(r"^ *\| (\S+) +\| +(\d+) +(\d+) *\| +(\d+) +(\d+) +(\d+) +(\d+) ", said, re.MULTILINE)
    score = get_protocol("sclite").score(refs, hyps)
    parts = by_group(score, {id: signer_of(id) for id in refs}) | {"Sum": score}
    assert {name: tuple(map(int, numbers)) for name, *numbers in rows} == {
        name: (len(p.utterances), p.ref_tokens, p.hits, p.substitutions, p.deletions, p.insertions)
        for name, p in parts.items()
    }
    assert len(parts) > 5 and signer_of("anna") == ""


@given(st.text(min_size=1, max_size=4), st.text(min_size=1, max_size=4))
def test_escaping_keeps_tokens_apart_and_leaves_no_meaning(one, other):
    assert not meaning(escaped(one))
    assert (escaped(one) == escaped(other)) == (one == other)


@needs_sclite
@pytest.mark.parametrize("split", ["dev", "test"])
def test_phoenix_references_by_signer(split, real_data, tmp_path):
    rng = random.Random(13)
    segments = read_segments(real_data / "data" / "phoenix2014" / f"phoenix2014-groundtruth-{split}.stm")
    glosses = sorted({gloss for item in segments for gloss in item.glosses})
    utterances = []
    for item in segments:
        hyp = [rng.choice(glosses) if rng.random() < 0.2 else gloss for gloss in item.glosses if rng.random() > 0.1]
        utterances.append((item.id, item.signer, list(item.glosses), hyp or ["X"]))
    theirs = run_sclite(tmp_path, utterances)
    protocol = get_protocol("sclite")
    score = protocol.score({id: ref for id, _, ref, _ in utterances}, {id: hyp for id, *_, hyp in utterances})
    signers = {id: signer for id, signer, *_ in utterances}
    for signer, part in by_group(score, signers).items():
        rows = [theirs[id] for id in signers if signers[id] == signer]
        assert [sum(column) for column in zip(*rows, strict=True)] == [
            part.hits,
            part.substitutions,
            part.deletions,
            part.insertions,
        ]
