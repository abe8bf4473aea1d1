/* Run folder and checkpoints; see state.h. */
#include "update/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/steps.h"
#include "update/config.h"

/* ---- parameters and moments ---- */

static const char *const set_files[] = {"policy.safetensors", "value.safetensors"};

static Parameters *set_of(Learner *l, size_t i)
{
    return i == 0 ? &l->policy : &l->value;
}

static bool set_write(const Parameters *p, const char *folder, const char *file, Error *err)
{
    char *path = path_join(folder, file);
    TensorSources sources = {0};
    parameters_sources(p, NULL, PARAMETER_VALUE, "", &sources);
    parameters_sources(p, NULL, PARAMETER_M, "m.", &sources);
    parameters_sources(p, NULL, PARAMETER_V, "v.", &sources);
    bool ok = safetensors_write(path, sources.items, sources.count, NULL, err);
    sources_release(&sources);
    free(path);
    return ok;
}

static bool set_load(Parameters *p, const char *folder, const char *file, char digest[static 17], Error *err)
{
    char *path = path_join(folder, file);
    Checkpoint *c = checkpoint_open(path, err);
    bool ok = c && parameters_load(p, NULL, PARAMETER_VALUE, "", c, false, err) &&
              parameters_load(p, NULL, PARAMETER_M, "m.", c, false, err) &&
              parameters_load(p, NULL, PARAMETER_V, "v.", c, false, err);
    if (ok)
        digest_text(checkpoint_digest(c, NULL, 0), digest);
    checkpoint_free(c);
    free(path);
    return ok;
}

static bool set_digest(const char *folder, const char *file, char digest[static 17], Error *err)
{
    char *path = path_join(folder, file);
    Checkpoint *c = checkpoint_open(path, err);
    if (c)
        digest_text(checkpoint_digest(c, NULL, 0), digest);
    bool ok = c != NULL;
    checkpoint_free(c);
    free(path);
    return ok;
}

/* ---- a state folder ---- */

/* The value pass for looking at: its LoRA in PEFT's layout, its head beside it. A run goes on from value.safetensors. */
static bool value_export(Learner *l, const char *folder, Error *err)
{
    if (!l->value_lora)
        return true;
    char *value = path_join(folder, "value"), *path = path_join(value, "value_head.safetensors");
    TensorSources sources = {0};
    parameters_sources(&l->value, "value-head", PARAMETER_VALUE, "", &sources);
    bool ok = lora_write(l->value_lora, value, "", err) && safetensors_write(path, sources.items, sources.count, NULL, err);
    sources_release(&sources);
    free(value);
    free(path);
    return ok;
}

static bool state_fill(Run *run, Learner *l, const char *folder, Error *err)
{
    char digests[2][17];
    if (!folder_make(folder, err))
        return false;
    for (size_t i = 0; i < 2; i++)
        if (!set_write(set_of(l, i), folder, set_files[i], err) || !set_digest(folder, set_files[i], digests[i], err))
            return false;
    if (!value_export(l, folder, err))
        return false;
    json_t *state = json_pack("{s:I, s:I, s:I, s:I, s:O, s:{s:s, s:s, s:s}}", "step", (json_int_t)l->step, "next_batch",
                              (json_int_t)run->next_batch, "consumed", (json_int_t)run->settled, "metrics_bytes",
                              (json_int_t)ftello(run->metrics), "options", run->numbers, "digests", "base", l->base, "policy",
                              digests[0], "value", digests[1]);
    bool ok = json_file_write(folder, "state.json", state, err);
    json_decref(state);
    return ok;
}

static bool state_write(Run *run, Learner *l, Error *err)
{
    char *folder = step_folder(run->state, l->step), *writing = xasprintf("%s.writing-%ld", folder, (long)getpid());
    bool ok = state_fill(run, l, writing, err) && folder_replace(writing, folder, err);
    Error ignored = {0};
    if (!ok && !folder_remove(writing, &ignored))
        note("%s", ignored.text);
    free(writing);
    free(folder);
    return ok;
}

