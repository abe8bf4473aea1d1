"""JoyCaption for make_captioner.py, from the parts of ../shared/oracle/families.py: LLaVA with SigLIP's encoder, all of an inner layer's rows, Llama 3.1 and
its chat. Weights are what f16 holds; make_captioner.py stores them so."""
import torch
import families as f
import families_tokenizers as tokenizers_of
from transformers import LlavaForConditionalGeneration

# As in the published tokenizer, which has these names at other ids.
tokenizers_of.LLAMA3_LAST = (["<|begin_of_text|>", "<|end_of_text|>", "<|finetune_right_pad_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>"] +
                             [f"<|reserved_special_token_{i}|>" for i in (69, 70, 71)])
IMAGE = "<|reserved_special_token_69|>"
# What the published template gives of the system's turn that the model was trained with and one user's.
CHAT = ("{{- \"<|start_header_id|>system<|end_header_id|>\\n\\nCutting Knowledge Date: December 2023\\nToday Date: 26 July 2024\\n\\nYou are a helpful image captioner.<|eot_id|>\" }}"
        "{%- for message in messages %}{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}"
        "{%- for part in message['content'] %}{%- if part['type'] == 'image' %}{{- '<|reserved_special_token_70|>" + IMAGE + "<|reserved_special_token_71|>' }}"
        "{%- else %}{{- part['text'] }}{%- endif %}{%- endfor %}{{- '<|eot_id|>' }}{%- endfor %}"
        "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}")


class Prompt(str):
    """families.py puts an image's rows where "<image>" stands."""
    def replace(self, old, new):
        return str.replace(self, IMAGE if old == "<image>" else old, new)


@torch.enable_grad()
def joycaption(a, folder, ref, odd):
    literal, marked = tokenizers_of.byte_level(folder, a.seed, False)
    names = {t: literal.token_to_id(t) for t in tokenizers_of.LLAMA3_LAST}
    image, eos, n, (size, patch) = names[IMAGE], names["<|eot_id|>"], literal.get_vocab_size(), (26, 8)
    text = dict(model_type="llama", architectures=["LlamaForCausalLM"], max_position_embeddings=16384, rms_norm_eps=1e-5, vocab_size=n, bos_token_id=names["<|begin_of_text|>"],
                eos_token_id=[names["<|end_of_text|>"], names["<|eom_id|>"], eos], rope_theta=500000.0, num_key_value_heads=1, head_dim=8,
                rope_scaling=dict(factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=512, rope_type="llama3")) | f.widths(16, 2, 24, 2)
    vision = dict(model_type="siglip_vision_model", image_size=size, patch_size=patch, vision_use_head=False) | f.widths(16, 2, 24, 3)
    f.dump(folder / "generation_config.json", {"_from_model_config": True, "bos_token_id": names["<|begin_of_text|>"], "eos_token_id": text["eos_token_id"]})
    config = dict(model_type="llava", torch_dtype="float16", image_seq_length=(size // patch) ** 2, image_token_index=image, projector_hidden_act="gelu", tie_word_embeddings=False, vision_feature_layer=-2,
                  vision_feature_select_strategy="full", text_config=text, vision_config=vision)
    draw = f.draw
    def halves(*args):
        model = draw(*args)
        with torch.no_grad():
            for p in model.parameters():
                p.copy_(p.half().float())
        return model
    f.draw = halves
    model = f.publish(folder, LlavaForConditionalGeneration, config, a, eos, mute=[i for i in names.values() if i != eos])
    f.draw = draw
    p = f.preprocessor(folder, "Siglip", size, resample=2, processor_class="LlavaProcessor")
    f.dump(folder / "processor_config.json", {"image_token": IMAGE, "num_additional_image_tokens": 0, "patch_size": patch, "processor_class": "LlavaProcessor",
                                              "vision_feature_select_strategy": "full"})
    f.dump(folder / "chat_template.json", {"chat_template": CHAT})
    inner, turn = model.model, lambda who: f"<|start_header_id|>{who}<|end_header_id|>\n\n"
    prompt = Prompt(f"{turn('system')}Cutting Knowledge Date: December 2023\nToday Date: 26 July 2024\n\nYou are a helpful image captioner.<|eot_id|>{turn('user')}"
                    f"<|reserved_special_token_70|>{IMAGE}<|reserved_special_token_71|>{a.prompt}<|eot_id|>{turn('assistant')}")
    def see(pixels):                                                                              # what enters the last layer, all of it, without post_layernorm
        return inner.vision_tower(pixel_values=pixels, output_hidden_states=True).hidden_states[-2]
    f.captioner(a, folder, ref, model, p, prompt, IMAGE * (size // patch) ** 2, literal, marked, image, eos, see, inner.language_model,
                inner.multi_modal_projector, CHAT)
