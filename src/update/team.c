/* The ranks that train one run; see team.h. */
#include "update/team.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "stream/filter.h"
#include "update/run/config.h"

bool team_open(Team *t, int64_t patience, Error *err)
{
    *t = (Team){0};
    return ranks_open(&t->ranks, (double)patience, err);
}

void team_close(Team *t)
{
    ranks_close(t->ranks);
    *t = (Team){0};
}

bool team_shared(const Team *t)
{
    return ranks_size(t->ranks) > 1;
}

bool team_leads(const Team *t)
{
    return ranks_rank(t->ranks) == 0;
}

void team_follow(Team *t)
{
    char word = 0;
    ranks_broadcast(t->ranks, "rank 0 to open the run", 0, &word, 1);
}

/* ---- the same of all ---- */

/* Every rank's JSON object, parsed; the caller decrefs each and frees the array. */
static json_t **gather_json(Team *t, const char *what, const json_t *mine)
{
    Gathered all = {0};
    char *text = mine ? json_dumps(mine, JSON_COMPACT | JSON_REAL_PRECISION(17)) : xstrdup("{}");
    json_t **objects = xcalloc(ranks_size(t->ranks), sizeof(json_t *));
    ranks_gather(t->ranks, what, text, strlen(text), &all);
    for (size_t i = 0; i < ranks_size(t->ranks); i++)
        objects[i] = json_loadb(all.data + all.offset[i], all.offset[i + 1] - all.offset[i], 0, NULL);
    gathered_release(&all);
    free(text);
    return objects;
}

static void free_json(Team *t, json_t **objects)
{
    for (size_t i = 0; i < ranks_size(t->ranks); i++)
        json_decref(objects[i]);
    free(objects);
}

/* "0.5", "none". The caller frees it. */
static char *value_text(const json_t *value)
{
    return value ? json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6)) : xstrdup("none");
}

/* Rank i has another value of `key` than rank 0. */
static bool differs(const Team *t, size_t i, const char *key, const json_t *found, const json_t *expected, Error *err)
{
    char *is = value_text(found), *was = value_text(expected);
    error_set_status(err, STATUS_MISMATCH, "rank %zu (%s): %s is %s, expected %s as at rank 0", i, ranks_host(t->ranks, i), key,
                     is, was);
    free(is);
    free(was);
    return false;
}

static bool alike(const Team *t, json_t *const *objects, Error *err)
{
    const char *key;
    json_t *expected;
    json_object_foreach (objects[0], key, expected)
        for (size_t i = 1; i < ranks_size(t->ranks); i++)
            if (!json_equal(json_object_get(objects[i], key), expected))
                return differs(t, i, key, json_object_get(objects[i], key), expected, err);
    return true;
}

/* Options that may differ: of the machine, and where a rank puts what is its own. */
static json_t *shared_options(const json_t *options, const Learner *l)
{
    static const char *const own[] = {"threads", "device", "sandbox", "spool-memory", "status-file", "config",
                                      "run",     "model",  "init",    "dump",         "tensorboard", "scratch"};
    json_t *all = json_object();
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)options, key, value) {
        char *name = xasprintf("--%s", key);
        json_object_set(all, name, value);
        free(name);
    }
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        char *name = xasprintf("--%s", own[i]);
        json_object_del(all, name);
        free(name);
    }
    json_object_set_new(all, "version", json_string(VLRM_VERSION));
    json_object_set_new(all, "digest of the model", json_string(l->base.text));
    return all;
}

/* Of this program's own file; "" where it cannot be read. */
static Digest build_digest(void)
{
    Error ignored = {0};
    size_t size;
    char *program = file_read("/proc/self/exe", &size, &ignored);
    const Digest digest = program ? digest_text(hash_id(program, size)) : (Digest){""};
    free(program);
    return digest;
}

/* A block is computed by one rank: on another processor, or by another build, it may come to other bits, as it would in a run of
 * one rank. */
static void warn_of_processors(Team *t, const Learner *l)
{
    const Digest build = build_digest();
    json_t *mine = json_pack("{s:s, s:s}", "kernels", l->kernels->name, "digest of vlrm-update", build.text);
    json_t **all = gather_json(t, "the ranks' processors", mine);
    Error differs_at = {0};
    if (!alike(t, all, &differs_at) && team_leads(t))
        warn("%s: the run is whole, but its bits depend on which rank has which records", differs_at.text);
    free_json(t, all);
    json_decref(mine);
}

