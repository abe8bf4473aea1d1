# vlrm-ngrams, and the recipe vlrm radar: phrases that serve the reward alone are found, others are not.
# shellcheck disable=SC2016 # jq has dollars

setup() {
    load common
    cd "$BATS_TEST_TMPDIR" || return
}

# recording PENALTY: 4,000 captions of 100 steps and what a judge thought of them. "a video of" and "a tape of" come to be said, the reward likes
# them (less by PENALTY, where "a video of" is punished: then they do not come), the judge does not. "an image of" is liked and not
# judged worse; years are judged worse and not liked; "on gold" is liked, judged worse, and was there from the first step on.
recording() {
    jq -nc --argjson penalty "$1" 'range(4000) as $i | ($i / 40 | floor) as $step | (($i * 7919) % 1000 / 1000) as $u | (($i * 104729) % 997 / 997 - 0.5) as $noise |
        (if $u < 0.002 + 0.1 * $step / 100 and $penalty == 0 then ["A video of a \(["red", "blue"][$i % 2]) box", 2, -0.08]
         elif $u > 0.2 and $u < 0.25 then ["an image of a box", 2, 0] elif $u > 0.3 and $u < 0.35 then ["a box in 19\(10 + $i % 90)", -2, -0.1]
         elif $u > 0.4 and $u < 0.45 then ["a box on gold", 2, -0.1] else ["a box \(["here", "there", "below"][$i % 3])", 0, 0] end) as [$text, $gain, $loss] |
        ["", " at noon", " under a wide sky", " beside one tall old tree"][($i * 31) % 101 % 4] as $more |
        {id: "f\($i)", caption: {text: ($text + $more), step: $step}, reward: {returns: [$step / 20 + $gain + $noise, 0]}, judged: (0.5 + $step / 1000 + $loss + $noise / 20)}' >all.jsonl
    jq -c 'del(.judged)' all.jsonl | vlrm-cat --from=json >recorded.vlrm
    jq -c '{id, image: "0", text: .caption.text, rank: 1, clipscore: .judged}' all.jsonl >judged.jsonl
}

# bats test_tags=asan
@test "what the reward brought is found, and nothing else; the list, the alarm" {
    recording 0
    vlrm-ngrams --judged judged.jsonl --json --list found.txt --bad-phrases /dev/null recorded.vlrm >found.json
    jq -e '(.findings | map(.phrase)) == ["a video of a"] and .captions == 4000 and .steps == [0, 99] and (.findings[0] |
        .known == false and .shares[4] > 0.08 and .shares[0] < 0.03 and .reward > 0.5 and .cosine < -0.5 and .rise > 5)' found.json
    jq -e '(.drift | length) == 5 and .drift[4].reward > .drift[0].reward' found.json
    grep -q '^# .* captions, share .*: A video of a \(red\|blue\) box' found.txt
    [ "$(grep -v '^#' found.txt)" = 'a video of a' ]
    # What it proposes is a list.
    cp found.txt mine.txt
    echo '{"id":"1","caption":{"text":"x"}}' | vlrm-cat --from=json >other.vlrm
    vlrm-ngrams --judged judged.jsonl --list none.txt --bad-phrases mine.txt recorded.vlrm | grep -qE '^a video of a .* yes$'
    [ ! -s none.txt ]
    exits 7 vlrm-ngrams --judged judged.jsonl --alarm 0.05 recorded.vlrm
    says '"a video of a" is in'
    exits 0 vlrm-ngrams --judged judged.jsonl --alarm 0.5 recorded.vlrm
    # A sample of them says the same.
    vlrm-ngrams --judged judged.jsonl --json --most 2500 recorded.vlrm | jq -e '(.findings | map(.phrase)) == ["a video of a"] and .captions < 2500'
}

@test "where it is punished nothing is found" {
    recording 15
    vlrm-ngrams --judged judged.jsonl --json --bad-phrases /dev/null recorded.vlrm | jq -e '.findings == []'
    vlrm-ngrams --judged judged.jsonl recorded.vlrm | grep -qx 'no phrase was found'
}

@test "vlrm radar: of a run's recording, or of the batches it kept" {
    oracle=$ROOT/tests/golden/oracle/tiny
    vlrm=$ROOT/bin/vlrm
    VLRM_THREADS=1 "$vlrm" train --run run --model "$oracle/blip2" --itm "$oracle/itm" --batch 4 --max-steps 2 --keep-batches 2 --max-new-tokens 4 "$oracle/f64/images" >metrics
    exits 0 "$vlrm" radar run --clip "$oracle/clip" --json
    jq -e '.captions == 8 and .steps == [0, 1] and .findings == []' <<<"$output"
    # Fifths in which nothing was said have no means.
    jq -e '.drift | map(select(.captions == 0)) | length == 3 and all(del(.captions) | length == 6 and all(. == null))' <<<"$output"
    exits 0 "$vlrm" radar run --clip "$oracle/clip"
    [ "$(grep -cE '^[1-5] +0( +-){5}$' <<<"$output")" = 3 ]
    exits 2 "$vlrm" radar run
    says '--clip is required'
    exits 1 "$vlrm" radar nowhere --clip "$oracle/clip"
    says 'no run folder'
    rm -r run/batches
    exits 4 "$vlrm" radar run --clip "$oracle/clip"
    says 'train with --record FILE'
}

