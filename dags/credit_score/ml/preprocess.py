"""Step 2 of continuous training: one day's rows from the feature store → scaled CSV files.

Writes, below $ARTIFACTS_PATH/preprocessing/<model_name>/<base_dt>/, the training and validation
parts and the scalers fitted on the training part, which the prediction service needs again.
"""

import argparse
import sys
import time

import joblib
import pandas as pd
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import RobustScaler
from sqlalchemy import create_engine, text

import common

VALIDATION_SHARE = 0.3
SEED = 42


def read_rows(base_dt: str) -> pd.DataFrame:
    query = text(
        "SELECT * FROM mlops.credit_score_features_target WHERE base_dt = :base_dt ORDER BY id"
    )
    engine = create_engine(common.setting("FEATURE_STORE_URL"))
    with engine.connect() as connection:
        return pd.read_sql(query, con=connection, params={"base_dt": base_dt})


def scale(train: pd.DataFrame, val: pd.DataFrame) -> dict[str, RobustScaler]:
    """Scales the numeric columns of both parts in place, fitted on the training part alone."""
    scalers = {}
    for column in common.NUMERIC:
        scaler = RobustScaler().fit(train[[column]])
        for part in (train, val):
            part[column] = scaler.transform(part[[column]]).ravel()
        scalers[column] = scaler
    return scalers


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model_name", default=common.DEFAULT_MODEL_NAME)
    parser.add_argument("--base_dt", required=True, help="the day, e.g. 2025-08-22")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    began = time.monotonic()
    folder = common.day_folder(args.model_name, args.base_dt)

    rows = read_rows(args.base_dt)
    print(f"{len(rows)} rows for {args.base_dt}", flush=True)
    if rows.empty:
        # a model of yesterday's files would be worse than no model
        sys.exit(f"the feature store has no rows for {args.base_dt}; did the extract step run?")

    train, val = (
        part.copy()
        for part in train_test_split(
            rows, test_size=VALIDATION_SHARE, random_state=SEED, stratify=rows[common.TARGET]
        )
    )
    scalers = scale(train, val)

    (folder / "encoders").mkdir(parents=True, exist_ok=True)
    joblib.dump(scalers, common.scaler_file(args.model_name, args.base_dt))
    for name, part in (("train", train), ("val", val)):
        path = common.training_file(args.model_name, args.base_dt, name)
        part.drop(columns=common.KEYS).to_csv(path, index=False)

    common.report(
        base_dt=args.base_dt,
        rows=len(rows),
        train=len(train),
        val=len(val),
        seconds=round(time.monotonic() - began, 2),
    )


if __name__ == "__main__":
    main()
