/* A unigram model out of a tokenizer.json: rows with scores, and what is done to a text before; see vocab.h. */
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "text/vocab.h"

/* ---- rows ---- */

bool vocab_score_add(Vocab *v, Slice name, double score, Error *err)
{
    if (!vocab_add(v, name, (int32_t)v->n_scores, err))
        return false;
    v->scores = array_reserve(v->scores, &v->scores_capacity, v->n_scores + 1, sizeof *v->scores);
    v->scores[v->n_scores] = score;
    if (v->n_scores == 0 || score < v->unknown_score + UNKNOWN_PENALTY)
        v->unknown_score = score - UNKNOWN_PENALTY;
    v->n_scores++;
    return true;
}

static bool read_rows(Vocab *v, const json_t *rows, Error *err)
{
    size_t i;
    json_t *row;
    json_array_foreach (rows, i, row) {
        const json_t *name = json_array_get(row, 0), *score = json_array_get(row, 1);
        if (!json_is_string(name) || !json_is_number(score))
            return error_set(err, "model.vocab[%zu] is not a piece with its score", i);
        if (!vocab_score_add(v, (Slice){json_string_value(name), json_string_length(name)}, json_number_value(score), err))
            return error_prefix(err, "model.vocab[%zu]", i);
    }
    return v->n_scores > 0 || error_set(err, "model.vocab is not a list of pieces with their scores");
}

/* ---- steps ---- */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* Whether a regular expression is a set of ASCII's 32 punctuation characters, however they are escaped. */
static bool is_punctuation_set(const char *regex)
{
    bool seen[128] = {0};
    size_t n = 0, size = strlen(regex);
    if (size < 2 || regex[0] != '[' || regex[size - 1] != ']')
        return false;
    for (const char *p = regex + 1; p < regex + size - 1; p++) {
        p += *p == '\\' && p + 1 < regex + size - 1;
        const unsigned char c = (unsigned char)*p;
        if (c <= ' ' || c >= 127 || strchr("0123456789", c) || ((c | 32) >= 'a' && (c | 32) <= 'z') || seen[c])
            return false;
        seen[c] = true;
        n++;
    }
    return n == 32;
}

/* Which step a Replace is; false for one that is not known. */
static bool replace_step(NormalStep *out, const json_t *step)
{
    const char *regex = text_of(json_object_get(step, "pattern"), "Regex"), *content = text_of(step, "content");
    const bool space = strcmp(content, " ") == 0;
    *out = strcmp(regex, "\\s+") == 0 ? NORMAL_ONE_SPACE : strcmp(regex, " {2,}") == 0 ? NORMAL_ONE_BLANK : NORMAL_NO_PUNCTUATION;
    return *out == NORMAL_NO_PUNCTUATION ? !*content && is_punctuation_set(regex) : space;
}

static bool read_charsmap(Vocab *v, const json_t *step, Error *err)
{
    const json_t *text = json_object_get(step, "precompiled_charsmap");
    size_t size = 0;
    unsigned char *bytes = json_is_string(text) ? base64_decode(json_string_value(text), json_string_length(text), &size) : NULL;
    bool ok = bytes ? charsmap_init(&v->charsmap, &v->arena, (Slice){(char *)bytes, size}, err)
                    : error_set(err, "precompiled_charsmap is not base64");
    free(bytes);
    return ok;
}

static bool read_step(Vocab *v, const json_t *step, Error *err)
{
    const char *type = text_of(step, "type");
    NormalStep *out = &v->steps[v->n_steps];
    bool known = v->n_steps < NORMAL_STEPS_MOST;
    if (known && strcmp(type, "Lowercase") == 0)
        *out = NORMAL_LOWER;
    else if (known && strcmp(type, "Replace") == 0)
        known = replace_step(out, step);
    else if (known && strcmp(type, "Precompiled") == 0 && v->charsmap.n_units == 0) {
        *out = NORMAL_CHARSMAP;
        if (!read_charsmap(v, step, err))
            return false;
    } else if (known && strcmp(type, "Strip") == 0) {
        *out = NORMAL_STRIP;
        known = json_is_true(json_object_get(step, "strip_left")) && json_is_true(json_object_get(step, "strip_right"));
    } else
        known = false;
    v->n_steps += known;
    return known || vocab_step_unknown("normalizer", step, err);
}

static bool read_steps(Vocab *v, const json_t *normalizer, Error *err)
{
    const json_t *steps = json_object_get(normalizer, "normalizers");
    if (!normalizer || json_is_null(normalizer))
        return true;
    if (!json_is_array(steps))
        return read_step(v, normalizer, err);
    for (size_t i = 0; i < json_array_size(steps); i++)
        if (!read_step(v, json_array_get(steps, i), err))
            return false;
    return true;
}

/* U+2581 for spaces, one before the text, and cut before each. */
static bool is_metaspace(const json_t *before)
{
    const json_t *scheme = json_object_get(before, "prepend_scheme");
    const bool always = scheme ? strcmp(text_of(before, "prepend_scheme"), "always") == 0
                               : json_is_true(json_object_get(before, "add_prefix_space"));
    return strcmp(text_of(before, "type"), "Metaspace") == 0 && strcmp(text_of(before, "replacement"), "\u2581") == 0 && always &&
           !json_is_false(json_object_get(before, "split"));
}

bool vocab_unigram_read(Vocab *v, const json_t *root, Error *err)
{
    const json_t *model = json_object_get(root, "model"), *unknown = json_object_get(model, "unk_id"),
                 *before = json_object_get(root, "pre_tokenizer");
    v->kind = TOKENIZER_UNIGRAM;
    v->front = FRONT_UNLESS;
    if (!read_rows(v, json_object_get(model, "vocab"), err))
        return false;
    if (!json_is_integer(unknown) || json_integer_value(unknown) < 0 || (size_t)json_integer_value(unknown) >= v->n_scores)
        return error_set(err, "model.unk_id is not a row of model.vocab");
    v->bytes = json_is_true(json_object_get(model, "byte_fallback"));
    v->unknown = v->names[json_integer_value(unknown)];
    return read_steps(v, json_object_get(root, "normalizer"), err) &&
           (is_metaspace(before) || vocab_step_unknown("pre_tokenizer", before, err));
}
