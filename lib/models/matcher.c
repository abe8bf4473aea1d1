/* Which family an image-text matching model is of; see matcher.h. */
#include "models/matcher.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_file.h"
#include "models/kind.h"

static const MatcherFamily *const families[] = {&blip2_itm_family, &blip_itm_family};
enum { N_FAMILIES = sizeof families / sizeof *families };

static const MatcherFamily *family_find(const char *architecture)
{
    for (size_t i = 0; architecture && i < N_FAMILIES; i++)
        if (strcmp(families[i]->architecture, architecture) == 0)
            return families[i];
    return NULL;
}

bool matcher_knows(const char *architecture)
{
    return family_find(architecture) != NULL;
}

/* By config.json's architecture; the first for a folder that names none, whose reader says what is wrong. */
static const MatcherFamily *family_of(const char *folder)
{
    Error unread = {0};
    char *path = path_join(folder, "config.json");
    json_t *root = json_file_read(path, &unread);
    const MatcherFamily *family = family_find(json_string_value(json_array_get(json_object_get(root, "architectures"), 0)));
    json_decref(root);
    free(path);
    return family ? family : families[0];
}

static Matcher *open_family(const MatcherFamily *family, const char *folder, bool layout, const Kernels *kernels, Error *err)
{
    if (!model_kind_check(folder, MODEL_ITM, err))
        return NULL;
    Matcher *m = xcalloc(1, family->size);
    m->family = family;
    if (family->read(m, folder, err) && (layout || (m->checkpoint = checkpoint_open(folder, err)))) {
        binder_init(&m->binder, kernels, m->checkpoint);
        family->bind(m);
        if (binder_ok(&m->binder, err))
            return m;
    }
    matcher_free(m);
    return NULL;
}

Matcher *matcher_open(const char *folder, const Kernels *kernels, Error *err)
{
    return open_family(family_of(folder), folder, false, kernels, err);
}

Matcher *matcher_layout(const char *folder, const Kernels *kernels, Error *err)
{
    return open_family(family_of(folder), folder, true, kernels, err);
}

Matcher *matcher_open_as(const MatcherFamily *family, const char *folder, const Kernels *kernels, Error *err)
{
    return open_family(family, folder, false, kernels, err);
}

void matcher_free(Matcher *m)
{
    if (!m)
        return;
    m->family->release(m);
    vit_release(&m->vit);
    binder_release(&m->binder);
    checkpoint_free(m->checkpoint);
    free(m);
}

Tensor *matcher_logits(Tape *t, const Matcher *m, const Tensor *features, size_t n_images, const MatcherText *texts, size_t n)
{
    return m->family->logits(t, m, vit_norm(t, &m->vit, features), n_images, texts, n);
}
