"""Scores one customer with a fitted model; both forms of the prediction service are built on it."""

import os
import time

import joblib
import pandas as pd
from sqlalchemy import create_engine, text

import classifiers
import common
from schemas import Answer, Customer

LOG_PREDICTION = text(
    "INSERT INTO mlops.credit_predictions_api_log"
    " (customer_id, features, prediction, confidence, elapsed_ms)"
    " VALUES (:customer_id, :features, :prediction, :confidence, :elapsed_ms)"
)


class Scorer:
    """`metadata` is the stored model's: its own base_dt says which scalers belong to it.

    Taking today's scalers instead would break as soon as a day is run again or filled in later.
    """

    def __init__(self, model, metadata: dict) -> None:
        self.model = model
        self.columns = classifiers.columns_of(model)
        name = str(metadata.get("model_name") or common.DEFAULT_MODEL_NAME)
        self.scalers = joblib.load(common.scaler_file(name, str(metadata["base_dt"])))
        url = os.environ.get("FEATURE_STORE_URL")
        self.engine = create_engine(url, pool_size=5, pool_pre_ping=True) if url else None

    def score(self, customer: Customer) -> Answer:
        began = time.monotonic()
        row = pd.DataFrame([customer.model_dump()])
        for column, scaler in self.scalers.items():
            row[column] = scaler.transform(row[[column]]).ravel()
        chances = self.model.predict_proba(row[self.columns])[0]
        winner = chances.argmax()
        answer = Answer(
            customer_id=customer.customer_id,
            predict=str(self.model.classes_[winner]),
            confidence=float(chances[winner]),
        )
        self._log(customer, answer, elapsed_ms=int(1000 * (time.monotonic() - began)))
        return answer

    def _log(self, customer: Customer, answer: Answer, elapsed_ms: int) -> None:
        if self.engine is None:
            return
        with self.engine.begin() as connection:
            connection.execute(
                LOG_PREDICTION,
                {
                    "customer_id": str(answer.customer_id),
                    "features": customer.model_dump_json(),
                    "prediction": answer.predict,
                    "confidence": answer.confidence,
                    "elapsed_ms": elapsed_ms,
                },
            )
