/* A captioner's prompt; see prompt.h. */
#include "stage/prompt.h"

#include <stdlib.h>
#include <string.h>

#include "stage/caption.h"

/* The text with the model's own name of <image> in its places ("<|reserved_special_token_69|>"); the caller frees it. */
static char *image_named(const Captioner *c, const Tokenizer *t, const char *text)
{
    static const char usual[] = "<image>";
    const Slice name = c->image_token >= 0 ? tokenizer_piece(t, c->image_token) : (Slice){NULL, 0};
    if (!name.data || slice_equal(name, usual))
        return xstrdup(text);
    size_t places = 0;
    for (const char *at = text; (at = strstr(at, usual)); at += strlen(usual))
        places++;
    char *named = xmalloc(strlen(text) + places * name.size + 1), *out = named;
    for (const char *at; (at = strstr(text, usual)); text = at + strlen(usual)) {
        out = (char *)memcpy(out, text, (size_t)(at - text)) + (at - text);
        out = (char *)memcpy(out, name.data, name.size) + name.size;
    }
    strcpy(out, text);
    return named;
}

/* Special tokens of the text are read as such; it begins with one. grid 0 x 0: of pictures that are not cut. */
static bool set_text(Captioner *c, const Tokenizer *t, const char *text, TileGrid grid, Error *err)
{
    Tokens tokens;
    Arena arena = {0};
    char *named = image_named(c, t, text);
    bool ok = tokenizer_encode(&tokens, &arena, t, (Slice){named, strlen(named)}, 0, 0, err);
    if (ok && (tokens.count == 0 || !tokenizer_is_special(t, tokens.ids[0])))
        ok = error_set_status(err, STATUS_MISMATCH, "its tokenizer has no special token for the beginning of \"%.24s..\"", text);
    ok = ok && (grid.rows > 0 ? captioner_prompt_cut(c, grid, tokens.ids, tokens.count, err)
                              : captioner_prompt(c, tokens.ids, tokens.count, err));
    arena_release(&arena);
    free(named);
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

/* Those around pictures that are cut. */
static bool set_cut(Captioner *c, const Tokenizer *t, const char *request, Error *err)
{
    TileGrid *grids = xcalloc(2 * c->images.across + 1, sizeof *grids);
    bool ok = true;
    for (size_t i = 0, n = captioner_grids(c, grids); i < n && ok; i++) {
        char *text = c->family->prompt_cut(c, request, grids[i]);
        ok = set_text(c, t, text, grids[i], err);
        free(text);
    }
    free(grids);
    return ok;
}

bool prompt_set(Captioner *c, const char *folder, const Tokenizer *t, const char *request, Error *err)
{
    if (!takes_prompt(c, request, err))
        return !request;
    request = request ? request : c->family->request;
    char *text = c->family->prompt(c, request);
    bool ok = (set_text(c, t, text, (TileGrid){0, 0}, err) && set_cut(c, t, request, err) &&
               (!c->family->reader || set_request(c, folder, request, err))) ||
              error_prefix(err, "the prompt");
    free(text);
    return ok;
}

bool prompt_set_from(Captioner *c, const char *folder, const char *request, Error *err)
{
    if (!takes_prompt(c, request, err))
        return !request;
    Tokenizer *t = caption_tokenizer_open(folder, err);
    bool ok = t && prompt_set(c, folder, t, request, err);
    tokenizer_free(t);
    return ok;
}
