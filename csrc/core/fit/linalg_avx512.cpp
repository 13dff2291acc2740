#define FASTSFES_LINALG linalg_avx512
#define FASTSFES_LANES 8
#define FASTSFES_COLUMNS 8
#include "core/fit/linalg.inl"
