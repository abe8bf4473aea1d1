/* Publishing and following a policy; see policy.h. */
#include "learn/policy.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/json_file.h"

bool policy_latest(const char *dir, int64_t *step, Error *err)
{
    char target[PATH_MAX];
    char *link = path_join(dir, "latest");
    ssize_t n = readlink(link, target, sizeof target - 1);
    bool missing = n < 0 && errno == ENOENT;
    bool ok = n >= 0 || missing || error_set(err, "read link %s:", link);
    *step = -1;
    if (ok && !missing) {
        target[n] = '\0';
        *step = step_number(target);
        ok = *step >= 0 || error_set(err, "%s: names '%s', expected step-NNNNNN", link, target);
    }
    free(link);
    return ok;
}

static bool digest_field(const json_t *root, const char *key, Digest *out)
{
    const char *text = json_string_value(json_object_get(root, key));
    if (!text || strlen(text) != 16)
        return false;
    memcpy(out->text, text, sizeof out->text);
    return true;
}

static bool tensors_digest(const char *path, uint64_t *sum, Error *err)
{
    Checkpoint *c = checkpoint_open(path, err);
    if (c)
        *sum = checkpoint_digest(c, NULL, 0);
    checkpoint_free(c);
    return c != NULL;
}

static bool bytes_digest(const char *path, uint64_t *sum, Error *err)
{
    size_t size;
    char *text = file_read(path, &size, err);
    if (text)
        *sum = hash_id(text, size);
    free(text);
    return text != NULL;
}

/* Digest over the files of a policy but config.json, which holds it: tensors, and what scales those of the adapters. */
static bool folder_digest(const char *folder, Digest *out, Error *err)
{
    static const char *const files[] = {"model.safetensors", "adapter/adapter_model.safetensors", "adapter/adapter_config.json"};
    uint64_t sums[3] = {0};
    bool ok = true;
    for (size_t i = 0; i < 3 && ok; i++) {
        char *path = path_join(folder, files[i]);
        bool there;
        ok = path_exists(path, &there, err);
        if (ok && there)
            ok = i < 2 ? tensors_digest(path, &sums[i], err) : bytes_digest(path, &sums[i], err);
        free(path);
    }
    *out = digest_text(hash_id(sums, sizeof sums));
    return ok;
}

static bool config_read(const char *folder, PolicyInfo *out, Error *err)
{
    char *path = path_join(folder, "config.json");
    json_t *root = json_file_read(path, err);
    const json_t *step = json_object_get(root, "step");
    bool ok = root != NULL;
    if (ok && (!json_is_integer(step) || !digest_field(root, "base", &out->base) || !digest_field(root, "policy", &out->digest)))
        ok = error_set_status(err, STATUS_CORRUPT, "%s: expected step (integer), base and policy (16 hexadecimal digits)", path);
    if (ok) {
        out->step = json_integer_value(step);
        out->lag = json_integer_value(json_object_get(root, "lag"));
    }
    json_decref(root);
    free(path);
    return ok;
}

bool policy_info(const char *folder, PolicyInfo *out, Error *err)
{
    Digest found;
    if (!config_read(folder, out, err) || !folder_digest(folder, &found, err))
        return false;
    return strcmp(found.text, out->digest.text) == 0 ||
           error_set_status(err, STATUS_CORRUPT, "%s: digest of its tensors is %s, expected %s", folder, found.text,
                            out->digest.text);
}

static bool info_write(const char *folder, const PolicyInfo *info, Error *err)
{
    char *path = path_join(folder, "config.json");
    char *text = xasprintf("{\"step\": %lld, \"base\": \"%s\", \"policy\": \"%s\", \"lag\": %lld}\n", (long long)info->step,
                           info->base.text, info->digest.text, (long long)info->lag);
    bool ok = file_write(path, text, strlen(text), err);
    free(text);
    free(path);
    return ok;
}

