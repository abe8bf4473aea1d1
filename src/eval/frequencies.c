/* Document frequencies and their file; see frequencies.h. */
#include "eval/frequencies.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/options/options.h"
#include "text/ptb/ptb.h"

void frequencies_add(Frequencies *f, const Words *references, size_t n, Arena *scratch)
{
    size_t room = 0, used = 0;
    for (size_t i = 0; i < n; i++)
        room += GRAM_ORDERS * references[i].n;
    Gram *grams = arena_alloc(scratch, (room + 1) * sizeof *grams);
    for (size_t i = 0; i < n; i++)
        used += grams_of(grams + used, &references[i]);
    qsort(grams, used, sizeof *grams, gram_compare);
    for (size_t i = 0; i < used; i++)
        if (i == 0 || gram_compare(&grams[i - 1], &grams[i]) != 0)
            ++*hashmap_at(&f->counts, grams[i].hash);
    f->images++;
}

double frequencies_log(const Frequencies *f, uint64_t gram)
{
    int64_t count = hashmap_get(&f->counts, gram);
    return log(count > 1 ? (double)count : 1);
}

static int compare_slots(const void *a, const void *b)
{
    const HashSlot *x = a, *y = b;
    return (x->hash > y->hash) - (x->hash < y->hash);
}

Digest frequencies_digest(const Frequencies *f)
{
    HashSlot *slots = xmalloc((f->counts.count + 1) * sizeof *slots);
    size_t n = 0;
    for (size_t i = 0; i < f->counts.capacity; i++)
        if (f->counts.slots[i].hash)
            slots[n++] = f->counts.slots[i];
    qsort(slots, n, sizeof *slots, compare_slots);
    slots[n++] = (HashSlot){0, (int64_t)f->images};
    Digest digest = digest_text(hash_id(slots, n * sizeof *slots));
    free(slots);
    return digest;
}

/* ---- the file ---- */

static bool read_header(size_t *images, size_t *grams, const char *line, Error *err)
{
    json_error_t why;
    json_t *o = json_loads(line, 0, &why), *tokenizer = json_object_get(o, "tokenizer");
    json_int_t i = json_integer_value(json_object_get(o, "images")), g = json_integer_value(json_object_get(o, "grams"));
    bool ok = json_integer_value(json_object_get(o, "vlrm")) == 1 && i > 0 && g > 0;
    if (!ok)
        error_set_status(err, STATUS_CORRUPT, "line 1: expected {\"vlrm\": 1, \"tokenizer\", \"images\", \"grams\"}");
    else if (!json_is_string(tokenizer) || strcmp(json_string_value(tokenizer), PTB_NAME) != 0)
        ok = error_set_status(err, STATUS_MISMATCH, "line 1: another tokenizer, expected \"%s\"", PTB_NAME);
    *images = (size_t)i;
    *grams = (size_t)g;
    json_decref(o);
    return ok;
}

/* COUNT<tab>WORD[ WORD]..: at most four words. */
static bool read_gram(Frequencies *f, char *line, size_t images)
{
    char *tab = strchr(line, '\t'), *rest = tab ? tab + 1 : NULL;
    uint64_t words[GRAM_ORDERS];
    size_t n = 0;
    int64_t count;
    if (!tab)
        return false;
    *tab = 0;
    if (!parse_int(line, 1, (int64_t)images, &count))
        return false;
    for (char *word; (word = strsep(&rest, " "));) {
        if (n == GRAM_ORDERS || !*word)
            return false;
        words[n++] = hash_id(word, strlen(word));
    }
    int64_t *at = hashmap_at(&f->counts, gram_hash(words, n - 1));
    bool fresh = *at == 0;
    *at = count;
    return fresh;
}

bool frequencies_read(Frequencies *f, const char *path, Error *err)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t capacity = 0, grams = 0, number = 0;
    ssize_t size;
    bool ok = true;
    *f = (Frequencies){0};
    if (!file)
        return error_set(err, "open %s:", path);
    while (ok && (size = getline(&line, &capacity, file)) > 0) {
        number++;
        bool ended = line[size - 1] == '\n';
        line[size - ended] = 0;
        if (!ended || strlen(line) != (size_t)size - 1)
            ok = error_set_status(err, STATUS_CORRUPT, "%s: line %zu is cut short", path, number);
        else if (number == 1)
            ok = read_header(&f->images, &grams, line, err) || error_prefix(err, "%s", path);
        else if (!read_gram(f, line, f->images))
            ok = error_set_status(err, STATUS_CORRUPT, "%s: line %zu: expected COUNT, a tab and 1 to 4 words, each n-gram once",
                                  path, number);
    }
    if (ok && ferror(file))
        ok = error_set(err, "read %s:", path);
    if (ok && number == 0)
        ok = error_set_status(err, STATUS_EMPTY, "%s: nothing in it", path);
    if (ok && f->counts.count != grams)
        ok = error_set_status(err, STATUS_CORRUPT, "%s: %zu n-grams, line 1 says %zu", path, f->counts.count, grams);
    fclose(file);
    free(line);
    return ok;
}

/* The n-grams of one text that were not written before. */
static void write_text(FILE *out, const Frequencies *f, HashMap *written, Slice text)
{
    const char *starts[GRAM_ORDERS], *p = text.data, *end = p + text.size;
    uint64_t words[GRAM_ORDERS];
    size_t n = 0;
    while (p < end) {
        const char *space = memchr(p, ' ', (size_t)(end - p)), *stop = space ? space : end;
        if (n == GRAM_ORDERS) {
            memmove(starts, starts + 1, (GRAM_ORDERS - 1) * sizeof *starts);
            memmove(words, words + 1, (GRAM_ORDERS - 1) * sizeof *words);
            n--;
        }
        starts[n] = p;
        words[n++] = hash_id(p, (size_t)(stop - p));
        for (size_t k = 1; k <= n; k++) {
            uint64_t gram = gram_hash(words + n - k, k - 1);
            if (hashmap_add(written, gram))
                fprintf(out, "%lld\t%.*s\n", (long long)hashmap_get(&f->counts, gram), (int)(stop - starts[n - k]),
                        starts[n - k]);
        }
        p = stop + (space != NULL);
    }
}

bool frequencies_write(const char *path, const Frequencies *f, const Slice *references, size_t n, Error *err)
{
    AtomicFile file;
    HashMap written = {0};
    Arena scratch = {0};
    if (!atomic_open(&file, path, err))
        return false;
    fprintf(file.stream, "{\"vlrm\": 1, \"tokenizer\": \"%s\", \"images\": %zu, \"grams\": %zu}\n", PTB_NAME, f->images,
            f->counts.count);
    for (size_t i = 0; i < n; i++)
        write_text(file.stream, f, &written, words_text(references[i], &scratch));
    hashmap_release(&written);
    arena_release(&scratch);
    return atomic_commit(&file, err);
}

void frequencies_release(Frequencies *f)
{
    hashmap_release(&f->counts);
    *f = (Frequencies){0};
}
