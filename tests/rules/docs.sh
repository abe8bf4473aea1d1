#!/bin/bash
# Every command in README.md, doc/*.md, formats/*.md and the programs' examples is run.
#
# In a document: each ```sh block is run, in the order of the page, by bash -eu -o pipefail in a fresh sandbox that holds what a
# reader would have: videos/, photos/, clip.mp4, photo.jpg, and the model folders blip2/, itm/, clip/ (the miniature's). A block that cannot be run so has before it a line
#     <!-- run by tests/FOLDER/NAME.bats: TITLE -->
# and that test must exist. A ```text block right behind one that is run is what it prints on stdout, line for line; a line "..." stands
# for any lines, and "..." within one for any text, so that what differs between machines can be left out. Commands hidden in other blocks (```, ```text) are refused: a line "$ ..." or "vlrm...".
#
# In a program: each line of --help-all's Examples is a command (but "# ..."), run in the same kind of sandbox. Those that cannot be run so are listed in examples.elsewhere: "tests/FOLDER/NAME.bats: COMMAND".
. "$(dirname "$0")/common.bash"
root=$PWD
elsewhere=tests/rules/examples.elsewhere
scratch=$(mktemp -d)
trap 'rm -rf "$scratch" "$rule_failures"' EXIT
export PATH=$root/bin:$PATH

# model NAME FOLDER...: the first of these folders that there is, under the name that examples use.
model() {
    local folder
    for folder in "${@:2}"; do
        [ -d "$folder" ] || continue
        ln -s "$root/$folder" "$scratch/template/$1"
        return
    done
}

# What a reader's folder holds, made once and copied for each sandbox.
make_template() {
    mkdir -p "$scratch/template/videos" "$scratch/template/photos"
    local i
    for i in 1 2; do
        ffmpeg -v error -f lavfi -i "testsrc2=size=160x120:rate=10:duration=$((i + 1))" -pix_fmt yuv420p -c:v libx264 -g 10 \
            "$scratch/template/videos/clip$i.mp4" </dev/null || broken 'ffmpeg could not make a clip'
        ffmpeg -v error -f lavfi -i "mandelbrot=size=96x96:start_scale=$i" -frames:v 1 "$scratch/template/photos/photo$i.jpg" </dev/null ||
            broken 'ffmpeg could not make a photo'
    done
    model blip2 share/tiny/captioner tests/golden/oracle/tiny/blip2
    model itm share/tiny/itm tests/golden/oracle/tiny/itm
    model clip share/tiny/clip tests/golden/oracle/tiny/clip
    make_captions
    cp "$scratch/template/videos/clip1.mp4" "$scratch/template/clip.mp4"
    cp "$scratch/template/photos/photo1.jpg" "$scratch/template/photo.jpg"
}

# captions.jsonl, and the rewards of a few captions as recorded: what examples of later stages start from.
make_captions() {
    local folder=$scratch/template
    for i in 1 2; do
        echo "{\"id\": \"$i\", \"frame\": {\"path\": \"photos/photo$i.jpg\"}, \"caption\": {\"text\": \"a red circle on a blue field\"}}"
    done > "$folder/captions.jsonl"
    (cd "$folder" && vlrm-cat --from=json captions.jsonl | vlrm-reward --model blip2 --itm itm > rewarded.vlrm) ||
        broken 'vlrm-reward could not score the captions of the sandbox'
    (cd "$folder" && vlrm-cat --from=json captions.jsonl > captions.vlrm) || broken 'vlrm-cat could not make captions.vlrm'
}

# sandbox NAME: a fresh copy, whose path is printed.
sandbox() {
    rm -rf "${scratch:?}/$1"
    cp -r "$scratch/template" "$scratch/$1"
    echo "$scratch/$1"
}

# Splits the document $1 into $scratch/blocks/LINE.{run,elsewhere,other}: the text of each block, by the number of its first line.
split_document() {
    rm -rf "$scratch/blocks"
    mkdir "$scratch/blocks"
    awk -v folder="$scratch/blocks" '
        /^```/ && inside {inside = 0; mark = ""; ran = file ~ /run$/; close(file); next}
        /^```/ {
            inside = 1
            kind = $0 == "```text" && ran ? "said" : $0 != "```sh" ? "other" : mark != "" ? "elsewhere" : "run"
            file = sprintf("%s/%06d.%s", folder, NR + 1, kind)
            ran = 0
            printf "" > file
            if ($0 == "```sh" && mark != "") print mark > file
            next
        }
        inside {print > file; next}
        /^<!-- run by / {mark = $0; sub(/^<!-- run by /, "", mark); sub(/ *-->$/, "", mark); next}
        NF {mark = ""; ran = 0}' "$1"
}

