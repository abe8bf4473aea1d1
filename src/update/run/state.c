/* Run folder and checkpoints; see state.h. */
#include "update/run/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/json_file.h"
#include "base/steps.h"

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

/* The file must be the one that state.json vouches for: its digest is `expected`. */
static bool set_load(Parameters *p, const char *folder, const char *file, const char *expected, Error *err)
{
    char *path = path_join(folder, file);
    Checkpoint *c = checkpoint_open(path, err);
    bool ok = c != NULL;
    if (ok) {
        const Digest found = digest_text(checkpoint_digest(c, NULL, 0));
        ok = strcmp(found.text, expected) == 0 ||
             error_set_status(err, STATUS_CORRUPT, "%s: digest of its tensors is %s, expected %s", path, found.text, expected);
    }
    ok = ok && parameters_load(p, NULL, PARAMETER_VALUE, "", c, false, err) &&
         parameters_load(p, NULL, PARAMETER_M, "m.", c, false, err) && parameters_load(p, NULL, PARAMETER_V, "v.", c, false, err);
    checkpoint_free(c);
    free(path);
    return ok;
}

static bool set_digest(const char *folder, const char *file, Digest *digest, Error *err)
{
    char *path = path_join(folder, file);
    Checkpoint *c = checkpoint_open(path, err);
    if (c)
        *digest = digest_text(checkpoint_digest(c, NULL, 0));
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

/* Digest of what state.json says: all of it but this digest, in order of keys. */
static Digest state_digest(const json_t *state)
{
    json_t *rest = json_deep_copy(state);
    json_object_del(json_object_get(rest, "digests"), "state");
    char *text = json_dumps(rest, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
    const Digest digest = digest_text(hash_id(text, strlen(text)));
    free(text);
    json_decref(rest);
    return digest;
}

/* A file of the checkpoint in `from` under another name; not where there is none, or the file system has no such links. */
static bool set_link(const char *from, const char *folder, const char *file)
{
    char *old = from ? path_join(from, file) : NULL, *new = path_join(folder, file);
    bool ok = old && link(old, new) == 0;
    free(old);
    free(new);
    return ok;
}

/* Parameters and state.json; from: a checkpoint of the same step to link to, or NULL. */
static bool state_fill(Run *run, Learner *l, const char *folder, const char *from, Error *err)
{
    Digest digests[2];
    if (!folder_make(folder, err))
        return false;
    for (size_t i = 0; i < 2; i++)
        if ((!set_link(from, folder, set_files[i]) && !set_write(set_of(l, i), folder, set_files[i], err)) ||
            !set_digest(folder, set_files[i], &digests[i], err))
            return false;
    off_t written = ftello(run->metrics);
    if (written < 0) /* a checkpoint that said so could never be taken up */
        return error_set(err, "look at %s:", run->metrics_path);
    json_t *state =
        json_pack("{s:I, s:I, s:I, s:I, s:o, s:O, s:{s:s, s:s, s:s, s:s}}", "step", (json_int_t)l->step, "next_batch",
                  (json_int_t)run->next_batch, "consumed", (json_int_t)run->settled, "metrics_bytes", (json_int_t)written,
                  "signs", signs_json(&run->signs), "options", run->numbers, "digests", "base", l->base.text, "policy",
                  digests[0].text, "value", digests[1].text, "consumed", run->settled_digest.text);
    if (l->options.value_normalise)
        json_object_set_new(state, "return_scale", json_pack("[f, f, f]", l->scale.mean, l->scale.square, l->scale.weight));
    json_object_set_new(json_object_get(state, "digests"), "state", json_string(state_digest(state).text));
    bool ok = json_file_write(folder, "state.json", state, err);
    json_decref(state);
    return ok;
}

static bool state_write(Run *run, Learner *l, Error *err)
{
    char *folder = step_folder(run->state, l->step), *writing = writing_folder(folder, err);
    bool ok = writing && state_fill(run, l, writing, NULL, err) && value_export(l, writing, err) &&
              folder_replace(writing, folder, err);
    Error ignored = {0};
    if (writing && !ok && !folder_remove(writing, &ignored))
        note("%s", ignored.text);
    free(writing);
    free(folder);
    return ok;
}

bool run_keep_state(Run *run, Learner *l, const char *folder, Error *err)
{
    char *checkpoint = step_folder(run->state, l->step);
    bool ok = state_fill(run, l, folder, checkpoint, err);
    free(checkpoint);
    return ok;
}

/* What a state.json says. */
typedef struct State {
    json_t *root;          /* owned */
    const json_t *options; /* borrowed from root, as the digests are */
    const char *base, *sets[2], *consumed;
    int64_t step, next_batch, n_consumed, metrics_bytes;
} State;

static const char *digest_said(const json_t *root, const char *key)
{
    const char *text = json_string_value(json_object_get(json_object_get(root, "digests"), key));
    return text ? text : "none";
}

/* Reads FOLDER/state.json, of this step (-1: of any). A digit of it that is not as it was written is STATUS_CORRUPT. The caller
 * decrefs root.
 */
static bool state_read(State *s, const char *folder, int64_t step, Error *err)
{
    char *path = path_join(folder, "state.json");
    json_t *root = json_file_read(path, err);
    bool ok = root != NULL;
    *s = (State){root,
                 json_object_get(root, "options"),
                 digest_said(root, "base"),
                 {digest_said(root, "policy"), digest_said(root, "value")},
                 digest_said(root, "consumed"),
                 json_integer_value(json_object_get(root, "step")),
                 json_integer_value(json_object_get(root, "next_batch")),
                 json_integer_value(json_object_get(root, "consumed")),
                 json_integer_value(json_object_get(root, "metrics_bytes"))};
    if (ok) {
        const Digest found = state_digest(root);
        ok = strcmp(found.text, digest_said(root, "state")) == 0 ||
             error_set_status(err, STATUS_CORRUPT, "%s: digest of what it says is %s, expected %s", path, found.text,
                              digest_said(root, "state"));
    }
    if (ok && step >= 0 && s->step != step)
        ok = error_set_status(err, STATUS_CORRUPT, "%s: is the state of step %lld, expected step %lld", path, (long long)s->step,
                              (long long)step);
    free(path);
    return ok;
}

static bool base_agrees(const char *found, const State *s, const char *folder, Error *err)
{
    return strcmp(s->base, found) == 0 ||
           error_set_status(err, STATUS_MISMATCH, "%s: digest of base is %s, expected %s", folder, found, s->base);
}

/* Takes a state up into the learner: parameters and moments; the run must be one of these options and this model. */
static bool state_take(Run *run, Learner *l, const State *s, const char *folder, Error *err)
{
    const RunOptions *o = &run->options;
    bool ok =
        config_agrees(s->options, run->numbers, s->step, o->folder, o->changes, err) && base_agrees(l->base.text, s, folder, err);
    for (size_t i = 0; i < 2 && ok; i++)
        ok = set_load(set_of(l, i), folder, set_files[i], s->sets[i], err);
    if (ok) {
        l->step = s->step;
        run->next_batch = s->next_batch;
        const json_t *scale = json_object_get(s->root, "return_scale");
        l->scale = (ReturnScale){json_number_value(json_array_get(scale, 0)), json_number_value(json_array_get(scale, 1)),
                                 json_number_value(json_array_get(scale, 2))};
        run->signs = signs_from_json(json_object_get(s->root, "signs"));
        run->settled = (size_t)s->n_consumed;
        const size_t n = strnlen(s->consumed, sizeof run->settled_digest.text - 1); /* none before the first step */
        memcpy(run->settled_digest.text, s->consumed, n);
        run->settled_digest.text[n] = '\0';
        note("%s: continuing after step %lld, batch %lld", o->folder, (long long)s->step, (long long)s->next_batch);
    }
    return ok;
}

/* ---- the run ---- */

/* vlrm-rollout looks whether the lock is held by taking a shared one for an instant (rollout/follow.c), which on a busy machine
 * may be long: that is waited for. Another update's is exclusive: that is not. */
static bool lock_wait(int fd)
{
    enum { TRIES = 2000, PAUSE_MICROSECONDS = 5000 };
    for (int i = 0; i < TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return true;
        if (errno != EWOULDBLOCK || flock(fd, LOCK_SH | LOCK_NB) != 0)
            return false;
        flock(fd, LOCK_UN);
        usleep(PAUSE_MICROSECONDS);
    }
    errno = EWOULDBLOCK;
    return false;
}

static bool lock_take(Run *run, Error *err)
{
    char *path = path_join(run->own, "update.lock"); /* `lock` is that of the recipe around us */
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

/* Writes the policy of the learner's step. */
static bool policy_update(Run *run, const Learner *l, Error *err)
{
    PolicyInfo info = {.step = l->step, .lag = run->options.lag, .base = l->base};
    bool ok = policy_write(run->policy, &info, &l->policy, l->policy_lora, err);
    run->policy_step = l->step;
    run->policy_digest = info.digest;
    return ok;
}

const char *run_policy(Run *run, int64_t step, Error *err)
{
    PolicyInfo info;
    char *folder = step_folder(run->policy, step);
    bool known = run->policy_step == step, ok = known || policy_info(folder, &info, err);
    if (ok && !known) {
        run->policy_step = step;
        run->policy_digest = info.digest;
    }
    free(folder);
    return ok ? run->policy_digest.text : NULL;
}

static bool leads(const Run *run)
{
    return run->options.rank == 0;
}

/* States but for the newest ones go; and policies, of which those behind `latest` that --max-lag still samples by are newest. */
static bool prune(const Run *run, int64_t step, int64_t after, Error *err)
{
    const RunOptions *o = &run->options;
    int64_t policies = o->keep > o->lag ? o->keep : o->lag + 1;
    return (!leads(run) || steps_prune(run->state, (size_t)o->keep, o->keep_every, step, -1, err)) &&
           steps_prune(run->policy, (size_t)policies, o->keep_every, step, after, err);
}

/* A run that was killed may have published and begun more than its newest state vouches for. */
static bool run_rewind(Run *run, const Learner *l, Error *err)
{
    char *collapse = path_join(run->own, "collapse");
    bool ok = leftovers_remove(run->own, "config.json", err) && leftovers_remove(collapse, NULL, err) &&
              policy_update(run, l, err) && policy_publish(run->policy, l->step, err) && prune(run, l->step, l->step, err);
    free(collapse);
    return ok;
}

/* The newest state, if there is one, into the learner; files that it vouches for are opened. */
static bool run_resume(Run *run, Learner *l, Error *err)
{
    State s = {.consumed = ""};
    int64_t newest;
    if (!steps_newest(run->state, &newest, err))
        return false;
    char *folder = step_folder(run->state, newest);
    bool ok = (newest < 0 || (state_read(&s, folder, newest, err) && state_take(run, l, &s, folder, err))) &&
              consumed_open(&run->consumed, run->consumed_path, (size_t)s.n_consumed, s.consumed, err) &&
              (!leads(run) || metrics_open(run, s.metrics_bytes, err));
    json_decref(s.root);
    free(folder);
    return ok;
}

bool run_open(Run *run, const RunOptions *options, json_t *numbers, Learner *l, Error *err)
{
    *run = (Run){.options = *options, .numbers = numbers, .lock = -1};
    run->own = options->rank == 0 ? xstrdup(options->folder)
               : options->scratch ? xasprintf("%s/%zu", options->scratch, options->rank)
                                  : xasprintf("%s/ranks/%zu", options->folder, options->rank);
    run->policy = path_join(run->own, "policy");
    run->state = path_join(options->folder, "state");
    run->metrics_path = path_join(options->folder, "metrics.jsonl");
    run->consumed_path = path_join(options->folder, "consumed");
    return folder_make(run->policy, err) && folder_make(run->state, err) && lock_take(run, err) && run_resume(run, l, err) &&
           run_rewind(run, l, err);
}

bool run_open_kept(Run *run, const RunOptions *options, json_t *numbers, Learner *l, Error *err)
{
    State s = {0};
    *run = (Run){.options = *options, .numbers = numbers, .lock = -1};
    bool ok = state_read(&s, options->folder, -1, err) && state_take(run, l, &s, options->folder, err);
    run->next_batch = 0; /* the batch is all of its input */
    json_decref(s.root);
    return ok;
}

void run_close(Run *run)
{
    if (run->metrics)
        fclose(run->metrics);
    if (run->lock >= 0)
        close(run->lock);
    consumed_release(&run->consumed);
    json_decref(run->numbers);
    free(run->own);
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

bool run_save(Run *run, Learner *l, const json_t *metrics, Error *err)
{
    run->settled = run->consumed.count;
    run->settled_digest = digest_text(run->consumed.digest);
    bool due = l->step % run->options.checkpoint_every == 0;
    if (!leads(run)) {
        consumed_pass_over(&run->consumed);
        return policy_update(run, l, err) && policy_publish(run->policy, l->step, err) && prune(run, l->step, -1, err);
    }
    return policy_update(run, l, err) && metrics_append(run, metrics, err) && (!due || checkpoint(run, l, err)) &&
           policy_publish(run->policy, l->step, err) && (!due || prune(run, l->step, -1, err));
}

bool run_finish(Run *run, Learner *l, Error *err)
{
    int64_t newest;
    if (l->step == 0 || !leads(run))
        return true;
    if (!steps_newest(run->state, &newest, err))
        return false;
    return newest == l->step || (checkpoint(run, l, err) && prune(run, l->step, -1, err));
}
