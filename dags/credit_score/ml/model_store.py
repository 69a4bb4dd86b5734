"""A folder of models, laid out as BentoML lays out its own, so that both can share one.

    $BENTOML_HOME/models/credit_score_classifier/
        latest                      the version that is served next, as plain text
        <version>/model.yaml        name, version, creation_time, metadata
        <version>/saved_model.…     the model itself

A version is written completely before `latest` names it: a reader never meets half a model. The
YAML is kept so simple that a shell script can read the time out of it.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from common import refuse, setting

STORE_NAME = "credit_score_classifier"


@dataclass(frozen=True)
class StoredModel:
    version: str
    folder: Path
    creation_time: datetime
    metadata: dict[str, str]


def _root() -> Path:
    return Path(setting("BENTOML_HOME")) / "models" / STORE_NAME


def save(metadata: dict[str, object], write_model: Callable[[Path], None]) -> StoredModel:
    """Adds a version and makes it the latest; `write_model` puts its files into the folder."""
    now = datetime.now(timezone.utc)
    version = f"{now:%Y%m%d%H%M%S}{secrets.token_hex(3)}"
    folder = _root() / version
    folder.mkdir(parents=True)
    write_model(folder)

    # the time of completion: a deployment compares it with the time of the model it serves
    created = datetime.now(timezone.utc)
    lines = [f"name: {STORE_NAME}", f"version: {version}"]
    lines += [f"creation_time: '{created.isoformat(timespec='microseconds')}'", "metadata:"]
    lines += [f"  {name}: {json.dumps(fact)}" for name, fact in metadata.items()]
    (folder / "model.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")

    pointer = _root() / f".latest.{version}"
    pointer.write_text(version, encoding="utf-8")
    pointer.replace(_root() / "latest")
    return StoredModel(version, folder, created, {k: str(v) for k, v in metadata.items()})


def latest() -> StoredModel:
    """The newest complete model."""
    pointer = _root() / "latest"
    if not pointer.is_file():
        refuse(f"there is no model in {_root()}; train one first")
    version = pointer.read_text(encoding="utf-8").strip()
    folder = _root() / version
    top: dict[str, str] = {}
    metadata: dict[str, str] = {}
    for line in (folder / "model.yaml").read_text(encoding="utf-8").splitlines():
        name, colon, text = line.partition(":")
        if colon and text.strip():
            (metadata if line.startswith("  ") else top)[name.strip()] = text.strip().strip("'\"")
    return StoredModel(version, folder, datetime.fromisoformat(top["creation_time"]), metadata)