static bool digest_agrees(const json_t *state, const char *key, const char *found, const char *folder, Error *err)
{
    const char *expected = json_string_value(json_object_get(json_object_get(state, "digests"), key));
    if (expected && strcmp(expected, found) == 0)
        return true;
    return error_set_status(err, STATUS_MISMATCH, "%s: digest of %s is %s, expected %s", folder, key, found,
                            expected ? expected : "one in state.json");
}

typedef struct StateNumbers {
    int64_t step, consumed, metrics_bytes;
} StateNumbers;

static bool state_read(Run *run, Learner *l, const char *folder, StateNumbers *n, Error *err)
{
    char *path = path_join(folder, "state.json"), digest[17];
    json_t *state = json_file_read(path, err);
    bool ok =
        state &&
        config_agrees(json_object_get(state, "options"), run->numbers, run->options.folder, run->options.change_options, err) &&
        digest_agrees(state, "base", l->base, folder, err);
    static const char *const keys[] = {"policy", "value"};
    for (size_t i = 0; i < 2 && ok; i++)
        ok = set_load(set_of(l, i), folder, set_files[i], digest, err) && digest_agrees(state, keys[i], digest, folder, err);
    if (ok) {
        n->step = json_integer_value(json_object_get(state, "step"));
        n->consumed = json_integer_value(json_object_get(state, "consumed"));
        n->metrics_bytes = json_integer_value(json_object_get(state, "metrics_bytes"));
        run->next_batch = json_integer_value(json_object_get(state, "next_batch"));
    }
    json_decref(state);
    free(path);
    return ok;
}

/* ---- the run ---- */

/* vlrm-rollout looks whether the lock is held by taking it for an instant (rollout/follow.c): that is not another update. */
static bool lock_wait(int fd)
{
    enum { TRIES = 20, PAUSE_MICROSECONDS = 5000 };
    for (int i = 0; i < TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return true;
        if (errno != EWOULDBLOCK)
            return false;
        usleep(PAUSE_MICROSECONDS);
    }
    errno = EWOULDBLOCK;
    return false;
}

static bool lock_take(Run *run, Error *err)
{
    char *path = path_join(run->options.folder, "update.lock"); /* `lock` is that of the recipe around us */
    run->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    bool ok = run->lock >= 0 || error_set(err, "open %s:", path);
    if (ok && !lock_wait(run->lock))
        ok = error_set(err, errno == EWOULDBLOCK ? "%s: another vlrm-update works on this run" : "lock %s:", path);
    free(path);
    return ok;
}

