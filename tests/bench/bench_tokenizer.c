/*
 * Tokens per second of the tokenizers and captions per second of the word rules, on one core, over drawn captions: 10 words
 * each, common ones more often (Zipf), and once all words alike, which the cache of words does not help.
 *
 * The peer is Hugging Face's tokenizers in Python, when python3 can import it: the same texts, its own batch call on one thread.
 * bench_tokenizer [FOLDER with opt/ clip/ bert/], default ../shared/tokenizers, else the small ones of the tests.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "base/clock.h"
#include "base/random.h"
#include "text/tokenizer.h"
#include "text/words.h"

enum { CAPTIONS = 100000, WORDS = 10 };

/* Lower-case words of OPT's vocabulary, without their space. */
static size_t collect_words(Slice *out, const Tokenizer *t)
{
    size_t n = 0;
    for (int32_t id = 0; id < tokenizer_size(t); id++) {
        Slice b = tokenizer_token_bytes(t, id);
        bool good = b.size > 2 && b.data[0] == ' ';
        for (size_t i = 1; i < b.size; i++)
            good = good && b.data[i] >= 'a' && b.data[i] <= 'z';
        if (good)
            out[n++] = (Slice){b.data + 1, b.size - 1};
    }
    return n;
}

static Slice *draw_captions(Arena *arena, const Tokenizer *t, bool zipf)
{
    Slice *words = arena_alloc(arena, (size_t)tokenizer_size(t) * sizeof *words),
          *out = arena_alloc(arena, CAPTIONS * sizeof *out);
    size_t n = collect_words(words, t);
    for (uint32_t k = 0; k < CAPTIONS; k++) {
        char text[WORDS * 40];
        size_t size = 0;
        for (uint32_t w = 0; w < WORDS; w++) {
            double u = random_uniform(1, k, 7, w);
            Slice word = words[(size_t)(zipf ? pow((double)n, u) - 1 : u * (double)n)];
            size += (size_t)snprintf(text + size, sizeof text - size, "%s%.*s", w ? " " : "",
                                     (int)(word.size < 30 ? word.size : 30), word.data);
        }
        out[k] = (Slice){arena_strndup(arena, text, size), size};
    }
    return out;
}

static double tokens_per_second(const Tokenizer *t, const Slice *texts)
{
    Arena arena = {0};
    Error err = {0};
    size_t total = 0;
    double start = seconds_now();
    for (size_t k = 0; k < CAPTIONS; k++) {
        Tokens tokens;
        arena_reset(&arena);
        if (!tokenizer_encode(&tokens, &arena, t, texts[k], 0, 0, &err))
            die("%s", err.text);
        total += tokens.count;
    }
    double seconds = seconds_now() - start;
    arena_release(&arena);
    return (double)total / seconds;
}

static const char peer[] =
    "import os, sys, time\n"
    "os.environ['TOKENIZERS_PARALLELISM'] = 'false'\n"
    "from tokenizers import Tokenizer, models, pre_tokenizers, normalizers\n"
    "kind, folder = sys.argv[1:3]\n"
    "if kind == 'bert':\n"
    "    t = Tokenizer(models.WordPiece.from_file(folder + '/vocab.txt', unk_token='[UNK]'))\n"
    "    t.normalizer, t.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()\n"
    "else:\n"
    "    clip = kind == 'clip'\n"
    "    t = Tokenizer(models.BPE.from_file(folder + '/vocab.json', folder + '/merges.txt', **({'end_of_word_suffix': '</w>'} if "
    "clip else {})))\n"
    "    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)\n"
    "    if clip:\n"
    "        t.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])\n"
    "        t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), t.pre_tokenizer])\n"
    "texts = sys.stdin.read().split('\\n')[:-1]\n"
    "t.encode_batch(texts[:1000])\n"
    "s = time.perf_counter()\n"
    "n = sum(len(e.ids) for e in t.encode_batch(texts))\n"
    "print(n / (time.perf_counter() - s))\n";

