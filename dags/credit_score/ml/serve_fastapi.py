"""The prediction service, light form: FastAPI and uvicorn. Run it with `python serve_fastapi.py`.

    GET  /healthz    200 once the model is loaded
    POST /metadata   which model this is, and when it was created
    POST /predict    {"data": {…one customer…}} → {"customer_id", "predict", "confidence"}

The model is loaded once, at start: a newer one is served by starting the service again, which is
what the deployment DAG does. serve_bento.py answers the same requests with BentoML.
"""

import os
from datetime import datetime
from zoneinfo import ZoneInfo

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

import classifiers
import model_store
from schemas import Answer, Customer
from scorer import Scorer

STORED = model_store.latest()
SCORER = Scorer(classifiers.load(STORED.metadata["algo"], STORED.folder), STORED.metadata)
# pydantic writes a UTC time with `Z`, another zone with its offset: same instant, other text
ZONE = ZoneInfo(os.environ.get("METADATA_TIMEZONE") or "UTC")

app = FastAPI(title="CreditScoreClassifier")


class Question(BaseModel):
    data: Customer


class Metadata(BaseModel):
    model_name: str
    model_version: str
    params: dict[str, str]
    creation_time: datetime


@app.get("/healthz")
@app.get("/livez")
@app.get("/readyz")
def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/metadata")
@app.post("/metadata")
def metadata() -> Metadata:
    return Metadata(
        model_name=model_store.STORE_NAME,
        model_version=STORED.version,
        params=STORED.metadata,
        creation_time=STORED.creation_time.astimezone(ZONE),
    )


@app.post("/predict")
def predict(question: Question) -> Answer:
    return SCORER.score(question.data)


if __name__ == "__main__":
    uvicorn.run(
        app,
        host=os.environ.get("HOST") or "127.0.0.1",
        port=int(os.environ.get("PORT") or "3000"),
        log_level="warning",
    )
