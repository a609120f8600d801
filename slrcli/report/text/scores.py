"""Protocols side by side, intervals, comparisons and breakdowns, for people."""

from collections.abc import Sequence

from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from slrcli.report.text.alignment import percent, rate_names, visible
from slrcli.report.text.tables import ResponsiveTable, score_line
from slrcli.scoring.breakdown import Breakdown, Familiarity
from slrcli.scoring.score import ProtocolScore
from slrcli.scoring.stats import Comparison, Interval
from slrcli.scoring.systems import SystemScore
from slrcli.scoring.wer import Score

SHOWN = 8  # rows of a list
SEEN, UNSEEN = "seen in train", "not seen"  # what sentences are called that were learnt from, and the others


def interval_text(found: Interval) -> str:
    """`12.3 to 14.5 %`, or why there is none."""
    if found.low != found.low:
        return "n/a (too little to draw from)"
    return f"{found.low:.2f} to {found.high:.2f} %"


def interval_lines(intervals: dict[str, Interval]) -> list[str]:
    """The intervals of the whole, one line each."""
    lines = [f"95 % interval over utterances: {interval_text(intervals[''])}"]
    if "signers" in intervals:
        over = intervals["signers"]
        few = ", few to draw from: take it as a hint" if over.units < 10 else ""
        lines.append(f"95 % interval over signers: {interval_text(over)} ({over.units} signers{few})")
    return lines


def protocol_table(protocol_scores: Sequence[ProtocolScore], plain: Score) -> ResponsiveTable:
    """One row per protocol.

    Args:
        protocol_scores: the same files under each.
        plain: the score under the protocol `plain`, which the last columns but one are measured against.
    """
    table = Table(
        title=Text("protocols side by side"), title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False
    )
    table.add_column("protocol", overflow="fold")
    for name in ("glosses", "S", "D", "I", "errors", "WER", "ref out", "hyp out", "vs plain", "floor"):
        table.add_column(name, justify="right", no_wrap=True)
    for item in protocol_scores:
        score = item.score
        out = [sum(pair[side] for pair in item.removed.values()) for side in (0, 1)]
        cells: list[int | str] = [
            score.ref_tokens,
            score.substitutions,
            score.deletions,
            score.insertions,
            score.errors,
        ]
        cells += [percent(score.wer), *out, f"{score.errors - plain.errors:+d}", item.floor.errors]
        table.add_row(visible(item.protocol.signature), *map(str, cells))
    return ResponsiveTable(table)


def protocol_notes(protocol_scores: Sequence[ProtocolScore]) -> str:
    """What the table's columns mean, and the tokens that each rule takes."""
    lines = [
        "ref out, hyp out: tokens that the rules take away. vs plain: errors more or fewer than the plain edit "
        "distance of the untouched files. floor: errors of perfect recognition, the reference as hypothesis.",
        "Steps: tokens that each takes from references/hypotheses, and the errors that it makes (+) or hides (-).",
    ]
    for item in protocol_scores:
        steps = ", ".join(_step(name, item) for name in dict.fromkeys([*item.removed, *item.made]))
        lines.append(f"{item.protocol.signature}: {item.protocol.description}" + (f" Steps: {steps}." if steps else ""))
    return "\n".join(lines)


def side_by_side(protocol_scores: Sequence[ProtocolScore], plain: Score) -> list[RenderableType]:
    """Several protocols as a table with its notes; nothing for a single one."""
    return [protocol_table(protocol_scores, plain), protocol_notes(protocol_scores)] if len(protocol_scores) > 1 else []


def closing_lines(main: ProtocolScore, intervals: dict[str, Interval]) -> list[str]:
    """What every scoring command ends in: intervals, the signature, and the rate itself last.

    Args:
        main: the score under the first protocol.
        intervals: its intervals, by the names that they have there.
    """
    return [*interval_lines(intervals), main.signature, score_line(main.score, spelt=main.protocol.of_characters)]


def familiarity_lines(found: Familiarity, spelt: bool = False) -> list[str]:
    """A small table: the errors on sentences that stand in train, and on those that do not."""
    rate, _, tokens = rate_names(spelt)
    lines = [f"{'sentences':<14}{'utterances':>11}{tokens:>11}{'errors':>8}{rate:>10}   95 % interval"]
    for name, score, interval in (
        (SEEN, found.seen, found.seen_interval),
        (UNSEEN, found.unseen, found.unseen_interval),
    ):
        if not score.utterances:
            lines.append(f"{name:<14}{'none':>11}")
            continue
        between = interval_text(interval) if interval.low == interval.low else "n/a"
        numbers = f"{len(score.utterances):>11}{score.ref_tokens:>11}{score.errors:>8}{percent(score.wer):>10}"
        lines.append(f"{name:<14}{numbers}   {between}")
    return lines


def paper_rows(systems: Sequence[SystemScore]) -> tuple[list[dict[str, str]], dict[str, type]]:
    """Rows as papers print them, a row per system and protocol, and the columns with their kinds.

    Parts of the rate are in percent of the reference tokens; the difference from the first system is in points, `p` by
    the paired bootstrap.
    """
    names = {item.protocol.rate for item in systems}
    rate = f"{names.pop()} %" if len(names) == 1 else "error rate %"
    rows = []
    for item in systems:
        found = item.comparison
        low, high = item.interval.low, item.interval.high
        rows.append(
            {
                "system": item.system,
                "protocol": item.protocol.signature,
                rate: _figure(item.score.wer),
                "95 % interval": "n/a" if low != low else f"{low:.2f} to {high:.2f}",
                **dict(zip(("sub %", "del %", "ins %"), map(_figure, item.shares), strict=True)),
                "difference": _figure(found.difference, "+") if found else "-",
                "p": chance(found.p_bootstrap).removeprefix("= ") if found else "-",
            }
        )
    kinds: dict[str, type] = (
        {name: str if name in ("system", "protocol") else float for name in rows[0]} if rows else {}
    )
    return rows, kinds


