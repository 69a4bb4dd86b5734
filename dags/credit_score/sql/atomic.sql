-- A probe: the second statement cannot work, so the first one must leave no trace.
DELETE FROM mlops.credit_score_features_target;
INSERT INTO mlops.credit_score_features_target (base_dt, there_is_no_such_column) VALUES ('2025-08-22', 1);
