# shellcheck shell=bash disable=SC2034,SC2154 # settings are used by those who source this, stages_folder is stages.sh's
# The paper on the bundled miniature: the settings and steps that demo, premise and reproduce share. Source it after stages.sh.
#
# Each setting can also be given in the environment. MODELS is a folder with captioner/, itm/, judge/ (the CLIP that measures and
# takes no part in training), clip/ (VLRM-RS's), smolvlm/ (another captioner) and language/ (another reference). The models were trained on scenes of render seed 7: no seed here is 7.

if [ -z "${MODELS-}" ]; then
    MODELS=${VLRM_SHARE:-$(readlink -m "$stages_folder/..")}/tiny # as installed
    [ -d "$MODELS" ] || MODELS=$(readlink -m "$stages_folder/../share/tiny")
    MODELS=$(realpath -m --relative-base=. -- "$MODELS") # reports name it
fi

# Reinforcement. The paper's: 4096 captions a step, learning rate 1e-5, temperature 2. These are the miniature's: at temperature 2 a
# quarter of what its small captioner samples is no sentence; ITM's logit is far wider here than the reference's log-probability and
# Phi. Chosen on frames of the split validation (doc/experiments.md).
: "${MINI_SIM_WEIGHT:=3}"       # of the ITM logit in the reward
: "${MINI_REF_WEIGHT:=8}"       # of the reference's mean log-probability
: "${MINI_BAD_WEIGHT:=15}"      # of a token in a bad phrase
: "${MINI_CLIP_WEIGHT:=2}"      # of Phi beside it, in VLRM-RS's
: "${MINI_STEPS:=200}"          # optimizer steps
: "${MINI_BATCH:=128}"          # captions a step
: "${MINI_RATE:=2e-4}"          # learning rate of the policy
: "${MINI_VALUE_RATE:=1e-3}"    # and of value head and value LoRA
: "${MINI_WARMUP:=10}"          # steps
: "${MINI_BETA2:=0.98}"         # second decay of Adam: gradients treble in a run
: "${MINI_TEMPERATURE:=1.5}"    # of sampling
: "${MINI_TOP_K:=6}"
: "${MINI_TOKENS:=40}"          # longest caption
: "${MINI_EVERY:=40}"           # steps between the policies that are kept and measured
: "${MINI_OPTIONS:=}"           # further options of vlrm train, separated by blanks

# The world: clips of three to six scenes each, 96 pixels wide. Seeds are the renderer's.
: "${MINI_TRAIN_SEED:=21}" "${MINI_TRAIN_CLIPS:=1000}"
: "${MINI_TEST_SEED:=22}" "${MINI_TEST_CLIPS:=240}"    # held-out scenes, and the unlike world's
: "${MINI_HELD_OUT:=--distinct}" # further options of vlrm-world-render: of two same scenes, recall calls one wrong
: "${MINI_PREMISE_SEED:=23}" "${MINI_PREMISE_FRAMES:=500}"

# vlrm demo: a smaller world, fewer steps.
: "${MINI_DEMO_STEPS:=120}" "${MINI_DEMO_EVERY:=30}" "${MINI_DEMO_TRAIN_CLIPS:=300}" "${MINI_DEMO_TEST_CLIPS:=60}"

# vlrm reproduce: the seeds of the main rows (every other row has the first of them), and how many trainings run side by side,
# with one thread each: at these sizes that is faster than two threads in one. The main rows are compared by the mean of the last
# MINI_LATE policies kept of each seed: one swings to the next as much as seeds differ.
: "${MINI_SEEDS:=1 2 3}" "${MINI_JOBS:=2}" "${MINI_ROWS:=}" # rows: separated by blanks; all
mini_main=(VLRM VLRM-RS no-reference)

# What returns are compared with: these rows have every seed too. All see MINI_BATCH captions a step, those without a value head
# MINI_GROUP of each image; they are followed to MINI_LONGER steps, which take as many seconds. Policies
# that are kept are measured on MINI_CURVE_FRAMES of the test set. Gradients of MINI_PARTS parts of each batch say how noisy they are.
mini_compared=(VLRM rloo group greedy)
: "${MINI_GROUP:=8}" "${MINI_LONGER:=680}" "${MINI_CURVE_FRAMES:=300}" "${MINI_PARTS:=8}"
: "${MINI_CRITIC_WARMUP:=20}" "${MINI_VALUE_UPDATES:=4}" # of the rows that help the value head
mini_other=(another-captioner another-captioner-lora-llm another-reference) # the paper with other models, every seed too
mini_models=(captioner itm judge clip) # what must be there; vlrm reproduce adds what only its last rows take
mini_followed=(VLRM VLRM-RS)           # the first seed of these measured every MINI_EVERY steps too
: "${MINI_LATE:=3}"

