/* SigLIPs among the shapes of vlrm-weights random: as published, and a tiny one. See shapes.h. */
#include <string.h>

#include "text/tokenizer.h"
#include "weights/shapes.h"

typedef struct SiglipRow {
    const char *name;
    size_t vision[6]; /* hidden, layers, heads, mlp, image, patch */
    size_t text[4];   /* hidden, layers, heads, mlp */
    size_t vocabulary;
    ImageFilter filter;
} SiglipRow;

static const SiglipRow rows[] = {
    {"siglip-base-patch16-224", {768, 12, 12, 3072, 224, 16}, {768, 12, 12, 3072}, 32000, IMAGE_BICUBIC},
    {"siglip-so400m-patch14-384", {1152, 27, 16, 4304, 384, 14}, {1152, 27, 16, 4304}, 32000, IMAGE_BICUBIC},
    {"siglip2-base-patch16-224", {768, 12, 12, 3072, 224, 16}, {768, 12, 12, 3072}, 256000, IMAGE_BILINEAR},
    {"siglip-tiny", {32, 2, 2, 64, 32, 8}, {24, 2, 2, 48}, 512, IMAGE_BICUBIC},
};

bool shape_siglip_find(SiglipConfig *out, const char *name, const char *tokenizer, Error *err)
{
    const SiglipRow *r = rows;
    const size_t n = sizeof rows / sizeof rows[0];
    while (r < rows + n && strcmp(r->name, name) != 0)
        r++;
    if (r == rows + n)
        return false;
    *out = (SiglipConfig){.projection = r->vision[0], .images = {.side = r->vision[4]}};
    out->images.filter = r->filter;
    out->vision = (VisionConfig){.hidden = r->vision[0],
                                 .layers = r->vision[1],
                                 .heads = r->vision[2],
                                 .mlp = r->vision[3],
                                 .image = r->vision[4],
                                 .patch = r->vision[5]};
    out->text = (TextTowerConfig){.hidden = r->text[0],
                                  .layers = r->text[1],
                                  .heads = r->text[2],
                                  .mlp = r->text[3],
                                  .vocabulary = r->vocabulary,
                                  .positions = 64};
    Tokenizer *t = tokenizer ? tokenizer_open(tokenizer, err) : NULL;
    if (t)
        out->text.vocabulary = (size_t)tokenizer_size(t);
    tokenizer_free(t);
    return true;
}

static json_t *tower_json(const char *type, size_t hidden, size_t layers, size_t heads, size_t mlp)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:s, s:f}", "model_type", type, "hidden_size", (json_int_t)hidden,
                     "num_hidden_layers", (json_int_t)layers, "num_attention_heads", (json_int_t)heads, "intermediate_size",
                     (json_int_t)mlp, "hidden_act", "gelu_pytorch_tanh", "layer_norm_eps", 1e-6);
}

json_t *shape_siglip_json(const SiglipConfig *c)
{
    const VisionConfig *v = &c->vision;
    const TextTowerConfig *t = &c->text;
    json_t *vision = tower_json("siglip_vision_model", v->hidden, v->layers, v->heads, v->mlp),
           *text = tower_json("siglip_text_model", t->hidden, t->layers, t->heads, t->mlp);
    json_object_set_new(vision, "image_size", json_integer((json_int_t)v->image));
    json_object_set_new(vision, "patch_size", json_integer((json_int_t)v->patch));
    json_object_set_new(text, "vocab_size", json_integer((json_int_t)t->vocabulary));
    json_object_set_new(text, "max_position_embeddings", json_integer((json_int_t)t->positions));
    json_object_set_new(text, "projection_size", json_integer((json_int_t)c->projection));
    return json_pack("{s:[s], s:s, s:o, s:o}", "architectures", "SiglipModel", "model_type", "siglip", "vision_config", vision,
                     "text_config", text);
}

json_t *shape_siglip_pixels_json(const SiglipConfig *c)
{
    const json_int_t side = (json_int_t)c->images.side;
    return json_pack("{s:b, s:b, s:b, s:[f, f, f], s:[f, f, f], s:i, s:f, s:s, s:{s:I, s:I}}", "do_normalize", 1, "do_rescale", 1,
                     "do_resize", 1, "image_mean", 0.5, 0.5, 0.5, "image_std", 0.5, 0.5, 0.5, "resample",
                     c->images.filter == IMAGE_BILINEAR ? 2 : 3, "rescale_factor", 1 / 255.0, "image_processor_type",
                     "SiglipImageProcessor", "size", "height", side, "width", side);
}
