/* Reading a run; see run.h. Its ranks and metrics are in captions.c. */
#include "eval/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/utf8.h"
#include "stage/caption.h"
#include "stream/filter.h"
#include "text/unicode.h"

/* A record that waits for its batch. */
typedef struct Pending {
    Record record;
    uint64_t key;
    Entry entry;
    float *pixels; /* to be encoded; NULL where the image is known */
} Pending;

typedef struct Reading {
    Run *run;
    Models *models;
    Images *images;
    const RunOptions *options;
    Filter filter;
    Pending *pending;
    size_t n_pending;
    Arena arena; /* of the pending ones */
} Reading;

/* ---- taking a record ---- */

static bool read_text(Entry *e, Arena *arena, const Record *r, Error *err)
{
    Slice text;
    Field f = caption_text(r, &text, err);
    if (f != FIELD_OK)
        return f == FIELD_MISSING && error_set(err, "no caption: expected caption.text");
    e->text = arena_strndup(arena, text.data, text.size);
    e->size = text.size;
    e->id = arena_strndup(arena, r->id.data, r->id.size);
    return true;
}

/* What is not there is not known (NAN). */
static bool read_tokens(Entry *e, Arena *arena, const Record *r, Error *err)
{
    int64_t *ids;
    size_t n;
    bool eos;
    e->itm = e->noeos = e->tokens = NAN;
    const Field has_eos = caption_eos(r, &eos, err), has_tokens = caption_tokens(r, arena, &ids, &n, err);
    if (has_eos == FIELD_OK)
        e->noeos = !eos;
    if (has_tokens == FIELD_OK)
        e->tokens = (double)n;
    return has_eos != FIELD_WRONG && has_tokens != FIELD_WRONG;
}

static bool already_pending(const Reading *g, uint64_t key)
{
    for (size_t i = 0; i < g->n_pending; i++)
        if (g->pending[i].key == key)
            return true;
    return false;
}

/* The image, in what form it is needed: nothing where its row is known. */
static bool read_image(Reading *g, Pending *p, Error *err)
{
    size_t side = g->models->clip.model->config.vision.image;
    p->pixels = NULL;
    if (!image_key(&p->key, &p->record, err))
        return false;
    if (images_find(g->images, p->key) != SIZE_MAX || already_pending(g, p->key))
        return true;
    p->pixels = arena_alloc(&g->arena, 3 * side * side * sizeof *p->pixels);
    return frame_pixels(p->pixels, &p->record, &g->models->clip.images, err);
}

static bool valid_utf8(const Entry *e, Error *err)
{
    size_t at = utf8_invalid_at(e->text, e->size);
    return at == e->size || error_set(err, "caption.text is not UTF-8 at byte %zu", at);
}

/* ---- a batch ---- */

/* An image has the name of the least id of its records, whatever their order: a baseline is paired by it. */
static size_t image_number(Run *run, uint64_t key, size_t place, char *id)
{
    size_t number = places_find(&run->by_key, key);
    if (number != SIZE_MAX) {
        if (strcmp(id, run->image_ids[number]) < 0)
            run->image_ids[number] = id;
        return number;
    }
    run->images = array_reserve(run->images, &run->image_capacity, run->n_images + 1, sizeof *run->images);
    run->image_ids = array_reserve(run->image_ids, &run->id_capacity, run->n_images + 1, sizeof *run->image_ids);
    run->image_keys = array_reserve(run->image_keys, &run->key_capacity, run->n_images + 1, sizeof *run->image_keys);
    run->images[run->n_images] = place;
    run->image_ids[run->n_images] = id;
    run->image_keys[run->n_images] = key;
    places_add(&run->by_key, key, run->n_images);
    return run->n_images++;
}

/* Each image by itself: its row is rounded by what is computed with it, and the cache decides what else is to be computed. */
static void encode_images(Reading *g)
{
    real *row = arena_alloc(&g->arena, g->images->cols * sizeof *row);
    for (size_t i = 0; i < g->n_pending; i++) {
        if (!g->pending[i].pixels)
            continue;
        models_clip_image(g->models, row, g->pending[i].pixels);
        images_add(g->images, g->pending[i].key, row);
    }
}

