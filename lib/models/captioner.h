/*
 * Captioners of any family: an image encoder, what turns its rows into input rows of a language model, and that language model.
 *
 *   features = captioner_features(pixels);  prefix = captioner_prefix(features);  then lm.h
 *
 * What lm.h calls BOS is here the last token of the prompt, lm.config.bos: before a caption stand the n_prefix rows of
 * captioner_prefix (the image's, and those of the prompt's other tokens), then this token.
 *
 * What families differ in is a CaptionerFamily, a folder of families/; nobody else asks which one a captioner is of.
 */
#ifndef MODELS_CAPTIONER_H
#define MODELS_CAPTIONER_H

#include "models/image_input.h"
#include "models/lm.h"
#include "models/vit.h"

/* Tensors of a captioner that are trained together, by a name of --train. */
typedef struct CaptionerPart {
    const char *name;   /* "projection"; one of captioner_part_names */
    const char *prefix; /* of its tensors' names (name_within); a part may have several */
} CaptionerPart;

/* Every name that a part has in some family; the last is NULL. */
extern const char *const captioner_part_names[];

typedef struct Captioner Captioner;

typedef struct CaptionerFamily {
    const char *const *architectures; /* that config.json names, the last NULL */
    const char *type, *said;          /* its model_type; "a BLIP-2 captioner" */

    /* Reads the folder's configuration into c->own (made here), c->eos and c->images. False with err set. */
    bool (*read)(Captioner *c, const char *folder, Error *err);
    /* Binds encoder, connector and language model (vit, own, lm); sets image_rows. Faults stick in the binder. */
    void (*bind)(Captioner *c);
    /* Frees what own has, and own. */
    void (*release)(Captioner *c);

    /* The text around a caption's image and request, <image> written for each of its rows; the caller frees it. NULL: none. */
    char *(*prompt)(const Captioner *c, const char *request);
    /* The same of a picture that is cut, and into how many along an edge at most; NULL: none is. */
    char *(*prompt_cut)(const Captioner *c, const char *request, TileGrid grid);
    size_t most_across;
    const char *request; /* the usual one */
    bool wordpieces;     /* its captions are BERT's word pieces */
    const char
        *reader; /* a folder in the model's with the BERT tokenizer that the connector reads the request by; NULL: it does not */

    /* features [n * vit_rows, hidden], before the encoder's final norm, to rows of the language model [n * image_rows, ..]. */
    Tensor *(*rows)(Tape *t, const Captioner *c, const Tensor *features, size_t n);
    /* About how many values `rows` leaves on a tape that records, for one image, gradients included: for plans. */
    double (*reals)(const Captioner *c, bool checkpointing);

    const CaptionerPart *parts;        /* from features to rows, in order; the last name is NULL */
    const char *vision, *language;     /* names below which the encoder and the language model lie */
    const char *const *vision_targets; /* linear layers of the encoder that adapters go to; the last NULL */
    const AdapterName *adapters;       /* NULL: modules are called as their tensors are */
} CaptionerFamily;

/* The prompt around pictures that are cut alike. */
typedef struct CutPrompt {
    TileGrid grid;
    int32_t *ids; /* owned: [n] */
    size_t n;
} CutPrompt;

struct Captioner {
    const CaptionerFamily *family;
    Checkpoint *checkpoint; /* owned; NULL: a layout without values */
    Binder binder;
    Vit vit;
    Lm lm; /* its config.bos: the prompt's last token */
    ImageInput images;
    const char *encoder; /* what the names of the encoder's tensors begin with */
    size_t image_rows;   /* of an image or a tile, as the language model reads it */
    size_t n_prefix;     /* rows before the prompt's last token; 0: no prompt yet */
    int32_t *prompt;     /* owned: the prompt's ids, which the n-gram rule takes to stand before a caption; [n_prompt] */
    size_t n_prompt;     /* 0: none are told */
    CutPrompt *cut;      /* owned: with images.across, one for each grid that there can be, the largest first */
    size_t n_cut;
    int32_t *request;               /* owned: the request's ids as the connector reads them; [n_request] */
    size_t n_request, most_request; /* most_request: that the connector has positions for */
    int32_t image_token;            /* id of <image>; -1 where there is none */
    int32_t begin;                  /* begins a prompt where the language model has a memory */
    EosIds eos;                     /* any of them ends a caption */
    void *own;                      /* the family's */
};