/* Opens metrics.jsonl for appending, cut to `bytes`; a shorter one, which somebody has cut, is not filled up. */
static bool metrics_open(Run *run, int64_t bytes, Error *err)
{
    int fd = open(run->metrics_path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    struct stat st = {0};
    bool ok = fd >= 0 && fstat(fd, &st) == 0;
    if (ok && st.st_size < (off_t)bytes)
        warn("%s: has %lld bytes, the checkpoint had written %lld: lines are missing", run->metrics_path, (long long)st.st_size,
             (long long)bytes);
    if (!ok || (st.st_size > (off_t)bytes && ftruncate(fd, (off_t)bytes) != 0) || !(run->metrics = fdopen(fd, "r+"))) {
        if (fd >= 0)
            close(fd);
        return error_set(err, "open %s:", run->metrics_path);
    }
    return fseeko(run->metrics, 0, SEEK_END) == 0 || error_set(err, "seek in %s:", run->metrics_path);
}

/*
 * Writes the policy of the learner's step if it is not there, and points `latest` to it. The first policy may be that of a start
 * with other options: a state vouches for it, or config.json, which is written after it. It must not be written without need, a
 * rollout may be reading it.
 */
static bool policy_restore(Run *run, Learner *l, bool vouched, Error *err)
{
    PolicyInfo info = {.step = l->step, .lag = run->options.lag}, old;
    memcpy(info.base, l->base, sizeof info.base);
    char *folder = step_folder(run->policy, l->step);
    Error ignored = {0};
    bool there = (vouched || config_same(run->options.folder, run->numbers, l)) && policy_info(folder, &old, &ignored);
    free(folder);
    return (there || policy_write(run->policy, &info, &l->policy, l->policy_lora, err)) &&
           policy_publish(run->policy, l->step, err);
}

/* A run that was killed may have published and begun more than its newest state vouches for. */
static bool run_rewind(Run *run, Learner *l, bool vouched, Error *err)
{
    size_t keep = (size_t)run->options.keep;
    int64_t every = run->options.keep_every;
    char *collapse = path_join(run->options.folder, "collapse");
    bool ok = leftovers_remove(run->options.folder, "config.json", err) && leftovers_remove(collapse, NULL, err) &&
              steps_prune(run->state, keep, every, l->step, -1, err) && policy_restore(run, l, vouched, err) &&
              steps_prune(run->policy, keep, every, l->step, l->step, err);
    free(collapse);
    return ok;
}

bool run_open(Run *run, const RunOptions *options, json_t *numbers, Learner *l, Error *err)
{
    *run = (Run){.options = *options, .numbers = numbers, .lock = -1};
    run->policy = path_join(options->folder, "policy");
    run->state = path_join(options->folder, "state");
    run->metrics_path = path_join(options->folder, "metrics.jsonl");
    run->consumed_path = path_join(options->folder, "consumed");
    if (!folder_make(run->policy, err) || !folder_make(run->state, err) || !lock_take(run, err))
        return false;
    StateNumbers n = {0};
    int64_t newest = steps_newest(run->state);
    if (newest >= 0) {
        char *folder = step_folder(run->state, newest);
        bool ok = state_read(run, l, folder, &n, err);
        free(folder);
        if (!ok)
            return false;
        l->step = n.step;
        run->settled = (size_t)n.consumed;
        note("%s: going on after step %lld, batch %lld", options->folder, (long long)n.step, (long long)run->next_batch);
    }
    return consumed_open(&run->consumed, run->consumed_path, (size_t)n.consumed, err) &&
           metrics_open(run, n.metrics_bytes, err) && run_rewind(run, l, newest >= 0, err);
}

void run_close(Run *run)
{
    if (run->metrics)
        fclose(run->metrics);
    if (run->lock >= 0)
        close(run->lock);
    consumed_release(&run->consumed);
    json_decref(run->numbers);
    free(run->policy);
    free(run->state);
    free(run->metrics_path);
    free(run->consumed_path);
    *run = (Run){.lock = -1};
}

static bool metrics_append(Run *run, const json_t *metrics, Error *err)
{
    char *line = json_dumps(metrics, JSON_COMPACT | JSON_REAL_PRECISION(9));
    bool ok = fprintf(run->metrics, "%s\n", line) > 0 && fflush(run->metrics) == 0 && fsync(fileno(run->metrics)) == 0;
    free(line);
    return ok || error_set(err, "write %s:", run->metrics_path);
}

/* The state of the learner's step, and only then are older ones given up. */
static bool checkpoint(Run *run, Learner *l, Error *err)
{
    return consumed_save(&run->consumed, err) && state_write(run, l, err);
}

static bool prune(const Run *run, const Learner *l, Error *err)
{
    size_t keep = (size_t)run->options.keep;
    int64_t every = run->options.keep_every, newest = steps_newest(run->state);
    return steps_prune(run->state, keep, every, l->step, -1, err) && steps_prune(run->policy, keep, every, newest, -1, err);
}

bool run_save(Run *run, Learner *l, const json_t *metrics, Error *err)
{
    PolicyInfo info = {.step = l->step, .lag = run->options.lag};
    memcpy(info.base, l->base, sizeof info.base);
    run->settled = run->consumed.count;
    bool due = l->step % run->options.checkpoint_every == 0;
    return policy_write(run->policy, &info, &l->policy, l->policy_lora, err) && metrics_append(run, metrics, err) &&
           (!due || checkpoint(run, l, err)) && policy_publish(run->policy, l->step, err) && (!due || prune(run, l, err));
}

bool run_finish(Run *run, Learner *l, Error *err)
{
    return l->step == 0 || steps_newest(run->state) == l->step || (checkpoint(run, l, err) && prune(run, l, err));
}
