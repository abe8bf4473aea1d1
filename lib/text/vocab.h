/*
 * The vocabulary of a tokenizer: names and ids, merges of a BPE, added tokens; and reading them from files.
 *
 * Everything lives in the vocabulary's arena. Internal to lib/text: users include tokenizer.h.
 */
#ifndef TEXT_VOCAB_H
#define TEXT_VOCAB_H

#include <jansson.h>

#include "base/base.h"
#include "text/charsmap.h"
#include "text/tokenizer.h"

/* A token that is cut out of the raw text before anything else. */
typedef struct AddedToken {
    Slice content;
    int32_t id;
    bool special;        /* decoding drops it */
    bool lstrip, rstrip; /* takes the white space beside it along */
} AddedToken;

/* left right -> product; the lowest rank is merged first. left is -1 in an empty slot. */
typedef struct Merge {
    int32_t left, right, product;
    uint32_t rank;
} Merge;

/* What is cut into pieces before a byte-level BPE, and how. */
typedef enum Split {
    SPLIT_GPT2,   /* OPT */
    SPLIT_DIGITS, /* SmolLM2: each digit alone, GPT-2's between them */
    SPLIT_LLAMA3,
    SPLIT_QWEN2, /* Llama 3's with each digit alone */
} Split;

/* Where a SentencePiece BPE puts a U+2581 before a text. */
typedef enum Front {
    FRONT_ALWAYS, /* of every stretch: a normalizer that prepends */
    FRONT_UNLESS, /* of every stretch that does not begin with one: Metaspace, "always" */
    FRONT_FIRST,  /* the same of the first stretch alone: Metaspace, "first" */
    FRONT_NEVER,
} Front;

/* What is done to a text first. */
typedef enum NormalStep {
    NORMAL_LOWER,
    NORMAL_NO_PUNCTUATION, /* ASCII's is dropped */
    NORMAL_ONE_SPACE,      /* white space becomes one space */
    NORMAL_ONE_BLANK,      /* two and more spaces become one */
    NORMAL_STRIP,          /* of white space */
    NORMAL_CHARSMAP,       /* SentencePiece's table */
} NormalStep;
enum { NORMAL_STEPS_MOST = 8 };

typedef struct Vocab {
    Arena arena;
    TokenizerKind kind;
    Slice *names; /* [size]; data is NULL for an id without a name */
    int32_t size;
    size_t capacity;
    int32_t *slots; /* [mask + 1]: hash table of ids, -1 for empty */
    size_t mask;
    Merge *merges; /* [merge_mask + 1] */
    size_t merge_mask;
    AddedToken *added;
    size_t n_added, added_capacity;
    Slice unknown; /* BPE: empty for none */
    Split split;
    Front front;
    bool composed;                       /* the text is brought to NFC first (Qwen2) */
    bool ignore_merges;                  /* a piece that is a row is that row, even where merges would not lead to it */
    Slice bos, eos, pad;                 /* tokenizer_config.json's, for kinds without names of their own; empty for none */
    bool unopened, closed;               /* SentencePiece's BPE: no bos in front, eos behind (Gemma with SigLIP 2) */
    NormalStep steps[NORMAL_STEPS_MOST]; /* what is done to a text first: unigram, and lower case of SigLIP 2 */
    size_t n_steps;
    Charsmap charsmap; /* unigram, as what follows */
    double *scores;    /* [n_scores]: of the rows, which come first; added tokens have none */
    size_t n_scores, scores_capacity;
    bool bytes;           /* what is of no row becomes the bytes of its UTF-8 ("<0x0A>"), where all of them are rows */
    double unknown_score; /* of a character of no row: the least score less UNKNOWN_PENALTY */
    int32_t image;        /* config.json's image_token_index, or -1 */
    bool cased;           /* BERT that does not lower-case */
    bool bare;            /* nothing but the vocabulary itself was in the folder */
} Vocab;

/* Fills v from a model folder. False with err set; v is to be released either way. */
MUST_USE bool vocab_read(Vocab *v, const char *folder, Error *err);
void vocab_release(Vocab *v);

/* The id of a name, or -1. */
int32_t vocab_find(const Vocab *v, Slice name);

/* Gives id its name; a name given twice belongs to the later id, as in Hugging Face. False for an id out of range, and for one
 * that has another name. */
MUST_USE bool vocab_add(Vocab *v, Slice name, int32_t id, Error *err);

/* Room for n merges; then one after the other in order of rank. False if a name or the product is not in the vocabulary. */
void vocab_merges_init(Vocab *v, size_t n);
MUST_USE bool vocab_merge_add(Vocab *v, Slice left, Slice right, uint32_t rank, Error *err);
const Merge *vocab_merge_find(const Vocab *v, int32_t left, int32_t right);

/* Adds a token that is cut out of raw text, or makes a known one special; id -1 looks it up and does nothing if there is none. */
MUST_USE bool vocab_added_add(Vocab *v, AddedToken token, Error *err);

/*
 * Whether ids mean the same in both, as far as both have them: equal kinds and names, equal merges in equal order. One may have
 * further ids at its end, as a checkpoint's <image>.
 */
bool vocab_same(const Vocab *a, const Vocab *b);

/* Which BPE a tokenizer.json is, and how its text is prepared; v has its names. What is not known is refused by name. */
MUST_USE bool vocab_kind_read(Vocab *v, const json_t *root, Error *err);

/* A unigram model: its rows and steps. What is not known is refused by name. */
MUST_USE bool vocab_unigram_read(Vocab *v, const json_t *root, Error *err);
/* The next row of a unigram model. */
#define UNKNOWN_PENALTY 10.0
MUST_USE bool vocab_score_add(Vocab *v, Slice name, double score, Error *err);

/* False, with an error that names a step of a tokenizer.json which nobody here knows. */
bool vocab_step_unknown(const char *what, const json_t *step, Error *err);

/* SentencePiece's tokenizer.model of a BPE, or spiece.model of SigLIP's unigram model. */
MUST_USE bool vocab_sentencepiece_read(Vocab *v, const char *path, Error *err);

/* Of all that decides what ids a text has; whatever files it came from. */
uint64_t vocab_digest(const Vocab *v);

#endif
