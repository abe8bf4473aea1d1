#!/usr/bin/env bats
# bats file_tags=asan
# vlrm-extract on clips that ffmpeg makes here; pts are compared with ffprobe's, pixels with ffmpeg's.
load ../programs/common
load extract

setup_file() { make_clips; }

# psnr A B: of two pictures of one size, in dB
psnr() { ffmpeg -nostdin -v info -i "$1" -i "$2" -lavfi '[0]format=gbrp[a];[1]format=gbrp[b];[a][b]psnr' -f null - 2>&1 | sed -n 's/.*average:\([0-9.inf]*\).*/\1/p'; }

# alike A B [DB]
alike() {
    local db
    db=$(psnr "$1" "$2")
    [ "$db" = inf ] || awk -v x="$db" -v want="${3:-33}" 'BEGIN { exit !(x >= want) }' || { echo "psnr of $1 and $2 is '$db'"; return 1; }
}

# peak COMMAND...: its memory in kB; it fails with status 3 and counts 24 failures
peak() {
    /usr/bin/python3 -c '
import resource, subprocess, sys
r = subprocess.run(sys.argv[1:], stdout=open("peak.vlrm", "wb"))
assert r.returncode == 3, r.returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' "$@"
    [ "$(frames peak.vlrm --end | jq .failed)" -eq 24 ]
}

@test "keyframes of every codec come out with ffprobe's pts" {
    for f in h264.mp4 hevc.mp4 vp9.webm av1.mp4 av1.mkv mpeg4.avi mpeg2.ts frag.mp4; do
        extract "$M/$f"
        frames out.vlrm --check
        frames out.vlrm pts >have
        probe "$M/$f" >want
        [ "$(wc -l <want)" -ge 4 ]
        diff want have || { echo "$f"; return 1; }
    done
}

@test "the pictures are ffmpeg's" {
    extract --encoding png "$M/h264.mp4"
    frames out.vlrm --save have
    ffmpeg -nostdin -v error -skip_frame nokey -i "$M/h264.mp4" -vsync vfr \
        -sws_flags bicubic+accurate_rnd+full_chroma_int+full_chroma_inp want%d.png
    for i in 0 1 2 3; do alike have$i.png want$((i + 1)).png 40; done
}

@test "BT.601, BT.709 and BT.2020, limited and full, give the colour that was drawn" {
    for matrix in bt601:smpte170m bt709:bt709 bt2020:bt2020nc; do
        for range in tv pc; do
            ffmpeg -nostdin -v error -y -f lavfi -i "color=0x3060C0:size=64x64:rate=1:duration=1" \
                -vf "scale=out_color_matrix=${matrix%:*}:out_range=$range:flags=accurate_rnd,format=yuv420p" \
                -colorspace "${matrix#*:}" -color_range $range -c:v libx264 -qp 0 c.mp4
            for encoding in png jpeg; do
                extract --encoding $encoding --quality 100 c.mp4
                frames out.vlrm --save c
                read -r r g b < <(ffmpeg -nostdin -v error -i c0.$encoding -vf scale=1:1 -pix_fmt rgb24 -f rawvideo - | od -An -tu1)
                [ $((r - 48)) -le 3 ] && [ $((r - 48)) -ge -3 ] && [ $((g - 96)) -le 3 ] && [ $((g - 96)) -ge -3 ] &&
                    [ $((b - 192)) -le 3 ] && [ $((b - 192)) -ge -3 ] || { echo "$matrix $range $encoding: $r $g $b"; return 1; }
            done
        done
    done
}

@test "a phone's video comes out upright, and pixels come out square" {
    for angle in 90 180 270; do
        ffmpeg -nostdin -v error -y -i "$M/h264.mp4" -c copy -metadata:s:v rotate=$angle turned.mp4
        extract turned.mp4
        frames out.vlrm --save have
        ffmpeg -nostdin -v error -y -i turned.mp4 -frames:v 1 want.png
        alike have0.jpeg want.png 20 # a wrong turn gives less than 10
    done
    ffmpeg -nostdin -v error -y -i "$M/h264.mp4" -vf setsar=4/3 -c:v libx264 -frames:v 2 sar.mp4
    extract sar.mp4
    [ "$(frames out.vlrm width height)" = "$(printf '213\t120')" ]
}

