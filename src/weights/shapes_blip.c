/* BLIP's matching models and captioners among the shapes of vlrm-weights random: as published, and tiny ones. See shapes.h. */
#include <string.h>

#include "text/tokenizer.h"
#include "weights/shapes.h"

typedef struct BlipRow {
    const char *name;
    size_t vision[6];            /* hidden, layers, heads, mlp, image, patch */
    size_t text[4];              /* hidden, layers, heads, mlp */
    size_t vocabulary, contrast; /* contrast 0: a captioner */
} BlipRow;

static const BlipRow rows[] = {
    {"blip-itm-base", {768, 12, 12, 3072, 384, 16}, {768, 12, 12, 3072}, 30524, 256},
    {"blip-itm-large", {1024, 24, 16, 4096, 384, 16}, {768, 12, 12, 3072}, 30524, 256},
    {"blip-itm-tiny", {32, 2, 2, 64, 32, 8}, {24, 2, 2, 48}, 512, 8},
    {"blip-captioning-base", {768, 12, 12, 3072, 384, 16}, {768, 12, 12, 3072}, 30524, 0},
    {"blip-captioning-large", {1024, 24, 16, 4096, 384, 16}, {768, 12, 12, 3072}, 30524, 0},
    {"blip-captioning-tiny", {32, 2, 2, 64, 32, 8}, {24, 2, 2, 48}, 512, 0},
};

bool shape_blip_find(BlipConfig *out, const char *name, const char *tokenizer, Error *err)
{
    const BlipRow *r = rows;
    const size_t n = sizeof rows / sizeof rows[0];
    while (r < rows + n && strcmp(r->name, name) != 0)
        r++;
    if (r == rows + n)
        return false;
    *out = (BlipConfig){.image_text_hidden = r->contrast};
    out->vision = (VisionConfig){.hidden = r->vision[0],
                                 .layers = r->vision[1],
                                 .heads = r->vision[2],
                                 .mlp = r->vision[3],
                                 .image = r->vision[4],
                                 .patch = r->vision[5]};
    out->text = (BlipTextConfig){.hidden = r->text[0],
                                 .layers = r->text[1],
                                 .heads = r->text[2],
                                 .mlp = r->text[3],
                                 .vocabulary = r->vocabulary,
                                 .positions = 512,
                                 .bos = (int32_t)r->vocabulary - 2,
                                 .sep = 102};
    Tokenizer *t = tokenizer ? tokenizer_open(tokenizer, err) : NULL;
    if (t) { /* and [DEC] and [ENC] behind */
        out->text.bos = tokenizer_size(t);
        out->text.sep = tokenizer_ids(t).eos;
        out->text.vocabulary = (size_t)tokenizer_size(t) + 2;
    }
    tokenizer_free(t);
    return true;
}

static json_t *tower_json(const char *type, size_t hidden, size_t layers, size_t heads, size_t mlp, double eps)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:s, s:f}", "model_type", type, "hidden_size", (json_int_t)hidden,
                     "num_hidden_layers", (json_int_t)layers, "num_attention_heads", (json_int_t)heads, "intermediate_size",
                     (json_int_t)mlp, "hidden_act", "gelu", "layer_norm_eps", eps);
}

json_t *shape_blip_json(const BlipConfig *c)
{
    const VisionConfig *v = &c->vision;
    const BlipTextConfig *t = &c->text;
    json_t *vision = tower_json("blip_vision_model", v->hidden, v->layers, v->heads, v->mlp, 1e-5),
           *text = tower_json("blip_text_model", t->hidden, t->layers, t->heads, t->mlp, 1e-12);
    json_object_set_new(vision, "image_size", json_integer((json_int_t)v->image));
    json_object_set_new(vision, "patch_size", json_integer((json_int_t)v->patch));
    json_object_set_new(text, "vocab_size", json_integer((json_int_t)t->vocabulary));
    json_object_set_new(text, "max_position_embeddings", json_integer((json_int_t)t->positions));
    json_object_set_new(text, "encoder_hidden_size", json_integer((json_int_t)v->hidden));
    json_object_set_new(text, "bos_token_id", json_integer(t->bos));
    json_object_set_new(text, "sep_token_id", json_integer(t->sep));
    json_object_set_new(text, "is_decoder", json_true());
    json_t *j = json_pack("{s:[s], s:s, s:o, s:o}", "architectures",
                          c->image_text_hidden > 0 ? "BlipForImageTextRetrieval" : "BlipForConditionalGeneration", "model_type",
                          "blip", "vision_config", vision, "text_config", text);
    if (c->image_text_hidden > 0)
        json_object_set_new(j, "image_text_hidden_size", json_integer((json_int_t)c->image_text_hidden));
    return j;
}