# mini_among ROW ROWS...: whether it is one of them.
mini_among() {
    case " ${*:2} " in *" $1 "*) return 0 ;; esac
    return 1
}

# mini_row COMMAND ROW OPTIONS...: the row, if it is one of those that are wanted.
mini_row() {
    read -ra mini_wanted <<<"$MINI_ROWS"
    [ -z "$MINI_ROWS" ] || mini_among "$2" "${mini_wanted[@]}" || return 0
    "$@"
}

# mini_rows COMMAND: runs COMMAND ROW OPTIONS... for each row, with the options of vlrm train that make it; the longest before the last.
mini_rows() {
    mini_row "$1" VLRM
    mini_row "$1" VLRM-RS --no-ref --clip "$MODELS/clip" --clip-weight "$MINI_CLIP_WEIGHT"
    mini_row "$1" no-reference --no-ref
    mini_row "$1" no-bad-penalty --bad-weight 0
    mini_row "$1" rloo --baseline rloo --num-return "$MINI_GROUP"
    mini_row "$1" group --baseline group --group-scale group --num-return "$MINI_GROUP"
    mini_row "$1" greedy --baseline greedy --num-return $((MINI_GROUP - 1))
    mini_row "$1" critic-warmup --critic-warmup "$MINI_CRITIC_WARMUP"
    mini_row "$1" critic-updates --value-updates "$MINI_VALUE_UPDATES"
    mini_row "$1" critic-normalised --value-normalise
    mini_row "$1" critic-all --critic-warmup "$MINI_CRITIC_WARMUP" --value-updates "$MINI_VALUE_UPDATES" --value-normalise
    mini_row "$1" value-head-linear --value-head linear
    mini_row "$1" train-all+lora-vision --train query,qformer,projection,lora-vision
    mini_row "$1" train-all+lora-llm --train query,qformer,projection,lora-llm
    mini_row "$1" train-lora-llm --train lora-llm
    mini_row "$1" train-query+projection --train query,projection
    mini_row "$1" train-projection --train projection
    mini_row "$1" another-captioner --model "$MODELS/smolvlm"
    mini_row "$1" another-captioner-lora-llm --model "$MODELS/smolvlm" --train lora-llm
    mini_row "$1" another-reference --ref "$MODELS/language"
}

# mini_captioner ROW: the captioner that a row starts from.
mini_captioner() {
    case $1 in
    another-captioner*) echo "$MODELS/smolvlm" ;;
    *) echo "$MODELS/captioner" ;;
    esac
}

# mini_steps ROW: how many steps a row is trained.
mini_steps() {
    case $1 in
    rloo | group | greedy) echo "$MINI_LONGER" ;;
    *) echo "$MINI_STEPS" ;;
    esac
}

# mini_check TOOL...: the models are there, and so are the tools.
mini_check() {
    local name
    for name in "${mini_models[@]}"; do
        [ -e "$MODELS/$name/config.json" ] || recipe_die "no model in $MODELS/$name: MODELS=DIR names a folder with ${mini_models[*]}"
    done
    for name; do command -v "$name" >/dev/null || recipe_die "$name is not installed"; done
}

# mini_seal FOLDER: everything in it is of one choice of settings and models; refuses a folder of another. Settings and models that
# were not there when it was begun have made nothing in it: they are taken.
mini_seal() {
    local name
    {
        declare -p "${!MINI_@}" | sed -n '/MINI_SEEDS\|MINI_JOBS\|MINI_ROWS/d; s/^declare -[^ ]* //p' # what adds results and changes none is left out
        for name in "${mini_models[@]}"; do echo "$name=$(vlrm-weights digest "$MODELS/$name")"; done
    } >"$1/settings.now"
    if [ -e "$1/settings" ] && grep -qvxFf "$1/settings.now" "$1/settings"; then
        diff "$1/settings" "$1/settings.now" >&2 || recipe_die "$1 was begun with other settings or models (above): remove it, or choose another folder"
    fi
    mv -- "$1/settings.now" "$1/settings"
}

