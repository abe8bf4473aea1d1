/*
 * Fields of a config.json, with the defaults of Hugging Face's configuration classes for what a file leaves out. The first field
 * that is wrong sets ok to false and err, naming what was found and what was expected; the rest then may be read on.
 */
#ifndef MODELS_CONFIG_FIELDS_H
#define MODELS_CONFIG_FIELDS_H

#include "base/base.h"
#include "base/json_file.h"
#include "models/config.h"
#include "models/image_input.h"

/* Where fields are looked up: an object, or two, of which the first wins (CLIP's text_config_dict over text_config). */
typedef struct ConfigFields {
    const json_t *first, *second;
    const char *what; /* for messages: "vision_config" */
    Error *err;
    bool ok;
} ConfigFields;

/* The fields of root's object `name`, those of NAME_dict before them; of root itself: (ConfigFields){.first = root, ..}. */
ConfigFields config_fields(const json_t *root, const char *name, Error *err);

/* The field, or NULL: a null in the first object is looked up in the second. */
const json_t *config_field(const ConfigFields *f, const char *name);
/* Sets ok to false: NAME is (what it is), expected .. */
void config_fail(ConfigFields *f, const char *name, const char *expected);

size_t config_size(ConfigFields *f, const char *name, size_t fallback); /* a number from 1 to 2^24 */
int32_t config_id(ConfigFields *f, const char *name, int32_t fallback); /* a token id, or the first of a list of them */
EosIds config_eos_ids(ConfigFields *f, EosIds fallback); /* eos_token_id: a token id, or a list of at most MOST_EOS */
double config_real(ConfigFields *f, const char *name, double fallback); /* a number above 0 */
bool config_flag(ConfigFields *f, const char *name, bool fallback);
/* A field that must have one value; what the file leaves out has the value `fallback`. */
void config_expect_text(ConfigFields *f, const char *name, const char *fallback, const char *expected);
void config_expect_flag(ConfigFields *f, const char *name, bool fallback, bool expected);
/* Three numbers, all above `least`, of a list, or none: out stays as it is. */
void config_three(ConfigFields *f, const char *name, double least, double out[3]);
/* Mean and std of a preprocessor_config.json, which stay as they are where it does not say. What would make other pixels than
 * (value / 255 - mean) / std of a picture of this side is refused by name; side 0: whatever `size` says. */
void config_pixels(ConfigFields *f, size_t side, double mean[3], double std[3]);
/* The same and the filter, of FOLDER/preprocessor_config.json where there is one, for pictures of p->side. */
MUST_USE bool config_pixels_file(ImageInput *p, const char *folder, Error *err);
void config_filter(ConfigFields *f, ImageInput *p); /* resample, Pillow's number of a filter; bicubic where it is missing */
/* At least one patch; pixels beyond the last whole one are not seen, as in all of transformers' encoders. */
void config_expect_patches(ConfigFields *f, size_t image, size_t patch);
void config_expect_multiple(ConfigFields *f, const char *what, size_t a, const char *by, size_t b);

/* FOLDER/NAME into *root, the caller's to release; where it may be missing (not needed) and is, NULL. False with err set. */
MUST_USE bool config_file(json_t **root, const char *folder, const char *name, bool needed, Error *err);
/* The same of tokenizer_config.json, which may be missing. All its numbers are reals. */
MUST_USE bool config_tokenizer(json_t **root, const char *folder, Error *err);

#endif
