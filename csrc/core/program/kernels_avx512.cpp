#define FASTSFES_KERNELS kernels_avx512
#define FASTSFES_ISA "avx512"
#include "core/program/kernels.inl"