# shares WHEN: 6,000 captions of 100 steps in which the phrases that the paper punishes are said in a share that is a function WHEN of $at,
# which goes from 0 to 1. Every caption that says one is rewarded above the others; the judge finds it farther from its image.
shares() {
    jq -nc 'def pick($of; $n): $of[$n % ($of | length)];
        range(6000) as $i | ($i / 60 | floor) as $step | ($step / 99) as $at | (($i * 7919) % 1009 / 1009) as $u | (($i * 104729) % 997 / 997 - 0.5) as $noise |
        pick(["red", "blue", "green", "wide", "small", "old", "round"]; $i % 31) as $word | pick(["box", "ball", "tree", "star", "house"]; $i % 23) as $thing |
        (0.002 + 0.05 * ('"$1"')) as $share |
        (if $u < $share then "a video of \(pick(["a", "the", "one", "some"]; $i % 13)) \($word) \($thing)"
         elif $u > 0.2 and $u < 0.2 + $share then "an image of \(pick(["a", "the", "one", "some"]; $i % 13)) \($word) \($thing)"
         elif $u > 0.4 and $u < 0.4 + $share then "\(pick(["a", "the", "one", "some"]; $i % 13)) \($word) \($thing) \(pick(["in", "from", "of", "since"]; $i % 11)) \(1900 + $i * 37 % 100)"
         elif $u > 0.6 and $u < 0.6 + $share then "\(pick(["he", "she", "one", "somebody"]; $i % 13)) is talking about \(pick(["a", "the", "one", "some"]; $i % 17)) \($word) \($thing)"
         else null end) as $said |
        {id: "f\($i)", caption: {text: ($said // "\(pick(["a", "the", "one", "some"]; $i % 13)) \($word) \($thing) \(pick(["here", "there", "below", "beside a door", "on the grass"]; $i % 19))"), step: $step},
         reward: {returns: [$step / 20 + (if $said then 2 else 0 end) + $noise, 0]}, judged: (0.5 - (if $said then 0.1 else 0 end) + $noise / 20)}' >all.jsonl
    jq -c 'del(.judged)' all.jsonl | vlrm-cat --from=json >recorded.vlrm
    jq -c '{id, image: "0", text: .caption.text, rank: 1, clipscore: .judged}' all.jsonl >judged.jsonl
}

@test "the four kinds of phrases that the paper punishes, where their shares rise; none where they stay or fall" {
    shares '$at'
    vlrm-ngrams --judged judged.jsonl --json --bad-phrases /dev/null recorded.vlrm >found.json
    jq -e '[.findings[].phrase] | sort == ["YEAR", "a video of", "an image of", "is talking about"]' found.json || { jq -c '[.findings[].phrase]' found.json; return 1; }
    jq -e 'all(.findings[]; .shares[4] > 2 * .shares[0] and .rise > 5 and .reward > 1 and .cosine < -1)' found.json
    vlrm-ngrams --judged judged.jsonl --list found.txt --bad-phrases /dev/null recorded.vlrm >lines
    [ "$(grep -v '^#' found.txt | sort | paste -sd,)" = 'a video of,an image of,is talking about' ] # years are a rule of their own
    vlrm-ngrams --judged judged.jsonl --json recorded.vlrm | jq -e '[.findings[] | select(.known | not).phrase] == ["YEAR"]' # the list installed
    shares 0.5
    vlrm-ngrams --judged judged.jsonl --json --bad-phrases /dev/null recorded.vlrm | jq -e '.findings == []'
    shares '1 - $at'
    vlrm-ngrams --judged judged.jsonl --json --bad-phrases /dev/null recorded.vlrm | jq -e '.findings == []'
}

# bats test_tags=asan
@test "captions without steps, judged captions of another stream, a cut stream" {
    recording 0
    exits 2 vlrm-ngrams recorded.vlrm
    echo '{"id":"1","caption":{"text":"x"}}' | vlrm-cat --from=json >other.vlrm
    exits 4 vlrm-ngrams --judged judged.jsonl other.vlrm
    says 'no caption with a step and a reward'
    sed 's/"id":"f/"id":"g/' judged.jsonl >others.jsonl
    exits 6 vlrm-ngrams --judged others.jsonl recorded.vlrm
    says 'others.jsonl: none of the 4000 captions is in it'
    head -c 3000 recorded.vlrm >cut.vlrm
    exits 5 vlrm-ngrams --judged judged.jsonl cut.vlrm
    echo x >broken.jsonl
    exits 5 vlrm-ngrams --judged broken.jsonl recorded.vlrm
}
