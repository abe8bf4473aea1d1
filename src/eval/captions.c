/* Captions to metrics, to a file and back; see captions.h. Ranks come from recall.c. */
#include "eval/captions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "eval/derived.h"
#include "eval/recall.h"
#include "text/ptb/ptb.h"

/* ---- metrics ---- */

/* mrr, r@K.., rank of one rank, NAN for 0; returns how many. */
static size_t rank_values(double *out, size_t rank, const int64_t *ks, size_t n_ks)
{
    size_t n = 0;
    out[n++] = rank > 0 ? 1 / (double)rank : NAN;
    for (size_t i = 0; i < n_ks; i++)
        out[n++] = rank > 0 ? rank <= (size_t)ks[i] : NAN;
    out[n++] = rank > 0 ? (double)rank : NAN;
    return n;
}

static size_t rank_names(char **out, const char *prefix, const int64_t *ks, size_t n_ks)
{
    size_t n = 0;
    out[n++] = xasprintf("%smrr", prefix);
    for (size_t i = 0; i < n_ks; i++)
        out[n++] = xasprintf("%sr@%lld", prefix, (long long)ks[i]);
    out[n++] = xasprintf("%srank", prefix);
    return n;
}

/* Drops the columns that some caption does not know. */
static void drop_unknown(Metrics *m)
{
    size_t kept = 0, n = m->n;
    for (size_t c = 0; c < n; c++) {
        bool known = true;
        for (size_t i = 0; i < m->units; i++)
            known = known && !isnan(m->values[i * n + c]);
        if (!known) {
            free(m->names[c]);
            continue;
        }
        for (size_t i = 0; i < m->units; i++)
            m->values[i * n + kept] = m->values[i * n + c];
        m->names[kept++] = m->names[c];
    }
    for (size_t i = 0; i < m->units; i++)
        memmove(m->values + i * kept, m->values + i * n, kept * sizeof *m->values);
    m->n = kept;
}

void captions_metrics(Metrics *out, const CaptionRow *captions, size_t n, char *const *ids, size_t units, const int64_t *ks,
                      size_t n_ks)
{
    size_t columns = 2 * (n_ks + 2) + VALUES, at;
    size_t *count = xcalloc(units + 1, sizeof *count);
    double *row = xmalloc(columns * sizeof *row);
    metrics_init(out, units, columns);
    at = rank_names(out->names, "", ks, n_ks);
    at += rank_names(out->names + at, "i2t.", ks, n_ks);
    for (size_t i = 0; i < VALUES; i++)
        out->names[at++] = xstrdup(value_name(i));
    for (size_t i = 0; i < n; i++)
        count[captions[i].image]++;
    for (size_t i = 0; i < n; i++) {
        const CaptionRow *c = &captions[i];
        at = rank_values(row, c->rank, ks, n_ks);
        at += rank_values(row + at, c->image_rank, ks, n_ks);
        memcpy(row + at, c->values, sizeof c->values);
        for (size_t k = 0; k < columns; k++)
            out->values[c->image * columns + k] += row[k] / (double)count[c->image];
    }
    for (size_t i = 0; i < units; i++)
        out->ids[i] = xstrdup(ids[i]);
    drop_unknown(out);
    free(count);
    free(row);
}

static CaptionRow entry_row(const Run *run, const Entry *e)
{
    CaptionRow row = {
        .id = e->id, .image = e->image, .rank = e->rank, .image_rank = run->image_ranks ? run->image_ranks[e->image] : 0};
    memcpy(row.values, e->values, sizeof row.values);
    return row;
}

/* ---- ranks of a run ---- */

static const real **image_rows(const Run *run, const Images *images)
{
    const real **rows = xmalloc((run->n_images + 1) * sizeof *rows);
    for (size_t i = 0; i < run->n_images; i++)
        rows[i] = images_row(images, run->images[i]);
    return rows;
}

static void rank_captions(Run *run, const Images *images)
{
    const real **rows = image_rows(run, images);
    size_t *ranks = xmalloc((run->n + 1) * sizeof *ranks);
    double *cosines = xmalloc((run->n + 1) * sizeof *cosines);
    run->image_ranks = xcalloc(run->n_images + 1, sizeof *run->image_ranks);
    recall_ranks(ranks, run->image_ranks, cosines, run->captions.rows, run->n, rows, run->n_images, run->captions.image,
                 images->cols);
    for (size_t i = 0; i < run->n; i++) {
        run->entries[i].rank = ranks[i];
        run->entries[i].values[VALUE_COSINE] = cosines[i];
    }
    free(rows);
    free(ranks);
    free(cosines);
}

