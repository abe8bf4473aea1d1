/* The fields of a caption; see caption.h. */
#include "stage/caption.h"

#include <math.h>

#include "models/captioner.h"

Tokenizer *caption_tokenizer_open(const char *folder, Error *err)
{
    Error none = {0};
    const CaptionerFamily *family = captioner_family(folder, &none);
    return family && family->wordpieces ? tokenizer_open_kind(folder, TOKENIZER_BERT, err) : tokenizer_open_language(folder, err);
}

#define wrong(...) (error_set(__VA_ARGS__), FIELD_WRONG)

Field caption_tokens(const Record *r, Arena *a, int64_t **ids, size_t *n, Error *err)
{
    Field found = record_ints(r, "caption.tokens", a, ids, n);
    return found == FIELD_WRONG ? wrong(err, "caption.tokens is not an array of integers") : found;
}

bool caption_tokens_needed(const Record *r, Arena *a, int64_t **ids, size_t *n, Error *err)
{
    Field found = caption_tokens(r, a, ids, n, err);
    return found == FIELD_OK || (found == FIELD_MISSING && error_set(err, "caption.tokens is missing"));
}

Field caption_text(const Record *r, Slice *text, Error *err)
{
    Field found = record_string(r, "caption.text", text);
    return found == FIELD_WRONG ? wrong(err, "caption.text is not a string") : found;
}

Field caption_eos(const Record *r, bool *eos, Error *err)
{
    Field found = record_bool(r, "caption.eos", eos);
    return found == FIELD_WRONG ? wrong(err, "caption.eos is neither true nor false") : found;
}

Field caption_logp(const Record *r, Arena *a, double **logp, size_t n, Error *err)
{
    size_t count = 0;
    double *values;
    Field found = record_reals(r, "caption.logp", a, &values, &count);
    if (found == FIELD_WRONG)
        return wrong(err, "caption.logp is not an array of numbers");
    if (found == FIELD_MISSING)
        return found;
    if (count != n)
        return wrong(err, "caption.logp has %zu numbers for %zu tokens", count, n);
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            return wrong(err, "caption.logp[%zu] is not finite", i);
    *logp = values;
    return FIELD_OK;
}
