/* Captions of a fifth of a run as a whole; see drift.h. */
#include "radar/drift.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/hashmap.h"

/* The bytes of the first three words. */
static size_t opening_size(const char *text)
{
    size_t n = 0;
    for (int word = 0; word < 3; word++) {
        n += strspn(text + n, " ");
        n += strcspn(text + n, " ");
    }
    return n;
}

Drift drift_of(const Grams *g, const Sample *s, size_t p)
{
    Drift d = {0};
    HashMap openings = {0}, texts = {0};
    int64_t most = 0;
    size_t different = 0;
    for (size_t i = 0; i < s->count; i++) {
        const Said *said = &s->items[i];
        if ((size_t)((said->step - g->first) * PARTS / (g->last - g->first + 1)) != p)
            continue;
        size_t opening = opening_size(said->text);
        int64_t *n = hashmap_at(&openings, hash_id(said->text, opening));
        different += hashmap_add(&texts, hash_id(said->text, strlen(said->text)));
        if (++*n > most) {
            most = *n;
            free(d.begins);
            d.begins = xstrndup(said->text, opening);
        }
        d.captions++;
        d.words += (double)said->words;
        d.reward += said->reward;
        d.cosine += said->cosine;
    }
    double n = d.captions ? (double)d.captions : 1;
    d.words /= n;
    d.reward /= n;
    d.cosine /= n;
    d.distinct = (double)different / n;
    d.opening = (double)most / n;
    hashmap_release(&openings);
    hashmap_release(&texts);
    return d;
}

void drift_release(Drift *d)
{
    free(d->begins);
    *d = (Drift){0};
}