/*
 * CLIPScore and RefCLIPScore of Hessel et al. 2021 (arXiv 2104.08718), as the authors compute them: w max(cos(image, caption), 0)
 * with w = 2.5; the harmonic mean of that and max(0, the greatest cosine of the caption and a reference). All texts are prompted.
 */
static void score_captions(Run *run, const Images *images)
{
    const size_t cols = images->cols;
    for (size_t i = 0; i < run->n; i++) {
        Entry *e = &run->entries[i];
        const real *caption = run->prompted.rows + i * cols;
        double score = 2.5 * fmax(row_dot(caption, images_row(images, run->images[e->image]), cols), 0), best = 0;
        e->values[VALUE_CLIPSCORE] = score;
        if (!run->n_references || run->n_references[e->image] == 0)
            continue;
        const real *reference = run->prompted_references.rows + run->first_reference[e->image] * cols;
        for (size_t r = 0; r < run->n_references[e->image]; r++)
            best = fmax(best, row_dot(caption, reference + r * cols, cols));
        e->values[VALUE_REFCLIPSCORE] = score > 0 && best > 0 ? 2 * score * best / (score + best) : 0;
    }
}

void run_rank(Metrics *out, Run *run, const Images *images, const int64_t *ks, size_t n_ks)
{
    CaptionRow *captions = xmalloc((run->n + 1) * sizeof *captions);
    if (images->cols > 0) {
        rank_captions(run, images);
        score_captions(run, images);
    }
    for (size_t i = 0; i < run->n; i++)
        captions[i] = entry_row(run, &run->entries[i]);
    captions_metrics(out, captions, run->n, run->image_ids, run->n_images, ks, n_ks);
    free(captions);
}

void run_compare(Run *run, const Frequencies *frequencies)
{
    const Compared *c = &run->compared;
    Ptb *tokenizer = ptb_new();
    Arena scratch = {0};
    for (size_t i = 0; i < run->n; i++) {
        Entry *e = &run->entries[i];
        const Words words = words_of(ptb_tokenize(tokenizer, (Slice){e->text, e->size}, &scratch), &scratch);
        const Overlap o = overlap_measure(&words, c->words + c->first[e->image], c->count[e->image], frequencies, &scratch);
        values_overlap(e->values, &o);
        arena_reset(&scratch);
    }
    ptb_free(tokenizer);
    arena_release(&scratch);
}

/* References ask among all images of the run, as captions do; only the images that have some count. */
void run_rank_references(Metrics *out, Run *run, const Images *images, const int64_t *ks, size_t n_ks)
{
    const Texts *t = &run->references;
    const real **rows = image_rows(run, images);
    size_t *ranks = xmalloc((t->n + 1) * sizeof *ranks), *image_ranks = xmalloc((run->n_images + 1) * sizeof *image_ranks);
    size_t *number = xmalloc((run->n_images + 1) * sizeof *number), units = 0;
    double *cosines = xmalloc((t->n + 1) * sizeof *cosines);
    CaptionRow *captions = xmalloc((t->n + 1) * sizeof *captions);
    char **ids = xmalloc((run->n_images + 1) * sizeof *ids);
    recall_ranks(ranks, image_ranks, cosines, t->rows, t->n, rows, run->n_images, t->image, images->cols);
    for (size_t i = 0; i < run->n_images; i++) {
        number[i] = units;
        ids[units] = run->image_ids[i];
        units += image_ranks[i] > 0;
    }
    for (size_t i = 0; i < t->n; i++) {
        captions[i] = (CaptionRow){.image = number[t->image[i]], .rank = ranks[i], .image_rank = image_ranks[t->image[i]]};
        values_clear(captions[i].values);
        captions[i].values[VALUE_COSINE] = cosines[i];
    }
    captions_metrics(out, captions, t->n, ids, units, ks, n_ks);
    free(rows);
    free(ranks);
    free(image_ranks);
    free(number);
    free(cosines);
    free(captions);
    free(ids);
}

/* ---- the file ---- */

/* Ranks and values that are known; what is of the set alone is left to its parts. */
static json_t *caption_json(const Run *run, const Entry *e)
{
    const CaptionRow c = entry_row(run, e);
    const Digest image = digest_text(run->image_keys[e->image]);
    json_t *o = json_pack("{s:s, s:s, s:s%}", "id", e->id, "image", image.text, "text", e->text, e->size);
    if (o && c.rank > 0) {
        json_object_set_new(o, "rank", json_integer((json_int_t)c.rank));
        json_object_set_new(o, "i2t_rank", json_integer((json_int_t)c.image_rank));
    }
    for (size_t i = 0; o && i < VALUES; i++)
        if (!isnan(c.values[i]) && derived_find(value_name(i)) == SIZE_MAX)
            json_object_set_new(o, value_name(i), json_real(c.values[i]));
    return o;
}

