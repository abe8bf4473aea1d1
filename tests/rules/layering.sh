#!/bin/bash
# Who may include whom. base <- nothing; stream, text, media, tensor <- base; checkpoint <- tensor (its types and memory); models <-
# checkpoint, tensor; decode, learn <- models; ranks <- base; stage (what stages share of a record) <- all of them; a program <- any
# library, never another program's folder. Each foreign library has one door. Backends differ by file, never by #ifdef.
. "$(dirname "$0")/common.bash"

# includes FOLDER: "file:room/header.h" for each quoted include with a folder in it.
includes() {
    tree "$1/*.[ch]" "$1/*.cu" "$1/*.cuh" | xargs -r grep -HoE '^ *# *include *"[^"]+"' | sed -E 's/ *# *include *"([^"]+)"/\1/'
}

# may FOLDER ROOM...: files of FOLDER include only from their own folder and these rooms.
may() {
    local folder=$1 file header room
    shift
    while IFS=: read -r file header; do
        case $header in
        *..*) broken "$file includes $header: a path that climbs" ;;
        */*)
            room=${header%%/*}
            case " $* " in *" $room "*) ;; *) broken "$file includes $header: $folder may include from: $*" ;; esac
            ;;
        esac
    done < <(includes "$folder")
}

may lib/base base
for room in stream text media tensor ranks; do may "lib/$room" "$room" base; done
may lib/checkpoint checkpoint tensor base
may lib/models models checkpoint tensor base
may lib/decode decode models checkpoint tensor base
may lib/learn learn models checkpoint tensor base
rooms=(base stream text media tensor ranks checkpoint models decode learn stage)
may lib/stage "${rooms[@]}"
for folder in src/*/ world/; do
    [ -d "$folder" ] || continue
    folder=${folder%/}
    may "$folder" "${folder##*/}" "${rooms[@]}"
done
for folder in lib/*/; do
    folder=${folder#lib/}
    case " ${rooms[*]} " in *" ${folder%/} "*) ;; *) broken "lib/$folder: a room that the rules do not know" ;; esac
done

# users REGEX: the folders whose files include such a system header.
users() {
    tree 'lib/*.[ch]' 'lib/*.cu' 'lib/*.cuh' 'src/*.[ch]' 'world/*.[ch]' | xargs -r grep -lE "^ *# *include *<($1)" | xargs -r -n1 dirname | sort -u
}

# door LIBRARY REGEX FOLDER: only files of FOLDER include its headers.
door() {
    users "$2" | grep -vx "$3" | broken_lines "includes $1, whose door is $3"
}
door FFmpeg 'libav|libsw' lib/media
door JPEG 'turbojpeg|jpeglib' lib/media
door PNG 'png\.h' lib/media
door WebP 'webp/' lib/media
door zstd 'zstd' lib/stream
door msgpack 'msgpack' lib/stream
door BLAS 'cblas|openblas|lapack' lib/tensor/cpu
door CUDA 'cuda|cublas|nccl|mma\.h' lib/tensor/cuda
door MPI 'mpi\.h' lib/ranks/mpi

# Those without a room of their own still have one door each. (xxhash is free for all: like a checksum of libc, there is nothing to wrap.)
for library in pcre2 utf8proc archive protobuf-c seccomp; do
    folders=$(users "$library" | tr '\n' ' ')
    case $folders in *' '*' ') broken "$library is included from several folders: $folders" ;; esac
done

tree 'lib/*.[ch]' 'src/*.[ch]' 'world/*.[ch]' | grep -vE '^lib/tensor/(cpu|cuda)/' |
    xargs -r grep -nE '^ *# *(if|ifdef|ifndef|elif)\b.*(CUDA|AVX|AMX|BLAS|MPI|__x86_64__)' | broken_lines 'a backend chosen by #if'
rule_end
