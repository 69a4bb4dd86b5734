-- The feature store of the credit score examples, in one MariaDB database `mlops`.
-- Running this file again empties everything: it is the reset button of the examples.
--
--   customer_info ─┐
--   credit_score  ─┼─ written once by seed.sql, 5,000 rows each, one row per customer and day
--   credit_score_features ─┘
--   credit_score_features_target   written by features.sql: the training set of one day
--   credit_predictions_api_log     written by the prediction service, one row per answer
--
-- Days are text ('2025-08-22'), as many feature stores in the wild keep them; comparing them as
-- text is safe only because the form is always YYYY-MM-DD.

CREATE DATABASE IF NOT EXISTS mlops CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
USE mlops;

DROP TABLE IF EXISTS credit_predictions_api_log;
DROP TABLE IF EXISTS credit_score_features_target;
DROP TABLE IF EXISTS credit_score_features;
DROP TABLE IF EXISTS credit_score;
DROP TABLE IF EXISTS customer_info;

CREATE TABLE customer_info (
  id          VARCHAR(10) NOT NULL,
  customer_id VARCHAR(10) NOT NULL,
  date        VARCHAR(10) NOT NULL,
  name        VARCHAR(50),
  ssn         BIGINT,
  PRIMARY KEY (id, customer_id, date)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4
  PARTITION BY KEY (date) PARTITIONS 8;

-- The label: 'Poor', 'Standard' or 'Good'.
CREATE TABLE credit_score (
  id           VARCHAR(10) NOT NULL,
  customer_id  VARCHAR(10) NOT NULL,
  date         VARCHAR(10) NOT NULL,
  credit_score VARCHAR(10) NOT NULL,
  PRIMARY KEY (id, customer_id, date)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4
  PARTITION BY KEY (date) PARTITIONS 8;

CREATE TABLE credit_score_features (
  id                       VARCHAR(10) NOT NULL,
  customer_id              VARCHAR(10) NOT NULL,
  date                     VARCHAR(10) NOT NULL,
  name                     VARCHAR(50),
  age                      FLOAT,
  ssn                      BIGINT,
  occupation               VARCHAR(50),
  annual_income            FLOAT,
  monthly_inhand_salary    FLOAT,
  num_bank_accounts        FLOAT,
  num_credit_card          FLOAT,
  interest_rate            FLOAT,
  num_of_loan              FLOAT,
  type_of_loan             TEXT,
  delay_from_due_date      FLOAT,
  num_of_delayed_payment   FLOAT,
  changed_credit_limit     FLOAT,
  num_credit_inquiries     FLOAT,
  credit_mix               VARCHAR(20),
  outstanding_debt         FLOAT,
  credit_utilization_ratio FLOAT,
  credit_history_age       FLOAT,
  payment_of_min_amount    VARCHAR(10),
  total_emi_per_month      FLOAT,
  amount_invested_monthly  FLOAT,
  payment_behaviour        VARCHAR(50),
  monthly_balance          FLOAT,
  PRIMARY KEY (id, customer_id, date)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4
  PARTITION BY KEY (date) PARTITIONS 8;

-- base_dt is the day (in Seoul) for which the training set was built.
CREATE TABLE credit_score_features_target (
  base_dt                  VARCHAR(10) NOT NULL,
  id                       VARCHAR(10) NOT NULL,
  customer_id              VARCHAR(10) NOT NULL,
  date                     VARCHAR(10) NOT NULL,
  age                      FLOAT,
  occupation               VARCHAR(50),
  annual_income            FLOAT,
  monthly_inhand_salary    FLOAT,
  num_bank_accounts        FLOAT,
  num_credit_card          FLOAT,
  interest_rate            FLOAT,
  num_of_loan              FLOAT,
  type_of_loan             TEXT,
  delay_from_due_date      FLOAT,
  num_of_delayed_payment   FLOAT,
  changed_credit_limit     FLOAT,
  num_credit_inquiries     FLOAT,
  credit_mix               VARCHAR(20),
  outstanding_debt         FLOAT,
  credit_utilization_ratio FLOAT,
  credit_history_age       FLOAT,
  payment_of_min_amount    VARCHAR(10),
  total_emi_per_month      FLOAT,
  amount_invested_monthly  FLOAT,
  payment_behaviour        VARCHAR(50),
  monthly_balance          FLOAT,
  credit_score             VARCHAR(10) NOT NULL,
  PRIMARY KEY (base_dt, id, customer_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4
  PARTITION BY KEY (base_dt) PARTITIONS 7;

CREATE TABLE credit_predictions_api_log (
  id          BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  customer_id VARCHAR(10) NOT NULL,
  features    JSON NOT NULL,
  prediction  VARCHAR(10) NOT NULL,
  confidence  FLOAT NOT NULL,
  elapsed_ms  INT NOT NULL,
  created_at  TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;
