#define FASTSFES_LINALG linalg_avx2
#define FASTSFES_LANES 4
#define FASTSFES_COLUMNS 4
#include "core/fit/linalg.inl"
