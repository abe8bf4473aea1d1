/* JSON and the table; see report.h. */
#include "eval/report.h"

#include <stdlib.h>
#include <string.h>

#include "eval/derived.h"
#include "text/ptb/ptb.h"

void row_release(Row *row)
{
    metrics_release(&row->metrics);
    json_decref(row->overlap);
    row->overlap = NULL;
    free(row->intervals);
    row->intervals = NULL;
}

json_t *intervals_json(const Metrics *m, const Interval *v)
{
    json_t *o = json_object();
    for (size_t i = 0; i < m->n; i++)
        if (!column_is_part(m->names[i]))
            json_object_set_new(o, m->names[i],
                                json_pack("{s:f, s:f, s:f}", "mean", v[i].mean, "low", v[i].low, "high", v[i].high));
    return o;
}

static double share(size_t part, size_t all)
{
    return all > 0 ? (double)part / (double)all : 0;
}

static json_t *text_json(const TextTotals *t)
{
    json_t *distinct = json_object();
    for (size_t k = 0; k < NGRAMS; k++) {
        char name[8];
        snprintf(name, sizeof name, "%zu", k + 1);
        json_object_set_new(distinct, name, json_real(share(places_count(&t->grams[k]), t->all[k])));
    }
    return json_pack("{s:I, s:I, s:I, s:o}", "words", (json_int_t)t->all[0], "vocabulary", (json_int_t)places_count(&t->grams[0]),
                     "empty", (json_int_t)t->empty, "distinct", distinct);
}

static const char overlap_note[] = "BLEU, ROUGE-L and CIDEr fall when captions say more than their references do, true or not";

json_t *overlap_json(const Compared *c, const char *df, const Frequencies *f, const ReferenceSet *set)
{
    json_t *references = set ? reference_set_json(set)
                             : json_pack("{s:s, s:I, s:I}", "name", "frame.references", "images", (json_int_t)c->images, "texts",
                                         (json_int_t)c->n);
    return json_pack("{s:s, s:{s:s, s:I, s:s}, s:o, s:s}", "tokenizer", PTB_NAME, "frequencies", "name",
                     df ? df : "these references", "images", (json_int_t)f->images, "digest", frequencies_digest(f).text,
                     "references", references, "note", overlap_note);
}

/* Two conventions go by the one name. */
static json_t *clipscore_json(const Row *row, double cosine)
{
    double hessel = row->intervals[metrics_find(&row->metrics, "clipscore")].mean;
    return json_pack("{s:f, s:f}", "hessel", hessel, "torchmetrics", cosine > 0 ? 100 * cosine : 0.0);
}

json_t *row_json(const Row *row)
{
    const Run *run = row->run;
    json_t *o = json_pack("{s:s, s:I}", "name", row->name, "images", (json_int_t)row->metrics.units);
    if (run) {
        json_object_set_new(o, "captions", json_integer((json_int_t)(row->references ? run->references.n : run->n)));
        if (!row->references)
            json_object_set_new(o, "failed", json_integer(run->failed));
    }
    json_object_set_new(o, "metrics", intervals_json(&row->metrics, row->intervals));
    if (run)
        json_object_set_new(o, "text", text_json(row->references ? &run->reference_totals : &run->totals));
    size_t cosine = metrics_find(&row->metrics, "cosine");
    if (run && cosine != SIZE_MAX && metrics_find(&row->metrics, "clipscore") != SIZE_MAX)
        json_object_set_new(o, "clipscore", clipscore_json(row, row->intervals[cosine].mean));
    if (row->overlap)
        json_object_set(o, "overlap", row->overlap);
    if (run && run->upstream && !row->references)
        json_object_set(o, "upstream", run->upstream);
    return o;
}

/* ---- the table ---- */

typedef struct Columns {
    const char *names[64];
    size_t n;
} Columns;

static void columns_collect(Columns *c, const Row *rows, size_t n)
{
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < rows[r].metrics.n; i++) {
            bool there = false;
            for (size_t k = 0; k < c->n; k++)
                there = there || strcmp(c->names[k], rows[r].metrics.names[i]) == 0;
            if (!there && !column_is_part(rows[r].metrics.names[i]) && c->n < sizeof c->names / sizeof c->names[0])
                c->names[c->n++] = rows[r].metrics.names[i];
        }
}

/* The narrow screen is the rule: rows of metrics, a column for each run. */
void table_print(FILE *out, const Row *rows, size_t n)
{
    Columns c = {.n = 0};
    columns_collect(&c, rows, n);
    fprintf(out, "%-10s", "");
    for (size_t r = 0; r < n; r++) {
        size_t size = strlen(rows[r].name);
        fprintf(out, "  %24s", size > 24 ? rows[r].name + size - 24 : rows[r].name);
    }
    fprintf(out, "\n%-10s", "images");
    for (size_t r = 0; r < n; r++)
        fprintf(out, "  %24zu", rows[r].metrics.units);
    for (size_t k = 0; k < c.n; k++) {
        fprintf(out, "\n%-10s", c.names[k]);
        for (size_t r = 0; r < n; r++) {
            size_t i = metrics_find(&rows[r].metrics, c.names[k]);
            char cell[64] = "-";
            if (i != SIZE_MAX)
                snprintf(cell, sizeof cell, "%.3f (%.3f..%.3f)", rows[r].intervals[i].mean, rows[r].intervals[i].low,
                         rows[r].intervals[i].high);
            fprintf(out, "  %24s", cell);
        }
    }
    fprintf(out, "\n");
    if (n > 0 && rows[0].overlap)
        fprintf(out, "%s.\n", overlap_note);
}
