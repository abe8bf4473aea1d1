/* Splits of image sets; see split.h. */
#include "stage/split.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void split_ids_add(SplitIds *s, int64_t id)
{
    s->ids = array_reserve(s->ids, &s->capacity, s->count + 1, sizeof *s->ids);
    s->ids[s->count++] = id;
}

void split_ids_release(SplitIds *s)
{
    free(s->ids);
    *s = (SplitIds){0};
}

static int compare_ids(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

Digest split_ids_digest(SplitIds *s)
{
    if (s->count > 0)
        qsort(s->ids, s->count, sizeof *s->ids, compare_ids);
    return digest_text(hash_id(s->count > 0 ? s->ids : (const int64_t[]){0}, s->count * sizeof *s->ids));
}

/* Digests: of the lists of ids that bottom-up attention was published with,
 * https://github.com/peteanderson80/Up-Down-Captioner/tree/master/data/coco_splits */
static const struct {
    const char *name;
    int64_t images;
    const char *digest; /* NULL: not known */
} karpathy[] = {
    {"train", 82783, NULL},
    {"restval", 30504, NULL},
    {"val", 5000, "3b4159d90d6eb151"},
    {"test", 5000, "c366ca342b7cd038"},
};

char *split_differs(const char *path, const char *name, int64_t count, const Digest *digest)
{
    const char *slash = strrchr(path, '/');
    if (strcmp(slash ? slash + 1 : path, "dataset_coco.json") != 0)
        return NULL;
    for (size_t i = 0; i < sizeof karpathy / sizeof *karpathy; i++) {
        if (strcmp(karpathy[i].name, name) != 0)
            continue;
        if (count != karpathy[i].images)
            return xasprintf("Karpathy's split %s has %lld images: figures will not be those of others", name,
                             (long long)karpathy[i].images);
        if (digest && karpathy[i].digest && strcmp(digest->text, karpathy[i].digest) != 0)
            return xasprintf("the ids of Karpathy's split %s have digest %s: these are other images", name, karpathy[i].digest);
    }
    return NULL;
}
