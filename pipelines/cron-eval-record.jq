# A report of vlrm-eval as SQL: one transaction that records its metrics under $run and $step, and $said unless it is empty.
def quote: "'" + gsub("'"; "''") + "'";
"BEGIN;",
(.runs[0].metrics | to_entries[] |
    "INSERT INTO eval VALUES (\($run | quote), \($step), datetime(), \(.key | quote), \(.value.mean), \(.value.low), \(.value.high));"),
if $said == "" then empty else "INSERT INTO fell VALUES (\($run | quote), \($step), \($said | quote));" end,
"COMMIT;"
