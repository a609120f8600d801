"""Names that settings take: what help lists, what the shell completes and, where nothing else is possible, all of them.

What has a registry is known there. Registries that bring torch or numpy are not opened for a page of help, so their
names stand here; `tests/config/test_names.py` compares them. Those that open quickly are read by `slrcli.cli.options`
when they are asked for, by one of the names in `REGISTRIES`.
"""

ARCHITECTURES = (
    "tcn", "conv-bilstm", "ensemble", "conformer", "streaming", "mobilenetv3", "mobilenetv3-collapsed",
)  # fmt: skip
CORPUS_FORMATS = (
    "auto", "phoenix2014", "phoenix2014-si5", "phoenix2014t", "csl-daily", "isharah-si", "isharah-us", "how2sign",
    "isl-cslrt", "table",
)  # fmt: skip
OUTPUTS = ("txt", "stm", "ctm", "trn", "csv", "tsv", "jsonl", "eaf", "srt", "vtt")
TRANSCRIPTS = ("auto", *OUTPUTS)
CLIP_FILES = ("npy", "npz", "safetensors", "csv", "pose", "parquet")

SCHEDULES = ("cosine", "linear", "constant")
EPOCHS_KEPT = ("best", "last")
BLANKS = ("all", "symmetric")
PRECISIONS = ("auto", "fp32", "bf16")
DEVICES = ("auto", "cpu", "cuda", "mps")
DIVISIONS = ("signer", "sentence")
COMPOSE_SPLITS = ("given", "signer", "clip")
STORED_TYPES = ("float32", "float16")
ORDERS = ("auto", "shuffled", "shards")
SHARD_MB = 256  # of a packed store
PEOPLE = ("largest", "error")
PAIRINGS = ("id", "line")
RUN_ORDERS = ("wer", "name", "time")
STATISTICS = ("kept", "measured")
GLOSSES_KEPT = ("joined", "corpus")

LAYOUTS, NORMALISERS, PROTOCOLS = "layouts", "normalisers", "protocols"
REGISTRIES = (LAYOUTS, NORMALISERS, PROTOCOLS)
