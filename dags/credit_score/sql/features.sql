{#- Builds the training set of one day. The day is Seoul's: a run of 21:24 UTC on the 21st works for
    the 22nd. Both statements belong to one transaction, so a run can be repeated, and a failure
    leaves yesterday's rows where they were. -#}
{%- set kst_ds = data_interval_start.in_timezone('Asia/Seoul').to_date_string() -%}
-- 일주일이 지난 학습 데이터와 오늘 날짜의 데이터를 먼저 지운다; (this semicolon ends nothing)
DELETE FROM mlops.credit_score_features_target
 WHERE base_dt = '{{ kst_ds }}'
    OR base_dt <= DATE_FORMAT('{{ kst_ds }}' - INTERVAL 7 DAY, '%Y-%m-%d');

-- The last month's features with their labels.
INSERT INTO mlops.credit_score_features_target (
       base_dt, id, customer_id, date,
       {% set features = [
         'age', 'occupation', 'annual_income', 'monthly_inhand_salary', 'num_bank_accounts',
         'num_credit_card', 'interest_rate', 'num_of_loan', 'type_of_loan', 'delay_from_due_date',
         'num_of_delayed_payment', 'changed_credit_limit', 'num_credit_inquiries', 'credit_mix',
         'outstanding_debt', 'credit_utilization_ratio', 'credit_history_age',
         'payment_of_min_amount', 'total_emi_per_month', 'amount_invested_monthly',
         'payment_behaviour', 'monthly_balance'] -%}
       {{ features | join(', ') }},
       credit_score)
SELECT '{{ kst_ds }}', label.id, label.customer_id, label.date,
       {% for column in features %}feature.{{ column }}, {% endfor %}
       label.credit_score
  FROM mlops.credit_score AS label
  JOIN mlops.credit_score_features AS feature
    ON feature.id = label.id AND feature.customer_id = label.customer_id
 WHERE label.date BETWEEN DATE_FORMAT('{{ kst_ds }}' - INTERVAL 1 MONTH, '%Y-%m-%d')
                      AND '{{ kst_ds }}';
