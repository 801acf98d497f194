#!/bin/bash
# Trains the model in the box from its corpus and says how good it is beside the first one. Stopped or killed, the same
# command goes on.
#   models/train/train.sh CORPUS [OUT [OPTIONS OF train-model…]]      (OUT: trained)
# TOKENS=N: tokens of the vocabulary (4096).
set -eu
cd "$(dirname "$0")/../.."
[ $# -ge 1 ] || {
    echo "usage: $0 CORPUS [OUT [OPTIONS…]]" >&2
    exit 2
}
corpus=$1 out=${2:-trained} build=build-train
shift $(($# > 1 ? 2 : 1))
tools/install-deps.sh build train
[ -f $build/build.ninja ] || meson setup $build --buildtype=release -Dtrainer=true -Dtests=false
ninja -C $build --quiet edgewise models/train/train-vocabulary models/train/train-model

mkdir -p "$out"
[ -f "$out/valid.txt" ] || python3 models/train/prepare_text.py "$corpus" "$out"
[ -f "$out/vocabulary.gguf" ] ||
    $build/models/train/train-vocabulary --tokens "${TOKENS:-4096}" "$out/train.txt" "$out/vocabulary.gguf"
$build/models/train/train-model --vocabulary "$out/vocabulary.gguf" --text "$out/train.txt" --valid "$out/valid.txt" \
    "$@" "$out"
$build/edgewise quantize "$out/model-f16.gguf" "$out/model-q8_0.gguf" q8_0
for model in models/edgewise-tales-6m-f16.gguf "$out/model-f16.gguf" "$out/model-q8_0.gguf"; do
    $build/edgewise eval "$model" --file "$out/valid.txt" --context 256
done
