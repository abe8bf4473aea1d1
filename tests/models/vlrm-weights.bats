#!/usr/bin/env bats
# bats file_tags=asan
# vlrm-weights: what it makes, shows, converts and merges.
load ../programs/common

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    vlrm-weights random --shape itm-tiny --out itm --dtype f32
}

@test "list shows name, type, shape and bytes of each tensor, in order of name" {
    exits 0 vlrm-weights list itm
    says $'itm_head.weight\tF32\t[2, 24]\t192'
    [ "$output" = "$(LC_ALL=C sort <<<"$output")" ]
    [ "${#lines[@]}" -eq 95 ]
}

@test "equal seeds give equal tensors, other seeds others, whatever the number of threads" {
    vlrm-weights random --shape itm-tiny --out same --threads 1
    vlrm-weights random --shape itm-tiny --out other --seed 2
    cmp itm/model.safetensors same/model.safetensors
    exits 7 vlrm-weights compare itm other
    says "95 tensors differ"
}

@test "a captioner and a scorer of one seed share their encoder, but not its norm" {
    vlrm-weights random --shape blip2-tiny --out blip2
    [ "$(vlrm-weights digest itm vision_model.e)" = "$(vlrm-weights digest blip2 vision_model.e)" ]
    no [ "$(vlrm-weights digest itm vision_model.)" = "$(vlrm-weights digest blip2 vision_model.)" ]
}

