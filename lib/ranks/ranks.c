/*
 * What ranks say to one another; see ranks.h.
 *
 * Every exchange begins with a word to rank 0, "I have come to exchange n": so rank 0 knows who is missing. It waits as long as
 * its patience; the others a little longer, so that the one who knows is the one who speaks. Only if rank 0 itself is missing do
 * they. A rank may also stop within an exchange: so who has waited in one as long as the patience says that too, and rank 0 names
 * those that do not.
 */
#include "ranks/ranks.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/hash.h"
#include "ranks/inside.h"
#include "ranks/joining.h"

enum { SUM_PIECE = 1 << 20, BROADCAST_PIECE = 1 << 24 }; /* of one message: integers, bytes */

bool ranks_launched(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (getenv(names[i]))
            return true;
    return false;
}

size_t ranks_rank(const Ranks *r)
{
    return r ? r->rank : 0;
}

size_t ranks_size(const Ranks *r)
{
    return r ? r->size : 1;
}

const char *ranks_host(const Ranks *r, size_t rank)
{
    return r ? r->host[rank] : "";
}

size_t ranks_hosts(const Ranks *r)
{
    return r ? r->hosts : 1;
}

double ranks_waited(Ranks *r)
{
    const double waited = r ? r->waited : 0;
    if (r)
        r->waited = 0;
    return waited;
}

/* ---- waiting ---- */

/* How much longer the others wait than rank 0, and rank 0 for their word that they wait. */
static const double grace = 5, roll = 2;

/* A short time while an answer may come at once, longer ones later: waiting is no work. */
static void pause_after(double waited)
{
    if (waited < 0.002) {
        sched_yield();
        return;
    }
    const long longest = 1000000, pause = (long)(waited * 1e9 / 50);
    nanosleep(&(struct timespec){.tv_nsec = pause < longest ? pause : longest}, NULL);
}

static bool is_over(const Ranks *r, double waited)
{
    return r->patience > 0 && waited > r->patience + (r->rank > 0 ? grace : 0);
}

/* Whether rank i is the first on its machine. */
static bool is_new_host(const Ranks *r, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(r->host[k], r->host[i]) == 0)
            return false;
    return true;
}

/* The names of all machines, once each: "m1, m2". The caller frees it. */
static char *name_hosts(const Ranks *r)
{
    char *all = xstrdup("");
    for (size_t i = 0; i < r->size; i++) {
        if (!is_new_host(r, i))
            continue;
        char *longer = xasprintf("%s%s%s", all, *all ? ", " : "", r->host[i]);
        free(all);
        all = longer;
    }
    return all;
}

/* "rank 2 (host), rank 5 (host)": those of which `missing` is not NULL. The caller frees it. */
static char *name_ranks(const Ranks *r, Wire *const *missing)
{
    char *all = xstrdup("");
    for (size_t i = 0; i < r->size; i++) {
        if (!missing[i])
            continue;
        char *longer = xasprintf("%s%srank %zu (%s)", all, *all ? ", " : "", i, r->host[i]);
        free(all);
        all = longer;
    }
    return all;
}

/* Tells rank 0, once in an exchange, that we have come and wait. */
static void tell_waits(Ranks *r)
{
    if (r->tell_waits && !wire_done(r->tell_waits))
        return;
    r->waits = r->exchange;
    r->tell_waits = wire_tell(WORD_WAITS, &r->waits);
}

/* Those that do not say that they wait in this exchange too, as name_ranks names them; "": all do. For the end. */
static char *name_silent(const Ranks *r)
{
    Wire **silent = xcalloc(r->size, sizeof *silent);
    int64_t *said = xcalloc(r->size, sizeof *said);
    size_t left = r->size - 1;
    const double start = seconds_now();
    for (size_t i = 1; i < r->size; i++)
        silent[i] = wire_hear(WORD_WAITS, i, &said[i]);
    while (left > 0 && seconds_now() < start + roll) {
        for (size_t i = 1; i < r->size; i++) {
            if (!silent[i] || !wire_done(silent[i]))
                continue;
            silent[i] = said[i] == r->exchange ? NULL : wire_hear(WORD_WAITS, i, &said[i]); /* of an exchange before this one */
            left -= !silent[i];
        }
        pause_after(seconds_now() - start);
    }
    return name_ranks(r, silent);
}