bool per_image_write(const char *path, const Run *run, Error *err)
{
    AtomicFile f;
    if (!atomic_open(&f, path, err))
        return false;
    for (size_t i = 0; i < run->n; i++)
        json_line_put(f.stream, caption_json(run, &run->entries[i]));
    return atomic_commit(&f, err);
}

static double number_of(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

/* *before: the line is of before cosine had its name. */
static bool caption_of_json(CaptionRow *c, bool *before, const json_t *o, Error *err)
{
    const json_t *id = json_object_get(o, "id"), *rank = json_object_get(o, "rank"), *back = json_object_get(o, "i2t_rank");
    if (!json_is_string(id) || !json_is_string(json_object_get(o, "image")) ||
        ((rank || back) && (json_integer_value(rank) < 1 || json_integer_value(back) < 1)))
        return error_set(err,
                         "expected id, image, rank and i2t_rank (both, or without a CLIP neither), as --per-image writes them");
    *c = (CaptionRow){
        .id = json_string_value(id), .rank = (size_t)json_integer_value(rank), .image_rank = (size_t)json_integer_value(back)};
    for (size_t i = 0; i < VALUES; i++)
        c->values[i] = number_of(o, value_name(i));
    values_of_set(c->values);
    if (isnan(c->values[VALUE_COSINE]) && json_object_get(o, "clipscore")) {
        c->values[VALUE_COSINE] = c->values[VALUE_CLIPSCORE];
        c->values[VALUE_CLIPSCORE] = NAN;
        *before = true;
    }
    return true;
}

typedef struct Lines {
    CaptionRow *captions;
    char **ids; /* of images; in the arena */
    size_t n, capacity, units, id_capacity;
    bool before;
    Places images;
    Arena arena;
} Lines;

static bool add_line(Lines *l, const char *line, Error *err)
{
    json_error_t why;
    CaptionRow c;
    json_t *o = json_loads(line, JSON_ALLOW_NUL, &why);
    bool ok = o ? caption_of_json(&c, &l->before, o, err) : error_set(err, "no JSON: %s", why.text);
    if (ok) {
        const char *image = json_string_value(json_object_get(o, "image"));
        uint64_t key = hash_id(image, strlen(image));
        c.image = places_find(&l->images, key);
        if (c.image == SIZE_MAX) {
            c.image = l->units;
            places_add(&l->images, key, l->units);
            l->ids = array_reserve(l->ids, &l->id_capacity, l->units + 1, sizeof *l->ids);
            l->ids[l->units++] = arena_strndup(&l->arena, c.id, strlen(c.id));
        } else if (strcmp(c.id, l->ids[c.image]) < 0) { /* as run.c names an image */
            l->ids[c.image] = arena_strndup(&l->arena, c.id, strlen(c.id));
        }
        l->captions = array_reserve(l->captions, &l->capacity, l->n + 1, sizeof *l->captions);
        l->captions[l->n++] = c;
    }
    json_decref(o);
    return ok;
}

bool per_image_read(Metrics *out, const char *path, const int64_t *ks, size_t n_ks, Error *err)
{
    Lines l = {0};
    char *text = file_read(path, NULL, err), *rest = text;
    bool ok = text;
    *out = (Metrics){0};
    for (size_t number = 1; ok && rest && *rest; number++) {
        Error why = {0};
        bool ended = strchr(rest, '\n');
        char *line = strsep(&rest, "\n");
        if (!ended)
            ok = error_set_status(err, STATUS_CORRUPT, "%s: line %zu is cut short", path, number);
        else if (!add_line(&l, line, &why))
            ok = error_set_status(err, STATUS_CORRUPT, "%s: line %zu: %s", path, number, why.text);
    }
    if (ok && l.n == 0)
        ok = error_set_status(err, STATUS_EMPTY, "%s: no captions in it", path);
    if (ok && l.before)
        warn("%s: written before cosine had its name: its clipscore is read as cosine", path);
    if (ok)
        captions_metrics(out, l.captions, l.n, l.ids, l.units, ks, n_ks);
    free(text);
    free(l.captions);
    free(l.ids);
    places_release(&l.images);
    arena_release(&l.arena);
    return ok;
}

bool per_image_is(const char *path)
{
    FILE *f = strcmp(path, "-") == 0 ? NULL : fopen(path, "r");
    int first = f ? getc(f) : EOF;
    if (f)
        fclose(f);
    return first == '{';
}
