/* A captioner's prompt; see prompt.h. */
#include "stage/prompt.h"

#include <stdlib.h>
#include <string.h>

/* Special tokens of the text are read as such; it begins with one. */
static bool set_text(Captioner *c, const Tokenizer *t, const char *text, Error *err)
{
    Tokens tokens;
    Arena arena = {0};
    bool ok = tokenizer_encode(&tokens, &arena, t, (Slice){text, strlen(text)}, 0, 0, err);
    if (ok && (tokens.count == 0 || !tokenizer_is_special(t, tokens.ids[0])))
        ok = error_set_status(err, STATUS_MISMATCH, "its tokenizer has no special token for the beginning of \"%.24s..\"", text);
    ok = ok && captioner_prompt(c, tokens.ids, tokens.count, err);
    arena_release(&arena);
    return ok;
}

static bool takes_prompt(const Captioner *c, const char *request, Error *err)
{
    if (c->family->prompt || !request)
        return c->family->prompt != NULL;
    error_set_status(err, STATUS_MISMATCH, "--prompt \"%s\": %s is %s, which takes none", request,
                     c->checkpoint ? checkpoint_path(c->checkpoint) : "the model", c->family->said);
    return false;
}

/* What the connector reads, by its own tokenizer. */
static bool set_request(Captioner *c, const char *folder, const char *request, Error *err)
{
    Tokens tokens;
    Arena arena = {0};
    char *path = path_join(folder, c->family->reader);
    Tokenizer *t = tokenizer_open_kind(path, TOKENIZER_BERT, err);
    bool ok = t && tokenizer_encode(&tokens, &arena, t, (Slice){request, strlen(request)}, ENCODE_SPECIAL, 0, err) &&
              captioner_request(c, tokens.ids, tokens.count, err);
    tokenizer_free(t);
    arena_release(&arena);
    free(path);
    return ok;
}

bool prompt_set(Captioner *c, const char *folder, const Tokenizer *t, const char *request, Error *err)
{
    if (!takes_prompt(c, request, err))
        return !request;
    request = request ? request : c->family->request;
    char *text = c->family->prompt(c, request);
    bool ok = (set_text(c, t, text, err) && (!c->family->reader || set_request(c, folder, request, err))) ||
              error_prefix(err, "the prompt");
    free(text);
    return ok;
}

bool prompt_set_from(Captioner *c, const char *folder, const char *request, Error *err)
{
    if (!takes_prompt(c, request, err))
        return !request;
    Tokenizer *t = tokenizer_open_language(folder, err);
    bool ok = t && prompt_set(c, folder, t, request, err);
    tokenizer_free(t);
    return ok;
}
