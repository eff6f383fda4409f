"""Policy files, written as a person would, for what reads them."""

from pathlib import Path

from sidecar.config.compile import Config, load_config

ONE_LOCAL = """
providers: {vllm: {url: http://vllm:8000/v1}}
models: {llama: {provider: vllm, id: org/Llama-8B, tier: simple, price: {input: 0, output: 0}, context: 8192}}
virtual_models: {auto: {}}
fallback: llama
"""

ANTHROPIC_ONLY = """
providers: {anthropic: {url: https://api.anthropic.com/v1, api: anthropic, api_key_file: /etc/llm-keys/anthropic}}
models:
  haiku: {provider: anthropic, tier: simple, price: {input: 1, output: 4}, context: 200000}
  sonnet: {provider: anthropic, tier: complex, price: {input: 3, output: 15}, context: 200000}
virtual_models: {auto: {}}
fallback: sonnet
"""

MANY = """
providers:
  openai: {{url: https://api.openai.com/v1, api_key_file: /etc/llm-keys/openai}}
models:
{models}
virtual_models: {{auto: {{}}}}
fallback: {fallback}
"""


def many_models(count: int = 30, fallback: str = "model-15") -> str:
    """A policy with so many models, in all tiers."""
    tiers = ("simple", "moderate", "complex", "reasoning")
    more = "price: {input: 1, output: 2}, context: 8192"
    models = [f"  model-{index}: {{provider: openai, tier: {tiers[index % 4]}, {more}}}" for index in range(count)]
    return MANY.format(models="\n".join(models), fallback=fallback)


def policy_with(provider: str, model: str = "") -> str:
    """One model `m` with these further keys, at a provider `p` that is written so."""
    return f"""
providers: {{p: {provider}}}
models: {{m: {{provider: p, tier: simple, price: {{input: 0, output: 0}}, context: 8192{model}}}}}
virtual_models: {{auto: {{}}}}
fallback: m
"""


def load(text: str, folder: Path) -> Config:
    """What such a file says."""
    file = folder / "router.yaml"
    file.write_text(text)
    return load_config(file)
