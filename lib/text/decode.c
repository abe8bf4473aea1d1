/* From ids to text: decoding as Hugging Face does, and the text of a caption with the place of each token. */
#include "base/utf8.h"
#include "text/tokenizer_struct.h"

#include <string.h>

/* A growing string whose memory is the caller's arena: all sizes are known beforehand. */
typedef struct Text {
    char *data;
    size_t size;
} Text;

static void text_add(Text *t, Slice s)
{
    if (s.size)
        memcpy(t->data + t->size, s.data, s.size);
    t->size += s.size;
}

Slice tokenizer_token_bytes(const Tokenizer *t, int32_t id)
{
    if (id < 0 || id >= t->vocab.size || t->special[id])
        return (Slice){"", 0};
    return t->bytes[id];
}

/* What decoding writes for an id before anything is joined: its bytes, or its own name if that is no spelling of bytes. */
static Slice decoded_bytes(const Tokenizer *t, int32_t id)
{
    Slice bytes = tokenizer_token_bytes(t, id), name = tokenizer_piece(t, id);
    return bytes.size || tokenizer_is_special(t, id) || !name.data ? bytes : name;
}

/* Each maximal invalid subpart becomes one U+FFFD. out has room for three bytes for each of bytes. */
static void replace_invalid(Text *out, Slice bytes)
{
    const char *end = bytes.data + bytes.size;
    int size;
    bool valid;
    for (const char *p = bytes.data; p < end; p += size) {
        utf8_decode(p, end, &size, &valid);
        text_add(out, valid ? (Slice){p, (size_t)size} : SLICE("\xEF\xBF\xBD"));
    }
}

static bool is_stripped(uint32_t code)
{
    return (code >= 0x1C && code <= 0x1F) || unicode_flags(code) & UNICODE_SPACE;
}

Slice text_strip(Slice text)
{
    int size;
    bool valid;
    if (text.size == 0) /* it may be nowhere */
        return text;
    const char *start = text.data, *end = start + text.size;
    while (start < end && is_stripped(utf8_decode(start, end, &size, &valid)))
        start += size;
    while (end > start) {
        const char *last = end - 1;
        while (last > start && ((uint8_t)*last & 0xC0) == 0x80)
            last--;
        if (!is_stripped(utf8_decode(last, end, &size, &valid)))
            break;
        end = last;
    }
    return (Slice){start, (size_t)(end - start)};
}

static Slice decode_bpe(Arena *arena, const Tokenizer *t, const int32_t *ids, size_t n)
{
    size_t room = 0;
    for (size_t i = 0; i < n; i++)
        room += decoded_bytes(t, ids[i]).size + 4;
    Text bytes = {arena_alloc(arena, room + 1), 0}, out = {arena_alloc(arena, 3 * room + 1), 0};
    for (size_t i = 0; i < n; i++) {
        text_add(&bytes, decoded_bytes(t, ids[i]));
        bool ends = t->vocab.kind == TOKENIZER_CLIP && slice_ends(tokenizer_piece(t, ids[i]), SLICE("</w>"));
        if (ends && t->bytes[ids[i]].size)
            text_add(&bytes, SLICE("</w>"));
    }
    replace_invalid(&out, (Slice){bytes.data, bytes.size});
    if (t->vocab.kind != TOKENIZER_CLIP)
        return (Slice){out.data, out.size};
    size_t kept = 0;
    for (size_t i = 0; i < out.size; kept++) {
        bool ends = out.size - i >= 4 && memcmp(out.data + i, "</w>", 4) == 0;
        out.data[kept] = ends ? ' ' : out.data[i];
        i += ends ? 4 : 1;
    }
    return text_strip((Slice){out.data, kept});
}

static bool is_byte_row(const Tokenizer *t, int32_t id)
{
    Slice name = tokenizer_piece(t, id);
    return name.size == 6 && slice_starts(name, SLICE("<0x")) && name.data[5] == '>';
}

