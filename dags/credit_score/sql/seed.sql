-- Makes the 5,000 example rows from nothing but row numbers, the same on every machine:
-- 1,250 customers, four rows each, spread over 2025-06-01 … 2025-08-31.
-- Needs MariaDB, whose SEQUENCE engine counts for us. Load schema.sql first.
USE mlops;

TRUNCATE TABLE customer_info;
TRUNCATE TABLE credit_score;
TRUNCATE TABLE credit_score_features;

-- Step 1, chance. An MD5 digest holds four 32-bit numbers, so five digests of the row number
-- give twenty draws a row, each in [0, 1).
CREATE OR REPLACE TEMPORARY TABLE seed_draws ENGINE = InnoDB AS
WITH digests AS (
  SELECT seq AS n,
         MD5(CONCAT('a', seq)) AS a,
         MD5(CONCAT('b', seq)) AS b,
         MD5(CONCAT('c', seq)) AS c,
         MD5(CONCAT('d', seq)) AS d,
         MD5(CONCAT('e', seq)) AS e
    FROM seq_1_to_5000
)
SELECT n,
       CONV(LEFT(a, 8), 16, 10) / POW(2, 32)      AS a1,
       CONV(MID(a, 9, 8), 16, 10) / POW(2, 32)    AS a2,
       CONV(MID(a, 17, 8), 16, 10) / POW(2, 32)   AS a3,
       CONV(RIGHT(a, 8), 16, 10) / POW(2, 32)     AS a4,
       CONV(LEFT(b, 8), 16, 10) / POW(2, 32)      AS b1,
       CONV(MID(b, 9, 8), 16, 10) / POW(2, 32)    AS b2,
       CONV(MID(b, 17, 8), 16, 10) / POW(2, 32)   AS b3,
       CONV(RIGHT(b, 8), 16, 10) / POW(2, 32)     AS b4,
       CONV(LEFT(c, 8), 16, 10) / POW(2, 32)      AS c1,
       CONV(MID(c, 9, 8), 16, 10) / POW(2, 32)    AS c2,
       CONV(MID(c, 17, 8), 16, 10) / POW(2, 32)   AS c3,
       CONV(RIGHT(c, 8), 16, 10) / POW(2, 32)     AS c4,
       CONV(LEFT(d, 8), 16, 10) / POW(2, 32)      AS d1,
       CONV(MID(d, 9, 8), 16, 10) / POW(2, 32)    AS d2,
       CONV(MID(d, 17, 8), 16, 10) / POW(2, 32)   AS d3,
       CONV(RIGHT(d, 8), 16, 10) / POW(2, 32)     AS d4,
       CONV(LEFT(e, 8), 16, 10) / POW(2, 32)      AS e1,
       CONV(MID(e, 9, 8), 16, 10) / POW(2, 32)    AS e2,
       CONV(MID(e, 17, 8), 16, 10) / POW(2, 32)   AS e3,
       CONV(RIGHT(e, 8), 16, 10) / POW(2, 32)     AS e4
  FROM digests;

