# A stranger's first day: the commands of README's "Real models", with small random checkpoints where `hf download` would have left the
# published ones. The commands are read out of README.md.

setup() {
    load ../programs/common
    cd "$BATS_TEST_TMPDIR" || return
    unset HF_HUB_CACHE HUGGINGFACE_HUB_CACHE HF_HOME XDG_CACHE_HOME VLRM_CONFIG VLRM_MODEL VLRM_ITM
    export HOME=$PWD/home VLRM_THREADS=1 VLRM_GRACE_SECONDS=1
    mkdir -p programs photos videos
    cp "$ROOT/tests/golden/oracle/tiny/f64/images"/000[0-7].png photos
    cp "$ROOT/tests/golden/oracle/tiny/f64/images"/001[0-3].png videos
    cat > programs/hf << 'EOF'
#!/bin/bash
# As the Hub's client: puts a repository's files into its cache, or one file into a folder.
set -eu
golden=$ROOT/tests/golden commit=0123456789abcdef0123456789abcdef01234567
[ "$1" = download ]
case "$2 ${3-}" in
*" vlrm-blip2-opt-2.7b.pt") mkdir -p "$5"; cp "$golden/models/torch/vlrm-delta.pt" "$5/$3"; exit ;;
Salesforce/blip2-opt-2.7b*) files=$golden/oracle/tiny/blip2 ;;
Salesforce/blip2-itm-vit-g*) files=$golden/oracle/tiny/itm ;;
*) echo "no repository $2" >&2; exit 1 ;;
esac
repository=$HOME/.cache/huggingface/hub/models--${2/\//--}
mkdir -p "$repository/blobs" "$repository/refs" "$repository/snapshots/$commit"
printf %s "$commit" > "$repository/refs/main"
for file in "$files"/*; do
    blob=$(sha256sum "$file" | cut -c 1-64)
    cp "$file" "$repository/blobs/$blob"
    ln -sf "../../blobs/$blob" "$repository/snapshots/$commit/${file##*/}"
done
EOF
    chmod +x programs/hf
    PATH=$PWD/programs:$PATH:$ROOT/bin
}

# readme TEXT: the block of commands after the line of README.md that names the test TEXT.
readme() {
    awk -v mark="first-day.bats: $1 -->" 'index($0, mark) {found = 1; next} found && /^```/ {if (inside) exit; inside = 1; next} inside' "$ROOT/README.md"
}

@test "the first day: three commands of the README, with models in the Hub's cache" {
    readme "$BATS_TEST_DESCRIPTION" > commands
    [ "$(wc -l < commands)" = 3 ]
    # Before anything is fetched the second command says what to type.
    sed -n 2p commands > second
    exits 1 bash second
    says "type: hf download Salesforce/blip2-opt-2.7b"
    bash -eu -o pipefail commands > said
    [ "$(readlink run/policy/latest)" = step-000002 ]
    jq -es 'length == 2' run/metrics.jsonl
    [ "$(grep -c '"caption"' said)" = 8 ]
    # The run knows which commit it was made with.
    jq -e '.model | endswith("models--Salesforce--blip2-opt-2.7b/snapshots/0123456789abcdef0123456789abcdef01234567")' run/config.json
}

@test "the first day: the released deltas over the base" {
    hf download Salesforce/blip2-opt-2.7b
    readme "$BATS_TEST_DESCRIPTION" > commands
    [ "$(wc -l < commands)" = 3 ]
    bash -eu -o pipefail commands > said
    [ "$(wc -l < said)" = 8 ]
    # What was trained is the delta's, the rest the base's.
    vlrm-weights list vlrm > list
    [ "$(wc -l < list)" = "$(vlrm-weights list Salesforce/blip2-opt-2.7b | wc -l)" ]
    [ "$(vlrm-weights digest vlrm vision_model. language_model. | sed 's/ .*//')" = "$(vlrm-weights digest Salesforce/blip2-opt-2.7b vision_model. language_model. | sed 's/ .*//')" ]
    [ "$(vlrm-weights digest vlrm qformer. | sed 's/ .*//')" != "$(vlrm-weights digest Salesforce/blip2-opt-2.7b qformer. | sed 's/ .*//')" ]
}

@test "a folder of pytorch_model shards with their index is the same model as its safetensors" {
    shards=$ROOT/tests/golden/models/torch/sharded base=$ROOT/tests/golden/oracle/tiny/blip2
    [ "$(vlrm-weights digest "$shards" | sed 's/ .*//')" = "$(vlrm-weights digest "$base" | sed 's/ .*//')" ]
    mkdir model
    cp "$shards"/* model
    for file in "$base"/*; do [ "${file##*/}" = model.safetensors ] || cp "$file" model; done
    vlrm-extract photos > frames.vlrm
    vlrm-rollout --model model --greedy frames.vlrm > ours.vlrm
    vlrm-rollout --model "$base" --greedy frames.vlrm > theirs.vlrm
    vlrm-cmp ours.vlrm theirs.vlrm
    # An index that leads elsewhere, a shard that is not there, a pickle that calls: refused.
    sed -i 's|"pytorch_model-00001-of-00002.bin"|"../pytorch_model-00001-of-00002.bin"|' model/pytorch_model.bin.index.json
    exits 1 vlrm-weights list model
    says "is not a .safetensors or .bin file of this folder"
    cp "$shards"/*.json model
    rm model/pytorch_model-00002-of-00002.bin
    exits 5 vlrm-weights list model
    says "pytorch_model-00002-of-00002.bin: No such file"
    cp "$ROOT/tests/golden/models/torch/command.pt" model/pytorch_model-00002-of-00002.bin
    exits 5 vlrm-weights list model
    says "posix.system"
}
