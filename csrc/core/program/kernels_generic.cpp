#define FASTSFES_KERNELS kernels_generic
#include "core/program/kernels.inl"
