/* From the name in a record to the bytes of its source; see again.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "extract/again.h"
#include "extract/opener.h"

void reopened_close(Reopened *o)
{
    if (!o->label)
        return;
    input_close(&o->in);
    source_release(&o->source);
    free(o->label);
    o->label = NULL;
}

static void shard_close(Reopened *o)
{
    tar_free(o->tar);
    free(o->shard);
    o->tar = NULL;
    o->shard = NULL;
}

void reopened_release(Reopened *o)
{
    reopened_close(o);
    shard_close(o);
}

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* "a" of "a(2)": what name_uniquely has made of it undone; NULL where there is nothing to undo. */
static char *without_number(const char *name)
{
    const char *open = strrchr(name, '(');
    size_t digits = open ? strspn(open + 1, "0123456789") : 0;
    return digits > 0 && strcmp(open + 1 + digits, ")") == 0 ? xstrndup(name, (size_t)(open - name)) : NULL;
}

static int hex_value(char c)
{
    const char *digits = "0123456789ABCDEF", *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* "a#1" of "a%231"; NULL where there is nothing to undo. */
static char *without_escapes(const char *name)
{
    char *out = xmalloc(strlen(name) + 1), *to = out;
    const char *from = name;
    while (*from) {
        int high = *from == '%' ? hex_value(from[1]) : -1, low = high >= 0 ? hex_value(from[2]) : -1;
        *to++ = low >= 0 ? (char)(high << 4 | low) : *from;
        from += low >= 0 ? 3 : 1;
    }
    *to = '\0';
    if (strlen(out) < strlen(name))
        return out;
    free(out);
    return NULL;
}

/* Whether this source is the one: opened and digested. What it was is released where it is not. */
static bool take(Reopened *o, const char *label, Source *source, double until, Error *err)
{
    VideoReport report = {0};
    if (source->path)
        source_open(source);
    bool opened = input_open(&o->in, source, until, o->limits->max_bytes, &report);
    if (!opened || !input_digest(&o->digest, &o->in, err)) {
        input_close(&o->in);
        source_release(source);
        return opened ? error_prefix(err, "%s", label) : error_set(err, "%s: %s", label, report.reason);
    }
    o->source = *source;
    free(o->source.label); /* the record's own: a name made unique is told by it */
    o->source.label = xstrdup(label);
    o->label = xstrdup(label);
    return true;
}

/* The next member of that name, from where the shard is. */
static bool next_member(Reopened *o, const char *member, Source *out)
{
    while (tar_next(o->tar, out)) {
        if (!out->problem && strcmp(out->label + strlen(o->shard) + 1, member) == 0)
            return true;
        source_release(out);
    }
    return false;
}

static void shard_open(Reopened *o, const char *shard)
{
    shard_close(o);
    o->shard = xstrdup(shard);
    Source source = {.name = xstrdup(shard), .label = xstrdup(shard), .path = xstrdup(shard), .regular_only = true};
    source_open(&source);
    o->tar = tar_new(o->s, o->limits, &source);
}

/* The shard's member of that name and digest, from where the shard is and then from its beginning; where none has the digest, the
 * first of that name. False, without err, where there is none. */
static bool take_member(Reopened *o, const char *label, const char *shard, const char *member, const char *digest, double until,
                        Error *err)
{
    Source source;
    if (o->shard && strcmp(o->shard, shard) == 0 && next_member(o, member, &source)) {
        if (!take(o, label, &source, until, err))
            return false;
        if (!*digest || strcmp(o->digest.text, digest) == 0)
            return true;
        reopened_close(o);
    }
    for (int any = 0; any < 2; any++) {
        shard_open(o, shard);
        while (next_member(o, member, &source)) {
            if (!take(o, label, &source, until, err))
                return false;
            if (any || !*digest || strcmp(o->digest.text, digest) == 0)
                return true;
            reopened_close(o);
        }
    }
    return false;
}

/* What this spelling of the name leads to: a file, or a shard and its member. False, without err, where it leads nowhere. */
static bool take_path(Reopened *o, const char *label, const char *name, const char *digest, double until, Error *err)
{
    char *path = *name == '/' || strcmp(o->s->root, ".") == 0 ? xstrdup(name) : path_join(o->s->root, name);
    bool ok = false;
    if (is_file(path)) {
        Source source = {.name = xstrdup(label), .label = xstrdup(label), .path = xstrdup(path), .regular_only = true};
        ok = take(o, label, &source, until, err);
    }
    for (char *slash = strchr(path, '/'); slash && !ok && !err->text[0]; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (is_archive(path) && is_file(path))
            ok = take_member(o, label, path, slash + 1, digest, until, err);
        *slash = '/';
    }
    free(path);
    return ok;
}

bool reopened_is(const Reopened *o, const char *label, const char *digest)
{
    const bool member = o->source.data; /* a shard may have several of one name */
    return o->label && strcmp(o->label, label) == 0 && (!member || strcmp(o->digest.text, digest) == 0);
}

bool reopen(Reopened *o, const char *label, const char *digest, double until, Error *err)
{
    if (reopened_is(o, label, digest))
        return true;
    reopened_close(o);
    char *plain = without_escapes(label);
    char *names[] = {xstrdup(label), without_number(label), plain, plain ? without_number(plain) : NULL};
    bool ok = false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i] && !ok && !err->text[0])
            ok = take_path(o, label, names[i], digest, until, err);
        free(names[i]);
    }
    if (!ok && !err->text[0])
        error_set(err, "%s: neither a file nor in a shard", label);
    return ok;
}
