/*
 * vlrm-tokenize: JSON strings in, one a line; ids, pieces and offsets out; or the other way with --decode.
 *
 * A look into the tokenizer of any model folder. One line out for one line in, so that files can be laid side by side: a line
 * that cannot be read is reported by its number and gives null.
 */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/options/options.h"
#include "base/progress.h"
#include "base/sandbox.h"
#include "base/signals.h"
#include "checkpoint/hub.h"
#include "text/tokenizer.h"

static bool decode, special, literal, chars;
static int64_t max_tokens;
static Sandbox sandbox;

static const Option options[] = {
    OPT_FLAG("decode", 'd', &decode, "read arrays of ids, or objects with \"ids\"; write JSON strings"),
    OPT_FLAG("special", 's', &special,
             "add special ids: OPT 2 in front, BERT [CLS] .. [SEP], CLIP <|startoftext|> .. <|endoftext|>"),
    OPT_FLAG("literal", 'l', &literal, "read \"</s>\" in a text as four characters, as captions are, not as the id 2"),
    OPT_FLAG("chars", 0, &chars, "count offsets in characters instead of bytes of UTF-8"),
    OPT_INT("max-tokens", 'n', &max_tokens, "0", 0, 1 << 30, "N", "cut to N ids, special ones included and kept; 0 for no limit"),
    SANDBOX_OPTION(sandbox),
    OPT_END,
};

static const Program program = {
    .name = "vlrm-tokenize",
    .summary = "turn text into token ids and back, with the tokenizer of a model folder",
    .operands = "DIR [file|-]...",
    .input = "a JSON string a line; with --decode an array of ids, or an object with \"ids\"",
    .output = "a JSON object a line: \"ids\", \"pieces\", \"offsets\"; with --decode a JSON string",
    .description =
        "DIR, a folder or ORG/NAME in the Hub's local cache (vlrm(7)), holds tokenizer.json, or vocab.json and merges.txt, or vocab.txt, or tokenizer.model or spiece.model: byte-level BPE of "
        "OPT, Llama 3, SmolLM2 or Qwen2, CLIP's BPE, BERT's WordPiece, the SentencePiece of LLaMa-2, Gemma or SigLIP. Ids, offsets and "
        "decoded text are those of Hugging Face tokenizers.\n\n"
        "offsets are [start, end) of each token in the text, in whole characters, so that tokens that share a "
        "character have ranges that overlap; an inserted special id has [0, 0]. pieces are the names in the "
        "vocabulary.\n\n"
        "A line that is no such JSON is reported with its number and gives null; the exit status is then 3.",
    .examples = "echo '\"a cat on a mat\"' | vlrm-tokenize blip2\n"
                "echo '[100, 49]' | vlrm-tokenize --decode blip2",
    .options = options,
};

static size_t n_done, n_failed;

/* [[start, end], ..] */
static json_t *json_of_ranges(const TextRange *ranges, size_t n)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(array, json_pack("[I, I]", (json_int_t)ranges[i].start, (json_int_t)ranges[i].end));
    return array;
}

/* A JSON string of any bytes: names in a damaged vocab.txt may be no UTF-8, they are null. */
static json_t *json_of_slice(Slice s)
{
    json_t *string = s.data ? json_stringn(s.data, s.size) : NULL;
    return string ? string : json_null();
}

static json_t *encode_line(Arena *arena, const Tokenizer *t, const json_t *line, Error *err)
{
    Tokens tokens;
    Slice text = {json_string_value(line), json_string_length(line)};
    int flags = (special ? ENCODE_SPECIAL : 0) | (literal ? ENCODE_LITERAL : 0);
    if (!json_is_string(line)) {
        error_set(err, "expected a JSON string");
        return NULL;
    }
    if (!tokenizer_encode(&tokens, arena, t, text, flags, (size_t)max_tokens, err))
        return NULL;
    json_t *ids = json_array(), *pieces = json_array();
    for (size_t i = 0; i < tokens.count; i++) {
        json_array_append_new(ids, json_integer(tokens.ids[i]));
        json_array_append_new(pieces, json_of_slice(tokenizer_piece(t, tokens.ids[i])));
    }
    json_t *offsets = json_of_ranges(chars ? tokens.chars : tokens.bytes, tokens.count);
    return json_pack("{s:o, s:o, s:o}", "ids", ids, "pieces", pieces, "offsets", offsets);
}

