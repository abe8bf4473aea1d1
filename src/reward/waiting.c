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
    free(w->rewards);
    free(w->items);
    free(w->images);
    free(w->texts);
    *w = (Waiting){0};
}

static void add(Waiting *w, const Record *r, Rewarded reward, Waited item)
{
    Error err = {0};
    w->rewards = array_reserve(w->rewards, &w->rewards_capacity, w->n + 1, sizeof *w->rewards);
    w->items = array_reserve(w->items, &w->items_capacity, w->n + 1, sizeof *w->items);
    w->rewards[w->n] = reward;
    w->items[w->n++] = item;
    if (!spool_add(&w->records, r->raw.data, r->raw.size, &err))
        die("%s", err.text);
}

void waiting_add(Waiting *w, const Record *r, const Reward *reward, const GroupInfo *group, Slice caption)
{
    for (size_t i = 0; i < reward->marks.n_fired; i++) { /* the caption they point into goes with the scoring batch */
        Slice *text = &reward->marks.fired[i].text;
        text->data = arena_strndup(&w->arena, text->data, text->size);
    }
    add(w, r, (Rewarded){*reward, hash_id(group->name.data, group->name.size), group->baseline, false}, (Waited){caption, NULL});
}

void waiting_add_failed(Waiting *w, const Record *r, const char *why)
{
    add(w, r, (Rewarded){.failed = true}, (Waited){{NULL, 0}, arena_strndup(&w->arena, why, strlen(why))});
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
        if (!w->rewards[i].failed)
            w->rewards[i].reward.phi = *next++;
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
