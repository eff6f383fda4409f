"""Which prompts are written down, and what of them: few, short, without the personal data that has a form."""

from sidecar.routing.personal_data import blot_out

# Beginning and end: more than the classifier reads of a text, and as much as a person looks at.
_KEPT = 4_000
_CUT = "\n[…]\n"

# What the cut goes through is in here, and is left out with it.
_MARGIN = 120

_ID_DIGITS = 8


def sample_prompt(share: float, decision_id: str, prompt: str) -> str | None:
    """What may be written down of a prompt; None for all but that share of the decisions, or if there is none.

    The same decision is always in the sample or never, on whichever machine.
    """
    if share <= 0 or not prompt or int(decision_id[:_ID_DIGITS], 16) >= share * 16**_ID_DIGITS:
        return None
    if len(prompt) <= 2 * _KEPT:
        return blot_out(prompt)
    beginning, end = prompt[: _KEPT + _MARGIN], prompt[-_KEPT - _MARGIN :]
    return blot_out(beginning)[:-_MARGIN] + _CUT + blot_out(end)[_MARGIN:]
