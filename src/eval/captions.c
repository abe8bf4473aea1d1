/* Captions to metrics, to a file and back; see captions.h. Ranks come from recall.c. */
#include "eval/captions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "eval/recall.h"

/* ---- metrics ---- */

enum { PLAIN = 8 }; /* metrics beside recall */
static const char *const plain_names[PLAIN] = {"clipscore", "itm", "words", "tokens", "colours", "bad", "repeats", "noeos"};

static void plain_values(double out[PLAIN], const CaptionRow *c)
{
    const double values[PLAIN] = {c->cosine, c->itm, c->words, c->tokens, c->colours, c->bad, c->repeats, c->noeos};
    memcpy(out, values, sizeof values);
}

/* mrr, r@K.., rank of one rank; returns how many. */
static size_t rank_values(double *out, size_t rank, const int64_t *ks, size_t n_ks)
{
    size_t n = 0;
    out[n++] = 1 / (double)rank;
    for (size_t i = 0; i < n_ks; i++)
        out[n++] = rank <= (size_t)ks[i];
    out[n++] = (double)rank;
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
    size_t columns = 2 * (n_ks + 2) + PLAIN, at;
    size_t *count = xcalloc(units + 1, sizeof *count);
    double *row = xmalloc(columns * sizeof *row);
    metrics_init(out, units, columns);
    at = rank_names(out->names, "", ks, n_ks);
    at += rank_names(out->names + at, "i2t.", ks, n_ks);
    for (size_t i = 0; i < PLAIN; i++)
        out->names[at++] = xstrdup(plain_names[i]);
    for (size_t i = 0; i < n; i++)
        count[captions[i].image]++;
    for (size_t i = 0; i < n; i++) {
        const CaptionRow *c = &captions[i];
        at = rank_values(row, c->rank, ks, n_ks);
        at += rank_values(row + at, c->image_rank, ks, n_ks);
        plain_values(row + at, c);
        for (size_t k = 0; k < columns; k++)
            out->values[c->image * columns + k] += row[k] / (double)count[c->image];
    }
    for (size_t i = 0; i < units; i++)
        out->ids[i] = xstrdup(ids[i]);
    drop_unknown(out);
    free(count);
    free(row);
}

CaptionRow entry_caption(const Run *run, const Entry *e)
{
    return (CaptionRow){.id = e->id,
                        .image = e->image,
                        .rank = e->rank,
                        .image_rank = run->image_ranks[e->image],
                        .cosine = e->cosine,
                        .itm = e->itm,
                        .words = (double)e->counts.words,
                        .tokens = e->tokens,
                        .colours = (double)e->counts.colours,
                        .bad = e->counts.bad > 0,
                        .repeats = e->counts.repeats > 0,
                        .noeos = e->noeos};
}

/* ---- ranks of a run ---- */

static const real **image_rows(const Run *run, const Images *images)
{
    const real **rows = xmalloc((run->n_images + 1) * sizeof *rows);
    for (size_t i = 0; i < run->n_images; i++)
        rows[i] = images_row(images, run->images[i]);
    return rows;
}

void run_rank(Metrics *out, Run *run, const Images *images, const int64_t *ks, size_t n_ks)
{
    const real **rows = image_rows(run, images);
    size_t *ranks = xmalloc((run->n + 1) * sizeof *ranks);
    double *cosines = xmalloc((run->n + 1) * sizeof *cosines);
    CaptionRow *captions = xmalloc((run->n + 1) * sizeof *captions);
    run->image_ranks = xcalloc(run->n_images + 1, sizeof *run->image_ranks);
    recall_ranks(ranks, run->image_ranks, cosines, run->captions.rows, run->n, rows, run->n_images, run->captions.image,
                 images->cols);
    for (size_t i = 0; i < run->n; i++) {
        run->entries[i].rank = ranks[i];
        run->entries[i].cosine = cosines[i];
        captions[i] = entry_caption(run, &run->entries[i]);
    }
    captions_metrics(out, captions, run->n, run->image_ids, run->n_images, ks, n_ks);
    free(rows);
    free(ranks);
    free(cosines);
    free(captions);
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
    for (size_t i = 0; i < t->n; i++)
        captions[i] = (CaptionRow){.image = number[t->image[i]],
                                   .rank = ranks[i],
                                   .image_rank = image_ranks[t->image[i]],
                                   .cosine = cosines[i],
                                   .itm = NAN,
                                   .words = NAN,
                                   .tokens = NAN,
                                   .colours = NAN,
                                   .bad = NAN,
                                   .repeats = NAN,
                                   .noeos = NAN};
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

static void set_known(json_t *o, const char *key, double value)
{
    if (!isnan(value))
        json_object_set_new(o, key, json_real(value));
}

static json_t *caption_json(const Run *run, const Entry *e)
{
    CaptionRow c = entry_caption(run, e);
    double plain[PLAIN];
    const Digest image = digest_text(run->image_keys[e->image]);
    json_t *o = json_pack("{s:s, s:s, s:s%, s:I, s:I}", "id", e->id, "image", image.text, "text", e->text, e->size, "rank",
                          (json_int_t)c.rank, "i2t_rank", (json_int_t)c.image_rank);
    plain_values(plain, &c);
    for (size_t i = 0; o && i < PLAIN; i++)
        set_known(o, plain_names[i], plain[i]);
    return o;
}

bool per_image_write(const char *path, const Run *run, Error *err)
{
    AtomicFile f;
    if (!atomic_open(&f, path, err))
        return false;
    for (size_t i = 0; i < run->n; i++) {
        json_t *o = caption_json(run, &run->entries[i]);
        size_t size;
        char *line = json_line(o, &size);
        fprintf(f.stream, "%.*s\n", (int)size, line);
        free(line);
        json_decref(o);
    }
    return atomic_commit(&f, err);
}

static double number_of(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static bool caption_of_json(CaptionRow *c, const json_t *o, Error *err)
{
    const json_t *id = json_object_get(o, "id"), *rank = json_object_get(o, "rank"), *back = json_object_get(o, "i2t_rank");
    if (!json_is_string(id) || !json_is_string(json_object_get(o, "image")) || json_integer_value(rank) < 1 ||
        json_integer_value(back) < 1)
        return error_set(err, "expected id, image, rank and i2t_rank, as --per-image writes them");
    *c = (CaptionRow){
        .id = json_string_value(id), .rank = (size_t)json_integer_value(rank), .image_rank = (size_t)json_integer_value(back)};
    double *const out[PLAIN] = {&c->cosine, &c->itm, &c->words, &c->tokens, &c->colours, &c->bad, &c->repeats, &c->noeos};
    for (size_t i = 0; i < PLAIN; i++)
        *out[i] = number_of(o, plain_names[i]);
    return true;
}

typedef struct Lines {
    CaptionRow *captions;
    char **ids; /* of images; in the arena */
    size_t n, capacity, units, id_capacity;
    Places images;
    Arena arena;
} Lines;

static bool add_line(Lines *l, const char *line, Error *err)
{
    json_error_t why;
    CaptionRow c;
    json_t *o = json_loads(line, JSON_ALLOW_NUL, &why);
    bool ok = o ? caption_of_json(&c, o, err) : error_set(err, "no JSON: %s", why.text);
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