/* Who is missing, as far as a rank knows that has come to an exchange itself; said once, before the end. */
static const char *absent(const Ranks *r)
{
    if (r->rank > 0)
        return xasprintf("rank 0 (%s) has not come", r->host[0]);
    const char *silent = name_silent(r);
    if (*silent)
        return xasprintf("all ranks had come, but there is no more word from %s", silent);
    if (r->hosts == 1)
        return xstrdup("all ranks have come, but their messages do not");
    return xasprintf("all ranks have come, but messages between their machines (%s) do not", name_hosts(r));
}

void ranks_abort(const Ranks *r, int status)
{
    devices_abort(r->devices);
    wire_abort(status);
}

void ranks_wait(Ranks *r, bool (*done)(void *), void *context, const char *what, const char *who)
{
    const double start = seconds_now();
    double waited = 0;
    while (!done(context)) {
        pause_after(waited);
        waited = seconds_now() - start;
        if (r->rank > 0 && r->waits < r->exchange && r->patience > 0 && waited > r->patience)
            tell_waits(r);
        if (is_over(r, waited)) {
            warn("waited %.0f s for %s: %s (--patience)", waited, what, who ? who : absent(r));
            ranks_abort(r, STATUS_FAILURE);
        }
    }
    r->waited += waited;
}

static bool message_done(void *w)
{
    return wire_done(w);
}

/* Waits for one message. */
static void wire_wait(Ranks *r, Wire *w, const char *what, const char *who)
{
    ranks_wait(r, message_done, w, what, who);
}

/* Rank 0 waits until every other has come. */
static void hear_all(Ranks *r, const char *what)
{
    Wire **under_way = xcalloc(r->size, sizeof *under_way);
    int64_t *said = xcalloc(r->size, sizeof *said);
    size_t left = r->size - 1;
    const double start = seconds_now();
    double waited = 0;
    for (size_t i = 1; i < r->size; i++)
        under_way[i] = wire_hear(WORD_COME, i, &said[i]);
    for (;;) {
        for (size_t i = 1; i < r->size; i++)
            if (under_way[i] && wire_done(under_way[i])) {
                under_way[i] = NULL;
                left--;
                if (said[i] != r->exchange)
                    bug("rank %zu is at exchange %lld, rank 0 at %lld: %s", i, (long long)said[i], (long long)r->exchange, what);
            }
        if (left == 0)
            break;
        pause_after(waited);
        waited = seconds_now() - start;
        if (is_over(r, waited)) {
            warn("waited %.0f s for %s: no word from %s (--patience)", waited, what, name_ranks(r, under_way));
            ranks_abort(r, STATUS_FAILURE);
        }
    }
    r->waited += waited;
    free(under_way);
    free(said);
}

void ranks_arrive(Ranks *r, const char *what)
{
    r->exchange++;
    if (r->rank == 0) {
        hear_all(r, what);
        return;
    }
    if (r->tell)
        wire_wait(r, r->tell, what, "rank 0 has not heard of us");
    r->told = r->exchange;
    r->tell = wire_tell(WORD_COME, &r->told);
}

/* ---- what is said ---- */

static size_t *offsets_of(const int64_t *sizes, size_t n)
{
    size_t *offset = xmalloc((n + 1) * sizeof *offset);
    offset[0] = 0;
    for (size_t i = 0; i < n; i++)
        offset[i + 1] = offset[i] + (size_t)sizes[i];
    return offset;
}

void ranks_gather(Ranks *r, const char *what, const void *mine, size_t bytes, Gathered *out)
{
    int64_t size = (int64_t)bytes, *sizes = xcalloc(ranks_size(r), sizeof *sizes);
    sizes[0] = size;
    if (r) {
        ranks_arrive(r, what);
        wire_wait(r, wire_gather_sizes(&size, sizes), what, NULL);
    }
    out->offset = offsets_of(sizes, ranks_size(r));
    const size_t all = out->offset[ranks_size(r)];
    out->data = xmalloc(all + 1);
    if (r)
        wire_wait(r, wire_gather(mine, bytes, out->data, out->offset, r->size), what, NULL);
    else if (bytes > 0)
        memcpy(out->data, mine, bytes);
    free(sizes);
}

void gathered_release(Gathered *g)
{
    free(g->data);
    free(g->offset);
    *g = (Gathered){0};
}

