# Models by name: ORG/NAME is found in the local cache of Hugging Face's Hub, in every program and recipe that takes a model.
# bats file_tags=asan

setup() {
    load ../programs/common
    cd "$BATS_TEST_TMPDIR" || return
    unset HF_HUB_CACHE HUGGINGFACE_HUB_CACHE HF_HOME XDG_CACHE_HOME VLRM_MODEL
    export HOME=$PWD/home
    cache=$HOME/.cache/huggingface/hub
    commit=0123456789abcdef0123456789abcdef01234567
    place org/blip2 captioner
}

# place NAME MODEL [COMMIT]: a bundled model as `hf download` leaves it: files as links into blobs, refs/main.
place() {
    local repository=$cache/models--${1//\//--} file commit=${3:-$commit} n=0
    mkdir -p "$repository/blobs" "$repository/refs" "$repository/snapshots/$commit"
    for file in "$ROOT/share/tiny/$2"/*; do
        n=$((n + 1))
        cp "$file" "$repository/blobs/$2-$n"
        ln -s "../../blobs/$2-$n" "$repository/snapshots/$commit/${file##*/}"
    done
    printf %s "$commit" > "$repository/refs/main"
}

digest() {
    vlrm-weights digest "$1" | sed 's/ .*//'
}

tiny() {
    digest "$ROOT/share/tiny/captioner"
}

@test "a repository's snapshot in the cache, by its name, its branch and its commit" {
    [ "$(digest org/blip2)" = "$(tiny)" ]
    [ "$(digest org/blip2@main)" = "$(tiny)" ]
    [ "$(digest "org/blip2@$commit")" = "$(tiny)" ]
    mkdir -p "$cache/models--org--blip2/refs/refs/pr"
    mv "$cache/models--org--blip2/refs/main" "$cache/models--org--blip2/refs/refs/pr/1"
    [ "$(digest org/blip2@refs/pr/1)" = "$(tiny)" ]
    exits 1 vlrm-weights digest org/blip2
    says "has no snapshot of its revision main; nothing is fetched from here, type: hf download org/blip2"
}

@test "where the cache is: HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, home" {
    mv "$cache" moved
    exits 1 vlrm-weights digest org/blip2
    says "org/blip2: no such folder here, and no such repository in the cache ($cache/models--org--blip2); nothing is fetched from here, type: hf download org/blip2"
    [ "$(HF_HUB_CACHE=moved digest org/blip2)" = "$(tiny)" ]
    mkdir -p there/huggingface home/hf
    ln -s "$PWD/moved" there/hub
    ln -s "$PWD/moved" there/huggingface/hub
    ln -s "$PWD/moved" home/hf/hub
    [ "$(HF_HOME=there digest org/blip2)" = "$(tiny)" ]
    [ "$(HF_HUB_CACHE='' HF_HOME=\~/hf digest org/blip2)" = "$(tiny)" ]
    [ "$(XDG_CACHE_HOME=$PWD/there digest org/blip2)" = "$(tiny)" ]
    exits 1 vlrm-weights digest org/other@v1.0
    says "type: hf download org/other --revision v1.0"
}

@test "a folder of that name here wins; what is no repository's name is a path" {
    mkdir -p org/blip2
    cp "$ROOT/share/tiny/clip"/* org/blip2
    [ "$(digest org/blip2)" = "$(digest "$ROOT/share/tiny/clip")" ]
    [ "$(digest org/blip2@main)" = "$(tiny)" ]
    for name in blip2 ./org/blip3 org/../blip3 org/a/b .org/blip3 "org/blip3@../x" "org/blip3@"; do
        exits 1 vlrm-weights digest "$name"
        says "$name: No such file or directory"
    done
}

@test "every program takes it: rollout, reward, eval, explain, tokenize, update, by option and by environment" {
    place org/itm itm
    place org/clip clip
    vlrm-world-render --clips 1 --out clips
    vlrm-extract --limit 2 clips/*.mp4 > frames.vlrm
    vlrm-rollout --model org/blip2 --greedy --max-new-tokens 6 frames.vlrm > captions.vlrm
    VLRM_CLIP=org/clip vlrm-reward --model org/blip2 --itm org/itm --ref org/blip2@main captions.vlrm > rewarded.vlrm
    vlrm-reward --model "$ROOT/share/tiny/captioner" --itm "$ROOT/share/tiny/itm" --clip "$ROOT/share/tiny/clip" captions.vlrm > other.vlrm
    vlrm-cmp other.vlrm rewarded.vlrm
    vlrm-cat rewarded.vlrm | head -1 | jq -e --arg at "$cache/models--org--itm/snapshots/$commit" '.params.itm == $at'
    vlrm-eval --clip org/clip --itm org/itm captions.vlrm > report.json
    vlrm-explain --model org/blip2 rewarded.vlrm > table
    [ "$(vlrm-tokenize org/blip2 <<<'"a red circle"')" = "$(vlrm-tokenize "$ROOT/share/tiny/captioner" <<<'"a red circle"')" ]
    vlrm-update --off-policy --model org/blip2 --run run --batch 2 --max-steps 1 rewarded.vlrm > metrics
    vlrm-weights export --base org/blip2 --policy run/policy/latest --out whole
}

@test "recipes take it" {
    vlrm-world-render --clips 1 --out clips
    "$ROOT/bin/vlrm" caption --max 2 --model org/blip2 --greedy --max-new-tokens 6 clips/*.mp4 > captions.jsonl
    [ "$(wc -l < captions.jsonl)" -ge 2 ]
    exits 1 "$ROOT/bin/vlrm" caption --model org/none clips/*.mp4
    says "type: hf download org/none"
}

@test "a ref that is no commit, a link to nothing or out of the repository are refused by name" {
    repository=$cache/models--org--blip2 snapshot=$cache/models--org--blip2/snapshots/$commit
    printf '../../../../etc' > "$repository/refs/main"
    exits 5 vlrm-weights digest org/blip2
    says "$repository/refs/main: found \"../../../../etc\", expected a commit of 40 hexadecimal digits"
    printf '%s\n' "$commit" > "$repository/refs/main"
    [ "$(digest org/blip2)" = "$(tiny)" ]
    ln -sf ../../blobs/none "$snapshot/vocab.json"
    exits 5 vlrm-weights digest org/blip2
    says "$snapshot/vocab.json: a link to nothing; was its download cut short?"
    ln -sf /etc/passwd "$snapshot/vocab.json"
    exits 5 vlrm-weights digest org/blip2
    says "$snapshot/vocab.json: a link to /etc/passwd, which is not of this repository"
    rm "$snapshot/vocab.json"
    mv "$snapshot" elsewhere
    ln -s "$PWD/elsewhere" "$snapshot"
    exits 5 vlrm-weights digest org/blip2
    says "snapshots/$commit: a link to $PWD/elsewhere, which is not of this repository"
    printf '%5000s' x > "$repository/refs/main"
    exits 1 vlrm-weights digest org/blip2
}
