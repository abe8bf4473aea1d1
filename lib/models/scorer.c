/* Which family an image-text scorer is of; see scorer.h. */
#include "models/scorer.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_file.h"
#include "models/kind.h"

static const ScorerFamily *const families[] = {&clip_family, &siglip_family};
enum { N_FAMILIES = sizeof families / sizeof *families };

static const ScorerFamily *family_find(const char *model_type)
{
    for (size_t i = 0; model_type && i < N_FAMILIES; i++)
        if (strcmp(families[i]->model_type, model_type) == 0)
            return families[i];
    return NULL;
}

bool scorer_knows(const char *model_type)
{
    return family_find(model_type) != NULL;
}

/* By config.json's model_type; the first for a folder without (open_clip's layout), whose reader says what is wrong. */
static const ScorerFamily *family_of(const char *folder)
{
    Error unread = {0};
    char *path = path_join(folder, "config.json");
    json_t *root = json_file_read(path, &unread);
    const ScorerFamily *family = family_find(json_string_value(json_object_get(root, "model_type")));
    json_decref(root);
    free(path);
    return family ? family : families[0];
}

Scorer *scorer_open(const char *folder, const Kernels *kernels, Error *err)
{
    return model_kind_check(folder, MODEL_SCORER, err) ? family_of(folder)->open(folder, false, kernels, err) : NULL;
}

Scorer *scorer_layout(const char *folder, const Kernels *kernels, Error *err)
{
    return model_kind_check(folder, MODEL_SCORER, err) ? family_of(folder)->open(folder, true, kernels, err) : NULL;
}

void scorer_free(Scorer *s)
{
    if (!s)
        return;
    s->family->release(s);
    binder_release(&s->binder);
    checkpoint_free(s->checkpoint);
    free(s);
}

Tensor *scorer_images(Tape *t, const Scorer *s, const float *pixels, size_t n)
{
    return s->family->images(t, s, pixels, n);
}

Tensor *scorer_texts(Tape *t, const Scorer *s, const ScorerText *texts, size_t n)
{
    return s->family->texts(t, s, texts, n);
}