@test "variable rate, edit lists, negative starts, 10 bits, several streams" {
    ffmpeg -nostdin -v error -y -i "$M/h264.mp4" -vf "setpts='PTS+0.02*mod(N,3)/TB'" -vsync vfr -c:v libx264 -g 20 vfr.mp4
    ffmpeg -nostdin -v error -y -ss 1.3 -i "$M/h264.mp4" -c copy edit.mp4
    ffmpeg -nostdin -v error -y -i "$M/h264.mp4" -c copy -output_ts_offset -1.5 -avoid_negative_ts disabled negative.mp4
    ffmpeg -nostdin -v error -y -i "$M/h264.mp4" -c:v libx265 -x265-params log-level=none:keyint=25 -pix_fmt yuv420p10le ten.mp4
    for f in vfr.mp4 edit.mp4 negative.mp4 ten.mp4; do
        extract $f
        diff <(probe $f) <(frames out.vlrm pts) || { echo $f; return 1; }
        [ "$(count)" -ge 2 ]
    done
    ffmpeg -nostdin -v error -y -i "$M/h264.mp4" -f lavfi -i testsrc=size=320x240:rate=25:duration=4 -map 0 -map 1 -c:v libx264 -g 50 two.mkv
    extract two.mkv
    stream=$(frames out.vlrm stream | uniq)
    diff <(probe two.mkv "$stream") <(frames out.vlrm pts)
}

@test "decoding everything sees damage between keyframes; --every and --scene choose by time and change" {
    extract --every 0.5 "$M/h264.mp4"
    [ "$(frames out.vlrm time | tr '\n' ' ')" = "0.0 0.52 1.0 1.52 2.0 2.52 3.0 3.52 " ]
    size=$(stat -c %s "$M/fast.mp4")
    cp "$M/fast.mp4" hurt.mp4
    offset=$(ffprobe -v error -show_entries packet=pos,flags -of csv=p=0 "$M/fast.mp4" | grep -v K | sed -n 5p | cut -d, -f1)
    head -c 300 /dev/zero | dd of=hurt.mp4 bs=1 seek=$((offset + 4)) conv=notrunc status=none
    [ "$(stat -c %s hurt.mp4)" -eq "$size" ]
    extract hurt.mp4
    exits 3 bash -c "vlrm-extract --every 1 hurt.mp4 >out.vlrm"
    ffmpeg -nostdin -v error -y -f lavfi -i color=red:size=64x64:duration=1 -f lavfi -i color=white:size=64x64:duration=1 \
        -filter_complex '[0][1]concat' -c:v libx264 cut.mp4
    extract --scene 0.3 cut.mp4
    [ "$(frames out.vlrm time | tr '\n' ' ')" = "0.0 1.0 " ]
}

@test "stills keep their bytes unless their pixels must change" {
    ffmpeg -nostdin -v error -i "$M/h264.mp4" -frames:v 1 -q:v 2 a.jpg
    ffmpeg -nostdin -v error -i "$M/h264.mp4" -frames:v 1 a.png
    cwebp -quiet a.png -o a.webp
    extract a.jpg a.png a.webp
    frames out.vlrm --save s
    cmp a.jpg s0.jpeg && cmp a.png s1.png && cmp a.webp s2.webp
    [ "$(frames out.vlrm pts time | uniq)" = "$(printf '0\t0.0')" ]
    [ "$(frames out.vlrm id | head -1)" = a.jpg ]
    extract --size 60 a.png
    [ "$(frames out.vlrm width height encoding)" = "$(printf '80\t60\t"png"')" ]
    extract --encoding rgb --size 30x20 a.jpg
    frames out.vlrm --save s
    [ "$(stat -c %s s0.rgb)" -eq 1800 ]
    ffmpeg -nostdin -v error -y -f lavfi -i color=red@0.5:size=32x32,format=rgba -frames:v 1 clear.png
    extract clear.png
    frames out.vlrm --save s
    [ "$(ffprobe -v error -show_entries stream=pix_fmt -of csv=p=0 s0.png)" = rgb24 ]
    head -c 2000 a.jpg >half.jpg
    exits 3 bash -c "vlrm-extract half.jpg >out.vlrm"
    [ "$(count)" -eq 0 ]
}

