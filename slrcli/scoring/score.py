"""What `slr score` does: score files of hypotheses against references under one protocol or all of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slrcli.console import Console, finite
from slrcli.errors import DataError, UsageError, first_five
from slrcli.frames import frame_of
from slrcli.glosses.variants import list_remains, plain, seen, told_apart
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.scoring.breakdown import Breakdown, breakdown, calibration, calibration_error
from slrcli.scoring.ids import other_path, same_ids
from slrcli.scoring.protocols import ALL, Protocol, changes, errors_by_step, get_protocols, removed_by_rule
from slrcli.scoring.sclite import meanings, signer_of
from slrcli.scoring.signature import signature
from slrcli.scoring.stats import Comparison, Interval, interval, intervals_dict
from slrcli.scoring.systems import SystemScore, system_names, system_scores
from slrcli.scoring.table import COLUMNS, SYSTEM, table_rows
from slrcli.scoring.wer import Score, apart_text, by_signer
from slrcli.transcripts import format_of, read_lines, read_segments
from slrcli.transcripts.cells import separated_text

if TYPE_CHECKING:
    import pandas

BY = ("id", "line")


@dataclass(frozen=True)
class ProtocolScore:
    """A pair of files under one protocol.

    Attributes:
        protocol: how it was scored.
        score: the errors.
        removed: rule -> tokens that it removed from references and from hypotheses.
        made: step -> errors that it adds, or hides if negative.
        floor: the error floor: errors of perfect recognition under this protocol.
        signature: one line that says how the score was computed.
    """

    protocol: Protocol
    score: Score
    removed: dict[str, tuple[int, int]]
    made: dict[str, int]
    floor: Score
    signature: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "protocol": self.protocol.signature,
            "description": self.protocol.description,
            "normaliser": self.protocol.normaliser,
            "signature": self.signature,
            "removed": {rule: {"ref": ref, "hyp": hyp} for rule, (ref, hyp) in self.removed.items()},
            "errors_by_step": self.made,
            "floor_errors": self.floor.errors,
            **self.score.to_dict(),
        }


@dataclass(frozen=True)
class ScoreResult:
    """The result of `slr score`.

    Attributes:
        protocol_scores: the first system under each requested protocol.
        by_signer: its score per signer, under the first protocol; empty if the references name no signers.
        intervals: '' is the whole over utterances, `signers` the whole over signers, other names are single signers.
        breakdown: the distribution of its errors.
        calibration: its confidences compared with its hits; empty if the file has none or the protocol changed glosses.
        others: further systems under the first protocol: name, score and comparison with the first.
        left_out: ids that were not scored because one side lacks them; only with `partial`.
        meanings: tokens with a special meaning to sclite, and that meaning.
        changes: (rule, side, id, before, after) of every change; only with `explain`.
        signers: utterance id -> signer, if known.
        filled_in: of each system, the ids without a hypothesis that count as deleted; only with `missing_as_empty`.
        systems: every system under every protocol, if there are several systems.
    """

    protocol_scores: tuple[ProtocolScore, ...]
    by_signer: dict[str, Score]
    intervals: dict[str, Interval]
    breakdown: Breakdown
    calibration: list[tuple[float, float, int, float, float]]
    others: tuple[tuple[str, Score, Comparison], ...]
    left_out: tuple[str, ...]
    meanings: dict[str, str]
    changes: tuple[tuple[str, str, str, str, str], ...] = ()
    signers: Mapping[str, str] = field(default_factory=dict)
    filled_in: tuple[tuple[str, ...], ...] = ((),)
    systems: tuple[SystemScore, ...] = ()

    @property
    def main(self) -> ProtocolScore:
        """The score under the first protocol."""
        return self.protocol_scores[0]

    def rows(self) -> list[dict[str, Any]]:
        """A row per utterance under the first protocol, of several systems one per system and utterance; see
        `slrcli.scoring.table`."""
        if not self.systems:
            return table_rows(self.main.score, self.signers)
        main = [one for one in self.systems if one.protocol == self.main.protocol]
        return [{SYSTEM: one.system, **row} for one in main for row in table_rows(one.score, self.signers)]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of `rows`."""
        return (SYSTEM, *COLUMNS) if self.systems else COLUMNS

    def to_frame(self) -> "pandas.DataFrame":
        """`rows` as a data frame.

        Raises:
            DependencyError: pandas is not installed.
        """
        return frame_of(self.rows(), self.columns)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for `--json`."""
        main = self.main
        changes = [dict(zip(("rule", "side", "id", "before", "after"), change, strict=True)) for change in self.changes]
        others = [
            {"name": name, **score.to_dict(), "comparison": asdict(found), "filled_in": list(filled_in)}
            for (name, score, found), filled_in in zip(self.others, self.filled_in[1:], strict=True)
        ]
        return finite(
            {
                "signature": main.signature,
                "protocol": main.protocol.signature,
                "rate": main.protocol.rate,
                **main.score.to_dict(self.by_signer, utterances=True),
                "intervals": intervals_dict(self.intervals),
                "protocols": [item.to_dict() for item in self.protocol_scores],
                "others": others,
                "systems": [item.to_dict() for item in self.systems],
                "breakdown": self.breakdown.to_dict(),
                "calibration": [list(row) for row in self.calibration],
                "calibration_error": calibration_error(self.calibration),
                "left_out": list(self.left_out),
                "filled_in": list(self.filled_in[0]),
                "sclite_meanings": self.meanings,
                "changes": changes,
            }
        )


@dataclass(frozen=True)
class Side:
    """One file: glosses, signers and confidences, by id."""

    glosses: dict[str, list[str]]
    signers: dict[str, str]
    confidences: dict[str, tuple[float, ...]]
    separator: str = ""
    without_ids: bool = False  # the format has no mark between id and glosses: the first word is taken


def score_files(
    console: Console,
    reference: Path,
    hypotheses: Sequence[Path],
    protocol: str = "plain",
    normaliser: str = "",
    by: str = "id",
    partial: bool = False,
    formats: tuple[str, str] = ("auto", "auto"),
    vocab: Path | None = None,
    explain: bool = False,
    seed: int = 1,
    signers_from_ids: bool = False,
    missing_as_empty: bool = False,
) -> ScoreResult:
    """Score one or more files of hypotheses against a file of references.

    Args:
        console: for warnings.
        reference: file of references.
        hypotheses: at least one file; each further one is compared with the first.
        protocol: its name, or "all".
        normaliser: replaces that of the protocol, on both sides; "" keeps it.
        by: "id", or "line" to pair utterances by their order, for files with different ids.
        partial: whether ids that one side lacks are left out instead of raising an error.
        formats: of the reference and of the hypotheses; "auto": by the suffix.
        vocab: vocabulary of the system; glosses outside it count to the error floor.
        explain: whether to record every change by a rule.
        seed: of the bootstrap.
        signers_from_ids: whether to read signers from ids, as sclite does with trn files, whatever else the file says.
        missing_as_empty: whether references without a hypothesis count as deleted.

    Raises:
        SlrError: a file cannot be read, the protocol is unknown, or the sides do not hold the same utterances.
    """
    if by not in BY:
        raise UsageError(f"Utterances cannot be paired by {by!r}.", "--by", "Use id or line.")
    protocols = get_protocols(protocol)
    if normaliser:
        if protocol == ALL:
            fix = "Leave one of the two options out."
            raise UsageError("Every protocol has its own normaliser.", "--protocol all --normaliser", fix)
        protocols = [protocols[0].with_normaliser(normaliser)]
    known = Vocabulary.load(vocab).glosses if vocab else None
    ref = read_side(reference, formats[0], by)
    systems = [read_side(path, formats[1], by) for path in hypotheses]
    if not ref.glosses:
        raise DataError("The file holds no utterance.", str(reference), "Name a file of references.")
    if by == "id":
        systems = [with_ids_of(ref, side, path, console) for path, side in zip(hypotheses, systems, strict=True)]
    filled_in: list[tuple[str, ...]] = [()] * len(systems)
    if missing_as_empty:
        for number, (path, side) in enumerate(zip(hypotheses, systems, strict=True)):
            glosses, filled_in[number] = filled(ref.glosses, side.glosses, str(path), console)
            systems[number] = replace(side, glosses=glosses)
    left_out = agree(reference, ref, hypotheses, systems, by, partial)
    signers = named_in_ids(reference, ref) if signers_from_ids else ref.signers
    refs = {id: glosses for id, glosses in ref.glosses.items() if id not in left_out}
    sides = [{id: system.glosses[id] for id in refs} for system in systems]
    if left_out:
        lost = sum(id in ref.glosses for id in left_out)
        hint = f" {lost} of them have no hypothesis: --missing-as-empty counts them as deleted." if lost else ""
        console.warn(f"{len(left_out)} utterances are on one side only and are not scored.{hint}")
    protocol_scores = tuple(score_protocol(item, refs, sides[0], known) for item in protocols)
    main = protocol_scores[0]
    several = system_scores(system_names(hypotheses), protocols, refs, sides, seed) if len(sides) > 1 else ()
    for text in remarks(reference, hypotheses, (ref, *systems), main, by):
        console.warn(text)
    others = tuple(
        (str(path), one.score, one.comparison)
        for path, one in zip(hypotheses[1:], several[1 : len(sides)], strict=True)  # those of the first protocol
        if one.comparison
    )
    used = [gloss for side in (refs, *sides) for glosses in side.values() for gloss in glosses]
    return ScoreResult(
        protocol_scores,
        by_signer(main.score, signers),
        intervals_of(main.score, signers, seed),
        breakdown(main.score),
        calibration(main.score, systems[0].confidences),
        others,
        tuple(left_out),
        meanings(used) if any("sclite" in item.protocol.name for item in protocol_scores) else {},
        changes_of(main.protocol, refs, sides[0]) if explain else (),
        signers,
        tuple(filled_in),
        several,
    )


def read_side(path: Path, format: str, by: str) -> Side:
    """One file, with its utterances by id or by number."""
    if by == "line":
        return Side(read_lines(path, format), {}, {})
    segments = read_segments(path, format)
    return Side(
        {item.id: list(item.glosses) for item in segments},
        {item.id: item.signer for item in segments},
        {item.id: item.confidences for item in segments if item.confidences},
        next((item.separator for item in segments if item.separator), ""),
        format_of(path, format) == "txt",
    )


def with_ids_of(ref: Side, side: Side, path: Path, console: Console) -> Side:
    """A side whose ids are spelt as in the references where they name the same utterance; see `same_ids`."""
    found = same_ids(ref.glosses, side.glosses)
    if not found:
        return side
    note_ids(console, found, str(path))
    glosses = {found.get(id, id): own for id, own in side.glosses.items()}
    return replace(side, glosses=glosses, confidences={found.get(id, id): own for id, own in side.confidences.items()})


def note_ids(console: Console, found: Mapping[str, str], where: str) -> None:
    """Say which ids of hypotheses were matched in spite of folders or file extensions."""
    pairs = [f"{hyp} with {ref}" for hyp, ref in found.items() if other_path(hyp, ref)]
    if pairs:
        console.note(f"Ids matched without folders and file extensions in {where} ({len(pairs)}): {first_five(pairs)}")


def filled(
    refs: Mapping[str, list[str]], hyps: Mapping[str, list[str]], where: str, console: Console
) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    """Hypotheses with an empty one for every reference without a hypothesis, and the ids of those."""
    missing = tuple(id for id in refs if id not in hyps)
    if missing:
        console.note(f"{where} lacks {len(missing)} of {len(refs)} utterances, which count as deleted.")
    return {**hyps, **{id: [] for id in missing}}, missing


def named_in_ids(path: Path, side: Side) -> dict[str, str]:
    """Utterance id -> the signer in the id.

    Raises:
        DataError: no id names a signer.
    """
    signers = {id: signer_of(id) for id in side.glosses}
    if not any(signers.values()):
        fix = "Use ids like signer-utterance or signer_utterance, or leave --signers-from-ids out."
        raise DataError("No id names a signer.", str(path), fix)
    return signers


def agree(
    reference: Path, ref: Side, paths: Sequence[Path], systems: Sequence[Side], by: str, partial: bool
) -> dict[str, None]:
    """The ids that are not on every side, with `partial`; otherwise such ids are an error.

    Raises:
        DataError: the sides do not hold the same utterances, or (even with `partial`) share none.
    """
    apart: dict[str, None] = {}
    for path, system in zip(paths, systems, strict=True):
        missing = [id for id in ref.glosses if id not in system.glosses]
        extra = [id for id in system.glosses if id not in ref.glosses]
        if not (missing or extra):
            continue
        shared = len(ref.glosses) - len(missing)
        if not partial or not shared:
            raise apart_error(reference, path, missing, extra, shared, by)
        apart |= dict.fromkeys([*missing, *extra])
    if ref.glosses and not set(ref.glosses) - set(apart):
        raise DataError("No utterance is in all files.", str(reference), "Score the files one by one.")
    return apart


def apart_error(reference: Path, path: Path, missing: list[str], extra: list[str], shared: int, by: str) -> DataError:
    """The error for two files that do not hold the same utterances."""
    if by == "line":
        fix = "Check that both files hold one utterance per line, including empty lines."
    elif shared:
        fix = "Complete the file, or score only the common utterances with --partial."
        if missing:
            fix = f"{fix} If nothing was recognised in the others, --missing-as-empty counts them as deleted."
        if not any(map(marked_id, [*missing, *extra])):
            fix = f"{fix} If the lines hold glosses without ids, use --by line."
    else:
        fix = "The files have no common id. Check them, or pair utterances by their order with --by line."
    what = apart_text(missing, extra, len(missing) + shared, len(extra) + shared, "references")
    own = {plain(id): id for id in missing}
    same = [f"{told_apart(own[plain(id)])} and {told_apart(id)}" for id in extra if plain(id) in own]
    if same:
        what = f"{what} {len(same)} ids differ only in case, composition or what cannot be seen: {first_five(same)}"
    return DataError(what, f"{path} against {reference}", fix)


def remarks(
    reference: Path, paths: Sequence[Path], sides: Sequence[Side], main: ProtocolScore, by: str
) -> Iterator[str]:
    """What may make a rate mean something else than its reader thinks, a sentence or two each."""
    for path, side in zip((reference, *paths), sides, strict=True):
        if side.separator:
            yield f"The glosses of {path} are separated by {separated_text(side.separator)}."
    ref, hyp = sides[:2]
    if by == "id" and ref.without_ids and hyp.without_ids and words_for_ids(ref, hyp):
        yield taken_for_ids(reference, paths[0], main)
    pairs = [(edit.ref, edit.hyp) for one in main.score.utterances for edit in one.alignment.edits if edit.op == "S"]
    for name, key in (("nfc", seen), ("casefold", plain)):
        same = [(a, b) for a, b in pairs if a and b and key(a) == key(b)]
        pairs = [pair for pair in pairs if pair not in same]
        if same:
            first = first_five([f"{told_apart(a)} and {told_apart(b)}" for a, b in dict.fromkeys(same)])
            how = "look the same" if name == "nfc" else "differ only in case or in compatible forms"
            yield (
                f"{len(same)} substitutions are between tokens that {how}: {first}. "
                f"With --normaliser {name} they are the same."
            )
    remains = list_remains(gloss for side in sides for glosses in side.glosses.values() for gloss in glosses)
    if remains:
        yield (
            f"{len(remains)} kinds of tokens look like parts of lists, or like several glosses in one: "
            f"{first_five(remains)}. Separate glosses by blanks, or in one way throughout the file."
        )


def marked_id(id: str) -> bool:
    """Whether a word looks like an id rather than a gloss: it holds a digit, or a mark of file names."""
    return any(char.isdigit() or char in "_/.\\:" for char in id)


def words_for_ids(ref: Side, hyp: Side) -> bool:
    """Whether the first words of lines, which are read as ids, are rather glosses."""
    ids = {**ref.glosses, **hyp.glosses}
    if not any(map(marked_id, ids)):
        return True
    glosses = {gloss for side in (ref, hyp) for found in side.glosses.values() for gloss in found}
    return any(id in glosses for id in ids) and not all(id.isdigit() for id in ids)


def taken_for_ids(reference: Path, path: Path, main: ProtocolScore) -> str:
    """The warning that ids may be glosses, with the rate that they would give."""
    names = first_five([one.id for one in main.score.utterances])
    text = f"The first word of every line was taken as an id, and these look like glosses: {names}."
    refs, hyps = read_lines(reference, "txt"), read_lines(path, "txt")
    if set(refs) != set(hyps):
        return f"{text} If they are, use --by line."
    whole = main.protocol.score(refs, hyps)
    tokens = "characters" if main.protocol.of_characters else "glosses"
    now, then = (f"{one.wer:.2f} % of {one.ref_tokens} {tokens}" for one in (main.score, whole))
    return f"{text} If they are, use --by line: that gives {then} instead of {now}."


def score_protocol(
    protocol: Protocol,
    refs: Mapping[str, list[str]],
    hyps: Mapping[str, list[str]],
    known: Sequence[str] | None,
    **made_by: str,
) -> ProtocolScore:
    """One pair of sides under one protocol; `known` is the system's vocabulary, `made_by` is added to the signature."""
    score = protocol.score(refs, hyps)
    return ProtocolScore(
        protocol,
        score,
        removed_by_rule(protocol, refs, hyps),
        errors_by_step(protocol, refs, hyps),
        protocol.floor(refs, known),
        signature(protocol, score, refs, hyps, **made_by),
    )


def intervals_of(score: Score, signers: Mapping[str, str], seed: int) -> dict[str, Interval]:
    """The intervals of the whole over utterances ('') and over signers (`signers`), and of each signer."""
    found = {"": interval(score, seed=seed)}
    if len(set(signers.values())) > 1:
        found["signers"] = interval(score, signers, seed=seed)
    found |= {f"signer {name}": interval(part, seed=seed) for name, part in by_signer(score, signers).items()}
    return found


def changes_of(
    protocol: Protocol, refs: Mapping[str, list[str]], hyps: Mapping[str, list[str]]
) -> tuple[tuple[str, str, str, str, str], ...]:
    """Every change by a rule of the protocol's normaliser."""
    return tuple(
        (change.rule, ("reference", "hypothesis")[side], id, " ".join(change.before), " ".join(change.after))
        for side, id, change in changes(protocol, refs, hyps)
    )