void ranks_sum(Ranks *r, const char *what, int64_t *values, size_t n)
{
    if (!r)
        return;
    ranks_arrive(r, what);
    for (size_t i = 0; i < n; i += SUM_PIECE)
        wire_wait(r, wire_sum(values + i, n - i < SUM_PIECE ? n - i : SUM_PIECE), what, NULL);
}

void ranks_broadcast(Ranks *r, const char *what, size_t from, void *data, size_t bytes)
{
    if (!r)
        return;
    ranks_arrive(r, what);
    for (size_t i = 0; i < bytes; i += BROADCAST_PIECE)
        wire_wait(r, wire_broadcast(from, (char *)data + i, bytes - i < BROADCAST_PIECE ? bytes - i : BROADCAST_PIECE), what,
                  NULL);
}

/* Waits for a message to or from one rank. */
static void wait_for_rank(Ranks *r, Wire *w, const char *what, size_t other)
{
    char *who = xasprintf("rank %zu (%s) has not come", other, r->host[other]);
    wire_wait(r, w, what, who);
    free(who);
}

void ranks_send(Ranks *r, const char *what, size_t to, const void *data, size_t bytes)
{
    const uint64_t size = bytes;
    wait_for_rank(r, wire_send(to, &size, sizeof size), what, to);
    wait_for_rank(r, wire_send(to, data, bytes), what, to);
}

void *ranks_receive(Ranks *r, const char *what, size_t from, size_t *bytes)
{
    uint64_t size;
    wait_for_rank(r, wire_receive(from, &size, sizeof size), what, from);
    char *data = xmalloc(size + 1);
    wait_for_rank(r, wire_receive(from, data, size), what, from);
    *bytes = size;
    return data;
}

/* The digest that most have; of several, that of the lowest rank. */
static uint64_t most_common(const uint64_t *digests, size_t n)
{
    size_t best = 0, most = 0;
    for (size_t i = 0; i < n; i++) {
        size_t same = 0;
        for (size_t k = 0; k < n; k++)
            same += digests[k] == digests[i];
        if (same > most) {
            most = same;
            best = i;
        }
    }
    return digests[best];
}

bool ranks_agree(Ranks *r, const char *what, uint64_t digest, Error *err)
{
    Gathered all = {0};
    ranks_gather(r, what, &digest, sizeof digest, &all);
    const size_t n = ranks_size(r);
    uint64_t *digests = xmalloc(n * sizeof *digests);
    memcpy(digests, all.data, n * sizeof *digests);
    const Digest expected = digest_text(most_common(digests, n));
    bool ok = true;
    for (size_t i = 0; i < n && ok; i++) {
        const Digest found = digest_text(digests[i]);
        if (strcmp(found.text, expected.text) != 0)
            ok = error_set_status(err, STATUS_MISMATCH, "rank %zu (%s): digest of %s is %s, expected %s, that of %s", i,
                                  ranks_host(r, i), what, found.text, expected.text, n > 2 ? "most" : "the other");
    }
    free(digests);
    gathered_release(&all);
    return ok;
}

/* ---- beginning and end ---- */

/* Names of all machines, and how many there are. */
static void learn_hosts(Ranks *r, const char *mine)
{
    Gathered all = {0};
    ranks_gather(r, "the other ranks", mine, WIRE_HOST, &all);
    memcpy(r->host, all.data, r->size * WIRE_HOST);
    for (size_t i = 0; i < r->size; i++)
        r->hosts += is_new_host(r, i);
    gathered_release(&all);
}

bool ranks_open(Ranks **out, double patience, Error *err)
{
    char host[WIRE_HOST] = "";
    size_t rank, size;
    *out = NULL;
    if (!ranks_launched())
        return true;
    Joining *joining = joining_begin(patience);
    const bool joined = wire_open(&rank, &size, host, err);
    joining_end(joining);
    if (!joined)
        return false;
    Ranks *r = xcalloc(1, sizeof *r);
    *r = (Ranks){.rank = rank, .size = size, .patience = patience, .host = xcalloc(size, WIRE_HOST)};
    learn_hosts(r, host);
    *out = r;
    return true;
}

void ranks_close(Ranks *r)
{
    if (!r)
        return;
    if (r->tell)
        wire_wait(r, r->tell, "the end", "rank 0 has not heard of us");
    devices_free(r->devices);
    wire_close();
    free(r->host);
    free(r);
}
