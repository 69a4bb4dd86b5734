"""The prediction service on BentoML: `bentoml serve serve_bento:CreditScoreClassifier`.

It answers the same requests as serve_fastapi.py; /healthz is BentoML's own. Its creation times end
with `+00:00` where FastAPI's end with `Z`.
"""

import bentoml

import model_store
from schemas import Answer, Customer
from scorer import Scorer


@bentoml.service(
    name="CreditScoreClassifier", resources={"cpu": "1"}, traffic={"timeout": 10}, workers=1
)
class CreditScoreClassifier:
    def __init__(self) -> None:
        self.stored = bentoml.models.get(f"{model_store.STORE_NAME}:latest")
        model = bentoml.catboost.load_model(self.stored)
        self.scorer = Scorer(model, dict(self.stored.info.metadata))

    @bentoml.api
    def predict(self, data: Customer) -> Answer:
        return self.scorer.score(data)

    @bentoml.api(route="/metadata")
    def metadata(self) -> dict:
        info = self.stored.info
        return {
            "model_name": self.stored.tag.name,
            "model_version": self.stored.tag.version,
            "params": {name: str(fact) for name, fact in info.metadata.items()},
            "creation_time": info.creation_time.isoformat(),
        }
