"""A report of sclite's that somebody published, made again from the files beside it.

    python examples/published/lingit.py FOLDER

FOLDER holds `clips.txt` and `google.txt`, two trn files of the public repository that README.md names, at the commits
that it names. Sentences, words and percentages of both speakers and of all are compared with the published ones; a
difference is an error.
"""

import argparse
import re
import sys
from pathlib import Path

from slrcli.scoring.protocols import get_protocol
from slrcli.scoring.wer import Score, by_group

LINE = re.compile(r"(.*)\((LL|RF)-Firenze_+(\d+)\) *")
UTTERANCES = 217  # of each speaker; the references have one more, without a hypothesis
PUBLISHED = {
    "ll": ("217", "1175", "63.4", "15.5", "21.1", "1.2", "37.8", "76.0"),
    "rf": ("217", "1437", "63.1", "9.7", "27.1", "1.4", "38.3", "84.8"),
    "Sum/Avg": ("434", "2612", "63.2", "12.3", "24.4", "1.3", "38.1", "80.4"),
}


def transcripts(path: Path) -> dict[str, list[str]]:
    """Speaker and number of the utterance (`ll-1`) -> words, from a trn file."""
    found = (LINE.fullmatch(line) for line in path.read_text(encoding="utf-8-sig").splitlines())
    return {
        f"{match[2].lower()}-{match[3]}": match[1].split() for match in found if match and int(match[3]) <= UTTERANCES
    }


def report_row(score: Score) -> tuple[str, ...]:
    """Sentences, words, then correct, substituted, deleted, inserted, all errors and wrong sentences in percent."""
    counts = (score.hits, score.substitutions, score.deletions, score.insertions, score.errors)
    wrong = sum(item.errors > 0 for item in score.utterances)
    shares = [100 * count / score.ref_tokens for count in counts] + [100 * wrong / len(score.utterances)]
    return (str(len(score.utterances)), str(score.ref_tokens), *(f"{share:.1f}" for share in shares))


def main() -> int:
    """Print what was published and what comes out; 0 if it is the same."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where clips.txt and google.txt are")
    folder = parser.parse_args().folder
    try:
        refs, hyps = (transcripts(folder / name) for name in ("clips.txt", "google.txt"))
    except (OSError, UnicodeDecodeError) as error:
        print(f"cannot read the files: {error}", file=sys.stderr)
        return 1
    if len(refs) != 2 * UTTERANCES or refs.keys() != hyps.keys():
        print(f"{len(refs)} references, {len(hyps)} hypotheses, not {2 * UTTERANCES} of the same ids", file=sys.stderr)
        return 1
    score = get_protocol("sclite").score(refs, hyps)
    found = {**by_group(score, {id: id[:2] for id in refs}), "Sum/Avg": score}
    print(f"{'':20} Snt   Wrd   Corr    Sub    Del    Ins    Err  S.Err")
    for name, part in found.items():
        for source, row in (("published", PUBLISHED[name]), ("ours", report_row(part))):
            print(f"{name:8}{source:12}{row[0]:>4}{row[1]:>6}" + "".join(f"{share:>7}" for share in row[2:]))
    print(f"{score.hits} hits, {score.substitutions} S, {score.deletions} D, {score.insertions} I")
    return int({name: report_row(part) for name, part in found.items()} != PUBLISHED)


if __name__ == "__main__":
    sys.exit(main())
