/* The caption of a record; see caption.h. */
#include "reward/caption.h"

#include <stdlib.h>
#include <string.h>

#include "stage/caption.h"

bool caption_reader_init(CaptionReader *reader, const char *folder, Error *err)
{
    LmConfig model;
    bool inside;
    Error none = {0};
    if (!(reader->tokenizer = caption_tokenizer_open(folder, err)))
        return false;
    reader->vocabulary = (size_t)tokenizer_size(reader->tokenizer);
    reader->eos = (EosIds){{tokenizer_ids(reader->tokenizer).eos}, 1};
    if (tokenizer_kind(reader->tokenizer) != TOKENIZER_BERT && !config_eos(&reader->eos, folder, err))
        return false; /* what the model ends with is not always what its tokenizer has as eos; BLIP's is */
    if (lm_config_read(&model, &inside, folder, &none) && model.vocabulary > reader->vocabulary)
        reader->vocabulary = model.vocabulary;
    return true;
}

void caption_reader_release(CaptionReader *reader)
{
    tokenizer_free(reader->tokenizer);
    *reader = (CaptionReader){0};
}

static bool ids_from_record(Caption *c, Arena *arena, const CaptionReader *reader, const int64_t *ids, size_t n, Error *err)
{
    c->ids = arena_alloc(arena, (n + 1) * sizeof *c->ids);
    c->n = n;
    for (size_t i = 0; i < n; i++) {
        if (ids[i] < 0 || (uint64_t)ids[i] >= reader->vocabulary)
            return error_set(err, "caption.tokens[%zu] is %lld, expected an id from 0 to %zu, as the captioner has them", i,
                             (long long)ids[i], reader->vocabulary - 1);
        c->ids[i] = (int32_t)ids[i];
    }
    c->eos = n > 0 && eos_is(&reader->eos, c->ids[n - 1]);
    return true;
}

static bool ids_from_text(Caption *c, Arena *arena, const CaptionReader *reader, const Record *r, Slice text, Error *err)
{
    Tokens tokens;
    bool eos = true;
    if (caption_eos(r, &eos, err) == FIELD_WRONG)
        return false;
    if (!tokenizer_encode(&tokens, arena, reader->tokenizer, text, ENCODE_LITERAL, 0, err))
        return error_prefix(err, "caption.text");
    c->ids = arena_alloc(arena, (tokens.count + 1) * sizeof *c->ids);
    memcpy(c->ids, tokens.ids, tokens.count * sizeof *c->ids);
    c->n = tokens.count;
    if (eos)
        c->ids[c->n++] = reader->eos.ids[0];
    c->eos = eos;
    c->made = true;
    return true;
}

static bool text_agrees(const Caption *c, Slice text, Error *err)
{
    if (c->text.text.size == text.size && (text.size == 0 || memcmp(c->text.text.data, text.data, text.size) == 0))
        return true;
    return error_set_status(err, STATUS_MISMATCH,
                            "caption.tokens decode to \"%.*s\", caption.text is \"%.*s\": another tokenizer?",
                            (int)c->text.text.size, c->text.text.data, (int)text.size, text.data);
}

bool caption_read(Caption *c, Arena *arena, const CaptionReader *reader, const Record *r, Error *err)
{
    const Tokenizer *t = reader->tokenizer;
    int64_t *ids;
    size_t n;
    Slice text = {NULL, 0};
    *c = (Caption){0};
    Field tokens = caption_tokens(r, arena, &ids, &n, err), has_text = caption_text(r, &text, err);
    if (tokens == FIELD_WRONG || has_text == FIELD_WRONG)
        return false;
    if (tokens == FIELD_MISSING && has_text == FIELD_MISSING)
        return error_set(err, "no caption: expected caption.tokens or caption.text");
    const Slice given = text_strip(text);
    if (!(tokens == FIELD_OK ? ids_from_record(c, arena, reader, ids, n, err) : ids_from_text(c, arena, reader, r, given, err)))
        return false;
    tokenizer_caption(&c->text, arena, t, c->ids, c->n);
    return c->made || has_text == FIELD_MISSING || text_agrees(c, given, err);
}

Digest caption_name(const Caption *c)
{
    int64_t *ids = xmalloc((c->n + 1) * sizeof *ids);
    for (size_t i = 0; i < c->n; i++)
        ids[i] = c->ids[i];
    const Digest name = caption_digest(ids, c->n);
    free(ids);
    return name;
}

void caption_pack(Packer *p, const Record *r, const Caption *c)
{
    json_t *group = slice_json(record_raw(r, "caption")), *tokens = json_array();
    for (size_t i = 0; i < c->n; i++)
        json_array_append_new(tokens, json_integer(c->ids[i]));
    json_object_set_new(group, "tokens", tokens);
    json_object_set_new(group, "eos", json_boolean(c->eos));
    pack_reset(p);
    pack_json(p, group);
    json_decref(group);
}
