/* Rewards that wait for their batch; see waiting.h. */
#include "reward/waiting.h"

#include <stdlib.h>
#include <string.h>

#include "stage/phi.h"

void waiting_init(Waiting *w, const char *folder, size_t memory_limit)
{
    *w = (Waiting){0};
    spool_init(&w->records, folder, memory_limit);
}

void waiting_release(Waiting *w)
{
    spool_release(&w->records);
    arena_release(&w->arena);
    free(w->items);
    free(w->images);
    free(w->texts);
    *w = (Waiting){0};
}

Waited *waiting_add(Waiting *w, const Record *r)
{
    Error err = {0};
    w->items = array_reserve(w->items, &w->capacity, w->n + 1, sizeof *w->items);
    w->items[w->n] = (Waited){0};
    if (!spool_add(&w->records, r->raw.data, r->raw.size, &err))
        die("%s", err.text);
    return &w->items[w->n++];
}

void waiting_keep(Waiting *w, Waited *waited, const Reward *reward, const GroupInfo *group)
{
    waited->reward = *reward;
    waited->group = hash_id(group->name.data, group->name.size);
    waited->baseline = group->baseline;
    for (size_t i = 0; i < reward->marks.n_fired; i++) { /* the caption they point into goes with the scoring batch */
        Slice *text = &reward->marks.fired[i].text;
        text->data = arena_strndup(&w->arena, text->data, text->size);
    }
}

void waiting_embeddings(Waiting *w, const real *image, const real *text, size_t cols)
{
    w->images = array_reserve(w->images, &w->images_capacity, (w->good + 1) * cols, sizeof *w->images);
    w->texts = array_reserve(w->texts, &w->texts_capacity, (w->good + 1) * cols, sizeof *w->texts);
    memcpy(w->images + w->good * cols, image, cols * sizeof *w->images);
    memcpy(w->texts + w->good * cols, text, cols * sizeof *w->texts);
    w->good++;
}

void waiting_phi(Waiting *w, const Kernels *kernels, size_t cols)
{
    double *phi = xcalloc(w->good + 1, sizeof *phi);
    const double *next = phi;
    if (w->good > 0)
        phi_compute(phi, kernels, w->images, w->texts, w->good, cols);
    for (size_t i = 0; i < w->n; i++)
        if (!w->items[i].why)
            w->items[i].reward.phi = *next++;
    free(phi);
}

void waiting_record(Waiting *w, size_t i, Record *out)
{
    Error err = {0};
    size_t size;
    const void *raw = spool_get(&w->records, i, &size, &err);
    if (!raw || !record_parse((Slice){raw, size}, out, &w->arena, &err))
        die("%s", err.text);
}

void waiting_reset(Waiting *w)
{
    w->n = w->good = 0;
    spool_reset(&w->records);
    arena_reset(&w->arena);
}
