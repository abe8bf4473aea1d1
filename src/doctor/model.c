/* A model folder; see model.h. */
#include "doctor/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json_file.h"
#include "models/captioner.h"
#include "models/kind.h"
#include "models/language.h"
#include "models/matcher.h"
#include "models/scorer.h"
#include "text/tokenizer.h"

typedef struct Found {
    const char *what;
    const Checkpoint *checkpoint;
    size_t vocabulary; /* of its texts; 0 where it reads none */
    Captioner *captioner;
    LanguageModel *language;
    Matcher *itm;
    Scorer *scorer;
} Found;

static void open_scorer(Found *f, const char *folder, const Kernels *kernels, Error *err)
{
    f->scorer = scorer_open(folder, kernels, err);
    if (f->scorer)
        f->what = f->scorer->family->said, f->checkpoint = f->scorer->checkpoint, f->vocabulary = f->scorer->traits.vocabulary;
}

static void open_matcher(Found *f, const char *folder, const Kernels *kernels, Error *err)
{
    f->itm = matcher_open(folder, kernels, err);
    if (f->itm)
        f->what = f->itm->family->said, f->checkpoint = f->itm->checkpoint, f->vocabulary = f->itm->vocabulary;
}

static void open_captioner(Found *f, const char *folder, const Kernels *kernels, Error *err)
{
    f->captioner = captioner_open(folder, kernels, err);
    if (f->captioner)
        f->what = f->captioner->family->said, f->checkpoint = f->captioner->checkpoint,
        f->vocabulary = f->captioner->lm.config.vocabulary;
}

static void open_language(Found *f, const char *folder, const Kernels *kernels, Error *err)
{
    f->language = language_model_open(folder, kernels, err);
    if (f->language)
        f->what = "a language model", f->checkpoint = f->language->checkpoint, f->vocabulary = f->language->lm.config.vocabulary;
}

static void refuse(const char *folder, const char *found, Error *err)
{
    char *known = model_kinds_known();
    error_set_status(err, STATUS_MISMATCH, "%s/config.json: found another kind of model (%.64s), expected one of %s", folder,
                     found, known);
    free(known);
}

/* Opens the folder as what its config.json says that it is; binding checks every name and shape. */
static bool open_model(Found *f, const char *folder, const Kernels *kernels, Error *err)
{
    char *path = path_join(folder, "config.json");
    json_t *config = json_file_read(path, err), *names = json_object_get(config, "architectures");
    const char *type = json_string_value(json_object_get(config, "model_type")),
               *name = json_string_value(json_array_get(names, 0));
    free(path);
    if (!config)
        return false;
    if (scorer_knows(type))
        open_scorer(f, folder, kernels, err);
    else if (matcher_knows(name))
        open_matcher(f, folder, kernels, err);
    else if (!name || captioner_said(name))
        open_captioner(f, folder, kernels, err);
    else if (language_knows(type))
        open_language(f, folder, kernels, err);
    else
        refuse(folder, name, err);
    json_decref(config);
    return f->checkpoint;
}

static void check_values(Checks *c, const Checkpoint *checkpoint)
{
    size_t tensors = checkpoint_count(checkpoint), values = 0;
    char types[128] = "";
    for (size_t i = 0; i < tensors; i++) {
        const StoredTensor *t = checkpoint_get(checkpoint, i);
        if (!strstr(types, t->dtype) && strlen(types) + strlen(t->dtype) + 2 < sizeof types)
            strcat(strcat(types, types[0] ? " " : ""), t->dtype);
        for (size_t k = 0; t->real_valued && k < shape_size(&t->shape); k++) {
            if (isfinite(dtype_load(t->type, t->data, k)))
                continue;
            check_add(c, "values", false, NAN, NAN, "%s: value %zu is not finite", t->name, k);
            return;
        }
        values += shape_size(&t->shape);
    }
    check_add(c, "values", true, NAN, NAN, "%zu tensors, %zu values, all finite, stored as %s", tensors, values, types);
}

static void check_tokenizer(Checks *c, const char *folder, size_t vocabulary)
{
    Error err = {0};
    Tokenizer *t = tokenizer_open(folder, &err);
    size_t size = t ? (size_t)tokenizer_size(t) : 0;
    if (!t)
        check_add(c, "tokenizer", false, NAN, NAN, "%s", err.text);
    else
        check_add(c, "tokenizer", size <= vocabulary, NAN, NAN, "%zu ids, of a vocabulary of %zu rows%s; digest %s", size,
                  vocabulary, size <= vocabulary ? "" : ": ids beyond have no row", digest_text(tokenizer_digest(t)).text);
    tokenizer_free(t);
}

void model_check(Checks *c, const char *folder, const Kernels *kernels)
{
    Error err = {0};
    Found f = {.what = "no model"};
    bool ok = open_model(&f, folder, kernels, &err);
    if (!ok)
        check_add(c, "model", false, NAN, NAN, "%s", err.text);
    else {
        check_add(c, "model", true, NAN, NAN, "%s is %s; every name and shape is as its config.json says", folder, f.what);
        check_values(c, f.checkpoint);
        check_tokenizer(c, folder, f.vocabulary);
        check_add(c, "digest", true, NAN, NAN, "%s", digest_text(checkpoint_digest(f.checkpoint, NULL, 0)).text);
    }
    captioner_free(f.captioner);
    language_model_free(f.language);
    matcher_free(f.itm);
    scorer_free(f.scorer);
}
