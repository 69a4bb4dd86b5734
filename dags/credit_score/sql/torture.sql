-- A probe for statement splitters; this comment has a semicolon, an open ' and 한글 in it.
CREATE OR REPLACE TABLE mlops.torture (n INT PRIMARY KEY, v VARCHAR(100)) CHARSET utf8mb4;
/* Two statements a line. */ INSERT INTO mlops.torture VALUES (1, 'a;b'); INSERT INTO mlops.torture VALUES (2, 'it''s; fine');
INSERT INTO mlops.torture VALUES (3, 'back\'slash; "q"'); # to the end of the line; with a ' in it
INSERT INTO mlops.torture VALUES (4, "double; 'quoted' ""x"""); /* a block; that 'opens
  a quote; on its second line; */ INSERT INTO mlops.torture VALUES (5, '-- not a comment; /* nor this */ # nor this');
;  ;
INSERT INTO mlops.torture VALUES (6, '100% ? :name %s {{ "{{" }} ;');
INSERT INTO mlops.torture
VALUES (7, '한글;세미콜론 😀');
CREATE OR REPLACE TABLE mlops.`tor;ture2` (n INT);
-- two minus signs without a blank behind them are arithmetic, 5 - (-1)
INSERT INTO mlops.`tor;ture2` SELECT 5--1;
-- the last statement ends with the file, not with a semicolon
INSERT INTO mlops.torture SELECT 8, CONCAT(COUNT(*), ';') FROM mlops.torture AS so_far
