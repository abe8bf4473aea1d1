# The report of vlrm reproduce, Markdown, from its results.json ($results). Every figure is from the results; what they mean is for the reader.

def mean: if length > 0 then add / length else null end;
def deviation: mean as $m | if length > 1 then (map((. - $m) * (. - $m)) | add / (length - 1) | sqrt) else null end;
def figure(digits): if . == null then "-" else pow(10; digits) as $p | (. * $p | round) / $p | tostring |
    if digits > 0 then (if contains(".") then . else . + "." end) + "0" * digits | capture("^(?<a>-?[0-9]+\\.[0-9]{\(digits)})").a else . end end;
def cell: map(select(. != null)) | if length > 1 then "\(mean | figure(3)) ± \(deviation | figure(3))" else mean | figure(3) end;
def table(head): "| " + (head | join(" | ")) + " |", "|" + (head | map("---|") | add), (.[] | "| " + (map(tostring) | join(" | ")) + " |");

# Ranks from 1, equal values sharing the mean of theirs; the correlation of two lists of equal length.
def ranks: . as $v | map(. as $x | ([$v[] | select(. < $x)] | length) + ([$v[] | select(. == $x)] | length + 1) / 2);
def correlation($a; $b): ($a | mean) as $ma | ($b | mean) as $mb |
    ([range($a | length) | ($a[.] - $ma) * ($b[.] - $mb)] | add) as $ab |
    (($a | map((. - $ma) * (. - $ma)) | add) * ($b | map((. - $mb) * (. - $mb)) | add) | sqrt) as $norm |
    if $norm > 0 then $ab / $norm else null end;
def spearman(f; g): correlation(map(f) | ranks; map(g) | ranks);

