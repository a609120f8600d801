"""A row of sclite's own report that somebody published, made again from the files beside it.

    python examples/published/lingit.py FOLDER

FOLDER holds `clips.txt` and `google.txt`, two trn files of the public repository that README.md names, at the commits
that it names. Both are kept by line: a line counts if it ends in the id of an utterance of the speaker whose row is
made again. Rows, percentages, words and sentences are compared with the published ones; a difference is an error.
"""

import argparse
import re
import sys
from pathlib import Path

from slrcli.scoring.protocols import get_protocol
from slrcli.scoring.wer import Score

LINE = re.compile(r"(.*)\(LL-Firenze_+(\d+)\) *")
UTTERANCES = 217  # the reference has one more, which the published report had not yet
PUBLISHED = ("217", "1175", "63.4", "15.5", "21.1", "1.2", "37.8", "76.0")


def transcripts(path: Path) -> dict[str, list[str]]:
    """Number of the utterance -> words, of one speaker's lines in a trn file."""
    found = (LINE.fullmatch(line) for line in path.read_text(encoding="utf-8-sig").splitlines())
    rows = {match[2]: match[1].split() for match in found if match}
    return {number: words for number, words in rows.items() if int(number) <= UTTERANCES}


def report_row(score: Score) -> tuple[str, ...]:
    """Sentences, words, then correct, substituted, deleted, inserted, all errors and wrong sentences in percent."""
    counts = (score.hits, score.substitutions, score.deletions, score.insertions, score.errors)
    wrong = sum(item.errors > 0 for item in score.utterances)
    shares = [100 * count / score.ref_tokens for count in counts] + [100 * wrong / len(score.utterances)]
    return (str(len(score.utterances)), str(score.ref_tokens), *(f"{share:.1f}" for share in shares))


def main() -> int:
    """Print both rows; 0 if they are the same."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where clips.txt and google.txt are")
    folder = parser.parse_args().folder
    try:
        refs, hyps = (transcripts(folder / name) for name in ("clips.txt", "google.txt"))
    except (OSError, UnicodeDecodeError) as error:
        print(f"cannot read the files: {error}", file=sys.stderr)
        return 1
    if len(refs) != UTTERANCES or refs.keys() != hyps.keys():
        print(
            f"{len(refs)} references and {len(hyps)} hypotheses, not {UTTERANCES} each: other commits?", file=sys.stderr
        )
        return 1
    score = get_protocol("sclite").score(refs, hyps)
    found = report_row(score)
    print("           Snt   Wrd   Corr    Sub    Del    Ins    Err  S.Err")
    for name, row in (("published", PUBLISHED), ("ours", found)):
        print(f"{name:10}{row[0]:>4}{row[1]:>6}" + "".join(f"{share:>7}" for share in row[2:]))
    print(f"{score.hits} hits, {score.substitutions} S, {score.deletions} D, {score.insertions} I")
    return int(found != PUBLISHED)


if __name__ == "__main__":
    sys.exit(main())
