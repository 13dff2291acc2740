#define FASTSFES_KERNELS kernels_avx2
#define FASTSFES_ISA "avx2"
#include "core/program/kernels.inl"