# same_lines EXPECTED FOUND: line for line; "..." in EXPECTED stands for any lines, within a line for any text.
same_lines() {
    awk '
        function fits(want, found,    parts, n, k, at) {
            n = split(want, parts, "[.][.][.]")
            if (n < 2) return found == want
            if (substr(found, 1, length(parts[1])) != parts[1]) return 0
            found = substr(found, length(parts[1]) + 1)
            for (k = 2; k < n; k++) {
                if (!(at = index(found, parts[k]))) return 0
                found = substr(found, at + length(parts[k]))
            }
            return length(found) >= length(parts[n]) && substr(found, length(found) - length(parts[n]) + 1) == parts[n]
        }
        NR == FNR {want[++n] = $0; next} {found[++m] = $0}
        END {
            for (i = 1; i <= n; i++) {
                if (want[i] == "...") {any = 1; continue}
                for (j++; any && j <= m && !fits(want[i], found[j]); j++) {}
                if (j > m || !fits(want[i], found[j])) {print "expected: " want[i]; print "found: " (j > m ? "the end" : found[j]); exit 1}
                any = 0
            }
            if (j < m && !any) {print "more than expected: " found[j + 1]; exit 1}
        }' "$1" "$2"
}

check_document() {
    local document=$1 block line folder test title differs
    split_document "$document"
    folder=$(sandbox document)
    for block in "$scratch"/blocks/*; do
        [ -e "$block" ] || continue
        line=$((10#$(basename "${block%.*}")))
        case $block in
        *.run)
            (cd "$folder" && timeout 300 bash -eu -o pipefail "$block") >"$scratch/printed" 2>"$scratch/said" </dev/null ||
                broken "$document:$line: this block ends with status $?: $(tail -n 5 "$scratch/said" "$scratch/printed")"
            ;;
        *.said)
            differs=$(same_lines "$block" "$scratch/printed") || broken "$document:$line: the block before prints something else: $differs"
            ;;
        *.elsewhere)
            IFS= read -r test <"$block"
            title=${test#*: } test=${test%%: *}
            grep -qsF "$title" "$test" || broken "$document:$line: names a test that is not there: $test: $title"
            ;;
        *.other)
            ! grep -nE '^(\$ |vlrm|make )' "$block" || broken "$document:$line: a command in a block that is not run: say \`\`\`sh"
            ;;
        esac
    done
}

check_examples() {
    local name=$1 command folder
    folder=$(sandbox examples)
    while IFS= read -r command; do
        case $command in '#'* | '') continue ;; esac
        if grep -qF ": $command" $elsewhere; then continue; fi
        (cd "$folder" && timeout 300 bash -eu -o pipefail -c "$command") >"$scratch/said" 2>&1 </dev/null ||
            broken "$name --help-all: this example ends with status $?: $command: $(tail -n 5 "$scratch/said")"
    done < <("bin/$name" --help-all </dev/null | sed '1,/^Examples:$/d; s/^  //')
}

# Each line of examples.elsewhere is an example still, and its test names the program.
check_elsewhere() {
    local test command
    sort -cu $elsewhere || broken "$elsewhere is not sorted"
    while IFS= read -r line; do
        test=${line%%: *} command=${line#*: }
        [ -e "$test" ] || broken "$elsewhere names $test, which is not there"
        while read -r program; do
            grep -qs -- "$program" "$test" || broken "$elsewhere: $test does not run $program: $command"
        done < <(grep -oE '\bvlrm-[a-z]+' <<<"$command" | sort -u)
        for program in bin/vlrm-*; do "$program" --help-all </dev/null; done 2>/dev/null | grep -qF -- "  $command" ||
            broken "$elsewhere names what is no example any more: $command"
    done <$elsewhere
}

make_template
for document in README.md doc/*.md formats/*.md; do
    if [ -e "$document" ]; then check_document "$document"; fi
done
for program in bin/vlrm-*; do
    if [ -x "$program" ]; then check_examples "$(basename "$program")"; fi
done
check_elsewhere
rule_end