@test "the digest is of tensors: an index of two files has that of the one file" {
    python3 - <<'EOF'
import json, struct
data = open("itm/model.safetensors", "rb").read()
n = struct.unpack("<Q", data[:8])[0]
header, values = json.loads(data[8:8 + n]), data[8 + n:]
header.pop("__metadata__", None)
names, where = sorted(header), {}
for part, chosen in enumerate((names[::2], names[1::2])):
    out, body = {}, b""
    for name in chosen:
        a, b = header[name]["data_offsets"]
        out[name] = dict(header[name], data_offsets=[len(body), len(body) + b - a])
        body += values[a:b]
        where[name] = f"part-{part}.safetensors"
    text = json.dumps(out).encode() + b" "          # a length that aligns nothing
    text += b" " * (len(text) % 2 == 0)
    import os
    os.makedirs("sharded", exist_ok=True)
    open(f"sharded/part-{part}.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + body)
json.dump({"weight_map": where}, open("sharded/model.safetensors.index.json", "w"))
EOF
    [ "$(vlrm-weights digest sharded)" = "$(vlrm-weights digest itm)" ]
    vlrm-weights compare sharded itm
    vlrm-weights convert sharded --out joined.safetensors
    cmp <(tail -c 4000 joined.safetensors) <(tail -c 4000 itm/model.safetensors)
    vlrm-weights convert sharded --dtype f16 --out half.safetensors
    vlrm-weights compare sharded half.safetensors --tolerance 5e-4
}

@test "compare names the tensor that differs, by how much, and exits 7" {
    vlrm-weights convert itm --dtype bf16 --out half.safetensors
    exits 0 vlrm-weights compare itm half.safetensors --tolerance 4e-3
    [ -z "$output" ]
    exits 7 vlrm-weights compare itm half.safetensors --tolerance 1e-4
    says "itm_head.weight: differs by"
    vlrm-weights convert half.safetensors --dtype f32 --out back.safetensors
    exits 0 vlrm-weights compare half.safetensors back.safetensors
    [ "$(vlrm-weights list half.safetensors | cut -f2 | sort -u)" = BF16 ]
}

@test "compare reports missing tensors and other shapes" {
    vlrm-weights random --shape blip2-tiny --out blip2
    exits 7 vlrm-weights compare itm blip2
    says "itm_head.bias: only in itm"
    says "language_projection.bias: only in blip2"
}

@test "merge replaces the delta's tensors, keeps the base's type and copies the configuration" {
    vlrm-weights random --shape itm-tiny --out other --seed 2
    vlrm-weights convert itm --dtype bf16 --out base.safetensors
    mkdir base && mv base.safetensors base/model.safetensors && cp itm/*.json base
    vlrm-weights merge --base base --delta other --out merged
    cmp itm/config.json merged/config.json
    vlrm-weights compare other merged --tolerance 4e-3
    [ "$(vlrm-weights list merged | cut -f2 | sort -u)" = BF16 ]
    vlrm-weights random --shape blip2-tiny --out blip2
    exits 6 vlrm-weights merge --base itm --delta blip2 --out wrong
    says "is not in itm"
}

@test "damaged files are named, with what is wrong" {
    head -c 5000 itm/model.safetensors >cut.safetensors
    exits 5 vlrm-weights list cut.safetensors
    says "cut.safetensors"
    head -c 300000 itm/model.safetensors >cut.safetensors
    exits 5 vlrm-weights list cut.safetensors
    says "truncated"
    exits 1 vlrm-weights list nowhere
    says "nowhere: No such file"
    exits 1 vlrm-weights convert itm --out /nowhere/x.safetensors
    exits 2 vlrm-weights digest
    exits 2 vlrm-weights frobnicate itm
    exits 2 vlrm-weights convert itm
}

# one NAME HEADER VALUES...: NAME.safetensors with a single tensor of f32.
one() {
    python3 - "$@" <<'EOF'
import struct, sys
name, key, values = sys.argv[1], sys.argv[2].encode(), [float(x) for x in sys.argv[3:]]
header = b'{"%s":{"dtype":"F32","shape":[%d],"data_offsets":[0,%d]}}' % (key, len(values), 4 * len(values))
open(name + ".safetensors", "wb").write(struct.pack("<Q", len(header)) + header + struct.pack(f"<{len(values)}f", *values))
EOF
}

@test "infinities and nans are values: equal to themselves, far from everything else" {
    one a t inf -inf nan 1
    one b t inf -inf nan 2
    one c t inf inf nan 1
    one d t 5 -inf nan 1
    one e t inf -inf 3 1
    exits 0 vlrm-weights compare a.safetensors a.safetensors
    [ -z "$output" ]
    exits 7 vlrm-weights compare a.safetensors b.safetensors --tolerance 0.5
    exits 0 vlrm-weights compare a.safetensors b.safetensors --tolerance 1
    for other in c d e; do
        exits 7 vlrm-weights compare a.safetensors $other.safetensors --tolerance 100
        says "differs by inf"
        exits 7 vlrm-weights compare $other.safetensors a.safetensors --tolerance 100
    done
}

@test "a value too large for the type asked for is an error, not an infinity" {
    one large t 1 -70000
    exits 1 vlrm-weights convert large.safetensors --dtype f16 --out out.safetensors
    says "tensor t: -70000 is too large for F16"
    [ ! -e out.safetensors ]
    vlrm-weights convert large.safetensors --dtype bf16 --out out.safetensors
    one largest t 3.4028e38
    exits 1 vlrm-weights convert largest.safetensors --dtype bf16 --out out.safetensors
    says "is too large for BF16"
    one infinite t inf nan 65504
    vlrm-weights convert infinite.safetensors --dtype f16 --out out.safetensors
    vlrm-weights compare infinite.safetensors out.safetensors
}

@test "names that would garble a list or a terminal are refused, and printed without their control characters" {
    one name 'a\u001b[31m\nb' 1
    exits 5 vlrm-weights list name.safetensors
    says "control character"
    exits 1 vlrm-weights list $'no\e[31mwhere'
    says "no?[31mwhere"
}

@test "merge and export write no model that an index in the folder would hide" {
    mkdir out
    echo '{"weight_map": {}}' >out/model.safetensors.index.json
    exits 1 vlrm-weights merge --base itm --delta itm --out out
    says "out: holds model.safetensors.index.json"
}

@test "a digest of no tensor is an error" {
    exits 1 vlrm-weights digest itm visionmodel.
    says "itm: no tensor's name begins with visionmodel."
}

@test "a full disk leaves what stood there" {
    echo precious >kept.safetensors
    run bash -c 'ulimit -f 100; trap "" XFSZ; vlrm-weights convert itm --out kept.safetensors'
    [ "$status" -eq 1 ]
    says "kept.safetensors"
    [ "$(cat kept.safetensors)" = precious ]
    [ -z "$(find . -name '*writing*')" ]
}

@test "transformers' own names: what random writes is a whole checkpoint of its class" {
    vlrm-weights random --shape clip-tiny --out clip
    exits 0 vlrm-weights list clip
    says $'visual_projection.weight\tF32\t[16, 32]'
    says $'logit_scale\tF32\t[]\t4'
    [ "$(jq -r .architectures[0] clip/config.json)" = CLIPModel ]
    [ "$(jq -r .architectures[0] itm/config.json)" = Blip2ForImageTextRetrieval ]
}

@test "published .pt state dicts are read; whatever else a pickle can hold is refused by name" {
    cd "$ROOT/tests/golden/models/torch"
    vlrm-weights compare state.pt state.safetensors
    vlrm-weights compare protocol4.pt state.safetensors
    vlrm-weights compare parameters.pt module.safetensors
    vlrm-weights compare module-state.pt module.safetensors
    exits 5 vlrm-weights list command.pt
    says "names posix.system"
    [ ! -e pwned ]
    exits 5 vlrm-weights list module.pt
    says "names torch.nn.modules.linear.Linear"
    exits 5 vlrm-weights list nested.pt
    says "model is not a tensor"
    exits 5 vlrm-weights list strided.pt
    says "not contiguous"
    exits 5 vlrm-weights list expanded.pt
    says "not contiguous"
    vlrm-weights compare buffers.pt buffers.safetensors
    exits 5 vlrm-weights list before-1.6.pt
    says "save it again with torch 1.6 or later"
    exits 5 vlrm-weights convert surrogate.pt --out "$BATS_TEST_TMPDIR/out.safetensors"
    says "not valid UTF-8"
    for n in 10 500 1500 3000; do
        head -c $n state.pt >"$BATS_TEST_TMPDIR/cut.pt"
        exits 5 vlrm-weights list "$BATS_TEST_TMPDIR/cut.pt"
        says "cut.pt"
    done
}

@test "a .pt delta merges over a base" {
    mkdir base
    cp "$ROOT/tests/golden/models/torch/module.safetensors" base/model.safetensors
    echo '{}' >base/config.json
    python3 - <<'EOF'
import struct
data = bytearray(open("base/model.safetensors", "rb").read())
data[-4:] = struct.pack("<f", 9.0)
open("base/model.safetensors", "wb").write(data)
EOF
    exits 7 vlrm-weights compare base "$ROOT/tests/golden/models/torch/module.safetensors"
    vlrm-weights merge --base base --delta "$ROOT/tests/golden/models/torch/parameters.pt" --out merged
    vlrm-weights compare merged "$ROOT/tests/golden/models/torch/module.safetensors"
}

@test "a file that grows beyond a limit is not there, and the reason is said" {
    exits 1 bash -c 'ulimit -f 20; vlrm-weights random --shape itm-tiny --out made'
    says 'made/model.safetensors: File too large'
    [ ! -e made/model.safetensors ]
    [ -z "$(find made -name '*.writing-*')" ]
}

@test "a whole state dict merges as load_state_dict(strict=False) takes it, and what is skipped is said" {
    mkdir base
    vlrm-weights convert "$ROOT/tests/golden/models/torch/module.safetensors" --dtype bf16 --out base/model.safetensors
    echo '{}' >base/config.json
    exits 0 vlrm-weights merge --base base --delta "$ROOT/tests/golden/models/torch/tied.pt" --dtype f32 --out merged
    says "tied.pt: 3 of its 5 tensors are not in base and are skipped: lm_head.weight, position_ids, value_head.bias"
    vlrm-weights compare merged "$ROOT/tests/golden/models/torch/module.safetensors"
    # Nothing to take, and a tensor of another shape, are refused as ever.
    exits 6 vlrm-weights merge --base base --delta "$ROOT/tests/golden/models/torch/buffers.pt" --out other
    says "is not in base"
    exits 6 vlrm-weights merge --base "$ROOT/tests/golden/models/tiny/itm" --delta "$ROOT/share/doctor/itm" --out other
    says "has shape"
    [ ! -e other ]
}