static bool files_write(const char *folder, PolicyInfo *info, const Parameters *parameters, const LoraSet *adapter, Error *err)
{
    TensorSources sources = {0};
    for (const char *const *part = captioner_part_names; *part; part++)
        parameters_sources(parameters, *part, PARAMETER_VALUE, "", &sources);
    char *model = path_join(folder, "model.safetensors"), *peft = path_join(folder, "adapter");
    bool ok = folder_make(folder, err) && safetensors_write(model, sources.items, sources.count, NULL, err);
    if (ok && adapter)
        ok = lora_write(adapter, peft, "", err);
    ok = ok && folder_digest(folder, &info->digest, err) && info_write(folder, info, err) && folder_sync(folder, err);
    sources_release(&sources);
    free(model);
    free(peft);
    return ok;
}

/* Whether a folder is there, whole, and of this very policy: what is missing or damaged is not, what cannot be read is an error.
 */
static bool says_same(const char *folder, const PolicyInfo *info, bool *same, Error *err)
{
    PolicyInfo old;
    Error why = {0};
    char *config = path_join(folder, "config.json");
    bool there, ok = path_exists(config, &there, err);
    free(config);
    *same = ok && there && policy_info(folder, &old, &why) && old.step == info->step && old.lag == info->lag &&
            strcmp(old.base.text, info->base.text) == 0 && strcmp(old.digest.text, info->digest.text) == 0;
    return ok && (!why.text[0] || why.status == STATUS_CORRUPT || error_set_status(err, why.status, "%s", why.text));
}

bool policy_write(const char *dir, PolicyInfo *info, const Parameters *parameters, const LoraSet *adapter, Error *err)
{
    char *folder = step_folder(dir, info->step);
    char *writing = folder_make(dir, err) ? writing_folder(folder, err) : NULL;
    bool same, ok = writing && files_write(writing, info, parameters, adapter, err) && says_same(folder, info, &same, err) &&
                    (same || folder_replace(writing, folder, err));
    Error ignored = {0};
    if (writing && !folder_remove(writing, &ignored))
        note("%s", ignored.text);
    free(writing);
    free(folder);
    return ok;
}

bool policy_publish(const char *dir, int64_t step, Error *err)
{
    char *link = path_join(dir, "latest"), *moving = writing_name(link);
    char *target = xasprintf("step-%06lld", (long long)step);
    bool ok = symlink(target, moving) == 0 || error_set(err, "create link %s:", moving);
    if (ok && rename(moving, link) != 0)
        ok = error_set(err, "rename %s to %s:", moving, link);
    ok = ok && folder_sync(dir, err);
    free(link);
    free(moving);
    free(target);
    return ok;
}

void policy_release(AppliedPolicy *applied, Captioner *c)
{
    lora_free(applied->adapter);
    if (applied->delta)
        binder_restore(&c->binder);
    checkpoint_free(applied->delta);
    *applied = (AppliedPolicy){0};
}

static bool adapter_apply(AppliedPolicy *applied, Captioner *c, const char *folder, Error *err)
{
    char *peft = path_join(folder, "adapter");
    bool there, ok = path_exists(peft, &there, err);
    if (ok && there) {
        applied->adapter = lora_new(&c->binder, ADAPTER_POLICY);
        ok = lora_open(applied->adapter, peft, err);
    }
    free(peft);
    return ok;
}

bool policy_apply(AppliedPolicy *applied, Captioner *c, const char *base, const char *folder, Error *err)
{
    policy_release(applied, c);
    PolicyInfo info;
    if (!policy_info(folder, &info, err))
        return false;
    if (strcmp(info.base.text, base) != 0)
        return error_set_status(err, STATUS_MISMATCH, "%s: is a policy over the base model %s, this one is %s", folder,
                                info.base.text, base);
    char *model = path_join(folder, "model.safetensors");
    applied->info = info;
    applied->delta = checkpoint_open(model, err);
    bool ok = applied->delta && binder_overlay(&c->binder, applied->delta, err) && adapter_apply(applied, c, folder, err);
    if (!ok)
        policy_release(applied, c);
    free(model);
    return ok;
}
