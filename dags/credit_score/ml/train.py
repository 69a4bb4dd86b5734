"""Step 3 of continuous training: tries every combination of a small grid, keeps the best model.

Every trial goes to MLflow if there is one; the best model goes to the model store, from where the
deployment takes it. With --no-save only the numbers are reported: one cell of a fan-out.
"""

import argparse
import os
import time
from dataclasses import dataclass

import grid
from common import CATEGORICAL, DEFAULT_MODEL_NAME, TARGET, refuse, report, training_file

# With 1,200 rows the threads of OpenMP spend their time waiting for one another; on a busy
# two-core machine that made a training of ten seconds last ten minutes.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@dataclass
class Trial:
    params: dict
    metrics: dict[str, float]
    classifier: object
    mlflow_run_id: str


def read_part(args: argparse.Namespace, part: str):
    import pandas as pd

    path = training_file(args.model_name, args.base_dt, part)
    if not path.is_file():
        refuse(f"{path} is missing; run preprocess.py for {args.base_dt} first")
    # "NA" and "None" are words here, not holes
    frame = pd.read_csv(path, keep_default_na=False)
    return frame.drop(columns=[TARGET]), frame[TARGET]


def measure(truth, predicted) -> dict[str, float]:
    from sklearn.metrics import accuracy_score, f1_score

    return {
        "accuracy": round(float(accuracy_score(truth, predicted)), 5),
        "f1_macro": round(float(f1_score(truth, predicted, average="macro")), 5),
    }


def search(args: argparse.Namespace, combinations: list[dict], tracker) -> Trial:
    """The trial with the highest accuracy; the earlier one of two that are equal."""
    import classifiers

    features, labels = read_part(args, "train")
    val_features, val_labels = read_part(args, "val")
    best = None
    for number, params in enumerate(combinations, start=1):
        classifier = classifiers.KINDS[args.algo](params, CATEGORICAL)
        classifier.fit(features, labels)
        metrics = measure(val_labels, classifier.predict(val_features))
        run_id = tracker.trial(number, args.algo, params, metrics)
        print(f"trial {number} of {len(combinations)}: {params} → {metrics}", flush=True)
        if best is None or metrics["accuracy"] > best.metrics["accuracy"]:
            best = Trial(params, metrics, classifier, run_id)
    return best


def store(trial: Trial, facts: dict) -> tuple[str, str]:
    """Puts the model into the store; its version and its creation time (ISO 8601, UTC)."""
    import model_store

    if facts["algo"] == "catboost":
        try:
            import bentoml
        except ImportError:
            pass  # without BentoML our own store holds CatBoost's file as well
        else:
            saved = bentoml.catboost.save_model(
                model_store.STORE_NAME, trial.classifier.model, metadata=facts
            )
            return saved.tag.version, saved.info.creation_time.isoformat()
    saved = model_store.save(facts, trial.classifier.write)
    return saved.version, saved.creation_time.isoformat()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model_name", default=DEFAULT_MODEL_NAME)
    parser.add_argument("--base_dt", required=True, help="the day, e.g. 2025-08-22")
    parser.add_argument(
        "--algo", choices=["catboost", "sklearn"], default=os.environ.get("ALGO") or "catboost"
    )
    parser.add_argument(
        "--grid", default=os.environ.get("GRID_JSON") or "{}", help='JSON, e.g. {"depth": [4, 6]}'
    )
    parser.add_argument("--no-save", action="store_true", help="report the numbers, keep nothing")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    combinations = grid.combinations(grid.parse(args.grid))
    began = time.monotonic()

    from tracking import Tracker

    tracker = Tracker(args.model_name, args.base_dt)
    best = search(args, combinations, tracker)
    facts = {
        **best.params,
        **best.metrics,
        "algo": args.algo,
        "base_dt": args.base_dt,
        "model_name": args.model_name,
        "mlflow_run_id": best.mlflow_run_id,
    }
    kept = {}
    if not args.no_save:
        version, created = store(best, facts)
        tracker.mark_best(best.mlflow_run_id, version)
        kept = {"model_version": version, "creation_time": created}
    report(**facts, **kept, trials=len(combinations), seconds=round(time.monotonic() - began, 2))


if __name__ == "__main__":
    main()
