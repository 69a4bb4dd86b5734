"""The two kinds of model that the training step can fit, behind one small interface.

`catboost` is the real one. `sklearn` needs no large package and trains in seconds: for laptops,
demonstrations and tests. Imports are inside, for an environment usually has only one of them.
"""

from pathlib import Path

import pandas as pd

SEED = 42


class CatBoost:
    algo = "catboost"
    file_name = "saved_model.cbm"

    def __init__(self, params: dict, categorical: list[str]) -> None:
        from catboost import CatBoostClassifier

        self.categorical = categorical
        self.model = CatBoostClassifier(
            **params,
            loss_function="MultiClass",
            random_seed=SEED,
            thread_count=2,
            verbose=0,
            allow_writing_files=False,
        )

    def fit(self, features: pd.DataFrame, labels: pd.Series) -> None:
        self.model.fit(features, labels, cat_features=self.categorical)

    def predict(self, features: pd.DataFrame):
        return self.model.predict(features).ravel()

    def write(self, folder: Path) -> None:
        self.model.save_model(str(folder / self.file_name))


class SkLearn:
    algo = "sklearn"
    file_name = "saved_model.joblib"

    def __init__(self, params: dict, categorical: list[str]) -> None:
        from sklearn.compose import make_column_transformer
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OrdinalEncoder

        # the same four parameters, under scikit-learn's names
        boosting = HistGradientBoostingClassifier(
            max_depth=params["depth"],
            l2_regularization=params["l2_leaf_reg"],
            learning_rate=params["learning_rate"],
            max_iter=params["iterations"],
            random_state=SEED,
        )
        encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
        columns = make_column_transformer((encoder, categorical), remainder="passthrough")
        self.model = make_pipeline(columns, boosting)

    def fit(self, features: pd.DataFrame, labels: pd.Series) -> None:
        self.model.fit(features, labels)

    def predict(self, features: pd.DataFrame):
        return self.model.predict(features)

    def write(self, folder: Path) -> None:
        import joblib

        joblib.dump(self.model, folder / self.file_name)


KINDS = {kind.algo: kind for kind in (CatBoost, SkLearn)}


def load(algo: str, folder: Path):
    """The fitted model of a stored version, with `predict_proba` and `classes_`."""
    if algo == CatBoost.algo:
        from catboost import CatBoostClassifier

        return CatBoostClassifier().load_model(str(folder / CatBoost.file_name))
    import joblib

    return joblib.load(folder / SkLearn.file_name)


def columns_of(model) -> list[str]:
    """The columns a fitted model expects, in its order."""
    names = getattr(model, "feature_names_", None)
    return list(names if names is not None else model.feature_names_in_)
