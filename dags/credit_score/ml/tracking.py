"""Records trials in MLflow when MLFLOW_TRACKING_URI is set, and does nothing when it is not.

Each MLflow run carries the names of the task that made it (dag_id, run_id, task_id, try_number),
so that one can go from a number in MLflow to the log that explains it, and back.
"""

import os

LINEAGE = ("DAG_ID", "RUN_ID", "TASK_ID", "TRY_NUMBER")


class Tracker:
    def __init__(self, experiment: str, base_dt: str) -> None:
        self.mlflow = None
        self.tags = {"base_dt": base_dt}
        self.tags |= {name.lower(): os.environ[name] for name in LINEAGE if os.environ.get(name)}
        if os.environ.get("MLFLOW_TRACKING_URI"):
            import mlflow

            mlflow.set_experiment(os.environ.get("MLFLOW_EXPERIMENT") or experiment)
            self.mlflow = mlflow

    def trial(self, number: int, algo: str, params: dict, metrics: dict[str, float]) -> str:
        """Records one trial; the MLflow run's id, or an empty text without MLflow."""
        if self.mlflow is None:
            return ""
        with self.mlflow.start_run(run_name=f"{self.tags['base_dt']} trial {number}") as run:
            self.mlflow.set_tags({**self.tags, "algo": algo})
            self.mlflow.log_params({**params, "algo": algo})
            self.mlflow.log_metrics(metrics)
        return run.info.run_id

    def mark_best(self, run_id: str, model_version: str) -> None:
        """Tags the trial whose model went into the store."""
        if self.mlflow is None or not run_id:
            return
        client = self.mlflow.MlflowClient()
        client.set_tag(run_id, "best", "true")
        client.set_tag(run_id, "model_version", model_version)
