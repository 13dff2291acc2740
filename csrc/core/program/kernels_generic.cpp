#define FASTSFES_KERNELS kernels_generic
#define FASTSFES_ISA "generic"
#include "core/program/kernels.inl"
