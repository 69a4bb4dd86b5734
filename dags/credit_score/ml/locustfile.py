"""A load test of the prediction service whose exit code is the verdict, so a task can be a gate.

    locust -f locustfile.py --headless -u 10 -r 10 -t 10s --host http://127.0.0.1:3000

MAX_FAIL_RATIO (0.01) and MAX_P95_MS (2000) are the limits.
"""

import json
import os
import random

from locust import HttpUser, between, events, task

CHOICES = {
    "occupation": ["Developer", "Journalist", "Scientist", "Engineer", "Architect", "Lawyer"],
    "type_of_loan": ["Personal Loan", "Not Specified", "Credit-Builder Loan"],
    "credit_mix": ["Good", "Standard", "Bad"],
    "payment_of_min_amount": ["Yes", "No", "NM"],
    "payment_behaviour": ["Low_spent_Small_value_payments", "High_spent_Large_value_payments"],
}
WHOLE = {"customer_id": (1, 1250), "age": (18, 70), "num_of_loan": (0, 8)}
DECIMAL = {
    "annual_income": (7000, 177000),
    "monthly_inhand_salary": (500, 13000),
    "num_bank_accounts": (0, 10),
    "num_credit_card": (0, 10),
    "interest_rate": (1, 34),
    "delay_from_due_date": (0, 59),
    "num_of_delayed_payment": (0, 25),
    "changed_credit_limit": (0, 30),
    "num_credit_inquiries": (0, 15),
    "outstanding_debt": (0, 5000),
    "credit_utilization_ratio": (20, 50),
    "credit_history_age": (10, 399),
    "total_emi_per_month": (0, 900),
    "amount_invested_monthly": (0, 1000),
    "monthly_balance": (100, 1200),
}


def somebody() -> dict:
    return {
        **{name: random.choice(words) for name, words in CHOICES.items()},
        **{name: random.randint(*limits) for name, limits in WHOLE.items()},
        **{name: round(random.uniform(*limits), 2) for name, limits in DECIMAL.items()},
    }


class Caller(HttpUser):
    wait_time = between(0.1, 0.5)

    @task
    def predict(self) -> None:
        self.client.post("/predict", json={"data": somebody()})


@events.quitting.add_listener
def judge(environment, **_) -> None:
    total = environment.stats.total
    p95_ms = total.get_response_time_percentile(0.95) or 0
    passed = (
        total.num_requests > 0  # no traffic proves nothing
        and total.fail_ratio <= float(os.environ.get("MAX_FAIL_RATIO", "0.01"))
        and p95_ms <= float(os.environ.get("MAX_P95_MS", "2000"))
    )
    verdict = {
        "requests": total.num_requests,
        "fail_ratio": round(total.fail_ratio, 4),
        "p95_ms": round(p95_ms),
        "verdict": "pass" if passed else "fail",
    }
    print(json.dumps(verdict), flush=True)
    environment.process_exit_code = 0 if passed else 1
