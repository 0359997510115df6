"""What the name of a text model says: the backend that offers it, and the base name its variations share."""

import re
from typing import NamedTuple

BACKENDS = ("aphrodite", "koboldcpp")
"""A name that starts with one of these and a slash is another backend's offer of the model after it."""


class Part(NamedTuple):
    """Something in a name that tells two variations of one model apart."""

    title: str
    pattern: str
    reason: str


PARTS = (
    Part(
        "quantisation",
        r"i?q\d(?:_[a-z0-9]+)*|gguf|ggml|gptq|awq|exl\d|bf16|fp?(?:4|8|16|32)|nf4|int\d"
        r"|\d+(?:\.\d+)?-?(?:bit|bpw)|w\d+a\d+|\d+g|qat|unquantized",
        "Q4_K_M, AWQ, FP16, 4bit: the same weights, rounded.",
    ),
    Part(
        "date",
        r"(?:19|20)\d\d[-_]?[01]\d(?:[-_]?[0-3]\d)?|[01]\d[-_]20\d\d|\d{4}(?:\d\d){0,2}",
        "2407, 08-2024, 0414.",
    ),
    Part(
        "size",
        r"(?:\d+x)?\d+(?:[._]\d+)?[bmt]|\d+b\d|[ae]\d+(?:\.\d+)?b|moe",
        "7B, 8x7B, 1.5B, 1_8B, 350m, 1b7; A3B and E4B: the active or effective part of a larger model.",
    ),
    Part("context", r"\d+k", "32K: how much text it was tuned to read."),
    Part("version", r"v\d+(?:[.p]\d+)*[a-z]?|\d+(?:\.\d+)*", "v0.1, V8p4, 2.2: a release of one model."),
    Part(
        "base version",
        r"(?:l|ms|g|q)\d(?:\.\d+)?",
        "L3.1, MS3.2: the Llama or Mistral Small it was tuned from.",
    ),
    Part(
        "variant",
        r"base|instruct|chat|it|hf|thinking|reasoning|preview|beta|latest|experimental|exp|deduped"
        r"|sft|dpo|rlhf|kto|orpo|chatml|uncensored|abliterated|heretic",
        "Instruct, Chat, hf, Uncensored: how the same model was tuned or packed.",
    ),
)

SEPARATORS = "-_ "
WHOLE_PART = re.compile(
    rf"(?:^|(?<=[{SEPARATORS}]))(?:{'|'.join(part.pattern for part in PARTS)})(?=$|[{SEPARATORS}])",
    re.IGNORECASE,
)
GLUED_VERSION = re.compile(rf"(?<=[a-z]{{3}})[1-9]\d?(?:\.\d+)*(?=$|[{SEPARATORS}])", re.IGNORECASE)
"""Qwen2.5, Llama2: it has three letters before it (K2, R1 are names) and no leading zero (chronos007)."""


def backend_of(name: str) -> str:
    """The backend whose prefix the name carries, else ''."""
    prefix, slash, _ = name.partition("/")
    return prefix if slash and prefix in BACKENDS else ""


def base_name(name: str) -> str:
    """The name without author, backend, size, version, quantisation, variant words and dates; never empty.

    Case and separators do not count: two spellings have one base name. A name of nothing but such parts stays
    whole.
    """
    own_name = name.rstrip("/").rpartition("/")[2]
    stripped = GLUED_VERSION.sub("", WHOLE_PART.sub("", own_name))
    return _joined(stripped) or _joined(own_name) or name.casefold()


def _joined(name: str) -> str:
    """The words of a name in lower case with single dashes between them."""
    return "-".join(re.split(rf"[{SEPARATORS}]+", name.strip(SEPARATORS).casefold()))
