/* What is said of runs: JSON for programs, a table for eyes. */
#ifndef EVAL_REPORT_H
#define EVAL_REPORT_H

#include "eval/run.h"

typedef struct Row { /* of the table and the report */
    const char *name;
    const Run *run;      /* NULL for a row that is no run (a baseline file) */
    Metrics metrics;     /* owned */
    Interval *intervals; /* owned: [metrics.n] */
    bool references;     /* REF: recall of the run's references */
    json_t *overlap;     /* owned: what BLEU, ROUGE-L and CIDEr stand on; NULL without */
} Row;

/* Frees what it holds. */
void row_release(Row *row);

/* {"name": {"mean", "low", "high"}, ..}. */
json_t *intervals_json(const Metrics *m, const Interval *v);

/* What comparing with references stands on: {"tokenizer", "frequencies": {"name", "images", "digest"}, "references", "note"}.
 * df: the name of the file the frequencies are of, or NULL; set: NULL for the frames' references. */
json_t *overlap_json(const Compared *c, const char *df, const Frequencies *f, const ReferenceSet *set);

/* {"name", "images", "captions", "failed", "metrics", "text", "upstream"}. */
json_t *row_json(const Row *row);

/* One line for each row, one column for each metric that any of them has. */
void table_print(FILE *out, const Row *rows, size_t n);

#endif
