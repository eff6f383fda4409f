"""The intents of a classifier of one's own, as its folder says them: a policy may speak of these."""

import json
from pathlib import Path


class ModelCardError(Exception):
    """A folder that does not say its model's labels; the message names the file and what was expected."""


def read_labels(folder: Path) -> tuple[str, ...]:
    """The labels of `config.json`, in the order of the model's outputs. Raises ModelCardError."""
    file = folder / "config.json"
    try:
        written = json.loads(file.read_text("utf-8"))["id2label"]
        labels = {int(key): str(label) for key, label in written.items()}
        return tuple(labels[index] for index in range(len(labels)))
    except OSError as error:
        raise ModelCardError(f"{file}: {error.strerror}") from error
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise ModelCardError(f'{file}: expected JSON with "id2label": {{"0": …, "1": …}}: {error!r}') from error