# Rows in the order of the settings, after the truth and the captioners as they were; all of a row together.
def in_order: (["REF", "REF-short", "base", "another-captioner-base"] + $results[0].order) as $order | group_by(.row) | sort_by(.[0].row as $row | $order | index([$row]) // 99);
def rows($set): [$results[0].rows[] | select(.set == $set)] | in_order;
def row_of($set; $row): [.rows[] | select(.set == $set and .row == $row)];
def mean_of($set; $row; f): row_of($set; $row) | map(f | select(. != null)) | mean;

def recall_table($set): [rows($set)[] | [.[0].row, (map(.mean.mrr) | cell), (map(.mean["r@1"]) | cell), (map(.mean["r@5"]) | cell),
    (map(.mean["r@10"]) | cell), (map(.truth.detail_recall) | cell), (map(.truth.hallucination) | cell), (map(.truth.grammar) | cell),
    (map(.mean.bad) | cell), length]] | table(["captions", "MRR", "R@1", "R@5", "R@10", "details said", "not true", "grammar", "bad phrases", "seeds"]);
def words_table($set): [rows($set)[] | select(.[0].row as $row | ["REF", "REF-short", "base", "VLRM", "VLRM-RS"] | index([$row])) | [.[0].row, (map(.mean.words) | cell), (map(.mean.colours) | cell),
    (map(.mean | .cosine // .clipscore) | cell), (map(.mean.itm) | cell), (map(.truth.colour_coverage) | cell)]] |
    table(["captions", "words", "colour words", "CLIP cosine", "ITM logit", "colours of the scene named"]);
def step_table: [.steps[] | select(.run != "base") | .row = .run] | in_order[] | sort_by(.step) | "", "**\(.[0].run)**", "",
    (map([.step, (.mean.mrr | figure(3)), (.mean["r@1"] | figure(3)), (.mean.itm | figure(2)), (.truth.detail_recall | figure(3)),
        (.truth.hallucination | figure(3)), (.truth.grammar | figure(3)), (.truth.words | figure(1)), (.mean.bad | figure(3))]) |
    table(["step", "MRR", "R@1", "ITM logit", "details said", "not true", "grammar", "words", "bad phrases"]));
def training_table: [.trainings | in_order[][] | [.row, .seed, (.begin.reward | figure(2)), (.end.reward | figure(2)), (.end.sim | figure(2)), (.end.ref | figure(2)),
    (.end.length | figure(1)), (.end.entropy | figure(2)), (.end.bad_rate | figure(3)), (.end.value_loss | figure(2)), (.end.explained_variance | figure(2)),
    (if .alarms == [] then "none" else .alarms | map("\(.metric) from step \(.first), \(.steps) steps") | join("; ") end), (.seconds | figure(0))]] | table(["row", "seed", "reward, first 10 steps", "last 10", "sim", "ref", "tokens", "entropy", "bad rate", "value loss",
    "variance explained", "alarms", "seconds"]);

# A row seed by seed, each seed by the mean of its last policies kept; and two of them, by Student's t of the differences: {by: how much more
# $a is in the mean, margin: what chance exceeds upwards one time in twenty when there is no difference}; null unless there are two seeds of both.
def t95: [6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833] as $quantiles | $quantiles[[., 9] | min - 1];
def late_of($row): [.rows[] | select(.row == $row and (.set | startswith("test"))) | .step = (.set[5:] | if . == "" then 1e9 else tonumber end)] | group_by(.seed);
def late($row; f): late_of($row) | map({key: "\(.[0].seed)", value: (map(f) | mean)}) | from_entries;
def excess($a; $b; f): late($a; f) as $mine | late($b; f) as $other | [$mine | keys[] | select($other[.]) | $mine[.] - $other[.]] |
    if length > 1 then {by: mean, margin: (deviation / (length | sqrt) * (length - 1 | t95))} else null end;
def excess_figure: if . == null then "-" else "\(.by | figure(3)) ± \(.margin | figure(3))" end;

def late_table: [["VLRM", "VLRM-RS", "no-reference"][] as $row | late_of($row)[] | sort_by(.step) |
    [$row, .[0].seed, (map(.truth.grammar | figure(3)) | join(", ")), (map(.mean["r@1"] | figure(3)) | join(", "))]] |
    table(["captions", "seed", "grammar, last policies", "R@1"]);

# ---- other baselines ----

# What returns are compared with: the rows that have every seed for it, and those that help the value head.
def compared: ["VLRM", "rloo", "group", "greedy"];
def helped: ["VLRM", "critic-warmup", "critic-updates", "critic-normalised", "critic-all"];
def training($row): [.trainings[] | select(.row == $row)];
def seconds_at($row; $step): training($row) | map(.clock[] | select(.step == $step).seconds);
def quality: [(map(.mean["r@1"]) | cell), (map(.truth.detail_recall) | cell), (map(.truth.hallucination) | cell), (map(.truth.grammar) | cell)];
def noise($row): training($row) | [(map(.all.grad_agreement) | cell), (map(.all.explained_variance) | cell)];

def captions_table($steps): [compared[] as $row | row_of("test"; $row) | select(length > 0) | . as $rows | [$row] + quality + [($results[0] | seconds_at($row; $steps) | map(select(. != null)) | mean | figure(0))] +
    ($results[0] | noise($row)) + [($results[0] | training($row) | map(.all.memory) | mean | figure(0)), ($rows | length)]] |
    table(["baseline", "R@1", "details said", "not true", "grammar", "seconds", "gradients agree", "variance explained", "update's memory, MiB", "seeds"]);
def seconds_table: [compared[] as $row | row_of("seconds"; $row) | select(length > 0) | (map(.taken) | max) as $last |
    [$row, (map(.taken) | sort | map(tostring) | join(", ")), ($results[0] | seconds_at($row; $last) | map(select(. != null)) | mean | figure(0))] + quality + [length]] |
    table(["baseline", "steps, by seed", "at second", "R@1", "details said", "not true", "grammar", "seeds"]);
def curve_of($row): [.rows[] | select(.row == $row and (.set | startswith("curve-"))) | .step = (.set[6:] | tonumber)] | group_by(.step);
def curve_table($row): [curve_of($row)[] | .[0].step as $step | [$step, ($results[0] | seconds_at($row; $step) | mean | figure(0))] + quality] | table(["step", "second", "R@1", "details said", "not true", "grammar"]);
# The compared rows where the quickest of them had taken as many steps as VLRM takes: each by its last policy on the curve that was there by
# then, or a twentieth later.
def second_of($row; $step): $results[0] | seconds_at($row; $step) | mean;
def soonest: (curve_of("VLRM") | map(.[0].step) | max) as $steps | [compared[] as $row | second_of($row; $steps) | select(. != null)] | min;
def soon: soonest as $second | compared[] as $row | [curve_of($row)[] | select(second_of($row; .[0].step) <= $second * 1.05)] | select(length > 0) | max_by(.[0].step);
def soon_table: [soon | [.[0].row, .[0].step, (second_of(.[0].row; .[0].step) | figure(0))] + quality] |
    table(["baseline", "step", "at second", "R@1", "details said", "not true", "grammar"]);
def helped_table: [helped[] as $row | (.trainings[] | select(.row == $row and .seed == ($results[0].trainings | map(.seed) | min))) as $t |
    [.rows[] | select(.set == "test" and .row == $row and .seed == $t.seed)] as $rows |
    [$row, ($t.begin.value_loss | figure(1)), ($t.end.value_loss | figure(1)), ($t.all.explained_variance | figure(3)), ($t.end.explained_variance | figure(3)), ($t.all.grad_agreement | figure(3))] +
    ($rows | quality) + [($t.seconds | figure(0))]] |
    table(["row", "value loss, first 10 steps", "last 10", "variance explained", "last 10", "gradients agree", "R@1", "details said", "not true", "grammar", "seconds"]);
# The best of the compared rows by details that are said and true: what a newcomer would take.
def best_of(sets): [sets | {row: .[0].row, value: (map(.truth.detail_recall - .truth.hallucination) | mean)}] | max_by(.value);
def best_figure: if . then "**\(.row)** (\(.value | figure(3)))" else "-" end;

# The paper with other models: the same training of another captioner, and with another reference.
def others_table: [["base", "base"], ["VLRM", "VLRM"], ["another-captioner-base", "another captioner (SmolVLM-shaped), base"],
    ["another-captioner", "another captioner, VLRM: its connector"],
    ["another-captioner-lora-llm", "another captioner, VLRM: adapters of its language model"], ["another-reference", "VLRM, ref by another LM"]] as $names |
    [$names[] as [$row, $name] | ($results[0] | row_of("test"; $row)) | select(length > 0) | [$name] + quality +
    [(map(.mean.bad) | cell), (map(.mean.words) | cell), length]] |
    table(["captions", "R@1", "details said", "not true", "grammar", "bad phrases", "words", "seeds"]);

# What the paper says, as numbers of this world: [claim, wanted, found, whether it holds].
def claims:
    mean_of("test"; "base"; .mean["r@1"]) as $base | mean_of("test"; "VLRM"; .mean["r@1"]) as $vlrm |
    def claim($what; $wanted; $found; ok): [$what, $wanted, $found, (if $found != "-" and ok then "yes" else "**no**" end)];
    [claim("VLRM raises R@1 over base"; "by 0.35"; $vlrm - $base | figure(3); $vlrm - $base >= 0.35),
     claim("VLRM reaches R@1"; "0.85"; $vlrm | figure(3); $vlrm >= 0.85),
     (([late("VLRM"; .mean["r@1"])[]] | mean) as $v | ([late("VLRM-RS"; .mean["r@1"])[]] | mean) as $rs |
        claim("VLRM-RS is at least VLRM in R@1, both by their last policies kept"; "\($v | figure(3))"; $rs | figure(3); $rs > 0 and $rs >= $v)),
     (mean_of("test"; "base"; .truth.detail_recall) as $b | mean_of("test"; "VLRM"; .truth.detail_recall) as $v |
        claim("VLRM says twice the details of base"; "\(2 * $b | figure(3))"; $v | figure(3); $v > 0 and $v >= 2 * $b)),
     (mean_of("test"; "VLRM"; .truth.hallucination) as $v | claim("VLRM says little that is not true"; "at most 0.150"; $v | figure(3); $v <= 0.15)),
     (mean_of("test"; "VLRM"; .truth.grammar) as $v | claim("VLRM speaks the world's language"; "0.900"; $v | figure(3); $v >= 0.9)),
     (excess("VLRM"; "no-reference"; .truth.grammar) as $fall |
        claim("without the reference term grammar falls"; "a fall beyond chance"; $fall | excess_figure; $fall.by > $fall.margin)),
     (excess("VLRM"; "no-reference"; .mean["r@1"]) as $fall |
        claim("without the reference term recall does not fall"; "no fall beyond chance"; $fall | excess_figure; $fall.by <= $fall.margin)),
     (mean_of("test"; "VLRM"; .mean.bad) as $v | claim("VLRM says no bad phrases"; "below 0.010"; $v | figure(3); $v < 0.01)),
     (mean_of("test"; "base"; .mean.bad) as $b | mean_of("test"; "no-bad-penalty"; .mean.bad) as $n |
        claim("without the penalty bad phrases rise above base"; "above \($b | figure(3))"; $n | figure(3); $n > $b)),
     claim("ITM prefers the longer true caption"; "0.900"; .premise.longer_preferred | figure(3); .premise.longer_preferred >= 0.9),
     claim("ITM prefers the truth over one changed attribute"; "0.950"; .premise.truth_preferred | figure(3); .premise.truth_preferred >= 0.95),
     claim("the judge finds the scene of a long truth (R@1)"; "0.950"; .premise["judge_r@1"] | figure(3); .premise["judge_r@1"] >= 0.95)];

$results[0] | ([.steps[] | select(.step > 0 or .run == "base")]) as $points |
"# The paper on the bundled miniature",
"",
"Written by `vlrm reproduce` from its `results.json`; do not edit. Made on \(.date) with \(.program), processors: \(.machine);",
"trainings and their measurements took \(.seconds / 60 | figure(0)) minutes of one processor. Seconds here are processor seconds of a training, of one thread, whatever else the machine did. `make reproduce` makes it again.",
"",
"VLRM is rewarded by ITM and the reference language model, VLRM-RS by ITM and Phi of the second CLIP, as in the paper; the settings (below)",
"were chosen on frames of the split validation. Differences within the spread of seeds say nothing.",
"",
"The judge is a CLIP that takes no part in training. Details said: of those in the scene; not true: of all that captions claim; grammar: share",
"of captions that are sentences of the world's language (`vlrm-world-score`). REF are long true captions, REF-short short ones",
"(`vlrm-world-captions`). ± is the standard deviation over seeds; the 95 % interval of R@1 over frames is about ± \(row_of("test"; "base")[0] | (.high - .low) / 2 | figure(3)) wide.",
"",
"## What should come out",
"",
(claims | table(["claim", "wanted", "found", "holds"])),
"",
"Claims that compare VLRM with VLRM-RS or no-reference take each seed by the mean of the last policies kept (below): one swings to the next as",
"much as seeds differ. All others take the very last policies as they are, and so do the tables. A fall is the mean over seeds of VLRM less",
"no-reference, seed by seed (negative: a rise); it is beyond chance when it exceeds what stands behind its ±: Student's t of one tail of 5 % times",
"the standard error of that mean.",
"",
late_table,
"",
"## Table 3: recall, and the truth",
"",
"On \(row_of("test"; "base")[0].frames) held-out frames (`vlrm-world-render --split test`), captioned with five beams: `vlrm evaluate --model captioner --policy RUN/policy/step-N",
"--clip judge --itm itm`, then `vlrm-world-score`. Below VLRM-RS: the ablations of the paper's section 4.",
"",
recall_table("test"),
"",
"The first row was trained by this command, each other by the same with these options before the videos (and `--seed`):",
"",
(.trainings | in_order[] | .[0] | "- \(.row): `\(if .options == "" then .command else .options end)`"),
"",
"## Tables 4 and 5: words",
"",
"The same captions, by `vlrm-eval` and `vlrm-world-score`:",
"",
words_table("test"),
"",
"### In a world drawn otherwise",
"",
"Other shades, outlines and textures for the same words (`vlrm-world-render --split other`), which no model has seen:",
"",
recall_table("other"),
"",
words_table("other"),
"",
"## By step",
"",
"Policies of every so many steps, the first seed, by `vlrm cron-eval` and `vlrm-world-score` (section 3.3 of the paper: recall goes on rising):",
step_table,
"",
"Rank correlation over these policies and base (\($points | length)): of R@1 with details said \($points | spearman(.mean["r@1"]; .truth.detail_recall // 0) | figure(2)),",
"of R@1 with the ITM logit \($points | spearman(.mean["r@1"]; .mean.itm) | figure(2)), of details said with the ITM logit \($points | spearman(.truth.detail_recall // 0; .mean.itm) | figure(2)).",
"",
"## What returns are compared with",
"",
"The paper's value head (VLRM) beside baselines that need none (MODEL.md, \"Baselines\"): rloo, group (divided by the group's deviation, GRPO) and greedy, of",
"\(.settings | map(select(startswith("MINI_GROUP="))) | first // "8" | gsub("[^0-9]"; "")) records of each image. All see the same number of captions a step. Gradients agree: norm of the mean of the gradients of parts of a batch over the mean of",
"their norms, mean over steps; 1 is without noise, 1 / sqrt(parts) nothing but noise. At the same number of captions, on the test set:",
"",
(.settings | map(select(startswith("MINI_STEPS="))) | first // "MINI_STEPS=200" | gsub("[^0-9]"; "") | tonumber) as $steps | captions_table($steps),
"",
"In the same seconds: the last policy kept that was there when VLRM of the same seed had taken its last step. One whose training ended before is by its",
"own last step:",
"",
seconds_table,
"",
"In few seconds, \(soonest | figure(0)): when the quickest of them had taken as many steps as VLRM takes, on the first frames of the test set (the tables below):",
"",
soon_table,
"",
"By step and by second, on the first frames of the test set, means over seeds:",
(compared[] as $row | select(curve_of($row) | length > 0) | "", "**\($row)**", "", curve_table($row)),
"",
"What helps the value head, the first seed:",
"",
helped_table,
"",
"By details that are said and true (details said less claims not true), the one to begin with is, with the same captions,",
"\(best_of(compared[] as $row | row_of("test"; $row) | select(length > 0)) | best_figure); in the same seconds \(best_of(compared[] as $row | row_of("seconds"; $row) | select(length > 0)) | best_figure); in few \(best_of(soon) | best_figure).",
"The learning rate of all of them was chosen for VLRM.",
"",
"## Another captioner, another reference",
"",
"Another captioner: of SmolVLM's network, taught the same world by the same kinds of captions, trained with the same settings (its connector, or",
"adapters of its language model, which was chosen on frames of the split validation, doc/experiments.md;",
"the reference is its own language model; captioned by `--model smolvlm`).",
"Ref by another LM (section 4.3): the reward's log-probabilities are not by the captioner's own language model, but by a small LLaMa of the world's true",
"captions, which has another tokenizer and reads captions as text; all else as for VLRM. On the test set:",
"",
others_table,
"",
"## The premise",
"",
"`vlrm premise`, on \(.premise.scenes) held-out scenes: what the scorers know before anything is reinforced.",
"",
([["ITM prefers the longer true caption", .premise.longer_preferred], ["ITM prefers the truth over one changed attribute", .premise.truth_preferred],
  ["the same, of short captions", .premise.short_truth_preferred], ["ITM prefers the truth over two details exchanged", .premise.exchange_refused],
  ["judge's R@1 of long truths", .premise["judge_r@1"]], ["judge's R@1 of short truths", .premise["judge_r@1_short"]],
  ["long truths that the word rules punish", .premise.long_truths_punished]] | map(.[1] |= figure(3)) | table(["share of scenes", ""])),
"",
"## How training went",
"",
"From each run's `metrics.jsonl`; a linear value head (section 4.2) is to be compared with VLRM in variance explained, entropy and length. Alarms:",
"metrics outside the limits that vlrm-update has by default, of which it warns (`collapse` in `metrics.jsonl`):",
"",
training_table,
"",
"## A few captions",
"",
"Of held-out frames, the first seed of each row; `vlrm-cat` of the captions:",
"",
(.examples | group_by(.id)[:5][] | "- \(.[0].id)", (in_order[][] | "  - \(.row): \(.text)")),
"",
"## Settings",
"",
(.settings[] | "    " + .)