static json_t *decode_line(Arena *arena, const Tokenizer *t, const json_t *line, Error *err)
{
    const json_t *ids = json_is_object(line) ? json_object_get(line, "ids") : line;
    size_t n = json_array_size(ids);
    int32_t *numbers = arena_alloc(arena, (n + 1) * sizeof *numbers);
    if (!json_is_array(ids)) {
        error_set(err, "expected an array of ids, or an object with one as \"ids\"");
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        json_t *id = json_array_get(ids, i);
        json_int_t v = json_integer_value(id);
        if (!json_is_integer(id) || v < 0 || v > INT32_MAX) {
            error_set(err, "ids[%zu] is not a number from 0 to %d", i, INT32_MAX);
            return NULL;
        }
        numbers[i] = (int32_t)v;
    }
    return json_of_slice(tokenizer_decode(arena, t, numbers, n));
}

static void convert(const Tokenizer *t, const char *name, size_t number, const char *text, size_t size)
{
    static Arena arena;
    Error err = {0};
    json_error_t why;
    json_t *out = NULL, *line = json_loadb(text, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
    arena_reset(&arena);
    if (!line)
        error_set(&err, "%s", why.text);
    else
        out = decode ? decode_line(&arena, t, line, &err) : encode_line(&arena, t, line, &err);
    if (out) {
        n_done++;
        progress_read();
        json_dumpf(out, stdout, JSON_ENCODE_ANY | JSON_COMPACT);
        putchar('\n');
        progress_wrote();
    } else {
        n_failed++;
        warn("%s:%zu: %s", name, number, err.text);
        puts("null");
    }
    json_decref(out);
    json_decref(line);
}

/* Whether reading more would block now. */
static bool would_wait(FILE *f)
{
    struct pollfd p = {fileno(f), POLLIN, 0};
    return poll(&p, 1, 0) == 0;
}

static void convert_file(const Tokenizer *t, const char *name)
{
    bool standard = strcmp(name, "-") == 0;
    FILE *f = standard ? stdin : fopen(name, "r");
    char *text = NULL;
    size_t capacity = 0, number = 0;
    ssize_t size;
    if (!f)
        die("open %s:", name);
    name = standard ? "stdin" : name;
    while (!interrupted() && !ferror(stdout) && (size = getline(&text, &capacity, f)) >= 0) {
        convert(t, name, ++number, text, (size_t)size);
        progress_bytes((size_t)size);
        if (would_wait(f))
            fflush(stdout);
    }
    if (ferror(f) && !interrupted())
        die("read %s:", name);
    free(text);
    if (!standard)
        fclose(f);
}

int main(int argc, char **argv)
{
    int n;
    Error err = {0};
    char **operands = options_parse(&program, argc, argv, &n);
    if (n == 0)
        usage_error("a model folder is required: DIR [file|-]...");
    signals_init();
    sandbox_enclose(sandbox, &(SandboxFiles){.read = NULL});
    progress_begin("texts");
    progress_files(n > 1 ? operands + 1 : (char *[]){"-"}, n > 1 ? n - 1 : 1);
    char *folder = hub_folder(operands[0], &err);
    Tokenizer *t = folder ? tokenizer_open(folder, &err) : NULL;
    free(folder);
    if (!t)
        die_status(err.status ? err.status : STATUS_FAILURE, "%s", err.text);
    if (n == 1)
        convert_file(t, "-");
    for (int i = 1; i < n; i++)
        convert_file(t, operands[i]);
    tokenizer_free(t);
    free(operands);
    if (n_failed)
        warn("done %zu, failed %zu", n_done, n_failed);
    return finish_stdout(interrupted() ? STATUS_INTERRUPTED : n_failed ? STATUS_SOME_FAILED : STATUS_CLEAN);
}
