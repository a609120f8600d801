"""A network: one bidirectional GRU."""

from torch import Tensor, nn


class GRU(nn.Module):
    """Scores of all classes for every second frame.

    Args:
        width: columns of the standardised features.
        vocab_size: classes, including the blank.
        dropout: its probability.
        hidden: channels per direction; `--set model.options.arguments.hidden=64`.
    """

    def __init__(self, width: int, vocab_size: int, dropout: float = 0.0, hidden: int = 64):
        super().__init__()
        self.shorten = nn.Conv1d(width, hidden, 5, stride=2, padding=2)
        self.recurrence = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(2 * hidden, vocab_size)
        nn.init.constant_(self.classifier.bias[:1], -2.0)  # fewer blanks in the beginning

    def output_length(self, frames):
        """Output frames of clips of `frames` frames."""
        return (frames + 1) // 2

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """x `[B, T, width]`, lengths `[B]` -> scores `[B, T', vocab_size]`, T' of each clip `[B]`."""
        lengths = self.output_length(lengths)
        x = self.shorten(x.transpose(1, 2)).relu().transpose(1, 2)
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        x, _ = nn.utils.rnn.pad_packed_sequence(self.recurrence(packed)[0], batch_first=True, total_length=x.shape[1])
        return self.classifier(self.dropout(x)), lengths