bool team_compare(Team *t, const json_t *options, const Learner *l, Error *err)
{
    if (!team_shared(t))
        return true;
    json_t *mine = shared_options(options, l), **all = gather_json(t, "the ranks' options", mine);
    const bool ok = alike(t, all, err);
    free_json(t, all);
    json_decref(mine);
    if (!ok)
        return false;
    const size_t hosts = ranks_hosts(t->ranks);
    if (team_leads(t))
        warn("%zu ranks on %zu host%s, blocks of %lld captions, integer sums", ranks_size(t->ranks), hosts, hosts > 1 ? "s" : "",
             (long long)l->options.block);
    warn_of_processors(t, l);
    return true;
}

void team_use_devices(Team *t, const Kernels *kernels, bool wanted)
{
    const bool cuda = strcmp(kernels->name, "cuda") == 0;
    const RanksDevice device = {cuda ? kernels_cuda_address() : "", kernels->idle};
    if (ranks_use_devices(t->ranks, &device, wanted))
        note("gradients go from device to device, by NCCL");
}

bool team_compare_inputs(Team *t, const json_t *header, Error *err)
{
    if (!team_shared(t) || t->compared)
        return true;
    json_t **all = gather_json(t, "the headers of inputs", header);
    const size_t size = ranks_size(t->ranks);
    const json_t *first = NULL;
    bool ok = true;
    for (size_t i = 0; i < size && ok; i++) {
        if (json_object_size(all[i]) == 0)
            continue;
        char *name = xasprintf("rank %zu (%s)", i, ranks_host(t->ranks, i));
        ok = !first || config_same_stages(first, all[i], name, err);
        first = first ? first : all[i];
        free(name);
    }
    free_json(t, all);
    t->compared = true;
    return ok;
}

/* ---- steps ---- */

/* Of all trained parameters, in their order. */
static uint64_t parameters_hash(Learner *l)
{
    return parameters_digest(&l->value, parameters_digest(&l->policy, 0));
}

bool team_agree(Team *t, Learner *l, Error *err)
{
    if (!team_shared(t))
        return true;
    char *what = xasprintf("the parameters after step %lld", (long long)l->step);
    const bool ok = ranks_agree(t->ranks, what, parameters_hash(l), err);
    free(what);
    return ok;
}

bool team_meet(Team *t, Meeting *m, Error *err)
{
    Gathered all = {0};
    if (!team_shared(t))
        return true;
    ranks_gather(t->ranks, "the next batch", m, sizeof *m, &all);
    const Meeting *said = (const Meeting *)(const void *)all.data;
    Meeting sum = {COMING_NOTHING, -1, STATUS_CLEAN, 0};
    bool ok = true;
    for (size_t i = 0; i < ranks_size(t->ranks); i++) {
        sum.status = status_worse((int)sum.status, (int)said[i].status);
        sum.repeated += said[i].repeated;
        if (said[i].coming == COMING_END)
            sum.coming = COMING_END;
        else if (said[i].coming == COMING_BATCH && sum.coming == COMING_NOTHING)
            sum.coming = COMING_BATCH;
        if (said[i].coming != COMING_BATCH)
            continue;
        if (sum.index >= 0 && sum.index != said[i].index)
            ok = error_set_status(err, STATUS_MISMATCH,
                                  "rank %zu (%s) is at batch %lld, another at %lld: their inputs are not parts of one", i,
                                  ranks_host(t->ranks, i), (long long)said[i].index, (long long)sum.index);
        sum.index = said[i].index;
    }
    ok = ok || sum.coming == COMING_END;
    *m = sum;
    gathered_release(&all);
    return ok;
}

/* ---- metrics ---- */

void team_report(Team *t, double seconds, Learner *l, json_t *metrics)
{
    Gathered all = {0};
    if (!team_shared(t))
        return;
    const double mine[2] = {seconds, ranks_waited(t->ranks)};
    ranks_gather(t->ranks, "seconds of the step", mine, sizeof mine, &all);
    const double(*said)[2] = (const double(*)[2])(const void *)all.data;
    json_t *steps = json_array(), *waits = json_array();
    for (size_t i = 0; i < ranks_size(t->ranks); i++) {
        json_array_append_new(steps, json_real(said[i][0]));
        json_array_append_new(waits, json_real(said[i][1]));
    }
    json_object_set_new(metrics, "ranks",
                        json_pack("{s:I, s:I, s:o, s:o, s:s}", "size", (json_int_t)ranks_size(t->ranks), "hosts",
                                  (json_int_t)ranks_hosts(t->ranks), "seconds", steps, "wait", waits, "parameters",
                                  digest_text(parameters_hash(l)).text));
    gathered_release(&all);
}
