/*
 * Any text as the files of a tokenizer, in each of the three forms, and as the text that it cuts up: an error, or ids of the
 * vocabulary and ranges of the text, which decode again.
 *
 * About: lib/text/vocab_read.c lib/text/vocab.c lib/text/tokenizer.c lib/text/decode.c lib/text/bpe.c lib/text/split.c
 * lib/text/wordpiece.c lib/text/vocab_kind.c lib/text/vocab_unigram.c lib/text/charsmap.c lib/text/normal_steps.c
 * lib/text/unigram.c
 */
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer.h"
#include "tests/fuzz/given.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_tokens(const Tokenizer *t, const Tokens *tokens, size_t text_size)
{
    for (size_t i = 0; i < tokens->count; i++)
        if (tokens->ids[i] < 0 || tokens->ids[i] >= tokenizer_size(t) || tokens->bytes[i].end > text_size ||
            tokens->bytes[i].start > tokens->bytes[i].end)
            abort();
}

static void encode(const Tokenizer *t, Slice text, int flags, size_t limit)
{
    Arena arena = {0};
    Error err = {0};
    Tokens tokens;
    CaptionText caption;
    if (tokenizer_encode(&tokens, &arena, t, text, flags, limit, &err)) {
        if (limit && tokens.count > limit)
            abort();
        check_tokens(t, &tokens, text.size);
        tokenizer_decode(&arena, t, tokens.ids, tokens.count);
        tokenizer_caption(&caption, &arena, t, tokens.ids, tokens.count);
    } else if (!err.text[0])
        abort();
    arena_release(&arena);
}

/* Every name is found again, or another id has the same name. */
static void look(const Tokenizer *t)
{
    for (int32_t id = 0; id < tokenizer_size(t) && id < 4096; id++) {
        Slice piece = tokenizer_piece(t, id);
        if (piece.data && tokenizer_id(t, piece) < 0)
            abort();
        tokenizer_token_bytes(t, id);
        tokenizer_is_special(t, id);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static GivenFolder folder = {.names = {"tokenizer.json", "vocab.json", "merges.txt", "vocab.txt", "tokenizer_config.json",
                                           "special_tokens_map.json", "added_tokens.json", "config.json"}};
    Error err = {0};
    const uint8_t *part = data;
    size_t n = 0;
    Tokenizer *t = tokenizer_open(given_folder(&folder, data, size), &err);
    if (!t) {
        if (!err.text[0])
            abort();
        return 0;
    }
    look(t);
    if (!given_part(data, size, "text", &part, &n))
        n = 0;
    encode(t, (Slice){(const char *)part, n}, 0, 0);
    encode(t, (Slice){(const char *)part, n}, ENCODE_SPECIAL, 5);
    encode(t, (Slice){(const char *)part, n}, ENCODE_SPECIAL | ENCODE_LITERAL, 0);
    tokenizer_free(t);
    return 0;
}