@test "folders in byte order of the paths, lists, shards, shuffling, equal names" {
    mkdir -p d/a d/.hidden
    for n in d/a/x d/a-b d/a.c d/.hidden/n; do cp "$M/vp9.webm" $n.webm; done
    extract --max 1 d
    [ "$(frames out.vlrm source | tr '\n' ' ')" = '"d/a-b.webm" "d/a.c.webm" "d/a/x.webm" ' ]
    find d -name '*.webm' ! -path '*/.*' | LC_ALL=C sort | vlrm-extract --max 1 --list - >list.vlrm
    diff <(frames out.vlrm id) <(frames list.vlrm id)
    for i in 0 1; do vlrm-extract --max 1 --shard $i/2 d >s$i.vlrm; done
    diff <(frames out.vlrm id | sort) <({ frames s0.vlrm id; frames s1.vlrm id; } | sort)
    extract --max 1 --shuffle 5 d d
    diff <(frames out.vlrm id | sort) <(printf '%s\n' 'd/a-b.webm#0.000' 'd/a-b.webm(2)#0.000' 'd/a.c.webm#0.000' 'd/a.c.webm(2)#0.000' 'd/a/x.webm#0.000' 'd/a/x.webm(2)#0.000' | sort)
    frames out.vlrm --check
    extract --max 1 --loop --limit 7 d
    frames out.vlrm --check
    [ "$(frames out.vlrm id | tail -1)" = 'd/a-b.webm#0.000@3' ]
}

# bats test_tags=slow
@test "one name forty thousand times takes its time once, not forty thousand times" {
    awk 'BEGIN { print "gone(3)"; for (i = 0; i < 40000; i++) print "gone" }' >names
    exits 3 bash -c 'timeout 100 vlrm-extract --journal j --list names >out.vlrm 2>said'
    [ "$(jq -r .source j | sed -n '1,5p;$p' | tr '\n' ' ')" = 'gone(3) gone gone(2) gone(4) gone(5) gone(40001) ' ]
    [ "$(jq -r .source j | sort -u | wc -l)" -eq 40001 ]
}

@test "--max picks first, spread, random; the same however many jobs" {
    extract --max 2 --pick spread "$M/h264.mp4"
    [ "$(frames out.vlrm time | tr '\n' ' ')" = "1.0 3.0 " ]
    extract --max 2 "$M/h264.mp4"
    [ "$(frames out.vlrm time | tr '\n' ' ')" = "0.0 1.0 " ]
    extract --max 2 --pick random --jobs 1 "$M"
    cp out.vlrm one.vlrm
    extract --max 2 --pick random --jobs 3 "$M"
    diff <(frames one.vlrm id) <(frames out.vlrm id)
    for seed in 1 2 3 4 5 6; do vlrm-extract --max 1 --pick random --seed $seed "$M/h264.mp4" >r.vlrm && frames r.vlrm time; done | sort -u | wc -l >kinds
    [ "$(cat kinds)" -ge 2 ]
    extract --batch 3 --jobs 2 "$M/h264.mp4" "$M/hevc.mp4"
    [ "$(frames out.vlrm --batches)" = "[3, 3, 2]" ]
}

@test "keyframes that --max does not keep are not decoded; in place of a damaged one comes the next" {
    mapfile -t at < <(ffprobe -v error -show_entries packet=pos,flags -of csv=p=0 "$M/fast.mp4" | grep K | cut -d, -f1)
    for i in 1 2; do
        cp "$M/fast.mp4" hurt$i.mp4
        head -c 300 /dev/zero | dd of=hurt$i.mp4 bs=1 seek=$((at[i] + 100)) conv=notrunc status=none
        exits 3 bash -c "vlrm-extract hurt$i.mp4 >out.vlrm"
        [ "$(count)" -eq 3 ]
    done
    extract --max 1 --pick spread hurt1.mp4
    [ "$(frames out.vlrm time)" = 2.0 ]
    exits 3 bash -c "vlrm-extract --max 1 --pick spread hurt2.mp4 >out.vlrm"
    says 'the keyframe at 2.000 s cannot be decoded'
    [ "$(frames out.vlrm time)" = 3.0 ]
    head -c $((at[3] + 100)) "$M/fast.mp4" >cut.mp4
    exits 3 bash -c "vlrm-extract --max 1 --pick spread cut.mp4 >out.vlrm"
    [ "$(frames out.vlrm time)" = 1.0 ] # the middle one of the three that are there
}