def systems_tables(systems: Sequence[SystemScore]) -> list[ResponsiveTable]:
    """A table of all systems for each protocol, with the columns of `paper_rows`."""
    tables = []
    for signature in dict.fromkeys(item.protocol.signature for item in systems):
        rows, _ = paper_rows([item for item in systems if item.protocol.signature == signature])
        title = Text(f"systems, {signature}; difference and p against the first")
        table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
        heads = {"95 % interval": "95 %", "difference": "diff"}
        table.add_column("system", overflow="fold", max_width=16)  # leaves room for the figures in 80 columns
        for name in list(rows[0])[2:]:
            table.add_column(heads.get(name, name), justify="right", no_wrap=True)
        for row in rows:
            table.add_row(*(Text(visible(cell)) for name, cell in row.items() if name != "protocol"))
        tables.append(ResponsiveTable(table))
    return tables


def _figure(value: float, sign: str = "") -> str:
    return "n/a" if value != value else f"{value:{sign}.2f}"


def chance(p: float) -> str:
    """A probability after a `p`: `= 0.0213`, or below what four digits show. None is zero: draws are finite."""
    return f"= {p:.4f}" if p >= 0.0001 or p != p else "< 0.0001"


def comparison_text(name: str, score: Score, found: Comparison, spelt: bool = False) -> str:
    """A further system against the first, in two lines; `spelt` if characters were counted."""
    rate = rate_names(spelt)[0]
    return (
        f"{visible(name)}: {rate} {percent(score.wer)}, {found.difference:+.2f} points against the first "
        f"(95 % {interval_text(found.interval)})\n"
        f"  p {chance(found.p_bootstrap)} by paired bootstrap, {chance(found.p_matched)} by matched pairs; "
        f"better in {found.better}, worse in {found.worse}, same in {found.same} utterances"
    )


def breakdown_view(found: Breakdown, spelt: bool = False) -> RenderableType:
    """The worst glosses, pairs, deletions, insertions; errors by length and by place.

    `spelt` if characters were counted.
    """
    rate, token, tokens = rate_names(spelt)
    glosses = Table(title=Text(f"{tokens} with most errors"), title_justify="left")
    glosses.add_column(token, overflow="fold")
    for name in ("support", "recall", "precision", "deleted", "inserted"):
        glosses.add_column(name, justify="right")
    for item in found.glosses[:SHOWN]:
        if item.errors:
            cells = (item.support, _share(item.recall), _share(item.precision), item.deleted, item.inserted)
            glosses.add_row(visible(item.gloss), *map(str, cells))
    lengths = Table(title=Text("by length of the reference"), title_justify="left")
    lengths.add_column(tokens)
    for name in ("utterances", "errors", rate):
        lengths.add_column(name, justify="right")
    for label, score in found.by_length:
        lengths.add_row(label, str(len(score.utterances)), str(score.errors), percent(score.wer))
    lines = [
        _list("taken for another", [(f"{ref} > {hyp}", count) for ref, hyp, count in found.confusions]),
        _list("deleted", found.deletions),
        _list("inserted", found.insertions),
    ]
    if found.by_place:
        parts = ", ".join(f"{label} {share:.1f} %" for label, share, _ in found.by_place)
        lines.append(f"recognised by place in the sentence: {parts}")
    return Group(ResponsiveTable(glosses), ResponsiveTable(lengths), Text("\n".join(lines)))


def changes_view(changes: Sequence[tuple[str, str, str, str, str]]) -> str:
    """What each rule changed, its first examples, and how often.

    Args:
        changes: (rule, side, id, before, after) of each.
    """
    grouped: dict[tuple[str, str], list] = {}
    for rule, side, *rest in changes:
        grouped.setdefault((rule, side), []).append(rest)
    lines = []
    for (rule, side), found in grouped.items():
        lines.append(f"{rule}, {side}: {len(found)} utterances changed")
        for id, before, after in found[:SHOWN]:
            lines.append(f"  {visible(id)}: {visible(before)}  ->  {visible(after) or '(nothing)'}")
        if len(found) > SHOWN:
            lines.append(f"  and {len(found) - SHOWN} more (--json has all)")
    return "\n".join(lines) or "No rule changed anything."


def _step(name: str, item: ProtocolScore) -> str:
    """A step of one protocol's: `marks 0/3 -2`."""
    ref, hyp = item.removed.get(name, (0, 0))
    return f"{name} {ref}/{hyp}" + (f" {item.made[name]:+d}" if name in item.made else "")


def _share(value: float) -> str:
    return "n/a" if value != value else f"{100 * value:.1f} %"


def _list(title: str, rows: list[tuple[str, int]]) -> str:
    shown = ", ".join(f"{visible(name)} {count}" for name, count in rows[:SHOWN])
    more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    return f"{title}: {shown or 'none'}{more}"
