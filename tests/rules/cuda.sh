#!/bin/bash
# make CUDA=1 never builds without CUDA instead: where there is no nvcc it fails and says so.
. "$(dirname "$0")/common.bash"
if said=$(make -n CUDA=1 NVCC=no-such-nvcc 2>&1); then
    broken "make CUDA=1 without nvcc would go on: $said"
fi
case $said in *no-such-nvcc*) ;; *) broken "make CUDA=1 without nvcc does not say what is missing: $said" ;; esac
rule_end
