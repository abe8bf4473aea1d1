# The only file to edit. Every value can also be given on make's command line.

PREFIX  = /usr/local
CC      = gcc
NVCC    = nvcc
# The device that CUDA kernels are compiled for, as nvcc's sm_NN: 80, 90, ... Its libraries are taken from beside nvcc.
CUDA_ARCH = 90

# MPI's compiler, for training on several ranks (lib/ranks). Where there is none, or with MPICC=none, training has one rank.
MPICC   = mpicc

# -fno-math-errno lets the compiler use sqrt instructions; never -ffast-math (numbers must be the same everywhere).
CFLAGS  = -O3 -g -fno-math-errno
LDFLAGS =
WERROR  =
