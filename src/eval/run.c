/* Reading a run; see run.h. Its ranks and metrics are in captions.c. */
#include "eval/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/utf8.h"
#include "stage/caption.h"
#include "stream/filter.h"
#include "text/unicode/unicode.h"

/* A record that waits for its batch. */
typedef struct Pending {
    Record record;
    uint64_t key;
    Entry entry;
    float *pixels;     /* to be encoded; NULL where the image is known, or not wanted */
    Slice *references; /* to be compared with word by word; in the reading's arena */
    size_t n_references;
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
    values_clear(e->values);
    const Field has_eos = caption_eos(r, &eos, err), has_tokens = caption_tokens(r, arena, &ids, &n, err);
    if (has_eos == FIELD_OK)
        e->values[VALUE_NOEOS] = !eos;
    if (has_tokens == FIELD_OK)
        e->values[VALUE_TOKENS] = (double)n;
    return has_eos != FIELD_WRONG && has_tokens != FIELD_WRONG;
}

static bool already_pending(const Reading *g, uint64_t key)
{
    for (size_t i = 0; i < g->n_pending; i++)
        if (g->pending[i].key == key)
            return true;
    return false;
}

/* Where no model looks at images: those with one name are one, or with one place in the file of references. */
static uint64_t name_key(const Record *r, size_t in_set)
{
    Slice path;
    if (in_set != SIZE_MAX)
        return hash_id(&in_set, sizeof in_set);
    if (record_string(r, "frame.path", &path) == FIELD_OK)
        return hash_id(path.data, path.size);
    return hash_id(r->id.data, r->id.size);
}

/* The image, in what form it is needed: nothing where its row is known. */
static bool read_image(Reading *g, Pending *p, size_t in_set, Error *err)
{
    p->pixels = NULL;
    if (!models_look(g->models)) {
        p->key = name_key(&p->record, in_set);
        return true;
    }
    if (!image_key(&p->key, &p->record, err))
        return false;
    if (!g->models->clip.model)
        return true;
    size_t side = g->models->clip.model->traits.images.side;
    if (images_find(g->images, p->key) != SIZE_MAX || already_pending(g, p->key))
        return true;
    p->pixels = arena_alloc(&g->arena, 3 * side * side * sizeof *p->pixels);
    return frame_pixels(p->pixels, &p->record, &g->models->clip.images, err);
}

/* The texts of frame.references, in the arena. */
static bool frame_references(Slice **texts, size_t *n, const Record *r, Arena *arena, Error *err)
{
    Slice raw = record_raw(r, "frame.references");
    json_t *list = raw.data ? slice_json(raw) : NULL;
    *n = json_array_size(list);
    *texts = arena_alloc(arena, (*n + 1) * sizeof **texts);
    bool ok = true;
    for (size_t i = 0; i < *n && ok; i++) {
        json_t *s = json_array_get(list, i);
        if (!(ok = json_is_string(s)))
            break;
        size_t size = json_string_length(s);
        (*texts)[i] = (Slice){arena_strndup(arena, json_string_value(s), size), size};
    }
    json_decref(list);
    return ok || error_set(err, "frame.references holds something that is not text");
}

/* What a caption is to be compared with. A record that is not in the file at all is of another set: STATUS_MISMATCH. */
static bool read_references(Reading *g, Pending *p, size_t *in_set, Error *err)
{
    const Record *r = &p->record;
    ReferenceSet *set = g->options->set;
    Slice path = {NULL, 0};
    *in_set = SIZE_MAX;
    if (!g->options->compare)
        return true;
    if (!set)
        return frame_references(&p->references, &p->n_references, r, &g->arena, err) &&
               (p->n_references > 0 || error_set(err, "no references: expected frame.references, or --references=FILE"));
    (void)record_string(r, "frame.path", &path);
    *in_set = reference_set_find(set, r->id, path);
    if (*in_set == SIZE_MAX)
        return error_set_status(err, STATUS_MISMATCH, "its image is not among the references: expected an id or file name as %s",
                                reference_set_example(set));
    const Slice *texts = reference_set_texts(set, *in_set, &p->n_references);
    p->references = arena_alloc(&g->arena, (p->n_references + 1) * sizeof *p->references);
    for (size_t i = 0; i < p->n_references; i++)
        p->references[i] = texts[i];
    return p->n_references > 0 || error_set(err, "its image has no references in the file");
}