-- Step 2, people. The four mixed draws at the end are independent enough of the plain ones.
CREATE OR REPLACE TEMPORARY TABLE seed_people ENGINE = InnoDB AS
SELECT CAST(100000 + n AS CHAR(10))            AS id,
       CAST(1 + (n - 1) MOD 1250 AS CHAR(10))  AS customer_id,
       DATE_FORMAT('2025-06-01' + INTERVAL FLOOR(92 * a1) DAY, '%Y-%m-%d') AS date,
       -- quotes, a semicolon and Korean on purpose: names are where careless SQL breaks
       ELT(1 + FLOOR(8 * a2),
           '김민준', '이서연', 'O''Brien', 'Gillams',
           'La "Capraz"', 'Hideyukih', '박;지우', 'Cableo')                AS name,
       100000000 + FLOOR(899999999 * a3)       AS ssn,
       18 + FLOOR(53 * a4)                     AS age,
       ELT(1 + FLOOR(8 * b1),
           'Developer', 'Journalist', 'Scientist', 'Engineer',
           'Architect', 'Lawyer', 'Doctor', 'Media_Manager')               AS occupation,
       ROUND(7000 + 170000 * b2 * b2, 2)       AS annual_income,
       FLOOR(11 * b3)                          AS num_bank_accounts,
       FLOOR(11 * b4)                          AS num_credit_card,
       1 + FLOOR(34 * c1)                      AS interest_rate,
       FLOOR(9 * c2)                           AS num_of_loan,
       ELT(1 + FLOOR(5 * c3),
           'Personal Loan', 'Auto Loan, Student Loan',
           'Mortgage Loan, and Payday Loan', 'Not Specified',
           'Credit-Builder Loan')                                          AS type_of_loan,
       FLOOR(60 * c4)                          AS usual_delay,
       FLOOR(26 * d1)                          AS num_of_delayed_payment,
       ROUND(30 * d2, 2)                       AS changed_credit_limit,
       FLOOR(16 * d3)                          AS num_credit_inquiries,
       ELT(1 + FLOOR(3 * d4), 'Good', 'Standard', 'Bad')                   AS credit_mix,
       ROUND(5000 * e1, 2)                     AS usual_debt,
       ROUND(20 + 30 * e2, 3)                  AS credit_utilization_ratio,
       10 + FLOOR(390 * e3)                    AS credit_history_age,
       ELT(1 + FLOOR(3 * e4), 'Yes', 'No', 'NM')                           AS payment_of_min_amount,
       (7 * a1 + 3 * b1 + 5 * c1) MOD 1        AS emi_draw,
       (7 * a2 + 3 * b2 + 5 * c2) MOD 1        AS invest_draw,
       (7 * a3 + 3 * b3 + 5 * c3) MOD 1        AS behaviour_draw,
       (7 * a4 + 3 * b4 + 5 * c4) MOD 1        AS luck
  FROM seed_draws;

-- Step 3, the label. The risk is made from each person's usual figures, before the drift of step 4.
CREATE OR REPLACE TEMPORARY TABLE seed_labels ENGINE = InnoDB AS
SELECT id, customer_id, date,
       0.9 * usual_delay / 60
       + 0.8 * num_of_delayed_payment / 25
       + 0.9 * usual_debt / 5000
       + 0.7 * interest_rate / 35
       + 0.5 * num_credit_inquiries / 15
       - 0.5 * credit_history_age / 400
       + CASE credit_mix WHEN 'Bad' THEN 0.45 WHEN 'Good' THEN -0.35 ELSE 0 END
       + 0.35 * (luck - 0.5) AS risk
  FROM seed_people;

INSERT INTO customer_info (id, customer_id, date, name, ssn)
SELECT id, customer_id, date, name, ssn FROM seed_people;

INSERT INTO credit_score (id, customer_id, date, credit_score)
SELECT id, customer_id, date,
       CASE WHEN risk > 1.75 THEN 'Poor' WHEN risk > 1.05 THEN 'Standard' ELSE 'Good' END
  FROM seed_labels;

-- Step 4, the features. From 2025-08-25 on debts and delays grow while the labels do not follow:
-- a drift for a monitor to find.
INSERT INTO credit_score_features (
       id, customer_id, date, name, age, ssn, occupation,
       annual_income, monthly_inhand_salary, num_bank_accounts, num_credit_card,
       interest_rate, num_of_loan, type_of_loan,
       delay_from_due_date,
       num_of_delayed_payment, changed_credit_limit, num_credit_inquiries, credit_mix,
       outstanding_debt,
       credit_utilization_ratio, credit_history_age, payment_of_min_amount,
       total_emi_per_month, amount_invested_monthly,
       payment_behaviour,
       monthly_balance)
SELECT id, customer_id, date, name, age, ssn, occupation,
       annual_income, ROUND(annual_income / 12 * 0.9, 2), num_bank_accounts, num_credit_card,
       interest_rate, num_of_loan, type_of_loan,
       IF(date >= '2025-08-25', LEAST(usual_delay + 20, 79), usual_delay),
       num_of_delayed_payment, changed_credit_limit, num_credit_inquiries, credit_mix,
       IF(date >= '2025-08-25', ROUND(usual_debt * 1.8 + 500, 2), usual_debt),
       credit_utilization_ratio, credit_history_age, payment_of_min_amount,
       ROUND(900 * emi_draw, 2), ROUND(1000 * invest_draw, 2),
       ELT(1 + FLOOR(4 * behaviour_draw),
           'Low_spent_Small_value_payments', 'High_spent_Medium_value_payments',
           'Low_spent_Large_value_payments', 'High_spent_Large_value_payments'),
       ROUND(100 + 1100 * behaviour_draw, 2)
  FROM seed_people;

DROP TEMPORARY TABLE seed_labels, seed_people, seed_draws;