# mini_clips FOLDER SPLIT SEED CLIPS: clips in FOLDER, what they show in FOLDER.truth.
mini_clips() {
    local options=()
    [ ! -e "$1.truth" ] || return 0
    [ "$2" = train ] || read -ra options <<<"$MINI_HELD_OUT"
    vlrm-world-render "${options[@]}" --split "$2" --seed "$3" --clips "$4" --size 96 --out "$1"
    mkdir -p -- "$1.truth.making"
    mv -- "$1"/*.jsonl "$1.truth.making" # training is given a folder of videos and nothing else
    mv -T -- "$1.truth.making" "$1.truth"
}

# mini_world FOLDER SPLIT SEED CLIPS [LIMIT]: the same, and keyframes in FOLDER.vlrm.
mini_world() {
    mini_clips "${@:1:4}"
    [ ! -e "$1.vlrm" ] || return 0
    local writing
    writing=$(recipe_temporary "$1.vlrm")
    vlrm-extract --limit "${5:-0}" "$1" >"$writing"
    mv -- "$writing" "$1.vlrm"
}

# mini_head FOLDER WORLD FRAMES: a world of the first FRAMES of another.
mini_head() {
    [ ! -e "$1.vlrm" ] || return 0
    local writing
    ln -sfn "$(basename -- "$2").truth" "$1.truth"
    writing=$(recipe_temporary "$1.vlrm")
    vlrm-cat --to=stream --head "$3" "$2.vlrm" >"$writing"
    mv -- "$writing" "$1.vlrm"
}

# mini_train RUN CLIPS STEPS EVERY OPTIONS...: metrics of each step go to stdout. A finished run has nothing to do.
mini_train() {
    local run=$1 clips=$2 steps=$3 every=$4 more options
    shift 4
    read -ra more <<<"$MINI_OPTIONS"
    options=(--run "$run" --model "$MODELS/captioner" --itm "$MODELS/itm" --sim-weight "$MINI_SIM_WEIGHT"
        --ref-weight "$MINI_REF_WEIGHT" --bad-weight "$MINI_BAD_WEIGHT" --batch "$MINI_BATCH" --max-steps "$steps"
        --keep 1 --keep-every "$every" --checkpoint-every "$every"
        --learning-rate "$MINI_RATE" --value-learning-rate "$MINI_VALUE_RATE" --warmup-steps "$MINI_WARMUP" --adam-beta2 "$MINI_BETA2"
        --temperature "$MINI_TEMPERATURE" --top-k "$MINI_TOP_K" --max-new-tokens "$MINI_TOKENS" "${more[@]}" "$@" "$clips")
    printf '%q ' vlrm train "${options[@]}" | sed 's/ $//' >"$run.command"
    "$BASH" "$stages_folder/train.sh" "${options[@]}"
}

# mini_score WORLD CAPTIONS: truth scores of a stream of captions, into the file beside it that ends in .truth.json.
mini_score() {
    local to=${2%.vlrm}.truth.json
    [ ! -e "$to" ] || return 0
    local writing
    writing=$(recipe_temporary "$to")
    vlrm-world-score --truth "$1.truth" "$2" >"$writing"
    mv -- "$writing" "$to"
}

# mini_evaluate WORLD TO [POLICY]: TO.vlrm (beam captions, as the paper evaluates), TO.json (vlrm-eval), TO.truth.json. TO ends in
# ROW.SEED.
mini_evaluate() {
    mkdir -p -- "$(dirname -- "$2")"
    [ -e "$2.json" ] || "$BASH" "$stages_folder/evaluate.sh" --model "$(mini_captioner "${2##*/}")" ${3:+--policy="$3"} --frames "$1.vlrm" \
        --captions "$2.vlrm" --clip "$MODELS/judge" --itm "$MODELS/itm" --cache="$1.cache" --output="$2.json"
    mini_score "$1" "$2.vlrm"
}

# mini_truth WORLD TO KIND...: the same of captions made from the truth (options of vlrm-world-captions).
mini_truth() {
    mkdir -p -- "$(dirname -- "$2")"
    if [ ! -e "$2.vlrm" ]; then
        local writing
        writing=$(recipe_temporary "$2.vlrm")
        vlrm-world-captions --truth "$1.truth" "${@:3}" "$1.vlrm" >"$writing"
        mv -- "$writing" "$2.vlrm"
    fi
    [ -e "$2.json" ] || vlrm-eval --clip "$MODELS/judge" --itm "$MODELS/itm" --cache="$1.cache" --output="$2.json" "$2.vlrm"
    mini_score "$1" "$2.vlrm"
}

# mini_table NAME=TO...: a line for each: recall by the judge, then the truth.
mini_table() {
    local row
    printf '%-10s %7s %7s %7s %7s %7s %9s %9s %8s %6s %7s\n' '' MRR R@1 R@5 R@10 ITM details 'not true' grammar words colours
    for row; do
        jq -rn --arg name "${row%%=*}" --slurpfile r "${row#*=}.json" --slurpfile t "${row#*=}.truth.json" '
            def cell(n): if . == null then "-" else (. * 1000 | round / 1000 | tostring) end | (" " * n + .)[-n:];
            $r[0].runs[0].metrics as $m | $t[0] as $t |
            ($name + " " * 10)[:10] + ([[$m.mrr.mean, 8], [$m["r@1"].mean, 8], [$m["r@5"].mean, 8], [$m["r@10"].mean, 8],
                [$m.itm.mean, 8], [$t.detail_recall, 10], [$t.hallucination, 10], [$t.grammar, 9], [$t.words, 7],
                [$t.colour_words, 8]] | map(.[1] as $n | .[0] | cell($n)) | add)'
    done
}
