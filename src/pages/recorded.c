/* Rewarded captions out of streams; see recorded.h. */
#include "pages/recorded.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "pages/shown.h"

typedef struct Chosen {
    uint64_t *keys; /* owned, in order */
    size_t count, most;
} Chosen;

/* What tells frames apart: the picture, or the id where there is none. */
static uint64_t frame_key(const Record *r)
{
    uint64_t key = picture_key(r);
    return key ? key : hash_id(r->id.data, r->id.size);
}

/* Where key is or would be among those chosen. */
static size_t chosen_place(const Chosen *c, uint64_t key)
{
    size_t low = 0, high = c->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c->keys[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_chosen(const Chosen *c, uint64_t key)
{
    size_t place = chosen_place(c, key);
    return place < c->count && c->keys[place] == key;
}

static void choose(Chosen *c, uint64_t key)
{
    size_t place = chosen_place(c, key);
    if (place == c->most || (place < c->count && c->keys[place] == key))
        return;
    if (c->count < c->most)
        c->count++;
    memmove(c->keys + place + 1, c->keys + place, (c->count - 1 - place) * sizeof *c->keys);
    c->keys[place] = key;
}

/* ---- reading ---- */

typedef struct Reading {
    FrameSet *set;
    Pictures *pictures;
    Chosen *chosen;
    const Tokenizer *tokenizer;
    size_t run;
    Arena scratch;
    bool choosing; /* the first time through */
} Reading;

static void take(Reading *g, const Record *r)
{
    Slice text;
    int64_t step;
    uint64_t key = frame_key(r);
    if (record_string(r, "caption.text", &text) != FIELD_OK)
        return;
    if (g->choosing) {
        choose(g->chosen, key);
        return;
    }
    if (!is_chosen(g->chosen, key))
        return;
    if (record_int(r, "caption.step", &step) != FIELD_OK || step < 0)
        step = -2;
    json_t *caption = json_pack("{s:o}", "text", shown_text(text)), *ledger = shown_ledger(r, g->tokenizer, &g->scratch);
    json_t *id = shown_text(r->id);
    size_t frames = json_array_size(g->set->frames), place = set_add(g->set, digest_text(key).text);
    json_t *frame = json_array_get(g->set->frames, place);
    if (place == frames) {
        json_object_set(frame, "id", id);
        pictures_set(g->pictures, frame, r);
    }
    if (ledger)
        json_object_set_new(caption, "ledger", ledger);
    set_say(g->set, place, g->run, step, caption);
    json_decref(id);
    arena_reset(&g->scratch);
}

/* What fails is said once, in whichever pass; *failed tells. */
static void read_stream(Reading *g, const char *path, bool *failed, Notes *notes)
{
    Error err = {0};
    Record r;
    RecordKind kind = RECORD_NONE;
    Reader *in = reader_open(path, &err);
    while (in && (kind = reader_next(in, &r)) != RECORD_NONE && kind != RECORD_FAILED) {
        if (kind == RECORD_DATA)
            take(g, &r);
        if (kind == RECORD_END && !g->choosing)
            notes_status(notes, reader_end(in).status);
    }
    if (!*failed && (!in || kind == RECORD_FAILED)) {
        notes_failed(notes, in ? reader_error(in) : &err);
        *failed = true;
    }
    reader_free(in);
}

void recorded_read(FrameSet *set, Pictures *pictures, const Recorded *streams, size_t n, Tokenizer *const *tokenizers,
                   size_t most, Notes *notes)
{
    Chosen chosen = {.keys = xcalloc(most + 1, sizeof *chosen.keys), .most = most};
    bool *failed = xcalloc(n + 1, sizeof *failed);
    Reading g = {.set = set, .pictures = pictures, .chosen = &chosen};
    for (int pass = 0; pass < 2; pass++) {
        g.choosing = pass == 0;
        for (size_t i = 0; i < n; i++) {
            g.run = streams[i].run;
            g.tokenizer = tokenizers[streams[i].run];
            read_stream(&g, streams[i].path, &failed[i], notes);
        }
    }
    arena_release(&g.scratch);
    free(chosen.keys);
    free(failed);
}