/* A text that came before has the row that it had then, to the bit: on a CUDA device rounding depends on a batch's other texts, a
 * tie may not. */
static void share_row(Texts *t, size_t at, Slice text, size_t cols)
{
    uint64_t key = hash_id(text.data, text.size);
    if (!places_add(&t->by_text, key, at))
        memcpy(t->rows + at * cols, t->rows + places_find(&t->by_text, key) * cols, cols * sizeof *t->rows);
}

static bool add_texts(Reading *g, Texts *t, const Slice *texts, const size_t *image, size_t n, Error *err)
{
    size_t cols = g->images->cols;
    t->rows = array_reserve(t->rows, &t->row_capacity, (t->n + n) * cols, sizeof *t->rows);
    t->image = array_reserve(t->image, &t->image_capacity, t->n + n, sizeof *t->image);
    if (!models_clip_texts(g->models, t->rows + t->n * cols, texts, n, err))
        return false;
    memcpy(t->image + t->n, image, n * sizeof *image);
    for (size_t i = 0; i < n; i++)
        share_row(t, t->n + i, texts[i], cols);
    t->n += n;
    return true;
}

/* The references of an image, once. */
static bool add_references(Reading *g, const Pending *p, Error *err)
{
    Slice raw = record_raw(&p->record, "frame.references");
    json_t *list = raw.data ? slice_json(raw) : NULL;
    size_t n = json_array_size(list), used = 0;
    Slice *texts = arena_alloc(&g->arena, (n + 1) * sizeof *texts);
    size_t *image = arena_alloc(&g->arena, (n + 1) * sizeof *image);
    for (size_t i = 0; i < n; i++) {
        json_t *s = json_array_get(list, i);
        if (!json_is_string(s))
            continue;
        texts[used] = (Slice){json_string_value(s), json_string_length(s)};
        image[used] = p->entry.image;
        g->run->reference_words +=
            statistics_add(&g->run->reference_totals, texts[used], g->options->rules, g->options->colours, &g->arena).words;
        used++;
    }
    bool ok = used == n || error_set(err, "record %s: frame.references holds something that is not text", p->entry.id);
    ok = ok && (n == 0 || add_texts(g, &g->run->references, texts, image, n, err));
    json_decref(list);
    return ok;
}

static bool add_entry(Reading *g, Pending *p, Error *err)
{
    Run *run = g->run;
    size_t known = run->n_images;
    Slice text = {p->entry.text, p->entry.size};
    p->entry.image = image_number(run, p->key, images_find(g->images, p->key), p->entry.id);
    p->entry.counts = statistics_add(&run->totals, text, g->options->rules, g->options->colours, &g->arena);
    if (g->models->itm.model && !models_itm(g->models, &p->entry.itm, &p->record, p->key, text, err))
        return error_prefix(err, "record %s", p->entry.id);
    if (g->options->references && run->n_images > known && !add_references(g, p, err))
        return false;
    run->entries = array_reserve(run->entries, &run->capacity, run->n + 1, sizeof *run->entries);
    run->entries[run->n++] = p->entry;
    return true;
}

static bool score_pending(Reading *g, Error *err)
{
    size_t n = g->n_pending;
    if (n == 0)
        return true;
    Slice *texts = arena_alloc(&g->arena, n * sizeof *texts);
    size_t *image = arena_alloc(&g->arena, n * sizeof *image);
    bool ok = true;
    encode_images(g);
    for (size_t i = 0; i < n && ok; i++) {
        ok = add_entry(g, &g->pending[i], err);
        texts[i] = (Slice){g->pending[i].entry.text, g->pending[i].entry.size};
        image[i] = g->pending[i].entry.image;
    }
    ok = ok && add_texts(g, &g->run->captions, texts, image, n, err);
    g->n_pending = 0;
    arena_reset(&g->arena);
    return ok;
}

/* ---- the stream ---- */