@test "black, blurred and repeated frames are dropped and counted" {
    ffmpeg -nostdin -v error -y -f lavfi -i color=black:size=160x120:rate=5:duration=1 -f lavfi -i testsrc2=size=160x120:rate=5:duration=1 \
        -f lavfi -i testsrc2=size=160x120:rate=5:duration=1 -filter_complex '[2]gblur=12[b];[0][1][b]concat=n=3' -c:v libx264 -g 5 -sc_threshold 0 f.mp4
    extract f.mp4
    [ "$(count)" -eq 3 ]
    extract --drop-black --drop-blur f.mp4
    [ "$(frames out.vlrm time)" = 1.0 ]
    [ "$(frames out.vlrm --end)" = '{"records": 1, "failed": 0, "filtered": 2, "status": 0}' ]
    ffmpeg -nostdin -v error -y -i "$M/h264.mp4" -frames:v 1 still.png
    ffmpeg -nostdin -v error -y -loop 1 -i still.png -t 3 -r 5 -c:v libx264 -g 5 -pix_fmt yuv420p same.mp4
    cp same.mp4 again.mp4
    extract --drop-duplicates same.mp4 again.mp4
    [ "$(count)" -eq 2 ]
    extract --dedup-all --jobs 2 same.mp4 again.mp4
    [ "$(count)" -eq 1 ]
}

@test "WebDataset shards: members in order, hostile names harm nothing, a cut shard is damage" {
    cp "$M/vp9.webm" 1.webm
    ffmpeg -nostdin -v error -i "$M/h264.mp4" -frames:v 1 2.jpg
    echo '{}' >2.json
    echo keep >victim
    tar -cf s.tar --transform 's,2.jpg,../../victim.jpg,;s,1.webm,/tmp/abs.webm,' -P 1.webm 2.jpg 2.json 2>/dev/null
    extract --max 1 s.tar
    [ "$(frames out.vlrm id | wc -l)" -eq 2 ]
    [ "$(cat victim)" = keep ]
    [ ! -e /tmp/abs.webm ]
    frames out.vlrm --save s
    cmp 2.jpg s1.jpeg
    head -c 20000 s.tar >t.tar
    exits 3 bash -c "vlrm-extract t.tar >out.vlrm"
    says t.tar
}

# bats test_tags=slow
@test "shuffled shards: the same records, and memory does not grow with the shards" {
    cp "$M/vp9.webm" 1.webm
    long=$(printf 'x%.0s' {1..180})
    cp "$M/vp9.webm" $long.webm
    ffmpeg -nostdin -v error -i "$M/h264.mp4" -frames:v 1 2.jpg
    tar -cf s.tar 1.webm $long.webm 2.jpg
    tar --format=posix -cf p.tar 1.webm $long.webm 2.jpg
    extract s.tar p.tar
    vlrm-cat --bin base64 --fields id,frame.pts,frame.image out.vlrm | grep '^{"id"' | sort >want
    [ "$(wc -l <want)" -ge 18 ]
    for seed in 1 2 3; do
        extract --jobs 2 --shuffle $seed s.tar p.tar
        frames out.vlrm --check
        vlrm-cat --bin base64 --fields id,frame.pts,frame.image out.vlrm | grep '^{"id"' | sort >have
        diff want have
        frames out.vlrm source | uniq >order$seed
    done
    [ "$(md5sum order? | cut -c 1-32 | sort -u | wc -l)" -ge 2 ]

    head -c $(($(stat -c %s s.tar) - 12000)) s.tar >cut.tar
    exits 3 bash -c "vlrm-extract --shuffle 1 cut.tar >out.vlrm"
    says cut.tar
    frames out.vlrm --check
    gzip -k p.tar
    exits 3 bash -c "vlrm-extract --shuffle 1 p.tar.gz 2.jpg >out.vlrm"
    says 'p.tar.gz: unreadable: a compressed shard'
    [ "$(frames out.vlrm id)" = 2.jpg ]

    for i in {1..24}; do truncate -s 10M $i.mp4; done # not videos, but bytes
    tar -cf big.tar {1..24}.mp4
    plain=$(peak vlrm-extract big.tar)
    shuffled=$(peak vlrm-extract --shuffle 1 big.tar)
    echo "peak memory in kB: $plain, shuffled $shuffled"
    [ "$shuffled" -lt $((plain + 60000)) ]
}

# xxh3: the digest of stdin, as streams have it.
xxh3() {
    /usr/bin/python3 -c 'import sys, xxhash; print(xxhash.xxh3_64_hexdigest(sys.stdin.buffer.read()))'
}

