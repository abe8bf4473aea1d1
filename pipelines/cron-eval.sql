-- The history of vlrm cron-eval: each metric of each step, and what fell and has not been said.
CREATE TABLE IF NOT EXISTS eval (run TEXT, step INTEGER, at TEXT, metric TEXT, mean REAL, low REAL, high REAL, PRIMARY KEY (run, step, metric));
CREATE TABLE IF NOT EXISTS fell (run TEXT, step INTEGER, said TEXT, PRIMARY KEY (run, step));