/* What cannot be scored is counted; whether that is allowed is decided at the end. A repeated id is never right. */
static bool take_record(Reading *g, const Record *r, Error *err)
{
    Error why = {0};
    Pending *p = &g->pending[g->n_pending];
    void *copy = memcpy(arena_alloc(&g->arena, r->raw.size), r->raw.data, r->raw.size);
    *p = (Pending){0};
    if (!places_add(&g->run->by_id, hash_id(r->id.data, r->id.size), 0))
        return error_set_status(err, STATUS_CORRUPT, "%s: record %.*s comes twice", g->run->name, (int)r->id.size,
                                (const char *)r->id.data);
    if (!record_parse((Slice){copy, r->raw.size}, &p->record, &g->arena, &why) ||
        !read_text(&p->entry, &g->run->arena, &p->record, &why) || !valid_utf8(&p->entry, &why) ||
        !read_tokens(&p->entry, &g->arena, &p->record, &why) || !read_image(g, p, &why)) {
        filter_failed(&g->filter, r, "%s", why.text);
        return true;
    }
    g->n_pending++;
    return g->n_pending < g->options->batch || score_pending(g, err);
}

static void follow_rollout(Reading *g)
{
    const json_t *crop = header_param(filter_upstream(&g->filter), "rollout", "crop");
    g->models->itm.images.crop = crop && !g->options->crop_given ? json_is_true(crop) : g->options->crop;
    if (!g->run->upstream)
        g->run->upstream = json_incref(filter_upstream(&g->filter));
}

/* Whether what was read may be scored. */
static bool run_is_whole(Reading *g, int status, Error *err)
{
    const char *name = g->run->name;
    if (status == STATUS_INTERRUPTED)
        return error_set_status(err, status, "%s: interrupted: nothing is reported", name);
    if (status != STATUS_CLEAN && status != STATUS_SOME_FAILED)
        return error_set_status(err, status == STATUS_CHECK ? STATUS_CORRUPT : status,
                                "%s: the input is not whole (status %d): refused", name, status);
    if (g->run->n + (size_t)g->run->failed == 0)
        return error_set_status(err, STATUS_EMPTY, "%s: no captions in it", name);
    if (status == STATUS_SOME_FAILED && !g->options->allow_failed)
        return error_set_status(err, g->run->failed > 0 ? STATUS_FAILURE : STATUS_CORRUPT,
                                "%s: records failed, %lld of them here: refused (--allow-failed scores the others)", name,
                                (long long)g->run->failed);
    return g->run->n > 0 || error_set_status(err, STATUS_FAILURE, "%s: every record failed", name);
}

bool run_read(Run *run, char **paths, int n, Models *models, Images *images, const RunOptions *options, Error *err)
{
    Reading g = {.run = run, .models = models, .images = images, .options = options};
    Record r;
    bool ok = true, any = false;
    *run = (Run){.name = paths[0]};
    g.pending = xcalloc(options->batch, sizeof *g.pending);
    filter_init(&g.filter, options->program, paths, n, -1, "captions");
    while (ok && filter_next(&g.filter, &r)) {
        if (r.kind != RECORD_DATA)
            continue;
        if (!any)
            follow_rollout(&g);
        any = true;
        ok = take_record(&g, &r, err);
    }
    ok = ok && score_pending(&g, err);
    run->failed = g.filter.failed;
    int status = filter_finish(&g.filter);
    ok = ok && run_is_whole(&g, status, err);
    arena_release(&g.arena);
    free(g.pending);
    return ok;
}

void run_release(Run *run)
{
    Texts *texts[] = {&run->captions, &run->references};
    for (size_t i = 0; i < 2; i++) {
        free(texts[i]->rows);
        free(texts[i]->image);
        places_release(&texts[i]->by_text);
    }
    free(run->entries);
    free(run->images);
    free(run->image_ids);
    free(run->image_keys);
    free(run->image_ranks);
    places_release(&run->by_key);
    places_release(&run->by_id);
    totals_release(&run->totals);
    totals_release(&run->reference_totals);
    json_decref(run->upstream);
    arena_release(&run->arena);
    *run = (Run){0};
}