@test "Karpathy's COCO file: its splits are known by the digests of their ids, here and by vlrm-eval; another's test is not his" {
    ids=$ROOT/tests/golden/karpathy
    jq -cn --rawfile val "$ids/val.txt" --rawfile test "$ids/test.txt" '
        def images($text; $split): $text | split("\n")[] | select(. != "") | tonumber | {filename: "\(.).jpg", cocoid: ., split: $split, sentences: [{raw: "a dog"}]};
        {images: [images($test; "test"), images($val; "val")]}' >dataset_coco.json
    vlrm-extract --coco dataset_coco.json --split test --split val --root . >/dev/null 2>said || [ $? = 3 ]
    grep -qxF 'vlrm-extract: dataset_coco.json: split test: 5000 images, ids c366ca342b7cd038' said
    grep -qxF 'vlrm-extract: dataset_coco.json: split val: 5000 images, ids 3b4159d90d6eb151' said
    no grep -q "Karpathy's split" said
    jq -c '.images[] | select(.split == "test") | {id: "\(.cocoid)", caption: {text: "a cat", tokens: [], eos: true, logp: []}}' dataset_coco.json | vlrm-cat --from=json >captions.vlrm
    vlrm-eval --references=dataset_coco.json --split=test=c366ca342b7cd038 captions.vlrm >report.json 2>said
    [ ! -s said ]
    # A file of that name whose test split was drawn by somebody else.
    jq -c '.images[0].cocoid = 1' dataset_coco.json >other.json
    mkdir other
    mv other.json other/dataset_coco.json
    vlrm-extract --coco other/dataset_coco.json --split test --root . >/dev/null 2>said || [ $? = 3 ]
    grep -qF "the ids of Karpathy's split test have digest c366ca342b7cd038: these are other images" said
    exits 0 vlrm-eval --references=other/dataset_coco.json --split=test -o report.json captions.vlrm
    says "the ids of Karpathy's split test have digest c366ca342b7cd038: these are other images"
}

@test "Karpathy's COCO file: splits, references, paths that climb out" {
    mkdir -p root/val2014
    ffmpeg -nostdin -v error -i "$M/h264.mp4" -frames:v 1 root/val2014/a.jpg
    cp root/val2014/a.jpg out.jpg
    cat >d.json <<'J'
{"dataset": "coco", "extra": {"images": [1, "]}"]}, "images": [
 {"filepath": "val2014", "filename": "a.jpg", "cocoid": 42, "split": "test", "sentences": [{"raw": "a \"red\" box ]}"}, {"raw": "ä box"}]},
 {"filepath": "val2014", "filename": "b.jpg", "cocoid": 43, "split": "train", "sentences": []},
 {"filepath": "..", "filename": "out.jpg", "cocoid": 44, "split": "test", "sentences": [{"raw": "x"}]}], "after": 1}
J
    exits 3 bash -c "vlrm-extract --coco d.json --split test --root root >out.vlrm"
    says "leads out of root"
    says "d.json: split test: 2 images, ids $(printf '*\0\0\0\0\0\0\0,\0\0\0\0\0\0\0' | xxh3)" # 42, 44: 64-bit little-endian
    no says "Karpathy's split"
    [ "$(frames out.vlrm id)" = 42 ]
    # ids as text are ids too; a file of the original's name has the original's splits
    sed 's/"cocoid": 42/"cocoid": "forty-two"/' d.json >dataset_coco.json
    exits 3 bash -c "vlrm-extract --coco dataset_coco.json --split test --root root >out.vlrm"
    [ "$(frames out.vlrm id)" = forty-two ]
    says "dataset_coco.json: split test: 2 images, ids that are no integers"
    says "dataset_coco.json: Karpathy's split test has 5000 images: figures will not be those of others"
    [ "$(frames out.vlrm references | jq -r '.[1]')" = "ä box" ]
    frames out.vlrm --save s
    cmp root/val2014/a.jpg s0.jpeg
    head -c 300 d.json >cut.json
    exits 3 bash -c "vlrm-extract --coco cut.json --split test --root root >out.vlrm"
    says "the file ends"
}

@test "a FIFO that never ends hits the deadline; the rest goes on" {
    mkfifo pipe
    sleep 1000 >pipe &
    held=$!
    exits 3 timeout 60 bash -c "vlrm-extract --deadline 3 --journal j pipe '$M/h264.mp4' >out.vlrm"
    kill "$held"
    [ "$(jq -r .verdict j | tr '\n' ' ')" = "timed out complete " ]
    [ "$(count)" -eq 4 ]
    sleep 1000 >pipe &
    held=$!
    exits 3 timeout 60 bash -c "vlrm-extract --deadline 1 - <pipe >out.vlrm"
    kill "$held"
    mkfifo silent silent.tar
    exits 3 timeout -k 1 60 bash -c "exec vlrm-extract --deadline 3 --journal k silent silent.tar '$M/h264.mp4' >out.vlrm"
    [ "$(jq -r .reason k | grep -c 'the time is up')" -eq 2 ]
    [ "$(count)" -eq 4 ]
}

