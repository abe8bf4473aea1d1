/* The sources in their order: what the opener names and what is in archives; unique names, shards, passes and shuffling. */
#include "extract/sources.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/hashmap.h"
#include "base/random.h"
#include "base/signals.h"
#include "extract/content.h"
#include "extract/input.h"
#include "extract/tar.h"
#include "extract/texts.h"

struct Sources {
    const SourceSettings *s;
    const Limits *limits;
    Opener *opener;
    Tar *archive;
    HashMap names, except;
    int64_t skipped; /* done already */
    int64_t ordinal, pass, in_pass;
    int64_t passed_in_all, passed; /* files that are no media: of all shards; of this one */
    char *first_passed;            /* owned */
    Source *all;                   /* owned: with --shuffle, every source */
    size_t n_all, all_capacity, next_all;
};

void source_close(Source *s)
{
    if (!s->opened)
        return;
    close(s->fd);
    if (s->spare >= 0)
        close(s->spare);
    s->opened = false;
}

void source_release(Source *s)
{
    source_close(s);
    free(s->name);
    free(s->label);
    free(s->path);
    free(s->data);
    free(s->shard);
    free(s->problem);
    texts_release(s);
    *s = (Source){0};
}

/* The ids of --except: of each line of JSON its "id". */
static void read_except(Sources *o)
{
    FILE *f = fopen(o->s->except, "r");
    char *line = NULL;
    size_t capacity = 0;
    if (!f)
        die("open %s:", o->s->except);
    for (int64_t n = 1; getline(&line, &capacity, f) >= 0; n++) {
        json_t *one = json_loads(line, 0, NULL), *id = json_object_get(one, "id");
        if (!json_is_object(one))
            die_status(STATUS_CORRUPT, "%s, line %lld: no JSON object, expected lines with an \"id\"", o->s->except,
                       (long long)n);
        if (json_is_string(id))
            (void)hashmap_add(&o->except, hash_id(json_string_value(id), json_string_length(id)));
        json_decref(one);
    }
    if (ferror(f))
        die("read %s:", o->s->except);
    free(line);
    fclose(f);
}

bool sources_excepts(const Sources *s, const char *id)
{
    return s->except.count > 0 && hashmap_get(&s->except, hash_id(id, strlen(id))) != 0;
}

int64_t sources_skipped(const Sources *s)
{
    return s->skipped;
}

Sources *sources_new(const SourceSettings *s, const Limits *limits, Opener *opener)
{
    Sources *o = xcalloc(1, sizeof *o);
    *o = (Sources){.s = s, .limits = limits, .opener = opener, .pass = 1};
    if (s->except)
        read_except(o);
    return o;
}

void sources_free(Sources *s)
{
    tar_free(s->archive);
    hashmap_release(&s->names);
    hashmap_release(&s->except);
    for (size_t i = 0; i < s->n_all; i++)
        source_release(&s->all[i]);
    free(s->all);
    free(s->first_passed);
    free(s);
}

int64_t sources_passed(const Sources *s)
{
    return s->passed;
}

int64_t sources_passed_in_all(const Sources *s, const char **first)
{
    *first = s->first_passed;
    return s->passed_in_all;
}

/* Opens an archive, whose members come next. */
static bool open_archive(Sources *s, Source *archive)
{
    bool ok = opener_open(s->opener, archive);
    if (ok)
        s->archive = tar_new(s->s, s->limits, archive);
    else
        source_release(archive);
    return ok;
}

/* The next source in natural order, of one pass. */
static bool raw_next(Sources *s, Source *out)
{
    while (!interrupted()) {
        if (s->archive && tar_next(s->archive, out))
            return true;
        tar_free(s->archive);
        s->archive = NULL;
        if (!opener_next(s->opener, out))
            return false;
        if (!out->is_archive || out->problem)
            return true;
        if (!open_archive(s, out))
            return false;
    }
    return false;
}

/* Whether what follows a # could be a frame's time, as work.c writes it: then a still of that name had the frame's id. */
static bool is_frame_suffix(const char *text)
{
    static const char digits[] = "0123456789";
    text += *text == '-';
    size_t whole = strspn(text, digits);
    if (whole == 0 || text[whole] != '.' || strspn(text + whole + 1, digits) != 3)
        return false;
    text += whole + 4;
    return *text == '\0' || (*text == '+' && text[1] && text[1 + strspn(text + 1, digits)] == '\0');
}

/* Records are UTF-8: in a name that is not, each byte that does not belong becomes %XX; so does the # before what looks like a
 * time. */
static char *clean_name(char *name)
{
    size_t n = strlen(name), at = 0, m = 0;
    char *out = xmalloc(3 * n + 1);
    while (at < n) {
        json_t *one = NULL;
        size_t length = 1;
        for (; length <= 4 && at + length <= n && !(one = json_stringn(name + at, length)); length++)
            ;
        json_decref(one);
        if (one && (name[at] != '#' || !is_frame_suffix(name + at + 1))) {
            memcpy(out + m, name + at, length);
            m += length;
            at += length;
        } else {
            m += (size_t)sprintf(out + m, "%%%02X", (unsigned char)name[at++]);
        }
    }
    out[m] = '\0';
    free(name);
    return out;
}

/* A name seen before in this pass gets a number, so that ids stay unique. Each name's last number is kept: those below are taken.
 */
