"""Backends and base names, by example and over the public reference."""

import json
from pathlib import Path
from string import printable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from project.catalog.loading.names import PARTS, backend_of, base_name


@pytest.mark.parametrize(
    "variations",
    [
        ["Qwen/Qwen2.5-7B", "Qwen/Qwen2.5-72B-Instruct", "Qwen/Qwen2-1.5B", "Qwen/Qwen-1_8B-Chat", "qwen3-30B-A3B"],
        ["mistralai/Mixtral-8x7B-Instruct-v0.1", "mixtral-8x22b", "TheBloke/Mixtral-8x7B-v0.1-GPTQ"],
        [
            "aphrodite/NeverSleep/Lumimaid-v0.2-8B",
            "koboldcpp/Lumimaid-v0.2-8B",
            "Lumimaid-v0.2-70B-Q4_K_M",
        ],
        ["meta-llama/Llama-2-13b-chat-hf", "Llama-3.1-8B-Instruct", "LLaMA2-13B", "llama_3_8b"],
        ["c4ai-command-r-08-2024", "c4ai-command-r-v01", "c4ai-command-r"],
        ["facebook/opt-350m", "facebook/opt-6.7b", "opt-66b-4bit"],
        ["bigscience/bloom-1b7", "bigscience/bloom"],
        ["google/gemma-4-E4B-it-qat-q4_0-unquantized", "google/gemma-2-27b-it", "gemma-3-4b"],
        ["Mistral-Small-24B-Instruct-2501", "Mistral-Small-Instruct-2409", "Mistral-Small-2025-06-01"],
        ["Qwen/Qwen2.5-14B-Instruct-1M", "Qwen3-235B-A22B-Thinking-2507"],
    ],
    ids=lambda variations: base_name(variations[0]),
)
def test_variations_share_a_base_name(variations: list[str]) -> None:
    """Author, backend, size, version, quantisation, variant words and dates do not tell models apart."""
    assert len({base_name(name) for name in variations}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("bigscience/bloom", "bigscience/bloomz"),
        ("EleutherAI/gpt-j-6B", "EleutherAI/gpt-neo-1.3B"),
        ("Qwen/Qwen2.5-7B", "Qwen/Qwen2.5-Coder-7B"),
        ("mistralai/Mistral-7B-v0.1", "mistralai/Mixtral-8x7B-v0.1"),
        ("Mistral-Small-Instruct-2409", "Mistral-Large-Instruct-2407"),
        ("c4ai-command-r-08-2024", "c4ai-command-r-plus-08-2024"),
        ("elinas/chronos-70b-v2", "elinas/chronos007-70b"),
        ("THUDM/GLM-4-9B-0414", "THUDM/GLM-Z1-9B-0414"),
        ("KoboldAI/OPT-13B-Erebus", "KoboldAI/OPT-13B-Nerys-v2"),
    ],
)
def test_families_stay_apart(one: str, other: str) -> None:
    """Two different families never have one base name."""
    assert base_name(one) != base_name(other)


@given(st.text())
def test_a_base_name_is_never_empty(name: str) -> None:
    """Only the empty name has an empty base name, whatever a name is made of."""
    assert bool(base_name(name)) == bool(name)


@pytest.mark.parametrize("name", ["7B", "author/2.5", "v1", "Chat", "aphrodite/", "-", "a/b/"])
def test_a_name_of_nothing_but_parts_stays(name: str) -> None:
    """Where stripping would leave nothing, the name is its own base name."""
    assert base_name(name)


@given(st.text(printable))
def test_case_does_not_count(name: str) -> None:
    """A name has one base name, in whatever case it is written."""
    assert base_name(name.upper()) == base_name(name.lower())


@pytest.mark.parametrize(
    ("name", "backend"),
    [
        ("aphrodite/author/Model-7B", "aphrodite"),
        ("koboldcpp/Model-7B", "koboldcpp"),
        ("author/Model-7B", ""),
        ("aphrodite", ""),
        ("Aphrodite-7B", ""),
        ("author/aphrodite/Model", ""),
    ],
)
def test_a_backend_is_the_first_part_of_a_name(name: str, backend: str) -> None:
    """A backend is known by its name and the slash after it, at the beginning only."""
    assert backend_of(name) == backend


def test_every_part_says_why_it_is_stripped() -> None:
    """The table of parts names each part once, with a reason."""
    assert len({part.title for part in PARTS}) == len(PARTS)
    assert all(part.reason for part in PARTS)


def test_the_public_text_models_group_sensibly(reference_folder: Path) -> None:
    """719 models have 355 base names, and a backend's copies have no others."""
    names = list(json.loads((reference_folder / "db.json").read_text(encoding="utf-8")))
    own = {base_name(name) for name in names if not backend_of(name)}
    assert len(own) == 355
    assert {base_name(name) for name in names} == own
