/* Which BPE a tokenizer.json is: told by its vocabulary, its normalizer and its pre_tokenizer; see vocab.h. */
#include <string.h>

#include "text/vocab.h"

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static bool typed(const json_t *object, const char *type)
{
    return strcmp(text_of(object, "type"), type) == 0;
}

/* Only CLIP's has pieces that end in </w>. */
static bool is_clip(const Vocab *v)
{
    for (int32_t id = 0; id < v->size; id++)
        if (v->names[id].size > 4 && slice_ends(v->names[id], SLICE("</w>")))
            return true;
    return false;
}

bool vocab_step_unknown(const char *what, const json_t *step, Error *err)
{
    char *found = step ? json_dumps(step, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    error_set(err, "%s is %.160s, which this suite does not know", what, found ? found : "missing");
    free(found);
    return false;
}

/* A Split's regular expression: those that published models have. */
static bool split_by_pattern(Vocab *v, const json_t *step)
{
    static const char llama3[] = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
                                 "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    static const char qwen2[] = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "
                                "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    const char *pattern = text_of(json_object_get(step, "pattern"), "Regex");
    if (!typed(step, "Split") || strcmp(text_of(step, "behavior"), "Isolated") != 0 ||
        json_is_true(json_object_get(step, "invert")))
        return false;
    v->split = strcmp(pattern, llama3) == 0 ? SPLIT_LLAMA3 : SPLIT_QWEN2;
    return v->split == SPLIT_LLAMA3 || strcmp(pattern, qwen2) == 0;
}

/* The two steps of Llama 3, SmolLM2 and Qwen2: a split, then bytes. */
static bool read_byte_level(Vocab *v, const json_t *before, const json_t *normalizer, Error *err)
{
    const json_t *steps = json_object_get(before, "pretokenizers"), *first = json_array_get(steps, 0),
                 *bytes = json_array_get(steps, 1);
    bool gpt2 = !json_is_false(json_object_get(bytes, "use_regex"));
    v->kind = TOKENIZER_BYTES;
    if (json_array_size(steps) != 2 || !typed(bytes, "ByteLevel") || json_is_true(json_object_get(bytes, "add_prefix_space")))
        return vocab_step_unknown("pre_tokenizer", before, err);
    if (gpt2 && typed(first, "Digits") && json_is_true(json_object_get(first, "individual_digits")))
        v->split = SPLIT_DIGITS;
    else if (gpt2 || !split_by_pattern(v, first))
        return vocab_step_unknown("pre_tokenizer", before, err);
    v->composed = typed(normalizer, "NFC");
    return v->composed || json_is_null(normalizer) || !normalizer || vocab_step_unknown("normalizer", normalizer, err);
}

/* A step that writes U+2581 for spaces. */
static bool marks_spaces(const json_t *step)
{
    return typed(step, "Replace") && strcmp(text_of(json_object_get(step, "pattern"), "String"), " ") == 0 &&
           strcmp(text_of(step, "content"), "\u2581") == 0;
}

/* LLaMa-2's two steps: U+2581 in front and for spaces. */
static bool prepends(const json_t *normalizer)
{
    const json_t *steps = json_object_get(normalizer, "normalizers"), *front = json_array_get(steps, 0);
    return typed(normalizer, "Sequence") && json_array_size(steps) == 2 && typed(front, "Prepend") &&
           strcmp(text_of(front, "prepend"), "\u2581") == 0 && marks_spaces(json_array_get(steps, 1));
}

/* Gemma's one step, and SigLIP 2's two: lower case, U+2581 for spaces; nothing in front. */
static bool read_gemma(Vocab *v, const json_t *normalizer)
{
    const json_t *steps = json_object_get(normalizer, "normalizers");
    v->front = FRONT_NEVER;
    if (json_array_size(steps) != 2)
        return marks_spaces(normalizer);
    v->steps[0] = NORMAL_LOWER;
    v->n_steps = 1;
    return typed(json_array_get(steps, 0), "Lowercase") && marks_spaces(json_array_get(steps, 1));
}

/* Gemma's split at spaces, of which none are left by then. */
static bool splits_nothing(const json_t *before)
{
    return typed(before, "Split") && strcmp(text_of(json_object_get(before, "pattern"), "String"), " ") == 0 &&
           strcmp(text_of(before, "behavior"), "MergedWithPrevious") == 0;
}

static bool read_sentencepiece(Vocab *v, const json_t *before, const json_t *normalizer, Error *err)
{
    const char *scheme = text_of(before, "prepend_scheme");
    v->kind = TOKENIZER_SENTENCEPIECE;
    if (splits_nothing(before))
        return read_gemma(v, normalizer) || vocab_step_unknown("normalizer", normalizer, err);
    if (!before || json_is_null(before)) {
        v->front = FRONT_ALWAYS;
        return prepends(normalizer) || vocab_step_unknown("normalizer", normalizer, err);
    }
    v->front = strcmp(scheme, "first") == 0 ? FRONT_FIRST : strcmp(scheme, "never") == 0 ? FRONT_NEVER : FRONT_UNLESS;
    if (!typed(before, "Metaspace") || !json_is_false(json_object_get(before, "split")) ||
        strcmp(text_of(before, "replacement"), "\u2581") != 0)
        return vocab_step_unknown("pre_tokenizer", before, err);
    return !normalizer || json_is_null(normalizer) || vocab_step_unknown("normalizer", normalizer, err);
}

bool vocab_kind_read(Vocab *v, const json_t *root, Error *err)
{
    const json_t *model = json_object_get(root, "model"), *before = json_object_get(root, "pre_tokenizer"),
                 *normalizer = json_object_get(root, "normalizer");
    v->ignore_merges = json_is_true(json_object_get(model, "ignore_merges"));
    if (json_is_true(json_object_get(model, "byte_fallback")))
        return read_sentencepiece(v, before, normalizer, err);
    v->kind = is_clip(v) ? TOKENIZER_CLIP : TOKENIZER_OPT;
    if (v->kind == TOKENIZER_OPT && typed(before, "Sequence"))
        return read_byte_level(v, before, normalizer, err);
    if (v->ignore_merges)
        return error_set(err, "model.ignore_merges is true: known with Llama 3's pre_tokenizer alone");
    return true;
}