@test "a container without presentation times: the record says what its pts is" {
    b() { ffmpeg -nostdin -v error -f lavfi -i testsrc2=size=160x120:rate=25:duration=4 -bf 2 -g 25 "$@"; }
    b -c:v mpeg4 b.avi
    b -c:v mpeg2video b.vob
    ffmpeg -nostdin -v error -i "$M/h264.mp4" -c copy raw.h264
    for f in b.avi b.vob; do
        ffprobe -v error -show_entries packet=pts,dts,flags -of csv=p=0 $f | grep K_ |
            awk -F, '{ print ($1 == "N/A" ? $2 "\t\"dts\"" : $1 "\tnull") }' >want
        grep -q dts want
        extract $f
        diff want <(frames out.vlrm pts stamp)
    done
    grep -q null want # a mixture
    extract raw.h264
    [ "$(frames out.vlrm pts stamp | sort -u)" = $'0\t"none"' ]
    extract "$M/h264.mp4"
    [ "$(frames out.vlrm stamp | sort -u)" = null ]
    # Everything decoded: in order, one frame after the other, none lost at the end.
    for f in b.avi raw.h264; do
        extract --every 0.04 $f
        frames out.vlrm time | awk 'NR > 1 && ($1 - last < 0.039 || $1 - last > 0.041) { exit 1 } { last = $1 }'
        [ "$(count)" -eq 100 ]
    done
}

@test "a full disk is a failure, wrong options are usage errors" {
    exits 1 bash -c "vlrm-extract '$M/h264.mp4' >/dev/full"
    says "No space left"
    exits 2 vlrm-extract
    exits 2 vlrm-extract --size 0 x
    exits 2 vlrm-extract --size 3x x
    exits 2 vlrm-extract --shard 2/2 x
    exits 2 vlrm-extract --every 1 --scene 0.5 x
    exits 2 vlrm-extract --resume x
    exits 2 vlrm-extract --loop -
}

@test "hostile names are only names" {
    mkdir h
    cp "$M/vp9.webm" h/-n.webm
    cp "$M/vp9.webm" h/$'a\nb\xff;$(touch oops).webm'
    extract --max 1 --journal j h
    frames out.vlrm --check
    [ ! -e oops ] && [ ! -e h/oops ]
    [ "$(jq -s length j)" -eq 2 ]
    frames out.vlrm source | grep -q 'b%FF'
    mkdir t
    cp "$M/h264.mp4" t/a.mp4
    ffmpeg -nostdin -v error -i "$M/h264.mp4" -frames:v 1 t/a.jpg
    for name in 'a.mp4#0.000' 'a.mp4#1.000+1' 'a.mp4%230.000'; do cp t/a.jpg "t/$name"; done
    vlrm-extract t "$PWD/t/a.mp4#0.000" "$PWD/t/a.mp4#0.000" | vlrm-cat | jq -r '.id // empty' >ids # an id names one record
    [ "$(wc -l <ids)" -eq 10 ]
    [ -z "$(sort ids | uniq -d)" ]
    cp "$M/vp9.webm" ./-n.webm
    extract --max 1 -- -n.webm
}

@test "real clips" {
    shared media
    extract "$ROOT/../shared/media"
    frames out.vlrm --check
    for f in "$ROOT"/../shared/media/*.m*; do
        stream=$(/usr/bin/python3 "$BATS_TEST_DIRNAME/frames.py" out.vlrm source stream | grep -F "$(basename "$f")" | cut -f2 | uniq)
        diff <(probe "$f" "$stream") <(frames out.vlrm source pts | grep -F "$(basename "$f")" | cut -f2)
    done
}

@test "motion JPEG without a container is told from a still by its name; a cut one is damaged" {
    ffmpeg -v error -f lavfi -i testsrc2=size=64x48:rate=5:duration=2 -c:v mjpeg -f mjpeg film.mjpeg
    [ "$(vlrm-extract film.mjpeg | vlrm-cat --count)" = 10 ]
    head -c -900 film.mjpeg > cut.MJPG
    exits 3 vlrm-extract --journal j cut.MJPG
    jq -es '.[0] | .verdict == "damaged" and .frames == 9' j
    cp film.mjpeg still.jpg
    [ "$(vlrm-extract still.jpg | vlrm-cat --count)" = 1 ]
}
