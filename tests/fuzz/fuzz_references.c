/*
 * Any text as what vlrm-eval --references reads: a file of references, with a split and without; document frequencies; and as a
 * text that the Penn Treebank tokeniser cuts up, whose tokens stand one space apart.
 *
 * About: lib/base/json_elements.c lib/text/ptb/ptb.c lib/text/ptb/lexer.c
 * src/eval/references.c src/eval/image_names.c src/eval/frequencies.c src/eval/grams.c src/eval/chair.c
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "eval/chair.h"
#include "eval/frequencies.h"
#include "eval/references.h"
#include "tests/fuzz/given.h"
#include "text/ptb/ptb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const char *path, const char *split)
{
    Error err = {0};
    ReferenceSet *s = reference_set_open(path, split, &err);
    if (!s) {
        if (!err.text[0])
            abort();
        return;
    }
    size_t i = reference_set_find(s, SLICE("7"), SLICE("/x/a.jpg")), n;
    if (i != SIZE_MAX)
        reference_set_texts(s, i, &n);
    if (!reference_set_complete(s, &err) && !split)
        abort();
    json_decref(reference_set_json(s));
    reference_set_free(s);
}

/* The file as instances, and the part as the list of synonyms. */
static void judge(const char *instances, const char *synonyms)
{
    Error err = {0};
    Chair *c = chair_open(instances, synonyms, &err);
    if (!c) {
        if (!err.text[0])
            abort();
        return;
    }
    size_t i = chair_find(c, SLICE("7"), SLICE("/x/a.jpg"));
    Objects there = {{0}};
    if (i != SIZE_MAX)
        there = chair_objects(c, i);
    chair_add(c, &there, SLICE("a baby elephant"));
    const ChairCounts n = chair_judge(c, &there, SLICE("Two dogs' hot dogs and a baby elephant at a stop sign"));
    if (n.invented > n.mentioned || n.found > n.objects)
        abort();
    json_decref(chair_json(c));
    chair_free(c);
}

static void weigh(const char *path)
{
    Error err = {0};
    Frequencies f;
    if (frequencies_read(&f, path, &err)) {
        frequencies_digest(&f);
        if (f.images == 0 || f.counts.count == 0)
            abort();
    } else if (!err.text[0]) {
        abort();
    }
    frequencies_release(&f);
}

static void cut(const uint8_t *data, size_t size)
{
    Arena arena = {0};
    static Ptb *tokenizer; /* one for all: its automaton grows with what it has seen */
    if (!tokenizer)
        tokenizer = ptb_new();
    Slice tokens = ptb_tokenize(tokenizer, (Slice){(const char *)data, size}, &arena);
    for (size_t i = 1; i < tokens.size; i++)
        if (tokens.data[i] == ' ' && tokens.data[i - 1] == ' ')
            abort();
    size_t n;
    const Words words = words_of(tokens, &arena);
    grams_new(&words, &n, &arena);
    if (words.n_tokens == 0 || n > GRAM_ORDERS * words.n)
        abort();
    arena_release(&arena);
}

static void as_file(const uint8_t *data, size_t size, const char *name, void (*read)(const char *path, const char *split),
                    const char *split)
{
    const uint8_t *part = data;
    size_t n = size;
    char path[64];
    if (!given_part(data, size, name, &part, &n))
        return;
    int fd = given_file(part, n);
    read(given_path(path, fd), split);
    close(fd);
}

static void read_frequencies(const char *path, const char *split)
{
    (void)split;
    weigh(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *text;
    size_t n;
    as_file(data, size, "json", look, NULL);
    as_file(data, size, "json", look, size % 2 ? "test" : "test=0123456789abcdef");
    as_file(data, size, "df", read_frequencies, NULL);
    if (given_part(data, size, "synonyms", &text, &n)) {
        char path[64];
        int fd = given_file(text, n);
        as_file(data, size, "json", judge, given_path(path, fd));
        close(fd);
    }
    if (given_part(data, size, "text", &text, &n) && utf8_valid(text, n))
        cut(text, n);
    return 0;
}