/* What the peer reaches on these texts; 0 when it cannot be had. */
static double peer_tokens_per_second(const char *kind, const char *folder, const Slice *texts)
{
    char script[] = "/tmp/bench_tokenizer_XXXXXX", list[] = "/tmp/bench_tokenizer_XXXXXX";
    Error err = {0};
    double rate = 0;
    int fd = mkstemp(script), lines = mkstemp(list);
    FILE *f = fdopen(lines, "w");
    for (size_t k = 0; k < CAPTIONS; k++)
        fprintf(f, "%.*s\n", (int)texts[k].size, texts[k].data);
    fclose(f);
    close(fd);
    if (!file_write(script, peer, sizeof peer - 1, &err))
        die("%s", err.text);
    char *command = xasprintf("python3 %s %s %s <%s 2>/dev/null", script, kind, folder, list);
    FILE *p = popen(command, "r");
    if (fscanf(p, "%lf", &rate) != 1)
        rate = 0;
    pclose(p);
    free(command);
    unlink(script);
    unlink(list);
    return rate;
}

static void bench_kind(const char *root, const char *kind, const Slice *zipf, const Slice *flat)
{
    char *folder = xasprintf("%s/%s", root, kind);
    Error err = {0};
    double start = seconds_now();
    Tokenizer *t = tokenizer_open(folder, &err);
    if (!t)
        die("%s", err.text);
    double opened = seconds_now() - start, ours = tokens_per_second(t, zipf), cold = tokens_per_second(t, flat);
    double theirs = peer_tokens_per_second(kind, folder, zipf);
    printf("%-4s  open %3.0f ms  %6.2f M tokens/s, words alike %6.2f M tokens/s", kind, 1e3 * opened, 1e-6 * ours, 1e-6 * cold);
    if (theirs > 0)
        printf("  Hugging Face tokenizers %.2f M: ratio %.1f\n", 1e-6 * theirs, ours / theirs);
    else
        printf("  (no peer: python3 has no tokenizers)\n");
    tokenizer_free(t);
    free(folder);
}

/* What re-weighting recorded rewards does to each caption: ids to text, then the rules. */
static void bench_rules(const Tokenizer *t, const Slice *texts)
{
    Arena arena = {0}, kept = {0};
    Error err = {0};
    Tokens *tokens = xcalloc(CAPTIONS, sizeof *tokens);
    WordRules *rules = word_rules_open("share/bad-phrases.txt", "share/exempt-words.txt", &err);
    if (!rules)
        die("%s", err.text);
    for (size_t k = 0; k < CAPTIONS; k++)
        if (!tokenizer_encode(&tokens[k], &kept, t, texts[k], 0, 0, &err))
            die("%s", err.text);
    double start = seconds_now();
    for (size_t k = 0; k < CAPTIONS; k++) {
        CaptionText caption;
        WordMarks marks;
        arena_reset(&arena);
        tokenizer_caption(&caption, &arena, t, tokens[k].ids, tokens[k].count);
        word_rules_apply(&marks, &arena, rules, &caption);
    }
    printf("rules %.0f captions/s (212 phrases, %d words each)\n", CAPTIONS / (seconds_now() - start), WORDS);
    word_rules_free(rules);
    arena_release(&arena);
    arena_release(&kept);
    free(tokens);
}

int main(int argc, char **argv)
{
    progname = "bench_tokenizer";
    const char *root = argc > 1                                        ? argv[1]
                       : access("../shared/tokenizers/opt", R_OK) == 0 ? "../shared/tokenizers"
                                                                       : "tests/golden/tokenizers";
    char *folder = xasprintf("%s/opt", root);
    Arena arena = {0};
    Error err = {0};
    Tokenizer *opt = tokenizer_open(folder, &err);
    if (!opt)
        die("%s", err.text);
    Slice *zipf = draw_captions(&arena, opt, true), *flat = draw_captions(&arena, opt, false);
    printf("%s, %d captions of %d words, one core\n", root, CAPTIONS, WORDS);
    bench_kind(root, "opt", zipf, flat);
    bench_kind(root, "clip", zipf, flat);
    bench_kind(root, "bert", zipf, flat);
    bench_rules(opt, zipf);
    tokenizer_free(opt);
    arena_release(&arena);
    free(folder);
    return 0;
}
