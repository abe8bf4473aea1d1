/* Rewarded captions in bounded memory; see sample.h. */
#include "radar/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

static void drop(Sample *s, size_t i)
{
    free(s->items[i].text);
    s->items[i] = s->items[--s->count];
}

/* Twice as strict as before. */
static void thin(Sample *s)
{
    s->mask = s->mask << 1 | 1;
    for (size_t i = s->count; i > 0; i--)
        if (s->items[i - 1].key & s->mask)
            drop(s, i - 1);
}

void sample_add(Sample *s, const Record *r)
{
    Slice text;
    int64_t step;
    Arena scratch = {0};
    double *returns;
    size_t n;
    s->seen++;
    bool whole = record_string(r, "caption.text", &text) == FIELD_OK && record_int(r, "caption.step", &step) == FIELD_OK &&
                 record_reals(r, "reward.returns", &scratch, &returns, &n) == FIELD_OK && n > 0;
    if (!whole) {
        s->without++;
        arena_release(&scratch);
        return;
    }
    uint64_t id = hash_id(r->id.data, r->id.size), pair[2] = {id, (uint64_t)step}, key = hash_id(pair, sizeof pair);
    if (!(key & s->mask)) {
        s->items = array_reserve(s->items, &s->capacity, s->count + 1, sizeof *s->items);
        s->items[s->count++] = (Said){key, id, xstrndup(text.data, text.size), step, returns[0], NAN, 0, false};
        while (s->count > s->most)
            thin(s);
    }
    arena_release(&scratch);
}

static int by_id(const void *a, const void *b)
{
    const Said *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id ? 1 : x->step < y->step ? -1 : x->step > y->step;
}

void sample_sort(Sample *s)
{
    if (s->count > 0)
        qsort(s->items, s->count, sizeof *s->items, by_id);
}

void sample_judge(Sample *s, const Record *r)
{
    double cosine;
    Slice text;
    uint64_t id = hash_id(r->id.data, r->id.size);
    if (record_real(r, "clipscore", &cosine) != FIELD_OK || record_string(r, "text", &text) != FIELD_OK)
        return;
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (s->items[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < s->count && s->items[low].id == id; low++)
        if (strlen(s->items[low].text) == text.size && memcmp(s->items[low].text, text.data, text.size) == 0)
            s->items[low].cosine = cosine;
}

size_t sample_drop_unjudged(Sample *s)
{
    size_t before = s->count;
    for (size_t i = s->count; i > 0; i--)
        if (isnan(s->items[i - 1].cosine))
            drop(s, i - 1);
    return before - s->count;
}

void sample_release(Sample *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->items[i].text);
    free(s->items);
    *s = (Sample){0};
}
