#define FASTSFES_KERNELS kernels_avx512
#include "core/program/kernels.inl"