/* A run of byte rows as it is if it is valid as a whole, else a U+FFFD for each of its bytes. */
static void add_byte_run(Text *out, const Tokenizer *t, const int32_t *ids, size_t n)
{
    const size_t start = out->size;
    for (size_t i = 0; i < n; i++)
        text_add(out, tokenizer_token_bytes(t, ids[i]));
    if (utf8_valid(out->data + start, n))
        return;
    out->size = start;
    for (size_t i = 0; i < n; i++)
        text_add(out, SLICE("\xEF\xBF\xBD"));
}

/* SentencePiece: one space in front is not the text's. Special ids go first: bytes on both sides of one are one run. */
static Slice decode_sentencepiece(Arena *arena, const Tokenizer *t, const int32_t *ids, size_t n)
{
    int32_t *kept = arena_alloc(arena, n * sizeof *kept + 1);
    size_t room = 0, count = 0;
    for (size_t i = 0; i < n; i++) {
        room += tokenizer_token_bytes(t, ids[i]).size;
        if (!tokenizer_is_special(t, ids[i]))
            kept[count++] = ids[i];
    }
    Text out = {arena_alloc(arena, 3 * room + 1), 0};
    for (size_t i = 0, end; i < count; i = end) {
        for (end = i; end < count && is_byte_row(t, kept[end]);)
            end++;
        add_byte_run(&out, t, kept + i, end - i);
        if (end == i)
            text_add(&out, tokenizer_token_bytes(t, kept[end++]));
    }
    bool front = out.size > 0 && out.data[0] == ' ' && t->vocab.front != FRONT_NEVER &&
                 !(t->vocab.kind == TOKENIZER_UNIGRAM && is_byte_row(t, kept[0]));
    return (Slice){out.data + front, out.size - front};
}

