/* What one step computed, as safetensors; see dump.h. */
#include "update/run/dump.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

/* A group's name is part of the tensor's only where it would not be unique. */
static const char *prefix_of(const char *group)
{
    return strcmp(group, "lora-llm") == 0 ? "policy." : "";
}

static void copy_gradients(Dump *d, const Parameters *set)
{
    for (size_t i = 0; i < set->count; i++) {
        const Parameter *p = set->items[i];
        size_t n = tensor_size(&p->value);
        real *host = xmalloc(n * sizeof *host);
        set->kernels->download(host, p->value.grad, n * sizeof *host);
        char *name = xasprintf("grad.%s%s", prefix_of(p->group), p->name);
        sources_add(&d->gradients, name, p->shape, dtype_name(DTYPE_REAL), DTYPE_REAL, host);
        free(name);
    }
}

void dump_gradients(void *context, Learner *l)
{
    copy_gradients(context, &l->policy);
    copy_gradients(context, &l->value);
}

static void add_tokens(TensorSources *s, const char *name, const double *x, size_t n)
{
    sources_add(s, name, SHAPE(n), dtype_name(DTYPE_REAL), DTYPE_F64, x);
}

bool dump_write(Dump *d, const Learner *l, const Batch *b, const StepReport *r, Error *err)
{
    TensorSources *all = &d->gradients;
    size_t copies = all->count, n = b->n_tokens;
    double *p = xmalloc((n + 1) * sizeof *p);
    for (size_t i = 0; i < n; i++)
        p[i] = exp(r->logp[i]);
    for (size_t i = 0; i < POLICY_GROUPS; i++)
        parameters_sources(&l->policy, learner_groups[i], PARAMETER_VALUE, prefix_of(learner_groups[i]), all);
    parameters_sources(&l->value, NULL, PARAMETER_VALUE, "", all);
    add_tokens(all, "values", r->values, n);
    add_tokens(all, "advantages", r->advantages, n);
    add_tokens(all, "normalised", r->normalised, n);
    add_tokens(all, "p", p, n);
    char *path = xasprintf("%s/step-%lld.safetensors", d->folder, (long long)l->step);
    bool ok = folder_make(d->folder, err) && safetensors_write(path, all->items, all->count, NULL, err);
    for (size_t i = 0; i < copies; i++)
        free((void *)all->items[i].data);
    sources_release(all);
    free(path);
    free(p);
    return ok;
}

static bool has_any(const Parameters *set, const Checkpoint *c)
{
    bool any = false;
    for (size_t i = 0; i < set->count && !any; i++) {
        char *name = xasprintf("%s%s", prefix_of(set->items[i]->group), set->items[i]->name);
        any = checkpoint_find(c, name) != NULL;
        free(name);
    }
    return any;
}

/* Whether some parameter of the set has this tensor's name. */
static bool is_of(const Parameters *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++) {
        const char *prefix = prefix_of(set->items[i]->group);
        size_t n = strlen(prefix);
        if (strncmp(name, prefix, n) == 0 && strcmp(name + n, set->items[i]->name) == 0)
            return true;
    }
    return false;
}

/* What dump_write puts beside the parameters. */
static bool is_dumps_own(const char *name)
{
    static const char *const own[] = {"values", "advantages", "normalised", "p"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (strcmp(name, own[i]) == 0)
            return true;
    return strncmp(name, "grad.", 5) == 0;
}

/* A whole state dict may be given: what of it trains nothing here is skipped. */
static void say_passed_over(const Learner *l, const Checkpoint *c)
{
    const char *first = NULL;
    size_t n = 0;
    for (size_t i = 0; i < checkpoint_count(c); i++) {
        const char *name = checkpoint_get(c, i)->name;
        if (is_of(&l->policy, name) || is_of(&l->value, name) || is_dumps_own(name))
            continue;
        first = first ? first : name;
        n++;
    }
    if (n > 0)
        warn("%s: %zu of its %zu tensors belong to no trained part and are skipped: %s%s", checkpoint_path(c), n,
             checkpoint_count(c), first, n > 1 ? ", .." : "");
}

static bool dump_load(Learner *l, const Checkpoint *c, Error *err)
{
    if (!has_any(&l->policy, c) && !has_any(&l->value, c))
        return error_set_status(err, STATUS_MISMATCH, "%s: none of its %zu tensors is of a trained part", checkpoint_path(c),
                                checkpoint_count(c));
    bool ok = parameters_load(&l->value, NULL, PARAMETER_VALUE, "", c, true, err);
    for (size_t i = 0; i < POLICY_GROUPS; i++)
        ok = ok && parameters_load(&l->policy, learner_groups[i], PARAMETER_VALUE, prefix_of(learner_groups[i]), c, true, err);
    if (ok)
        say_passed_over(l, c);
    return ok;
}

bool dump_init(Learner *l, const char *path, Digest *digest, Error *err)
{
    Checkpoint *c = path ? checkpoint_open(path, err) : NULL;
    bool ok = !path || (c && dump_load(l, c, err));
    if (ok && c)
        *digest = digest_text(checkpoint_digest(c, NULL, 0));
    checkpoint_free(c);
    return ok;
}