/* Objects that the caption names, held against those of its image, and against those that its references name where they are
 * read. */
static bool read_objects(Reading *g, Pending *p, Error *err)
{
    const Chair *chair = g->options->chair;
    Slice path = {NULL, 0};
    if (!chair)
        return true;
    (void)record_string(&p->record, "frame.path", &path);
    size_t image = chair_find(chair, p->record.id, path);
    if (image == SIZE_MAX)
        return error_set_status(err, STATUS_MISMATCH, "its image is not among the instances: expected an id or file name as %s",
                                chair_example(chair));
    Objects there = chair_objects(chair, image);
    for (size_t i = 0; i < p->n_references; i++)
        chair_add(chair, &there, p->references[i]);
    const ChairCounts counts = chair_judge(chair, &there, (Slice){p->entry.text, p->entry.size});
    values_chair(p->entry.values, &counts);
    return true;
}

static bool valid_utf8(const Entry *e, Error *err)
{
    size_t at = utf8_invalid_at(e->text, e->size);
    return at == e->size || error_set(err, "caption.text is not UTF-8 at byte %zu", at);
}

static bool read_values(Reading *g, Pending *p, Error *err)
{
    return read_tokens(&p->entry, &g->arena, &p->record, err) && read_objects(g, p, err);
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
static bool encode_images(Reading *g, Error *err)
{
    real *row = arena_alloc(&g->arena, g->images->cols * sizeof *row);
    for (size_t i = 0; i < g->n_pending; i++) {
        if (!g->pending[i].pixels)
            continue;
        if (!models_clip_image(g->models, row, g->pending[i].pixels, err))
            return error_prefix(err, "record %s", g->pending[i].entry.id);
        images_add(g->images, g->pending[i].key, row);
    }
    return true;
}

/* A text that came before has the row that it had then, to the bit: on a CUDA device rounding depends on a batch's other texts, a
 * tie may not. */
static void share_row(Texts *t, size_t at, Slice text, size_t cols)
{
    uint64_t key = hash_id(text.data, text.size);
    if (!places_add(&t->by_text, key, at))
        memcpy(t->rows + at * cols, t->rows + places_find(&t->by_text, key) * cols, cols * sizeof *t->rows);
}

static uint64_t text_key(Slice text, TextUse use)
{
    uint64_t parts[2] = {hash_id(text.data, text.size), use};
    return hash_id(parts, sizeof parts);
}

/* Rows of texts, of which those that an earlier run left in the cache are not computed again. */
static bool text_rows(Reading *g, real *rows, const Slice *texts, size_t n, TextUse use, Error *err)
{
    Images *kept = g->options->text_rows;
    size_t cols = g->images->cols, n_fresh = 0, place;
    if (!kept)
        return models_clip_texts(g->models, rows, texts, n, use, err);
    Slice *fresh = arena_alloc(&g->arena, (n + 1) * sizeof *fresh);
    for (size_t i = 0; i < n; i++)
        if (images_find(kept, text_key(texts[i], use)) == SIZE_MAX)
            fresh[n_fresh++] = texts[i];
    real *made = arena_alloc(&g->arena, (n_fresh + 1) * cols * sizeof *made);
    if (!models_clip_texts(g->models, made, fresh, n_fresh, use, err))
        return false;
    for (size_t i = 0; i < n_fresh; i++)
        if (images_find(kept, text_key(fresh[i], use)) == SIZE_MAX)
            images_add(kept, text_key(fresh[i], use), made + i * cols);
    for (size_t i = 0; i < n; i++) {
        place = images_find(kept, text_key(texts[i], use));
        memcpy(rows + i * cols, images_row(kept, place), cols * sizeof *rows);
    }
    return true;
}

/* The ITM logit of a caption, which may be in the cache. */
static bool read_logit(Reading *g, Pending *p, Slice text, Error *err)
{
    Images *kept = g->options->logits;
    uint64_t parts[3] = {p->key, hash_id(text.data, text.size), g->models->itm.images.crop}, key = hash_id(parts, sizeof parts);
    size_t place = kept ? images_find(kept, key) : SIZE_MAX;
    double *logit = &p->entry.values[VALUE_ITM];
    if (place != SIZE_MAX) {
        *logit = *images_row(kept, place);
        return true;
    }
    if (!models_itm(g->models, logit, &p->record, p->key, text, err))
        return error_prefix(err, "record %s", p->entry.id);
    const real row = (real)*logit;
    if (kept)
        images_add(kept, key, &row);
    return true;
}

static bool add_texts(Reading *g, Texts *t, const Slice *texts, const size_t *image, size_t n, TextUse use, Error *err)
{
    size_t cols = g->images->cols;
    t->rows = array_reserve(t->rows, &t->row_capacity, (t->n + n) * cols, sizeof *t->rows);
    t->image = array_reserve(t->image, &t->image_capacity, t->n + n, sizeof *t->image);
    if (!text_rows(g, t->rows + t->n * cols, texts, n, use, err))
        return false;
    memcpy(t->image + t->n, image, n * sizeof *image);
    for (size_t i = 0; i < n; i++)
        share_row(t, t->n + i, texts[i], cols);
    t->n += n;
    return true;
}

static TextUse caption_use(const Reading *g)
{
    return g->options->full ? TEXT_FULL : TEXT_IC3;
}

/* The references of an image, once, as CLIP sees them. */
static bool add_references(Reading *g, const Pending *p, Error *err)
{
    Slice *texts;
    size_t n;
    if (!frame_references(&texts, &n, &p->record, &g->arena, err))
        return error_prefix(err, "record %s", p->entry.id);
    Run *run = g->run;
    size_t *image = arena_alloc(&g->arena, (n + 1) * sizeof *image);
    run->first_reference = array_reserve(run->first_reference, &run->first_capacity, run->n_images, sizeof *run->first_reference);
    run->n_references = array_reserve(run->n_references, &run->count_capacity, run->n_images, sizeof *run->n_references);
    run->first_reference[p->entry.image] = run->references.n;
    run->n_references[p->entry.image] = n;
    for (size_t i = 0; i < n; i++) {
        image[i] = p->entry.image;
        statistics_add(&run->reference_totals, texts[i], g->options->rules, g->options->colours, &g->arena);
    }
    return n == 0 || (add_texts(g, &run->references, texts, image, n, caption_use(g), err) &&
                      add_texts(g, &run->prompted_references, texts, image, n, TEXT_PROMPTED, err));
}

static void count_words(Reading *g, Entry *e)
{
    Slice text = {e->text, e->size};
    const TextCounts c = statistics_add(&g->run->totals, text, g->options->rules, g->options->colours, &g->arena);
    e->values[VALUE_WORDS] = (double)c.words;
    e->values[VALUE_COLOURS] = (double)c.colours;
    e->values[VALUE_BAD] = c.bad > 0;
    e->values[VALUE_REPEATS] = c.repeats > 0;
}

static bool add_entry(Reading *g, Pending *p, Error *err)
{
    Run *run = g->run;
    size_t known = run->n_images;
    Slice text = {p->entry.text, p->entry.size};
    p->entry.image = image_number(run, p->key, images_find(g->images, p->key), p->entry.id);
    count_words(g, &p->entry);
    if (g->models->itm.model && !read_logit(g, p, text, err))
        return false;
    if (run->n_images > known) {
        if (g->options->references && g->models->clip.model && !add_references(g, p, err))
            return false;
        if (g->options->compare)
            compared_add(&run->compared, p->references, p->n_references, &g->arena);
    }
    run->entries = array_reserve(run->entries, &run->capacity, run->n + 1, sizeof *run->entries);
    run->entries[run->n++] = p->entry;
    return true;
}

/* The captions just added, as CLIP sees them; whether it sees all of each. */
static bool add_captions(Reading *g, const Slice *texts, const size_t *image, size_t n, Error *err)
{
    bool ok = add_texts(g, &g->run->captions, texts, image, n, caption_use(g), err) &&
              add_texts(g, &g->run->prompted, texts, image, n, TEXT_PROMPTED, err);
    for (size_t i = 0; ok && i < n; i++)
        g->run->entries[g->run->n - n + i].values[VALUE_CUT] = models_clip_cuts(g->models, texts[i], caption_use(g));
    return ok;
}

static bool score_pending(Reading *g, Error *err)
{
    size_t n = g->n_pending;
    if (n == 0)
        return true;
    Slice *texts = arena_alloc(&g->arena, n * sizeof *texts);
    size_t *image = arena_alloc(&g->arena, n * sizeof *image);
    bool ok = encode_images(g, err);
    for (size_t i = 0; i < n && ok; i++) {
        ok = add_entry(g, &g->pending[i], err);
        texts[i] = (Slice){g->pending[i].entry.text, g->pending[i].entry.size};
        image[i] = g->pending[i].entry.image;
    }
    if (g->models->clip.model)
        ok = ok && add_captions(g, texts, image, n, err);
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
    size_t in_set;
    *p = (Pending){0};
    if (!places_add(&g->run->by_id, hash_id(r->id.data, r->id.size), 0))
        return error_set_status(err, STATUS_CORRUPT, "%s: record %.*s comes twice", g->run->name, (int)r->id.size,
                                (const char *)r->id.data);
    if (!record_parse((Slice){copy, r->raw.size}, &p->record, &g->arena, &why) ||
        !read_text(&p->entry, &g->run->arena, &p->record, &why) || !valid_utf8(&p->entry, &why) ||
        !read_references(g, p, &in_set, &why) || !read_image(g, p, in_set, &why) || !read_values(g, p, &why)) {
        if (why.status == STATUS_MISMATCH && !g->options->allow_failed)
            return error_set_status(err, why.status, "%s: record %.*s: %s", g->run->name, (int)r->id.size,
                                    (const char *)r->id.data, why.text);
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
    if (g->options->shards > 1 && g->run->n == 0)
        return true; /* a part may have none */
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
    size_t number = 0;
    *run = (Run){.name = paths[0]};
    g.pending = xcalloc(options->batch, sizeof *g.pending);
    filter_init(&g.filter, options->program, paths, n, -1, "captions");
    while (ok && filter_next(&g.filter, &r)) {
        if (r.kind != RECORD_DATA)
            continue;
        if (!any)
            follow_rollout(&g);
        any = true;
        if (number++ % options->shards == options->shard)
            ok = take_record(&g, &r, err);
    }
    ok = ok && score_pending(&g, err);
    run->failed = g.filter.failed;
    int status = filter_finish(&g.filter);
    ok = ok && run_is_whole(&g, status, err) &&
         (!options->set || options->shards > 1 || reference_set_complete(options->set, err));
    arena_release(&g.arena);
    free(g.pending);
    return ok;
}

void run_release(Run *run)
{
    Texts *texts[] = {&run->captions, &run->references, &run->prompted, &run->prompted_references};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        free(texts[i]->rows);
        free(texts[i]->image);
        places_release(&texts[i]->by_text);
    }
    free(run->entries);
    free(run->images);
    free(run->image_ids);
    free(run->image_keys);
    free(run->image_ranks);
    free(run->first_reference);
    free(run->n_references);
    places_release(&run->by_key);
    places_release(&run->by_id);
    compared_release(&run->compared);
    totals_release(&run->totals);
    totals_release(&run->reference_totals);
    json_decref(run->upstream);
    arena_release(&run->arena);
    *run = (Run){0};
}
