"""What all tests with torch share."""

import pytest
import torch

from sidecar.inference.tokenizer import PromptTokenizer
from tests.finetuning.with_torch.small import small_tokenizer


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Small networks are slower on more, and a sum's order, so its last bit, depends on their number."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tokenizer() -> PromptTokenizer:
    """Of the small model."""
    return small_tokenizer()
