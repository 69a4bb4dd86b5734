"""What the steps agree on: the columns, the folders, and how a step reports to whoever runs it.

No step knows Millrace. They read environment variables and arguments, and a step's last line of
output is one JSON object; any scheduler can run them, and so can you at a prompt.
"""

import json
import os
import re
import sys
from pathlib import Path
from typing import NoReturn

TARGET = "credit_score"
KEYS = ["base_dt", "id", "customer_id", "date"]
CATEGORICAL = [
    "occupation",
    "credit_mix",
    "payment_of_min_amount",
    "type_of_loan",
    "payment_behaviour",
]
NUMERIC = [
    "age",
    "annual_income",
    "monthly_inhand_salary",
    "num_bank_accounts",
    "num_credit_card",
    "interest_rate",
    "num_of_loan",
    "delay_from_due_date",
    "num_of_delayed_payment",
    "changed_credit_limit",
    "num_credit_inquiries",
    "outstanding_debt",
    "credit_utilization_ratio",
    "credit_history_age",
    "total_emi_per_month",
    "amount_invested_monthly",
    "monthly_balance",
]
DEFAULT_MODEL_NAME = "credit_score_classification"

# Ends a step that no retry can mend; the DAGs name it in `no_retry_exit_codes`.
EXIT_USAGE = 2


def refuse(message: str) -> NoReturn:
    """Ends the step because what it was asked for is wrong, not because something broke."""
    print(message, file=sys.stderr)
    sys.exit(EXIT_USAGE)


def setting(name: str) -> str:
    """The environment variable `name`, which must be there and not be empty."""
    value = os.environ.get(name, "")
    if not value:
        refuse(f"the environment variable {name} is not set")
    return value


def day_folder(model_name: str, base_dt: str) -> Path:
    """Where the files of one day's training set live.

    The date's form is checked because a template that was never rendered, or an empty variable,
    must not become a folder name.
    """
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", base_dt):
        refuse(f"--base_dt must be a date like 2025-08-22, not {base_dt!r}")
    return Path(setting("ARTIFACTS_PATH")) / "preprocessing" / model_name / base_dt


def training_file(model_name: str, base_dt: str, part: str) -> Path:
    """The CSV file of one part (`train` or `val`) of a day's training set."""
    return day_folder(model_name, base_dt) / f"{model_name}_{part}.csv"


def scaler_file(model_name: str, base_dt: str) -> Path:
    """The scalers that were fitted on a day's training part, one a numeric column."""
    return day_folder(model_name, base_dt) / "encoders" / "robust_scaler.joblib"


def report(**facts: object) -> None:
    """Ends a step well: `facts` become its last line, and its numbers become metrics.

    The last line is what Millrace hands on as the task's XCom. MILLRACE_METRICS names a file for
    numbers that are charted over runs; it is only there when Millrace runs the step.
    """
    metrics = os.environ.get("MILLRACE_METRICS")
    if metrics and Path(metrics).parent.is_dir():
        numbers = {
            name: fact
            for name, fact in facts.items()
            if isinstance(fact, (int, float)) and not isinstance(fact, bool)
        }
        Path(metrics).write_text(json.dumps(numbers), encoding="utf-8")
    print(json.dumps(facts, ensure_ascii=False), flush=True)