static void name_uniquely(Sources *s, Source *out)
{
    const uint64_t hash = hash_id(out->name, strlen(out->name));
    if (hashmap_add(&s->names, hash))
        return;
    bool same = strcmp(out->name, out->label) == 0;
    char *first = out->name, *name = NULL;
    int64_t n = hashmap_get(&s->names, hash);
    do {
        free(name);
        name = xasprintf("%s(%lld)", first, (long long)++n);
    } while (!hashmap_add(&s->names, hash_id(name, strlen(name))));
    *hashmap_at(&s->names, hash) = n;
    out->name = name;
    if (same) {
        free(out->label);
        out->label = xstrdup(name);
    }
    free(first);
}

static Source source_copy(const Source *s)
{
    Source c = *s;
    c.name = xstrdup(s->name);
    c.label = xstrdup(s->label);
    c.problem = s->problem ? xstrdup(s->problem) : NULL;
    texts_copy(&c, s);
    c.shard = s->shard ? xstrdup(s->shard) : NULL;
    return c;
}

/* Whether a source whose name does not say so is a picture or a video by its bytes; what cannot be read counts as one, and says
 * why. It is closed again. False, with *ended, when asked to end. */
static bool is_media(Sources *s, Source *source, bool *ended)
{
    if (!source->doubtful || source->problem)
        return true;
    Source probe = source_copy(source);
    probe.data = source->data; /* borrowed */
    *ended = !sources_open(s, &probe);
    bool media = !*ended && (probe.problem || content_is_media(&probe));
    if (probe.data == source->data)
        probe.data = NULL;
    source_release(&probe);
    return media;
}

/* Counts what is skipped, each file in one shard. */
static void pass_over(Sources *s, Source *source)
{
    if (s->passed_in_all == 0)
        s->first_passed = xstrdup(source->label);
    if (s->s->shards == 1 || s->passed_in_all % s->s->shards == s->s->shard_index) {
        s->passed++;
        note("%s: skipped: neither its name nor its bytes are those of a picture or video", source->label);
    }
    s->passed_in_all++;
    source_release(source);
}

static bool shard_next(Sources *s, Source *out)
{
    bool ended = false;
    while (raw_next(s, out)) {
        if (!is_media(s, out, &ended)) {
            if (ended)
                source_release(out);
            if (ended)
                return false;
            pass_over(s, out);
            continue;
        }
        out->name = clean_name(out->name);
        out->label = clean_name(out->label);
        name_uniquely(s, out);
        bool ours = s->ordinal++ % s->s->shards == s->s->shard_index;
        out->done |= ours && sources_excepts(s, out->name);
        if (ours && (!out->done || s->s->done_too)) /* else what looks like it would not be known */
            return true;
        s->skipped += ours;
        source_release(out);
    }
    return false;
}

static void begin_pass(Sources *s)
{
    s->pass++;
    s->next_all = 0;
    if (!s->s->shuffled)
        opener_again(s->opener);
    s->ordinal = s->in_pass = 0;
    hashmap_release(&s->names);
}

/* Fisher and Yates, by (seed, pass): a pass's order depends on nothing else. */
static void shuffle(Sources *s)
{
    for (size_t i = s->n_all; i > 1; i--) {
        size_t j = random_below((uint64_t)s->s->shuffle_seed, (uint32_t)s->pass, 0, (uint32_t)i, i);
        Source kept = s->all[j];
        s->all[j] = s->all[i - 1];
        s->all[i - 1] = kept;
    }
}

/* Of a shard's members only the places are kept: memory grows with names, never with bytes. */
static bool shuffled_next(Sources *s, Source *out)
{
    Source one;
    if (s->n_all == 0)
        while (shard_next(s, &one)) {
            s->all = array_reserve(s->all, &s->all_capacity, s->n_all + 1, sizeof *s->all);
            s->all[s->n_all++] = one;
        }
    if (s->next_all == 0)
        shuffle(s);
    if (s->next_all == s->n_all)
        return false;
    *out = source_copy(&s->all[s->next_all++]);
    return true;
}

bool sources_next(Sources *s, Source *out)
{
    for (;;) {
        bool got = s->s->shuffled ? shuffled_next(s, out) : shard_next(s, out);
        if (got) {
            out->pass = s->pass;
            s->in_pass++;
            return true;
        }
        if (!s->s->loop || s->in_pass == 0 || interrupted())
            return false;
        begin_pass(s);
    }
}

bool sources_open(Sources *s, Source *source)
{
    if (source->problem || source->data)
        return true;
    if (!opener_open(s->opener, source))
        return false;
    if (source->shard && !source->problem)
        tar_load(source, s->limits->max_bytes);
    return true;
}

bool sources_changed(Sources *s, const Journal *j, Source *source)
{
    Was was = {.bytes = -1};
    if (j && journal_lists(j, source->label) && !source->problem && source->bytes >= 0)
        was = journal_was(j, source->label);
    if (was.bytes < 0 || (was.bytes == source->bytes && was.mtime == source->mtime))
        return false;
    if (was.bytes != source->bytes)
        return true;
    Input in;
    Digest now = {""};
    VideoReport report;
    Error err = {0};
    if (was.digest.text[0] && sources_open(s, source) && !source->problem &&
        input_open(&in, source, 0, s->limits->max_bytes, &report)) {
        (void)!input_digest(&now, &in, &err);
        input_close(&in);
    }
    source_close(source);
    return now.text[0] && strcmp(now.text, was.digest.text) != 0;
}
