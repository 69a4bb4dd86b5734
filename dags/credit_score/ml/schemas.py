"""One customer, as the prediction service is asked about it, and its answer."""

from typing import Literal

from pydantic import BaseModel, Field


class Customer(BaseModel):
    customer_id: int
    age: int = Field(gt=0)
    occupation: str
    annual_income: float
    monthly_inhand_salary: float
    num_bank_accounts: float
    num_credit_card: float
    interest_rate: float
    num_of_loan: int
    type_of_loan: str
    delay_from_due_date: float
    num_of_delayed_payment: float
    changed_credit_limit: float
    num_credit_inquiries: float
    credit_mix: Literal["Good", "Standard", "Bad"]
    outstanding_debt: float
    credit_utilization_ratio: float
    credit_history_age: float = Field(gt=0)
    payment_of_min_amount: Literal["Yes", "No", "NM"]
    total_emi_per_month: float
    amount_invested_monthly: float
    payment_behaviour: str
    monthly_balance: float


class Answer(BaseModel):
    customer_id: int
    predict: str
    confidence: float