/* A Hugging Face folder of a family that is known; another is STATUS_MISMATCH, naming both. NULL with err set. */
Captioner *captioner_open(const char *folder, const Kernels *kernels, Error *err);
/* The same of a folder's configuration alone, without values (bind.h): a layout, or a model to be trained from nothing. */
Captioner *captioner_layout(const char *folder, const Kernels *kernels, Error *err);
void captioner_free(Captioner *c); /* NULL is fine */

/* The family of a folder by its configuration; NULL with err set (STATUS_MISMATCH) for one that nobody here knows. */
const CaptionerFamily *captioner_family(const char *folder, Error *err);
/* What a captioner of this architecture is called: "a BLIP-2 captioner"; NULL where none has it. */
const char *captioner_said(const char *architecture);
/* "A, B, C": the architectures that captioner_open knows; the caller frees it. */
char *captioner_known(void);

/*
 * The prompt from now on, as ids of the captioner's tokenizer: what CaptionerFamily.prompt says, image_rows times <image> side by
 * side in it; where the language model has a memory no <image>, and the first id becomes the one that begins its texts. False
 * with err set where they are not. For families that have no prompt nobody needs to call it.
 */
MUST_USE bool captioner_prompt(Captioner *c, const int32_t *ids, size_t n, Error *err);

/*
 * Pictures are cut from now on, into so many tiles along their longer edge; 0 or 1: they are not. False with err set where the
 * family cannot. Prompts, which depend on how a picture is cut, are set after it: captioner_prompt, then one for each grid of
 * captioner_grids, in that order.
 */
MUST_USE bool captioner_cut(Captioner *c, int64_t across, Error *err);
MUST_USE bool captioner_prompt_cut(Captioner *c, TileGrid grid, const int32_t *ids, size_t n, Error *err);

/* Grids that pictures may have, the largest first, into out [at most 2 * most_across]; how many. None where none is cut. */
size_t captioner_grids(const Captioner *c, TileGrid *out);
/* Whether a picture may be cut so. */
bool captioner_cuts_so(const Captioner *c, TileGrid grid);

/* Rows of captioner_prefixes for a picture that is cut so, and the ids of its whole prompt (borrowed; *n of them). */
size_t captioner_prefix_rows(const Captioner *c, TileGrid grid);
const int32_t *captioner_prompt_ids(const Captioner *c, TileGrid grid, size_t *n);

/* What the connector reads from now on, for families with a reader: 1 and more ids, [CLS] and [SEP] among them. */
MUST_USE bool captioner_request(Captioner *c, const int32_t *ids, size_t n, Error *err);

/* <image> as often as an image has rows, for CaptionerFamily.prompt; the caller frees it. */
char *captioner_images_text(const Captioner *c);

/* pixels: host [n, 3, side, side]. [n * vit_rows, hidden], before the final norm: what the `features` group carries. */
Tensor *captioner_features(Tape *t, const Captioner *c, const float *pixels, size_t n);

/* Features of n images to the input rows before the prompt's last token: [n * n_prefix, hidden of the language model]. */
Tensor *captioner_prefix(Tape *t, const Captioner *c, const Tensor *features, size_t n);

/* The same of n pictures that are cut, features of the tiles of each behind one another: its captioner_prefix_rows each. */
Tensor *captioner_prefixes(Tape *t, const Captioner *c, const Tensor *features, const TileGrid *grids, size_t n);

/* Digest of the encoder but for its final norm: equal for models that can share features (vit_digest). */
uint64_t captioner_encoder_digest(const Captioner *c);

/* The families: families/NAME/. */
extern const CaptionerFamily blip2_family, smolvlm_family, llava_family, instructblip_family, blip_family;

#endif