/* The library's clean-up, token by token: what stands after the space that joins it to the left. */
static bool joins_left(Slice name)
{
    static const char *const marks[] = {".", "?", "!", ",", "n't", "'m", "'s", "'ve", "'re"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (slice_starts(name, slice_of(marks[i])))
            return true;
    return false;
}

/* What an id adds to the text before it: a space where words part, and its piece. */
static void add_wordpiece(Text *out, const Tokenizer *t, int32_t id)
{
    Slice name = tokenizer_piece(t, id);
    if (!name.data || t->special[id])
        return;
    bool first = out->size == 0, inside = slice_starts(name, SLICE("##")) && !first;
    if (!first && !inside && !joins_left(name))
        text_add(out, SLICE(" "));
    text_add(out, inside ? t->bytes[id] : name);
}

static size_t wordpieces_room(const Tokenizer *t, const int32_t *ids, size_t n)
{
    size_t room = 0;
    for (size_t i = 0; i < n; i++)
        room += tokenizer_piece(t, ids[i]).size + 1;
    return room;
}

static Slice decode_wordpiece(Arena *arena, const Tokenizer *t, const int32_t *ids, size_t n)
{
    Text out = {arena_alloc(arena, wordpieces_room(t, ids, n) + 1), 0};
    for (size_t i = 0; i < n; i++)
        add_wordpiece(&out, t, ids[i]);
    return (Slice){out.data, out.size};
}

Slice tokenizer_decode(Arena *arena, const Tokenizer *t, const int32_t *ids, size_t n)
{
    return t->vocab.kind == TOKENIZER_BERT ? decode_wordpiece(arena, t, ids, n)
           : t->vocab.kind == TOKENIZER_SENTENCEPIECE || t->vocab.kind == TOKENIZER_UNIGRAM
               ? decode_sentencepiece(arena, t, ids, n)
               : decode_bpe(arena, t, ids, n);
}

/* The bytes that an id adds to a caption: none for special ids, eos, and the names that OPT keeps for itself. */
static Slice caption_bytes(const Tokenizer *t, int32_t id)
{
    Slice name = tokenizer_piece(t, id), none = {"", 0};
    if (id == t->ids.eos || id == t->ids.image || slice_equal(name, "<s>") || slice_equal(name, "<unk>") ||
        slice_equal(name, "<pad>") || slice_equal(name, "</s>"))
        return none;
    return tokenizer_token_bytes(t, id);
}

/*
 * Moves tokens from ranges of raw bytes to ranges of characters of the replaced text: for each byte of raw, owner[] has the
 * place where its character begins in the text; a byte inside a character belongs to it whole.
 */
static void place_tokens(CaptionText *out, const uint32_t *starts, const uint32_t *ends, size_t raw)
{
    for (size_t i = 0; i < out->count; i++) {
        TextRange r = out->tokens[i];
        bool inside = r.start == r.end && r.start > 0 && r.start < raw && starts[r.start] == starts[r.start - 1];
        size_t start = r.start < raw ? starts[r.start] : out->whole.size;
        size_t end = r.end > r.start ? ends[r.end - 1] : inside ? ends[r.start] : start;
        out->tokens[i] = (TextRange){start, end};
    }
}

/* Which bytes are of a run of byte rows that is not valid as a whole: each is a U+FFFD by itself, as in decoding. */
static bool *lone_bytes(Arena *arena, const Tokenizer *t, const int32_t *ids, const CaptionText *c, Slice raw)
{
    bool *lone = arena_calloc(arena, raw.size + 1, sizeof *lone);
    if (t->vocab.kind != TOKENIZER_SENTENCEPIECE && t->vocab.kind != TOKENIZER_UNIGRAM)
        return lone;
    for (size_t i = 0, end; i < c->count; i = end + 1) {
        for (end = i; end < c->count && (is_byte_row(t, ids[end]) || c->tokens[end].start == c->tokens[end].end);)
            end++;
        const size_t start = c->tokens[i].start, size = end > i ? c->tokens[end - 1].end - start : 0;
        if (!utf8_valid(raw.data + start, size))
            memset(lone + start, true, size);
    }
    return lone;
}

void tokenizer_caption(CaptionText *out, Arena *arena, const Tokenizer *t, const int32_t *ids, size_t n)
{
    const bool words = t->vocab.kind == TOKENIZER_BERT;
    size_t room = words ? wordpieces_room(t, ids, n) : 0;
    *out = (CaptionText){.count = n, .tokens = arena_alloc(arena, n * sizeof *out->tokens + 1)};
    for (size_t i = 0; i < n && !words; i++)
        room += caption_bytes(t, ids[i]).size;
    Text bytes = {arena_alloc(arena, room + 1), 0}, text = {arena_alloc(arena, 3 * room + 1), 0};
    for (size_t i = 0; i < n; i++) {
        out->tokens[i].start = bytes.size;
        if (words)
            add_wordpiece(&bytes, t, ids[i]);
        else
            text_add(&bytes, caption_bytes(t, ids[i]));
        out->tokens[i].end = bytes.size;
    }
    room = bytes.size;
    uint32_t *starts = arena_alloc(arena, (room + 1) * sizeof *starts), *ends = arena_alloc(arena, (room + 1) * sizeof *ends);
    const bool *lone = lone_bytes(arena, t, ids, out, (Slice){bytes.data, room});
    int size;
    bool valid;
    for (size_t i = 0; i < room; i += (size_t)size) {
        size_t before = text.size;
        utf8_decode(bytes.data + i, bytes.data + room, &size, &valid);
        size = lone[i] ? 1 : size;
        valid = valid && !lone[i];
        text_add(&text, valid ? (Slice){bytes.data + i, (size_t)size} : SLICE("\xEF\xBF\xBD"));
        for (int k = 0; k < size; k++) {
            starts[i + (size_t)k] = (uint32_t)before;
            ends[i + (size_t)k] = (uint32_t)text.size;
        }
    }
    out->whole = (Slice){text.data, text.size};
    out->text = text_strip(out->whole);
    place_tokens(out, starts, ends, room);
}
