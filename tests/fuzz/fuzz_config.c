/*
 * Any text as the config.json of each model family, and as PEFT's folder for a model of one layer: an error, or numbers that a
 * model can be made of.
 *
 * About: lib/models/config.c lib/models/families/blip2/blip2_config.c lib/models/families/clip/clip_config.c
 * lib/models/families/siglip/siglip_config.c lib/models/families/smolvlm/smolvlm.c lib/models/families/llava/llava.c
 * lib/models/families/blip/blip_config.c lib/learn/lora.c lib/base/json_file.c
 */
#include <stdlib.h>
#include <string.h>

#include "learn/lora.h"
#include "models/captioner.h"
#include "models/families/blip/blip_config.h"
#include "models/families/blip2/blip2_config.h"
#include "models/families/clip/clip_config.h"
#include "models/families/siglip/siglip.h"
#include "tests/fuzz/given.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_vision(const VisionConfig *c)
{
    if (!c->hidden || !c->heads || c->hidden % c->heads || !c->patch || c->patch > c->image)
        abort();
}

/* Of the family that the folder says, if any, as far as it is read without tensors. */
static void read_captioner(const char *folder)
{
    Error none = {0}, err = {0};
    const CaptionerFamily *family = captioner_family(folder, &none);
    if (!family)
        return;
    Captioner c = {.family = family};
    const bool ok = family->read(&c, folder, &err);
    if (ok == (err.text[0] != 0) || (ok && (!c.images.side || c.images.longest > 16384)))
        abort();
    if (c.own)
        family->release(&c);
}

static void read_configs(const char *folder)
{
    read_captioner(folder);
    Error e[6] = {0};
    Blip2Config blip2;
    ClipConfig clip, open_clip;
    SiglipConfig siglip;
    BlipConfig blip;
    LmConfig opt;
    bool inside, ok[6] = {blip2_config_read(&blip2, folder, &e[0]),     clip_config_read(&clip, folder, &e[1]),
                          lm_config_read(&opt, &inside, folder, &e[2]), open_clip_config_read(&open_clip, folder, &e[3]),
                          siglip_config_read(&siglip, folder, &e[4]),   blip_config_read(&blip, folder, &e[5])};
    if (ok[0])
        check_vision(&blip2.vision);
    if (ok[1])
        check_vision(&clip.vision);
    if (ok[3])
        check_vision(&open_clip.vision);
    if (ok[2] && (!opt.heads || opt.heads % opt.kv_heads || !opt.head_dim || (size_t)opt.bos >= opt.vocabulary))
        abort();
    if (ok[4] && siglip.vision.image < siglip.vision.patch)
        abort();
    if (ok[5])
        check_vision(&blip.vision);
    for (int i = 0; i < 6; i++)
        if (ok[i] == (e[i].text[0] != 0))
            abort();
}

static void *host_new(size_t bytes)
{
    return xmalloc(bytes);
}

static void host_copy(void *dst, const void *src, size_t bytes)
{
    memcpy(dst, src, bytes);
}

static void read_adapter(const char *folder)
{
    const Kernels host = {.memory_new = host_new, .memory_free = free, .upload = host_copy, .download = host_copy};
    Binder b;
    Linear layer = {0};
    Error err = {0};
    binder_init(&b, &host, NULL);
    bind_linear(&b, &layer, 3, 2, true, "m.q");
    LoraSet *s = lora_new(&b, ADAPTER_POLICY);
    if (!lora_open(s, folder, &err) && !err.text[0])
        abort();
    if (lora_count(s) > 1)
        abort();
    lora_free(s);
    binder_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static GivenFolder folder = {.names = {"config.json", "generation_config.json", "adapter_config.json",
                                           "adapter_model.safetensors", "open_clip_config.json", "preprocessor_config.json"}};
    const char *path = given_folder(&folder, data, size);
    if (folder.there[0] || folder.there[4])
        read_configs(path);
    if (folder.there[2])
        read_adapter(path);
    return 0;
}
