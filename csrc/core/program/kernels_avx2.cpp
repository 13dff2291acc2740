#define FASTSFES_KERNELS kernels_avx2
#include "core/program/kernels.inl"
