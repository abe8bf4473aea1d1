/* The ids that a run has consumed; see consumed.h. */
#include "update/run/consumed.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/io.h"
#include "checkpoint/checkpoint.h"

/* As the map and the file have it: hash 0 counts as 1. */
static uint64_t key_of(uint64_t hash)
{
    return hash ? hash : 1;
}

static bool key_add(Consumed *c, uint64_t key)
{
    if (!hashmap_add(&c->keys, key))
        return false;
    uint64_t chain[2] = {c->digest, key};
    c->digest = hash_id(chain, sizeof chain);
    c->count++;
    return true;
}

bool consumed_has(const Consumed *c, const void *id, size_t size)
{
    return hashmap_get(&c->keys, key_of(hash_id(id, size))) != 0;
}

bool consumed_add_hash(Consumed *c, uint64_t hash)
{
    const uint64_t key = key_of(hash);
    if (!key_add(c, key))
        return false;
    c->fresh = array_reserve(c->fresh, &c->fresh_capacity, c->n_fresh + 1, sizeof *c->fresh);
    c->fresh[c->n_fresh++] = key;
    return true;
}

static bool read_keys(Consumed *c, int fd, size_t count, Error *err)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t key;
        ssize_t n = pread_in_full(fd, &key, sizeof key, (int64_t)(i * sizeof key));
        if (n < 0)
            return error_set(err, "read %s:", c->path);
        if (n != (ssize_t)sizeof key)
            return error_set_status(err, STATUS_CORRUPT, "%s: found %zu consumed ids, the checkpoint expects %zu", c->path, i,
                                    count);
        key_add(c, key);
    }
    return true;
}

static bool digest_check(const Consumed *c, size_t count, const char *expected, Error *err)
{
    const Digest found = digest_text(c->digest);
    return count == 0 || strcmp(found.text, expected) == 0 ||
           error_set_status(err, STATUS_CORRUPT, "%s: digest of %zu ids is %s, the checkpoint expects %s", c->path, count,
                            found.text, expected);
}

bool consumed_open(Consumed *c, const char *path, size_t count, const char *digest, Error *err)
{
    *c = (Consumed){.path = xstrdup(path)};
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return error_set(err, "open %s:", path);
    bool ok = read_keys(c, fd, count, err) && digest_check(c, count, digest, err);
    if (ok && ftruncate(fd, (off_t)(count * sizeof(uint64_t))) != 0)
        ok = error_set(err, "cut %s:", path);
    close(fd);
    return ok;
}

void consumed_release(Consumed *c)
{
    hashmap_release(&c->keys);
    free(c->fresh);
    free(c->path);
    *c = (Consumed){0};
}

void consumed_pass_over(Consumed *c)
{
    c->n_fresh = 0;
}

bool consumed_save(Consumed *c, Error *err)
{
    int fd = open(c->path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, "open %s:", c->path);
    bool ok = write_in_full(fd, c->fresh, c->n_fresh * sizeof *c->fresh) && fsync(fd) == 0;
    if (!ok)
        error_set(err, "write %s:", c->path);
    if (close(fd) != 0 && ok)
        ok = error_set(err, "close %s:", c->path);
    if (ok)
        c->n_fresh = 0;
    return ok;
}
